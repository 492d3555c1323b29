"""Chunks cover their text, fit their budget, and end where a reader would end them."""

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pansophy.corpus.chunking import Headings, chunk_spans, iter_chunks, looks_like_heading
from pansophy.tokens import estimate_tokens

WORDS = st.sampled_from(
    [
        *("Anna", "kept", "the", "light.", "Why?", "x;", "...", "a" * 50),
        *("\n", "\n\n", "\r\n", "\r\n\r\n", " ", "  ", "\t", "\u2028", "\x85", "# Tides\n\n"),
        *("e\u0301", "海", "の", "天气很好。", "👩\u200d🚀", "🇳🇴🇸🇪", "👍🏽", "한국어", "ก็"),
    ]
)
TEXTS = st.lists(WORDS, max_size=120).map("".join) | st.text(max_size=400)
BUDGETS = st.integers(min_value=8, max_value=40)


def split(text, chunk_tokens):
    return [text[start:end] for start, end in chunk_spans(text, chunk_tokens)]


@given(TEXTS, BUDGETS)
def test_chunks_cover_the_text_without_gap_or_overlap(text, chunk_tokens):
    spans = list(chunk_spans(text, chunk_tokens))
    assert all(start < end for start, end in spans)
    assert all(end == start for (_, end), (start, _) in pairwise(spans))
    assert "".join(text[start:end] for start, end in spans) == text


@given(TEXTS, BUDGETS)
def test_no_chunk_is_larger_than_its_budget(text, chunk_tokens):
    assert all(estimate_tokens(chunk) <= chunk_tokens for chunk in split(text, chunk_tokens))


@given(TEXTS, BUDGETS)
def test_a_chunk_begins_with_a_whole_character(text, chunk_tokens):
    chunks = split(text, chunk_tokens)
    for before, chunk in pairwise(chunks):
        longest = 3 * chunk_tokens - 5
        if len(before.encode("utf-8", "surrogatepass")) < longest - 40:  # else one sequence may be longer than a chunk
            assert not (
                unicodedata.category(chunk[0]).startswith("M") and len(before) > 1 and _is_short_sequence(before)
            )
            assert not (before[-1] == "\u200d" and _is_short_sequence(before))
        assert not (before[-1] == "\r" and chunk[0] == "\n")


def _is_short_sequence(before):
    """Whether the combining sequence at the end of `before` began in it."""
    base = before.rstrip("".join(c for c in set(before) if unicodedata.category(c).startswith("M") or c == "\u200d"))
    return len(base) > 1


@given(TEXTS, BUDGETS, st.lists(st.integers(min_value=1, max_value=60), min_size=1, max_size=20))
def test_a_text_is_cut_the_same_however_it_arrives(text, chunk_tokens, lengths):
    pieces, position = [], 0
    while position < len(text):
        length = lengths[len(pieces) % len(lengths)]
        pieces.append(text[position : position + length])
        position += length
    assert [chunk for _, chunk in iter_chunks(pieces, chunk_tokens)] == split(text, chunk_tokens)


@given(TEXTS, BUDGETS)
def test_white_space_gets_no_chunk_of_its_own(text, chunk_tokens):
    chunks = split(text, chunk_tokens)
    longest_run = max((len(run) for run in _white_runs(text)), default=0)
    if len(chunks) > 1 and longest_run * 3 < chunk_tokens:
        assert not any(chunk.isspace() for chunk in chunks)


def _white_runs(text):
    run = ""
    for character in text + "x":
        if character.isspace():
            run += character
        else:
            yield run.encode("utf-8")
            run = ""


def test_a_chunk_ends_after_a_paragraph_where_it_can():
    paragraphs = [f"Paragraph {number} tells of the harbour and of the ships in it.\n\n" for number in range(30)]
    chunks = split("".join(paragraphs), 60)
    assert len(chunks) > 5
    assert all(chunk.endswith(".\n\n") for chunk in chunks)


@pytest.mark.parametrize(
    ("sentence", "end"),
    [("The keeper slept until noon. ", ". "), ("“Was the lamp lit?” ", "” "), ("灯塔看守人一直睡到中午。", "。")],
)
def test_a_long_paragraph_is_cut_after_a_sentence(sentence, end):
    chunks = split(sentence * 60, 50)
    assert len(chunks) > 5
    assert all(chunk.endswith(end) for chunk in chunks)


def test_a_long_sentence_is_cut_between_words():
    chunks = split("lamp " * 300, 20)
    assert all(chunk.replace("lamp ", "") == "" for chunk in chunks)


def test_code_is_cut_between_lines():
    chunks = split("    total = total + price(item)\n" * 60, 50)
    assert all(chunk.endswith("\n") for chunk in chunks)


@pytest.mark.parametrize("heading", ["## The second winter", "CHAPTER II", "2.1 Of oil and wicks", "The Second Winter"])
def test_a_heading_opens_a_chunk_and_never_ends_one(heading):
    body = "The keeper wrote the log every evening and trimmed the lamp.\n\n"
    text = body * 4 + f"{heading}\n\n" + body * 4
    for chunk_tokens in range(60, 120, 7):
        assert not any(chunk.rstrip().endswith(heading) for chunk in split(text, chunk_tokens))


def test_a_word_that_is_longer_than_a_chunk_is_cut_all_the_same():
    assert [len(chunk) for chunk in split("a" * 100, 10)] == [29, 29, 29, 13]


def test_an_empty_text_has_no_chunks():
    assert split("", 40) == []


def test_a_budget_that_holds_nothing_is_refused():
    with pytest.raises(ValueError, match="at least 8"):
        list(chunk_spans("text", 7))


def test_a_short_bold_sentence_is_no_heading():
    assert not looks_like_heading("He slept.")
    assert not looks_like_heading("a line that begins small")
    assert looks_like_heading("### Oil ###")


def test_chunks_know_the_headings_they_stand_under():
    headings = Headings()
    assert headings.feed("# Lamps\n\nText.\n\n## Oil\n\nMore.") == "Lamps Oil"
    assert headings.feed("Still about oil.\n```\n# a comment\n```\n") == "Lamps Oil"
    assert headings.feed("## Wicks\n\nOf cotton.") == "Lamps Oil Wicks"
    assert headings.feed("On.") == "Lamps Wicks"
    assert headings.feed("# Boats\n") == "Lamps Wicks Boats"
    assert headings.feed("Row.") == "Boats"
