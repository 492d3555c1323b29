"""PIKE-RAG's knowledge base: chunks, the questions that they answer, and what is like a query."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reading.pike_rag.rules import atoms, calls, rule_model, stages
from tests.reading.scripted import check_evidence

from pansophy import Corpus, ScriptedModel
from pansophy.corpus.derived import folder_of
from pansophy.engine import Limits
from pansophy.errors import EndpointUnavailable, RunFailed
from pansophy.events import NoteWritten
from pansophy.reading.pike_rag import PikeRag
from pansophy.reading.pike_rag.knowledge import Atom, Candidate, KnowledgeBase, without
from pansophy.reading.pike_rag.likeness import WordLikeness
from pansophy.reading.pike_rag.making import questions_of
from pansophy.reading.pike_rag.prompts import Parting
from pansophy.reading.pike_rag.units import Unit, forward_chunks, plain_chunks
from pansophy.types import Chunk, Document

FACTS = {"a": "Orla Venn learned the craft from Ada Bol.", "b": "Ada Bol lives in Kran.", "c": "Bo Dal lives in Pim."}
QUESTION = "Which town is the home of the mentor of Orla Venn?"


def stored(tmp_path: Path, texts: dict[str, str], **options: Any) -> Corpus:
    corpus = Corpus.create("town", uri=str(tmp_path), **options)
    corpus.add_documents(Document(id=n, title=n, text=t, source="", sha256="") for n, t in texts.items())
    return corpus


# --- a reply as questions ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "questions"),
    [
        ("1. Who is Ada?\n\n2) Where is Bo?", ["Who is Ada?", "Where is Bo?"]),
        ("Here are the questions:\n- Who is Ada? Ada is a smith.\n- who is ada?", ["Who is Ada?"]),
        ("谁是船长？\n• 船在哪里？", ["谁是船长？", "船在哪里？"]),
        ("Name the captain\nName the ship", ["Name the captain", "Name the ship"]),
        ('"Who is Ada?"\n***\n---', ["Who is Ada?"]),
        ("1914 was whose year?", ["1914 was whose year?"]),
    ],
)
def test_the_questions_of_a_reply(reply: str, questions: list[str]) -> None:
    assert questions_of(reply) == questions


def test_the_last_line_of_a_reply_that_was_cut_off_is_no_question() -> None:
    assert questions_of("Who is Ada?\nWhere is the key? Whe", finished=False) == ["Who is Ada?"]


@given(st.text())
def test_any_reply_gives_distinct_questions_that_say_something(reply: str) -> None:
    found = questions_of(reply)
    assert len({one.casefold() for one in found}) == len(found)
    assert all(any(character.isalnum() for character in one) for one in found if not re.search("[?？؟]", one))


# --- likeness ---------------------------------------------------------------------------------------------------------

TERMS = ["mentor", "orla", "venn", "captain", "ship", "harbour", "船长", "12"]
WORDS = st.lists(st.sampled_from(TERMS), max_size=5).map(" ".join)


@given(st.lists(WORDS, max_size=6), WORDS)
def test_likeness_lies_between_0_and_1_and_is_1_for_the_text_itself(texts: list[str], query: str) -> None:
    scores = WordLikeness([*texts, query]).scores(query)
    assert all(0 <= score <= 1 for score in scores)
    assert len(scores) == len(texts) + 1
    assert scores[-1] == (pytest.approx(1.0) if query else 0.0)


def test_a_rare_word_counts_more_than_a_frequent_one() -> None:
    texts = ["mentor of Orla", "mentor of Bo", "mentor of Ida"]
    scores = WordLikeness(texts).scores("the tutor and mentor of Ida")
    assert max(scores) == scores[2] > 2 * scores[0]


def test_nothing_is_like_a_query_of_other_words_or_of_none() -> None:
    assert WordLikeness(["mentor"]).scores("harbour") == WordLikeness(["mentor"]).scores("who is it?") == [0.0]
    assert WordLikeness([]).scores("mentor") == []


# --- retrieval on layers ----------------------------------------------------------------------------------------------


class Fixed:
    least = 0.5

    def __init__(self, *scores: float) -> None:
        self._scores = list(scores)

    def scores(self, query: str) -> list[float]:
        return self._scores


def unit(number: int, text: str = "") -> Unit:
    text = text or f"Text {number}. More of it."
    return Unit(Chunk(f"d{number}", 0, len(text), text, number, f"d{number}"), number)


def base(questions: Sequence[float], texts: Sequence[float], titles: Sequence[float], owners: Sequence[int]) -> Any:
    atoms = [Atom(f"q{n}?", owner) for n, owner in enumerate(owners)]
    units = [unit(n) for n in range(len(texts))]
    return KnowledgeBase(units, atoms, Fixed(*questions), Fixed(*texts), Fixed(*titles), 0.5)


def test_the_layers_are_a_chunks_text_its_title_and_its_best_question() -> None:
    made = base([0.2, 0.8, 0.4], [0.5, 0.0, 1.0], [1.0, 0.0, 0.0], [0, 0, 1])
    assert made.layered("?", (0.6, 0.1, 0.3)) == pytest.approx([0.64, 0.12, 0.6])
    assert made.layered("?", (6, 1, 3)) == pytest.approx([0.64, 0.12, 0.6])
    assert [one.number for one, _ in made.best_units("?", (0.6, 0.1, 0.3), 2)] == [0, 2]


def test_questions_below_the_least_likeness_are_not_found_and_the_best_come_first() -> None:
    made = base([0.4, 0.5, 0.9, 0.6], [0, 0], [0, 0], [0, 0, 1, 1])
    assert [one.question for one in made.atoms_for("?", 2)] == ["q2?", "q3?"]
    assert [one.question for one in made.atoms_for("?", 9)] == ["q2?", "q3?", "q1?"]


def test_a_chunk_that_is_found_by_its_text_is_offered_with_its_best_question() -> None:
    made = base([0.3, 0.7, 0.1], [0.2, 0.9, 0.0], [0, 0, 0], [0, 0, 1])
    assert [(one.question, one.score) for one in made.chunks_for("?", 5)] == [("q2?", 0.9), ("q1?", 0.2)]


def test_chunks_that_are_known_or_read_alike_are_left_out() -> None:
    one, twin = unit(0, "Same."), unit(1, "Same.")
    found = [Candidate("p", "q?", one, 0.5), Candidate("r", "q?", twin, 0.7), Candidate("p", "s?", unit(2), 0.6)]
    assert [(c.question, c.score) for c in without(found, ())] == [("q?", 0.7), ("s?", 0.6)]
    assert [c.question for c in without(found, {"Same."})] == ["s?"]


# --- chunks -----------------------------------------------------------------------------------------------------------

PROSE = st.lists(
    st.sampled_from(["Ida rows. ", "The sea is calm\n", "Bo? ", "\n\n", "船来了。", "x" * 300, " "]), max_size=60
)


@settings(max_examples=60, deadline=None)
@given(PROSE.map("".join), st.lists(st.one_of(st.none(), st.integers(-3, 12)), min_size=1, max_size=12))
async def test_forward_chunks_are_together_the_text_whatever_is_replied(text: str, ends: list[int | None]) -> None:
    replies = iter(ends * 200)

    async def part(before: str, stretch: str) -> Parting | None:
        named = next(replies)
        return None if named is None else Parting(last_sentence=named, first_summary="a", second_summary="b")

    async def summarise(before: str, stretch: str) -> str:
        return "s"

    found = await forward_chunks(text, 50, part, summarise)
    assert "".join(text[start:end] for start, end, _ in found) == text
    assert all(start < end for start, end, _ in found)


async def test_a_chunk_has_the_summary_of_its_part_and_the_rest_goes_on_from_the_other() -> None:
    told: list[str] = []

    async def part(before: str, stretch: str) -> Parting:
        told.append(before)
        return Parting(last_sentence=2, first_summary=f"first {len(told)}", second_summary=f"second {len(told)}")

    async def summarise(before: str, stretch: str) -> str:
        return f"summary after {before!r}"

    text = "".join(f"Sentence number {n} says a few words. " for n in range(30))
    found = await forward_chunks(text, 50, part, summarise)
    assert told[:3] == ["summary after ''", "second 1", "second 2"]
    assert [summary for *_, summary in found[:2]] == ["first 1", "first 2"]
    assert text[: found[0][1]] == "Sentence number 0 says a few words. Sentence number 1 says a few words. "
    assert found[-1][2] == f"summary after 'second {len(told)}'"


async def test_a_model_that_takes_nothing_is_shown_more_a_few_times_and_then_overruled() -> None:
    sizes: list[int] = []

    async def part(before: str, stretch: str) -> Parting:
        sizes.append(len(stretch))
        return Parting()

    async def summarise(before: str, stretch: str) -> str:
        return "s"

    text = "Ida rows over to the island. " * 60
    assert "".join(text[a:b] for a, b, _ in await forward_chunks(text, 50, part, summarise)) == text
    assert sizes[:4] == sorted(set(sizes[:4]))
    assert sizes[4] < sizes[3]


@settings(max_examples=15, deadline=None)
@given(st.lists(PROSE.map("".join).filter(str.strip), min_size=1, max_size=4), st.integers(50, 400))
def test_plain_chunks_are_spans_of_their_documents_in_order(texts: list[str], most: int) -> None:
    corpus = Corpus.from_texts(texts, chunk_tokens=60)
    chunks = list(plain_chunks(corpus, most))
    for info in corpus.documents():
        mine = [chunk for chunk in chunks if chunk.document == info.id]
        assert "".join(chunk.text for chunk in mine) == corpus.document(info.id).text
        assert [chunk.start for chunk in mine[1:]] == [chunk.end for chunk in mine[:-1]]


# --- made once --------------------------------------------------------------------------------------------------------


async def test_a_second_question_of_another_object_makes_no_questions_again(tmp_path: Path) -> None:
    first, second = rule_model(), rule_model()
    await PikeRag(first).run(QUESTION, stored(tmp_path, FACTS))
    answer = await PikeRag(second).run(QUESTION, Corpus.open("town", uri=str(tmp_path)))
    assert stages(first).count("atoms") == 3
    assert stages(second).count("atoms") == 0
    assert answer.text == "Kran"


async def test_a_second_question_of_the_same_object_reads_no_text_again(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus, reader = Corpus.from_texts(FACTS), PikeRag(rule_model())
    await reader.run(QUESTION, corpus)
    monkeypatch.setattr(corpus, "chunks", None)
    assert (await reader.run("Which town is the home of Bo Dal?", corpus)).text == "Pim"
    corpus.add_documents([Document("b", "b", "Ada Bol lives in Tarn.", "", "")])
    monkeypatch.undo()
    assert (await reader.run(QUESTION, corpus)).text == "Tarn"


async def test_a_changed_document_costs_its_own_chunks_and_what_is_gone_is_dropped(tmp_path: Path) -> None:
    corpus = stored(tmp_path, FACTS)
    await PikeRag(rule_model()).run(QUESTION, corpus)
    corpus.add_documents([Document("b", "b", "Ada Bol lives in Tarn.", "", "")])
    model = rule_model()
    answer = await PikeRag(model).run(QUESTION, corpus)
    assert ["Tarn" in call.messages[-1].content for call in calls(model, "atoms")] == [True]
    assert answer.text == "Tarn"
    kept = [path.read_text("utf-8") for path in folder_of(corpus.location).glob("atoms-*.jsonl")]
    assert "Kran" not in "".join(kept)


async def test_another_model_or_temperature_has_its_own_questions_and_the_old_ones_stay(tmp_path: Path) -> None:
    corpus = stored(tmp_path, FACTS)
    for wanted, name, options in (
        (3, "one", {}),
        (3, "two", {}),
        (3, "one", {"atom_temperature": 0.0}),
        (0, "one", {"rounds": 2}),
    ):
        model = rule_model()
        model.identity = name
        await PikeRag(model, settings=options).run(QUESTION, corpus)
        assert stages(model).count("atoms") == wanted


async def test_a_broken_run_goes_on_where_it_was(tmp_path: Path) -> None:
    corpus = stored(tmp_path, FACTS)
    broken = rule_model()
    answer = await PikeRag(broken, limits=Limits(max_calls=2, concurrency=1)).run(QUESTION, corpus)
    assert answer.verdict == "out_of_budget"
    model = rule_model()
    await PikeRag(model).run(QUESTION, corpus)
    assert stages(broken).count("atoms") + stages(model).count("atoms") == 3


async def test_a_chunk_that_fails_is_told_asked_again_next_time_and_found_by_its_text(tmp_path: Path) -> None:
    def failing(prompt: str) -> Any:
        return EndpointUnavailable("away") if "Kran" in prompt else atoms(prompt)

    corpus = stored(tmp_path, FACTS)
    model = rule_model(atoms=failing)
    answer = await PikeRag(model, limits=Limits(attempts=1)).run(QUESTION, corpus)
    assert [failed.document for failed in answer.failed_chunks] == ["b"]
    assert answer.text == "Kran"
    again = rule_model()
    await PikeRag(again).run(QUESTION, corpus)
    assert len(calls(again, "atoms")) == 1


async def test_when_no_call_works_the_first_cause_is_told() -> None:
    with pytest.raises(RunFailed, match="away"):
        await PikeRag(
            ScriptedModel(lambda messages, schema: EndpointUnavailable("away")), limits=Limits(attempts=1)
        ).run(QUESTION, Corpus.from_texts(FACTS))


async def test_progress_tells_how_far_it_is_and_how_long_it_takes() -> None:
    answer = await PikeRag(rule_model(), limits=Limits(concurrency=1)).run(QUESTION, Corpus.from_texts(FACTS))
    notes = [event for event in answer.trace if isinstance(event, NoteWritten)]
    assert [(note.step, note.of) for note in notes[:3]] == [(1, 3), (2, 3), (3, 3)]
    assert re.fullmatch(r"2 questions of a; about \d+:\d\d left", notes[0].text)
    assert notes[2].text == "2 questions of c"
    assert sum(note.usage.calls for note in notes) + 1 == answer.usage.calls


async def test_equal_chunks_get_their_questions_once() -> None:
    model = rule_model()
    text = "Ada Bol lives in Kran."
    corpus = Corpus.from_texts([text, text])
    titles = {info.title for info in corpus.documents()}
    await PikeRag(model).run("Which town is the home of Ada Bol?", corpus)
    assert len(calls(model, "atoms")) == len(titles)
    assert len({call.messages for call in calls(model, "atoms")}) == len(titles)


async def test_only_the_chunks_that_fit_the_question_get_questions_if_so_wanted() -> None:
    model = rule_model()
    await PikeRag(model, settings={"max_chunks": 1}).run("Who is the mentor of Orla Venn?", Corpus.from_texts(FACTS))
    assert ["Orla" in call.messages[-1].content for call in calls(model, "atoms")] == [True]


async def test_chunks_with_summaries_are_cut_once_and_their_summary_is_shown(tmp_path: Path) -> None:
    text = " ".join(FACTS.values())
    corpus = stored(tmp_path, {"all": f"{text} " + "Nothing else happened on that day. " * 40})
    model = rule_model(atoms=lambda prompt: "Who?", answer=lambda prompt: '{"answer": "Kran", "answerable": true}')
    answer = await PikeRag(model, settings={"chunking": "summaries", "chunk_tokens": 100}).run(QUESTION, corpus)
    assert calls(model, "part")
    assert any("Before: one" in call.messages[-1].content for call in calls(model, "atoms"))
    check_evidence(answer, corpus)
    again = rule_model()
    await PikeRag(again, settings={"chunking": "summaries", "chunk_tokens": 100}).run(QUESTION, corpus)
    assert not {"part", "summarise", "atoms"} & set(stages(again))


@pytest.mark.parametrize("reply", ["", "No idea.", '{"last_sentence": "many"}', '{"last_sentence": -4}', "[]"])
async def test_replies_that_cut_nowhere_leave_the_usual_borders(reply: str) -> None:
    corpus = Corpus.from_texts({"all": "Ada Bol lives in Kran. " * 80})
    model = rule_model(
        part=lambda prompt: reply or EndpointUnavailable("away"), summarise=lambda prompt: reply or "nothing"
    )
    answer = await PikeRag(
        model, settings={"chunking": "summaries", "chunk_tokens": 100}, limits=Limits(attempts=1)
    ).run("Which town is the home of Ada Bol?", corpus)
    assert answer.text == "Kran"


class PairEmbedder:
    """Letter pairs, hashed: a stand-in for a real embedder, deterministic and without weights."""

    name = "endpoint:pairs"
    dimensions = 64

    def __init__(self) -> None:
        self.texts: list[str] = []

    def embed(self, texts: Sequence[str]) -> Any:
        self.texts += texts
        rows = np.zeros((len(texts), self.dimensions), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for one, two in zip(text.casefold(), text.casefold()[1:], strict=False):
                row[(ord(one) * 31 + ord(two)) % self.dimensions] += 1
            row /= max(float(np.linalg.norm(row)), 1e-9)
        return rows


async def test_a_corpus_with_an_embedder_is_compared_by_vectors_which_are_kept(tmp_path: Path) -> None:
    first = PairEmbedder()
    corpus = stored(tmp_path, FACTS, embedder=first)
    answer = await PikeRag(rule_model()).run(QUESTION, corpus)
    assert answer.text == "Kran"
    asked = "Which town is the residence of Ada Bol?"
    assert asked in first.texts
    again = PairEmbedder()
    await PikeRag(rule_model()).run(QUESTION, Corpus.open("town", uri=str(tmp_path), embedder=again))
    assert asked not in again.texts
    corpus.remove(["b"])
    assert not any("vector" in path.read_text("utf-8") for path in folder_of(corpus.location).glob("*.jsonl"))


def test_the_manifest_says_what_the_questions_were_made_by(tmp_path: Path) -> None:
    corpus = stored(tmp_path, FACTS)
    import asyncio

    asyncio.run(PikeRag(rule_model()).run(QUESTION, corpus))
    (manifest,) = folder_of(corpus.location).glob("atoms-*.json")
    told = json.loads(manifest.read_text("utf-8"))
    assert (told["model"], told["temperature"], told["most_tokens"]) == ("scripted:scripted", 0.7, 400)
