"""The laws of prompts: they fit the window, they hold as many messages as fit, they share their beginnings."""

from __future__ import annotations

import random
from functools import lru_cache
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.reading.scripted import (
    agents,
    answered,
    check_evidence,
    findings_of,
    houses,
    is_seek,
    judged,
    read,
    refused,
    seeks,
    seen,
    text_of,
    tries,
)

from pansophy import Corpus
from pansophy.corpus.pages import pages_by_rank
from pansophy.models.scripted import count_words
from pansophy.reading.extagents.messages import Message, by_rating
from pansophy.reading.extagents.prompts import page_text, reason_prompt, seek_prompt
from pansophy.types import Span

SHAPES = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@lru_cache
def library(seed: int) -> Corpus:
    """Documents of very different lengths, some of digits (many more tokens than the estimate says)."""
    chance = random.Random(seed)
    texts = {}
    for number in range(6):
        words = [chance.choice(("lamp", "hall", "keeper", "1 2 3 4 5 6 7 8", "of the", "ridge.")) for _ in range(2)]
        sentence = f"Entry {number}: {' '.join(words)}. "
        texts[f"d{number}"] = sentence * chance.choice((1, 3, 20))
    return Corpus.from_texts(texts, chunk_tokens=60)


def wordy(chance: random.Random, longest: int) -> str:
    return " ".join("word" for _ in range(chance.randint(1, longest)))


@SHAPES
@given(
    seed=st.integers(0, 3),
    chance_seed=st.integers(0, 10**6),
    window=st.integers(640, 1500),
    question_words=st.integers(2, 60),
    statement_words=st.integers(1, 120),
    cap=st.sampled_from((None, 0, 1, 3)),
    findings=st.sampled_from(("statements", "extracts")),
    order=st.sampled_from(("rank", "document")),
)
async def test_every_prompt_fits_and_seekers_are_shown_as_many_messages_as_fit(
    seed, chance_seed, window, question_words, statement_words, cap, findings, order
):
    corpus = library(seed)
    chance = random.Random(chance_seed)

    def seek(prompt):
        if findings == "extracts":
            return judged(chance.uniform(0.1, 1))
        quote = text_of(prompt).partition("</text>")[0].splitlines()[2]
        return seen(wordy(chance, statement_words), quote[:40], chance.randint(1, 100))

    model = agents(seek, lambda prompt: refused(), window=window)
    answer = await read(
        model,
        corpus,
        "lamp " * question_words,
        findings=findings,
        order=order,
        rounds=3,
        chunk_tokens=60,
        stop_when_settled=False,
        requery=False,
        reread=True,
        max_synchronised=cap,
        seek_tokens=100,
        answer_tokens=100,
    )
    for call in model.calls:
        assert await model.count_prompt(call.messages) + call.max_tokens <= window
    assert not answer.failed_chunks
    check_evidence(answer, corpus)
    await _check_maximal(model, answer, 4 if cap is None and findings == "extracts" else cap)


