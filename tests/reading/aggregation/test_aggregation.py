"""Aggregation: a plan, readers that fill in records, an exact result, and what is missing from it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from pansophy.corpus import Corpus
from pansophy.engine import Limits
from pansophy.errors import EndpointUnavailable, RunFailed, UsageError
from pansophy.evaluation.ruler.variables import variables
from pansophy.evaluation.ruler.words import common_words
from pansophy.events import ChunkRead, NoteWritten
from pansophy.models import ScriptedModel
from pansophy.models.scripted import ScriptedCall, count_words
from pansophy.reading.aggregation import Aggregation
from pansophy.reading.aggregation.prompts import PLAN_SYSTEM, READ_SYSTEM, STATE_SYSTEM
from pansophy.types import Answer, ChatMessage, Completion, Usage, Verdict

QUESTION = "How much did Ada pay in all?"
PAYMENT = {
    "name": "payment",
    "source": "readers",
    "description": "a payment",
    "fields": [{"name": "payer"}, {"name": "amount", "type": "number", "description": "in crowns"}],
}
ADAS = [{"field": "payer", "is": "=", "value": "ada"}]
SUM = {"kinds": [PAYMENT], "where": ADAS, "reduce": "sum", "field": "amount"}
COUNT = {"kinds": [PAYMENT], "where": ADAS, "reduce": "count"}
FILLER = "The river is wide here and the ferry is slow. "
PAGE = {"chunk_tokens": 140}


def text_of(messages: Sequence[ChatMessage]) -> str:
    return messages[1].content


def stage(call: ScriptedCall | Sequence[ChatMessage]) -> str:
    messages = call.messages if isinstance(call, ScriptedCall) else call
    return {PLAN_SYSTEM: "plan", READ_SYSTEM: "read", STATE_SYSTEM: "state"}[messages[0].content]


def calls(model: ScriptedModel, name: str) -> list[ScriptedCall]:
    return [call for call in model.calls if stage(call) == name]


def payments(prompt: str) -> str:
    """The reply of a reader that misses nothing."""
    part = prompt.partition("</text>")[0]
    found = re.finditer(r"(\w+) paid (\d+) crowns", part)
    return records(*({"payer": one[1], "amount": int(one[2]), "quote": one[0]} for one in found))


def records(*items: dict[str, Any]) -> str:
    return json.dumps({"records": list(items)})


def result_of(prompt: str) -> str:
    """What the speaker is told."""
    return re.findall(r"whole text: (.*)", prompt)[0]


def said(prompt: str) -> str:
    return json.dumps({"answer": f"{result_of(prompt)} crowns"})


def model_of(
    read: Callable[[str], Any] = payments,
    state: Callable[[str], Any] = said,
    plan: Callable[[Sequence[ChatMessage]], Any] = lambda messages: json.dumps(SUM),
    **options: Any,
) -> ScriptedModel:
    def reply(messages: Sequence[ChatMessage], schema: Any) -> Any:
        by_stage = {"plan": lambda: plan(messages), "read": lambda: read(text_of(messages))}
        return by_stage.get(stage(messages), lambda: state(text_of(messages)))()

    return ScriptedModel(reply, **options)


def corpus_of(*facts: str) -> Corpus:
    """A document of a page's length for each fact."""
    return Corpus.from_texts({f"part {n}": f"{fact} {FILLER * 8}" for n, fact in enumerate(facts)})


@pytest.fixture(scope="module")
def ferry() -> Corpus:
    return corpus_of("Ada paid 3 crowns. Ben paid 9 crowns.", "Nothing of note.", "ADA paid 4 crowns and left.")


async def asked(model: ScriptedModel, corpus: Corpus, question: str = QUESTION, **settings: Any) -> Answer:
    return await Aggregation(model, settings=PAGE | settings, limits=Limits(attempts=1)).run(question, corpus)


async def test_a_question_is_planned_read_reduced_and_answered_with_every_record_as_evidence(ferry: Corpus) -> None:
    model = model_of()
    answer = await asked(model, ferry)
    assert (answer.text, answer.verdict, answer.warnings) == ("7 crowns", Verdict.ANSWERED, ())
    assert [stage(call) for call in model.calls] == ["plan", "read", "read", "read", "state"]
    assert [(item.document, item.quote, item.cited) for item in answer.evidence] == [
        ("part 0", "Ada paid 3 crowns", True),
        ("part 2", "ADA paid 4 crowns", True),
    ]
    for item in answer.evidence:
        assert ferry.document(item.document).text[item.start : item.end] == item.quote
    reads = {event.chunk: event for event in answer.trace if isinstance(event, ChunkRead)}
    assert [reads[number].found for number in range(3)] == [True, False, True]
    assert reads[0].statement == "payer: Ada, amount: 3; payer: Ben, amount: 9"
    (note,) = [event for event in answer.trace if isinstance(event, NoteWritten)]
    assert json.loads(note.text)["where"] == ADAS


