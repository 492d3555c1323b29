"""PIKE-RAG's levels 3 and 4: numbers carried on by code, and views of several agents joined."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.reading.pike_rag.rules import question_of
from tests.reading.scripted import check_evidence

from pansophy import Corpus, ScriptedModel
from pansophy.reading.pike_rag import PikeRag
from pansophy.reading.pike_rag.forecasting import (
    Point,
    Row,
    carried_on,
    checked,
    number_in,
    straight_line,
    target_of,
)
from pansophy.reading.pike_rag.prompts import ATOMS_SYSTEM
from pansophy.types import Chunk, Evidence, Verdict

YEARS = {
    f"{year}": f"In {year} the ferry carried {value} people." for year, value in ((1901, 100), (1902, 120), (1903, 140))
}
ASKED = "How many people will the ferry carry in 1905?"


# --- arithmetic -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1,200 people", 1200),
        ("about 3.5 m", 3.5),
        ("-4", -4),
        ("1.200.000", 1200000),
        ("none", None),
        ("0.125", 0.125),
        ("3,5", 3.5),
        ("1,2,3", 1.2),
    ],
)
def test_a_number_in_a_text(text: str, number: float | None) -> None:
    assert number_in(text) == number


@given(st.integers(-9, 9), st.integers(-99, 99), st.lists(st.integers(0, 50), min_size=3, max_size=9, unique=True))
def test_what_lies_on_a_line_is_carried_on_along_it(slope: int, start: int, times: list[int]) -> None:
    told = straight_line([(time, start + slope * time) for time in times], 60)
    assert told.value == pytest.approx(start + slope * 60, abs=1e-6)
    assert told.low == pytest.approx(told.value, abs=1e-4)
    assert told.high == pytest.approx(told.value, abs=1e-4)


def test_the_interval_is_that_of_a_new_observation() -> None:
    told = straight_line([(1, 1), (2, 3), (3, 2)], 4)  # by hand: slope .5, level 2, s2 = 1.5, factor 1 + 1/3 + 4/2
    assert told.value == pytest.approx(3.0)
    assert told.high is not None
    assert told.high - told.value == pytest.approx(12.71 * (1.5 * (1 + 1 / 3 + 2)) ** 0.5)


def test_too_few_numbers_have_no_interval() -> None:
    assert straight_line([(1, 5)], 9).value == 5
    assert (straight_line([(1, 5), (2, 6)], 4).value, straight_line([(1, 5), (2, 6)], 4).low) == (8, None)
    with pytest.raises(ValueError, match="at least one number"):
        straight_line([], 4)


@pytest.mark.parametrize(
    ("question", "times", "at"),
    [(ASKED, [1901, 1903], 1905), ("And next year?", [1901, 1903], 1905), ("In 1902?", [1903], 1904)],
)
def test_the_time_asked_for(question: str, times: list[float], at: float) -> None:
    assert target_of(question, times) == at


def test_a_row_counts_only_with_a_quote_that_holds_its_number() -> None:
    text = YEARS["1901"]
    chunk = Chunk("d", 0, len(text), text, 0)
    row = Row(what="passengers", when="1901", value="100", quote=text)
    assert checked(row, chunk) is not None
    for wrong in ({"value": "101"}, {"quote": "In 1901 nobody came at all."}, {"when": "then"}, {"what": " "}):
        assert checked(row.model_copy(update=wrong), chunk) is None


def test_rows_about_different_things_are_carried_on_apart() -> None:
    evidence = Evidence("d", 0, 1, "x", "", 50.0, 1)
    points = [Point("Ferry", 1, 2, evidence), Point("ferry", 2, 4, evidence), Point("bridge", 1, 7, evidence)]
    lines = carried_on("And at 3?", points)
    assert lines[0].startswith("Ferry (1: 2, 2: 4) comes to 6 at 3")
    assert lines[1].startswith("bridge (1: 7) comes to 7 at 3")


@given(st.lists(st.tuples(st.text(max_size=3), st.text(max_size=8), st.text(max_size=8)), max_size=5), st.text())
def test_no_rows_and_no_question_crash_the_arithmetic(rows: list[tuple[str, str, str]], question: str) -> None:
    points = []
    for what, when, value in rows:
        text = f"Told of {what}: at {when} it was {value}."
        point = checked(Row(what=what, when=when, value=value, quote=text), Chunk("d", 0, len(text), text, 0))
        points += [point] if point else []
    assert len(carried_on(question, points)) == len({point.what.casefold() for point in points})


# --- in a reading -----------------------------------------------------------------------------------------------------


def reader(**options: Any) -> PikeRag:
    """Takes every chunk, reads their rows, and repeats what was computed; as agents, cites passages 1 and 9."""

    def reply(messages: Any, schema: Any) -> str:
        system, prompt = messages[0].content, messages[-1].content
        if system == ATOMS_SYSTEM:
            return "How many people did the ferry carry?"
        if '"sub_questions"' in prompt:
            return json.dumps({"sub_questions": ["How many people did the ferry carry?"]})
        if '"number"' in prompt:
            return '{"number": 1}'
        if '"rows"' in prompt:
            sentence = prompt.partition("\n</text>")[0].splitlines()[-1]
            words = sentence.split()
            return json.dumps({"rows": [{"what": "people", "when": words[1], "value": words[5], "quote": sentence}]})
        if "Computed from" in prompt:
            return json.dumps({"answerable": True, "answer": prompt.partition("comes to ")[2].split()[0]})
        if '"passages"' in prompt:
            return json.dumps({"answerable": True, "answer": "a bridge", "passages": [1, 9]})
        return f"A view on {question_of(prompt)}"

    return PikeRag(ScriptedModel(reply), settings=options)


async def test_level_3_answers_with_what_the_numbers_come_to_and_cites_their_sentences() -> None:
    corpus = Corpus.from_texts(YEARS)
    answer = await reader(level=3).run(ASKED, corpus)
    assert answer.text == "180"
    assert {item.quote for item in answer.evidence} >= set(YEARS.values())
    assert "a straight line through 3 numbers" in answer.settings["forecasts"][0]
    check_evidence(answer, corpus)


async def test_level_4_joins_the_views_of_agents_with_different_roles_and_cites_passages() -> None:
    corpus = Corpus.from_texts(YEARS)
    made = reader(level=4, agents=2, rounds=2)
    answer = await made.run("What should the island build?", corpus)
    assert (answer.text, answer.verdict) == ("a bridge", Verdict.ANSWERED)
    assert [len(one["context"]) for one in answer.settings["agents"]] == [2, 2]
    assert len(answer.citations) == 1
    assert any("not shown" in warning for warning in answer.warnings)
    check_evidence(answer, corpus)
    assert isinstance(made.model, ScriptedModel)
    proposing = {
        call.messages[0].content for call in made.model.calls if '"sub_questions"' in call.messages[-1].content
    }
    assert len(proposing) == 2


@pytest.mark.parametrize("level", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "reply", ["Whatever.", "{}", "[1]", '{"rows": [{"when": 3}], "number": 1, "sub_questions": ["ferry"]}']
)
async def test_no_level_fails_by_a_malformed_reply(level: int, reply: str) -> None:
    model = ScriptedModel(lambda messages, schema: reply)
    answer = await PikeRag(model, settings={"level": level}).run(ASKED, Corpus.from_texts(YEARS))
    assert answer.verdict in (Verdict.ANSWERED, Verdict.FORCED, Verdict.NOTHING_FOUND)