async def _check_maximal(model, answer, cap) -> None:
    """From round 2 on: the next-ranked message would not have fitted, unless all or `cap` are shown."""
    gists: dict[int, tuple[float, str]] = {}
    by_round: dict[int, list[str]] = {}
    last_round = 1
    for event in answer.trace:
        if event.kind == "round_started":
            ranked = sorted(gists.items(), key=lambda item: (-item[1][0], item[0]))
            by_round[event.round] = [gist for _, (_, gist) in ranked]
            last_round = event.round
        elif event.kind == "chunk_read" and event.found:
            gists[event.chunk] = (event.rating, event.statement)
    in_round = len(seeks(model)) // last_round
    for index, call in enumerate(seeks(model)):
        known = by_round[index // in_round + 1]
        most = len(known) if cap is None else min(cap, len(known))
        shown = text_of(call.messages).partition("</text>")[2].count("\n- ")
        assert shown <= most
        if shown < most:
            # the prompt with one more message: its line, and the frame around the list if there was none before
            more = [*call.messages]
            framed = _KNOWN_FRAME if shown == 0 else 0
            needed = await model.count_prompt(more) + count_words("- " + known[shown]) + framed
            assert needed + call.max_tokens > model.window


def _message(chunk: int = 0, gist: str = "x", rating: float = 50, text: str = "finding") -> Message:
    return Message(chunk, 1, rating, text, gist, "q", Span("d", chunk, chunk + 1), chunk, "title")


def _frame_words() -> int:
    page = next(iter(pages_by_rank(houses(1), "lamp", 20, 1)))
    prompts = [seek_prompt(page, "lamp?", known, "en", judge=True) for known in ((), (_message(),))]
    without, with_one = (count_words(prompt[1].content) for prompt in prompts)
    return with_one - without - count_words("- x")


_KNOWN_FRAME = _frame_words()

# --- prefix law -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("findings", ["statements", "extracts"])
async def test_prompts_over_one_chunk_begin_alike_in_all_rounds_and_for_all_questions(findings):
    corpus = Corpus.from_texts(
        {
            "a": " ".join(f"The lamp of keeper {n}." for n in range(20)),
            "b": "".join(f"房间{n}里有一盏灯。" for n in range(20)),
            "c": "La lampe est dans la salle.",
        },
        chunk_tokens=60,
    )
    by_chunk: dict[str, list[str]] = {}
    for question in ("Which lamp is the keeper's?", "哪个房间里有灯？", "Où est la lampe ?"):
        number = iter(range(1000))

        def seek(prompt, number=number):
            if findings == "extracts":
                return judged(0.9)
            words = text_of(prompt).splitlines()[2][:20]
            return seen(f"{words} {next(number)}", words)

        model = agents(seek)
        await read(model, corpus, question, findings=findings, order="rank", rounds=3, chunk_tokens=60,
                   stop_when_settled=False, requery=False, reread=True)  # fmt: skip
        for call in seeks(model):
            chunk, end, _ = text_of(call.messages).partition("\n</text>\n\n")
            assert end
            by_chunk.setdefault(call.messages[0].content + chunk + end, []).append(text_of(call.messages))
    assert len(by_chunk) == len(pages_by_rank(corpus, "x", 60, 100))  # one beginning for each chunk, none else
    assert {len(prompts) for prompts in by_chunk.values()} == {9}
    assert all(len(set(prompts)) == 9 or findings == "extracts" for prompts in by_chunk.values())


@given(questions=st.lists(st.text("lamp halk ridge", min_size=1), min_size=2, max_size=2), seed=st.integers(0, 3))
@settings(max_examples=15, deadline=None)
def test_the_partition_into_pages_is_the_same_for_every_question(questions, seed):
    corpus = library(seed)
    one, other = ({page_text(p) for p in pages_by_rank(corpus, q, 80, 1000)} for q in questions)
    assert one == other


@given(
    st.lists(
        st.tuples(st.integers(0, 99), st.floats(0, 100), st.text("ab \n[]1", min_size=1)), min_size=1, max_size=12
    ),
    st.sampled_from(("en", "zh")),
)
def test_the_next_try_begins_with_the_findings_of_the_try_before(rows, language):
    shown = [_message(chunk, text=text, rating=rating) for chunk, rating, text in rows]
    for size in range(1, len(shown)):
        less, more = (reason_prompt(shown[:n], "question?", language, ask="judge", total=100) for n in (size, size + 1))
        assert less[0] == more[0]
        assert more[1].content.startswith(less[1].content.partition("\n</findings>")[0] + "\n\n[")


async def test_in_rank_order_every_try_extends_the_try_before():
    def seek(prompt):
        words = text_of(prompt).splitlines()[2]
        return seen(words, words, len(words) * 37 % 100)

    model = agents(seek)
    await read(model, houses(12), order="rank", rounds=2, stop_when_settled=False)
    first_round = tries(model)[:5]
    for one, other in pairwise(first_round):
        if len(findings_of(one.messages)) < len(findings_of(other.messages)):
            assert text_of(other.messages).startswith(text_of(one.messages).partition("\n</findings>")[0])


# --- order and evidence -----------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 20), st.sampled_from((0.0, 50.0, 99.5, 100.0))), unique_by=lambda row: row[0]))
def test_the_best_k_have_the_largest_sum_and_ties_go_to_the_lower_chunk(rows):
    ranked = by_rating(_message(chunk, rating=rating) for chunk, rating in rows)
    keys = [(-message.rating, message.chunk) for message in ranked]
    assert keys == sorted(keys)
    for k in range(len(ranked) + 1):
        assert sum(m.rating for m in ranked[:k]) == pytest.approx(sum(sorted((r for _, r in rows), reverse=True)[:k]))


PIECES = (
    "12 men came. ",
    "212 men came. ",
    "He left. ",
    "She left. ",
    "The lamp broke. ",
    "灯坏了。",
    "有12人来。",
    "\n\n",
    "- note 3\n",
)


@settings(max_examples=30, deadline=None)
@given(
    pieces=st.lists(st.sampled_from(PIECES), min_size=1, max_size=14),
    question=st.sampled_from(("Which 12 men came?", "Who left?", "What broke the lamp?", "谁来了？")),
    text=st.sampled_from(("12 men", "She left", "the lamp", "12人", "nothing of the kind")),
    findings=st.sampled_from(("statements", "extracts")),
    quote=st.sampled_from(("12 men came", "She  LEFT", "the lamp brake", "灯坏了", "not there at all", "")),
)
async def test_every_quote_stands_where_the_answer_says(pieces, question, text, findings, quote):
    corpus = Corpus.from_texts({"d": "".join(pieces).strip() or "empty"}, chunk_tokens=30)
    seek = (lambda prompt: judged(0.9)) if findings == "extracts" else lambda prompt: seen("12 men left", quote)
    for reply in (answered(text, 1), refused(text)):
        model = agents(seek, lambda prompt, reply=reply: reply)
        answer = await read(model, corpus, question, findings=findings, chunk_tokens=30, extract_tokens=12)
        check_evidence(answer, corpus)


async def test_the_span_of_a_sentence_that_ends_another_one_is_its_own():
    corpus = Corpus.from_texts({"d": "On Monday 212 men came. On Sunday none did. 12 men came."})
    model = agents(lambda prompt: judged(0.9), lambda prompt: answered("12 men", 1))
    answer = await read(model, corpus, "Which 12 men came?", findings="extracts")
    check_evidence(answer, corpus)
    assert answer.citations[0].quote == "12 men came."


def test_is_seek_tells_the_prompts_apart():
    page = pages_by_rank(houses(1), "lamp", 20, 1)[0]
    assert is_seek(seek_prompt(page, "q", (), "en", judge=False))
    assert not is_seek(reason_prompt([_message()], "q", "en", ask="judge", total=1))
