"""Quotes are found where they stand, nearly right ones are mended, others are refused."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pansophy.reading.quotes import SHORTEST_QUOTE, locate, sentences, widen

MARKS = " \n\"'“”‘’….,;: "
TEXT = (
    "The lift carries 400 kilograms or four persons, not both. It runs at 7:30, 12:00 and 16:30.\n"
    "“Nobody walks alone,” said Dr. Falk — the warden. The key of room 120 hangs in the hall. "
    "房间里有一盏红色的灯。看守人睡着了。"
)


def found(quote: str, text: str = TEXT) -> str | None:
    span = locate(quote, text)
    return None if span is None else text[slice(*span)]


def test_a_verbatim_quote_is_found_where_it_stands():
    quote = "four persons, not both"
    start = TEXT.index(quote)
    assert locate(quote, TEXT) == (start, start + len(quote))


@pytest.mark.parametrize(
    ("quote", "true"),
    [
        ("THE LIFT  carries\n400 kilograms", "The lift carries 400 kilograms"),
        ('"Nobody walks alone," said', "Nobody walks alone,” said"),
        ("Dr. Falk - the warden", "Dr. Falk — the warden"),
        ("…four persons, not both.", "four persons, not both"),
        ("一盏红色的灯", "一盏红色的灯"),
        ("睡着", "睡着"),
    ],
)
def test_case_space_and_typography_are_not_told_apart(quote, true):
    assert found(quote) == true


@pytest.mark.parametrize(
    ("quote", "holds"),
    [
        ("The lift carrys 400 kilogrames or four persons", "lift carries 400 kilograms or four persons"),
        ("the key of room 120 hangs in this hall", "key of room 120 hangs in the hall"),
        ("The lift carries 400 kilograms, or four persons", "carries 400 kilograms or four persons"),
    ],
)
def test_a_nearly_right_quote_is_replaced_by_the_true_words(quote, holds):
    assert holds in found(quote)


@pytest.mark.parametrize(
    "quote",
    [
        "The lift carries 500 kilograms or four persons, not both.",
        "The lift carries 40 kilograms or four persons, not both.",
        "The key of room 121 hangs in the hall.",
        "It runs at 7:30, 12:00 and 17:30.",
        "the key of room 12",
        "00 kilograms or four persons",
        "It runs at 7:30, 12:00 and 16:3",
    ],
)
def test_another_number_is_another_quote(quote):
    assert found(quote) is None


@pytest.mark.parametrize(
    "quote", ["", "   ", "...", "400", "灯", "The keeper slept in the garden.", "completely different words here"]
)
def test_what_is_not_there_or_says_nothing_is_not_found(quote):
    assert found(quote) is None


def test_a_number_that_is_cut_by_a_first_occurrence_may_stand_whole_in_a_second():
    text = "It hangs in room 120. The other hangs in room 12."
    assert locate("hangs in room 12", text) == (text.rindex("hangs"), len(text) - 1)


def test_a_quote_from_another_text_is_not_found_in_a_short_one():
    assert locate("The lift carries 400 kilograms or four persons.", "The lift.") is None
    assert locate("The lift carries 400 kilograms", "") is None


@settings(max_examples=300)
@given(st.text("ab 12.\n“”É灯İß", max_size=80), st.integers(0, 80), st.integers(0, 80))
def test_every_part_of_a_text_is_found_in_it_or_is_too_short(text, one, other):
    start, end = sorted((min(one, len(text)), min(other, len(text))))
    quote = text[start:end]
    ends = (end - len(quote.lstrip(MARKS)), start + len(quote.rstrip(MARKS)))  # what is left without quotation marks
    span = locate(quote, text)
    if span is None:
        weight = sum(2 if ord(c) > 0x2E7F else 1 for c in quote if c.isalnum())
        cut = any(number.start() < p < number.end() for number in re.finditer(r"\d+([.,]\d+)*", text) for p in ends)
        assert weight < SHORTEST_QUOTE or cut or "İ" in quote or "ß" in quote
    else:
        assert 0 <= span[0] < span[1] <= len(text)
        plain = lambda s: "".join(s.casefold().replace("“", '"').replace("”", '"').split()).strip("\"'….,;: ")  # noqa: E731
        assert plain(quote) in plain(text[slice(*span)]) or "İ" in text


@given(st.text(max_size=60), st.text(max_size=200))
def test_whatever_is_found_lies_within_the_text(quote, text):
    span = locate(quote, text)
    assert span is None or 0 <= span[0] < span[1] <= len(text)


# --- sentences --------------------------------------------------------------------------------------------------------


@given(st.text("ab. !?\nA“”灯。」-1|", max_size=200))
def test_sentences_cover_all_but_white_space_in_order(text):
    spans = sentences(text)
    assert all(start < end for start, end in spans)
    assert all(one[1] <= other[0] for one, other in pairwise(spans))
    assert "".join(text[a:b] for a, b in spans).split() == "".join(text[a:b] for a, b in spans).split()
    covered = {position for a, b in spans for position in range(a, b)}
    assert all(character.isspace() for position, character in enumerate(text) if position not in covered)
    assert all(text[a:b] == text[a:b].strip() for a, b in spans)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Mr. Falk met Dr. Osei. She left.", ["Mr. Falk met Dr. Osei.", "She left."]),
        ("It cost 3.50 crowns. Cheap.", ["It cost 3.50 crowns.", "Cheap."]),
        ("“Come in.” He came.", ["“Come in.”", "He came."]),
        ("灯坏了。看守人睡着了！谁来？", ["灯坏了。", "看守人睡着了！", "谁来？"]),
        ("A heading\n\nText here", ["A heading", "Text here"]),
        ("List:\n- one\n- two", ["List:", "- one", "- two"]),
        ("Он ушёл. Она осталась.", ["Он ушёл.", "Она осталась."]),
        ("", []),
        ("  \n ", []),
    ],
)
def test_sentences_end_where_a_reader_would_end_them(text, expected):
    assert [text[a:b] for a, b in sentences(text)] == expected


@given(st.text("ab. A\n灯。", min_size=1, max_size=120), st.integers(0, 120), st.integers(1, 40))
def test_widening_covers_the_span_and_ends_at_sentences(text, start, length):
    start = min(start, len(text) - 1)
    end = min(len(text), start + length)
    spans = sentences(text)
    low, high = widen((start, end), spans)
    assert low <= start
    assert high >= end or text[max(high, start) : end].isspace()
    if (low, high) != (start, end):
        assert low == start or low in {a for a, _ in spans}
        assert high in {b for _, b in spans} | {end}