async def test_a_plan_that_is_given_spares_the_planner(ferry: Corpus) -> None:
    model = model_of(plan=lambda messages: EndpointUnavailable("not asked"))
    assert (await asked(model, ferry, plan=COUNT, phrase=False)).text == "2"
    assert {stage(call) for call in model.calls} == {"read"}


async def test_the_part_comes_first_and_is_the_same_whatever_is_looked_for(ferry: Corpus) -> None:
    town = {"kinds": [{"name": "town", "description": "a town", "fields": [{"name": "of"}]}], "reduce": "count"}
    model = model_of(read=lambda prompt: records())
    await asked(model, ferry, plan=COUNT, phrase=False)
    await asked(model, ferry, "How many towns are there?", plan=town, phrase=False)
    one, other = calls(model, "read")[0].messages, calls(model, "read")[3].messages
    assert one[0] == other[0]
    part = one[1].content.partition("</text>")[0]
    assert part.startswith("<text>\n# part 0\nAda paid 3 crowns.")
    assert other[1].content.partition("</text>")[0] == part
    assert one != other


async def test_readers_are_held_to_the_fields_of_the_plan(ferry: Corpus) -> None:
    model = model_of()
    await asked(model, ferry, plan=COUNT, phrase=False)
    schema = model.calls[0].schema
    assert schema is not None
    item = schema["properties"]["records"]["items"]
    assert list(item["properties"]) == item["required"] == ["payer", "amount", "quote"]
    assert item["properties"]["amount"]["anyOf"] == [{"type": "number"}, {"type": "null"}]


# --- words ------------------------------------------------------------------------------------------------------------


async def test_common_words_are_counted_exactly_without_any_call() -> None:
    problem = common_words(3, 3000, count_words)
    plan = {"kinds": [{"name": "w", "source": "words"}], "reduce": "most_common", "field": "word", "take": 10}
    model = model_of(read=lambda prompt: EndpointUnavailable("not asked"))
    corpus = Corpus.from_texts({"list": problem.text})
    answer = await asked(model, corpus, problem.question, plan=plan, phrase=False)
    assert sorted(answer.text.split(", ")) == sorted(problem.answers)
    assert model.calls == []
    assert {item.quote for item in answer.evidence} == set(problem.answers)


async def test_a_chain_of_variables_is_followed_through_all_parts() -> None:
    problem = variables(5)
    link = {"name": "link", "description": "a setting", "fields": [{"name": "what"}, {"name": "to"}]}
    value = re.findall(r"\d{5}", problem.question)[0]
    plan = {"kinds": [link], "reduce": "chain", "chain": {"source": "to", "target": "what", "start": value}}

    def read(prompt: str) -> str:
        found = re.finditer(r"variable (\w+) is set to (?:what )?(\w+)", prompt.partition("</text>")[0])
        return records(*({"what": one[1], "to": one[2], "quote": one[0]} for one in found))

    corpus = corpus_of(*reversed(problem.facts))
    answer = await asked(model_of(read), corpus, problem.question, plan=plan, phrase=False)
    assert answer.text == ", ".join(problem.answers)
    assert len(answer.evidence) == len(problem.facts)


# --- the plan ---------------------------------------------------------------------------------------------------------


async def test_a_planner_is_told_what_is_wrong_and_may_try_once_more(ferry: Corpus) -> None:
    def plan(messages: Sequence[ChatMessage]) -> str:
        return json.dumps(SUM if len(messages) > 2 else SUM | {"field": "payer"})

    model = model_of(plan=plan)
    assert (await asked(model, ferry)).text == "7 crowns"
    first, second = calls(model, "plan")
    assert second.messages[:2] == first.messages
    assert "'sum' needs a field of numbers, but 'payer' is a string" in second.messages[3].content


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ("I would rather not.", "no JSON object"),
        (json.dumps({"reduce": "count"}), "kinds: Field required"),
        (json.dumps(SUM | {"where": [{"field": "payer"}]}), "where.0.is: Field required"),
    ],
)
async def test_without_a_plan_nothing_is_read_and_the_user_is_told_why(ferry: Corpus, reply: str, words: str) -> None:
    model = model_of(plan=lambda messages: reply)
    answer = await asked(model, ferry)
    assert (answer.text, answer.verdict) == ("", Verdict.NOTHING_FOUND)
    assert [stage(call) for call in model.calls] == ["plan", "plan"]
    assert words in answer.warnings[0]
    assert "the setting plan" in answer.warnings[0]


async def test_a_plan_that_is_cut_off_is_none(ferry: Corpus) -> None:
    model = model_of(plan=lambda messages: Completion(json.dumps(SUM), "length", Usage(1, 9, 0, 9)))
    answer = await asked(model, ferry)
    assert answer.verdict is Verdict.NOTHING_FOUND
    assert "longer than the 700 tokens" in answer.warnings[0]


async def test_a_window_too_small_to_plan_in_says_what_to_do(ferry: Corpus) -> None:
    with pytest.raises(UsageError, match="too small to plan in: give a plan"):
        await asked(model_of(window=1200), ferry)


# --- what is missing --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "plan", "text"),
    [
        (QUESTION, COUNT, "1 (at least; not everything could be read)"),
        (QUESTION, SUM, "3 (from what could be read)"),
        ("艾达一共付了几次钱？", COUNT, "1 (至少；未能读取全部内容)"),
    ],
)
async def test_a_part_that_fails_makes_the_result_a_lower_bound(
    ferry: Corpus, question: str, plan: dict[str, Any], text: str
) -> None:
    def read(prompt: str) -> Any:
        return EndpointUnavailable("broken off") if "# part 2" in prompt else payments(prompt)

    answer = await asked(model_of(read), ferry, question, plan=plan, phrase=False)
    assert (answer.text, answer.verdict) == (text, Verdict.ANSWERED)
    assert [(failed.document, failed.error) for failed in answer.failed_chunks] == [("part 2", "broken off")]
    assert answer.warnings == ("1 of 3 parts of the text were not read, so the result is a lower bound",)


@pytest.mark.parametrize("reply", ["None.", '{"records": "none"}', '{"records": ["Ada paid 3 crowns"]}'])
async def test_a_reply_that_is_no_list_of_records_is_a_failed_part_not_an_empty_one(ferry: Corpus, reply: str) -> None:
    model = model_of(lambda prompt: reply if "# part 0" in prompt else payments(prompt))
    answer = await asked(model, ferry, plan=COUNT, phrase=False)
    assert answer.text == "1 (at least; not everything could be read)"
    assert [failed.document for failed in answer.failed_chunks] == ["part 0"]


async def test_records_without_a_true_quote_are_left_out_and_told(ferry: Corpus) -> None:
    def read(prompt: str) -> str:
        invented = {"payer": "Ada", "amount": 100, "quote": "Ada paid 100 crowns to the harbour master"}
        return records(invented, *json.loads(payments(prompt))["records"])

    answer = await asked(model_of(read), ferry, plan=SUM, phrase=False)
    assert answer.text == "7 (from what could be read)"
    assert "3 of 6 records were left out: their quotes don't stand in the text" in answer.warnings[0]


async def test_records_that_lack_a_value_and_ties_are_told() -> None:
    def read(prompt: str) -> str:
        unknown = {"payer": None, "amount": 1, "quote": "somebody paid a crown"}
        return records(unknown, *json.loads(payments(prompt))["records"])

    common = {"kinds": [PAYMENT], "reduce": "most_common", "field": "payer"}
    corpus = corpus_of("Ada paid 3 crowns. Ben paid 9 crowns, somebody paid a crown.")
    answer = await asked(model_of(read), corpus, plan=common, phrase=False)
    assert answer.text == "Ada"
    assert "1 records lack a value" in answer.warnings[0]
    assert "1 more are equal to the last one" in answer.warnings[1]


async def test_reading_only_the_best_parts_gives_a_lower_bound(ferry: Corpus) -> None:
    model = model_of()
    answer = await asked(model, ferry, "Which crowns has Ada paid?", plan=COUNT, phrase=False, max_chunks=1)
    assert len(calls(model, "read")) == 1
    assert answer.text == "1 (at least; not everything could be read)"
    assert "only the 1 parts that fit the question best" in answer.warnings[0]
    everything = await asked(model_of(), ferry, plan=COUNT, phrase=False, max_chunks=9)
    assert (everything.text, everything.warnings) == ("2", ())


async def test_a_reply_that_is_cut_off_has_its_part_read_in_halves() -> None:
    corpus = Corpus.from_texts({"log": " ".join(f"Ada paid {n} crowns." for n in range(1, 41))})
    model = model_of(plan=lambda messages: json.dumps(SUM))
    answer = await asked(model, corpus, chunk_tokens=2000, record_tokens=200, phrase=False)
    assert answer.text == str(sum(range(1, 41)))
    assert answer.warnings == ()
    reads = calls(model, "read")
    assert len(reads) > 3
    assert answer.usage.calls == len(model.calls)
    (event,) = [event for event in answer.trace if isinstance(event, ChunkRead)]
    assert event.usage.calls == len(reads)


async def test_a_budget_used_up_in_the_middle_gives_the_result_so_far(ferry: Corpus) -> None:
    reader = Aggregation(model_of(), settings=PAGE | {"plan": COUNT}, limits=Limits(max_calls=2, concurrency=1))
    answer = await reader.run(QUESTION, ferry)
    assert (answer.text, answer.verdict) == ("1 (at least; not everything could be read)", Verdict.OUT_OF_BUDGET)
    assert [item.quote for item in answer.evidence] == ["Ada paid 3 crowns"]


async def test_if_every_part_fails_the_run_fails_with_the_first_cause(ferry: Corpus) -> None:
    with pytest.raises(RunFailed, match="broken off"):
        await asked(model_of(lambda prompt: EndpointUnavailable("broken off")), ferry)


async def test_a_count_of_nothing_is_none_and_a_list_of_nothing_is_no_answer() -> None:
    corpus = corpus_of("Nothing of note.")
    none = await asked(model_of(), corpus, plan=COUNT, phrase=False)
    assert (none.text, none.verdict) == ("0", Verdict.ANSWERED)
    payers = {"kinds": [PAYMENT], "reduce": "set", "field": "payer"}
    listed = await asked(model_of(), corpus, plan=payers)
    assert (listed.text, listed.verdict) == ("", Verdict.NOTHING_FOUND)
    assert listed.warnings == ("no record was found that the result could be made of",)


# --- the words of the answer ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spoken", ["17 crowns", "8 crowns", "seven", "7 crowns, or 8", "7.5 crowns", ""])
async def test_an_answer_that_does_not_repeat_the_result_is_not_believed(ferry: Corpus, spoken: str) -> None:
    answer = await asked(model_of(state=lambda prompt: json.dumps({"answer": spoken})), ferry)
    assert answer.text == "7"
    assert "did not repeat it" in answer.warnings[0]


async def test_an_answer_must_name_every_group_with_its_value(ferry: Corpus) -> None:
    groups = {"kinds": [PAYMENT], "group_by": "payer", "reduce": "sum", "field": "amount", "order": "descending"}

    async def spoken(text: str) -> str:
        return (await asked(model_of(state=lambda prompt: json.dumps({"answer": text})), ferry, plan=groups)).text

    assert await spoken("Ben paid 9 and Ada 7.") == "Ben paid 9 and Ada 7."
    assert await spoken("Ben paid 9.") == "Ben: 9; Ada: 7"


async def test_a_speaker_that_fails_costs_no_result(ferry: Corpus) -> None:
    answer = await asked(model_of(state=lambda prompt: EndpointUnavailable("broken off")), ferry)
    assert (answer.text, answer.verdict) == ("7", Verdict.ANSWERED)
    assert "given plainly" in answer.warnings[0]


# --- settings and limits ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", [900, 1100, 1600, 4000])
async def test_every_call_fits_the_window(ferry: Corpus, window: int) -> None:
    model = model_of(window=window)
    await asked(model, ferry, plan=SUM, record_tokens=400, answer_tokens=100)
    for call in model.calls:
        prompt = sum(count_words(message.content) + 4 for message in call.messages)
        assert prompt + call.max_tokens <= window, stage(call)


@pytest.mark.parametrize("setting", ["chunk_tokens", "max_chunks", "plan_tokens", "record_tokens", "answer_tokens"])
def test_settings_below_one_are_refused(setting: str) -> None:
    with pytest.raises(UsageError, match=f"{setting} must be at least 1"):
        Aggregation(model_of(), settings={setting: 0})


def test_a_wrong_plan_is_refused_before_anything_is_read() -> None:
    with pytest.raises(UsageError, match="the plan is wrong: reduce"):
        Aggregation(model_of(), settings={"plan": {"kinds": [PAYMENT], "reduce": "median"}})


def test_the_plan_is_part_of_what_identifies_a_run() -> None:
    described = Aggregation(model_of(), settings={"plan": SUM}).describe()
    assert json.loads(json.dumps(described))["plan"] == SUM
    assert described != Aggregation(model_of(), settings={"plan": COUNT}).describe()
