"""The ledger of a question over documents that contradict each other, with scripted agents."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from tests.reading.scripted import judged

from pansophy import Answer, ChatMessage, Corpus, Limits, ScriptedModel
from pansophy.errors import RequestRefused, UsageError
from pansophy.events import ClaimTold, ConflictSettled, Event
from pansophy.reading.aggregation import Aggregation
from pansophy.reading.ask import aask
from pansophy.reading.auto import Auto
from pansophy.reading.extagents import ExtAgents
from pansophy.reading.no_context import NoContext
from pansophy.reading.top_k import TopK
from pansophy.runs import RunStore
from pansophy.types import Trust, Verdict

QUESTION = "Who keeps the light of Marsby?"
Prompt = Sequence[ChatMessage]


def told(name: str) -> str:
    return f"The light of Marsby is kept by {name}. It burns all night."


TWO = {"letter-2019.txt": told("Ada Berg"), "letter-2023.txt": told("Bo Lind")}
THREE = {**TWO, "note-2018.txt": told("Ada Berg")}


def keepers(prompt: Prompt) -> list[str]:
    """Who keeps the light, in the order in which the prompt's text names them."""
    return re.findall(r"kept by ([A-Z]\w+ [A-Z]\w+)", prompt[-1].content.partition("</text>")[0])


def reply(answer: str, *, quote: str = "") -> str:
    return json.dumps({"answerable": bool(answer), "answer": answer, "quote": quote})


def first_named(names: list[str]) -> str:
    return names[0] if len(set(names)) == 1 else ""


def world(
    *, memory: str = "", together: Callable[[list[str]], str] = first_named, strategy: str | None = None
) -> ScriptedModel:
    """Agents that read rightly: one passage tells whom it names; the strategy answers with the first name.

    `memory` is what the model says without a text, `together` what it says to two passages.
    """

    def say(prompt: Prompt, schema: Any) -> str:
        text = prompt[-1].content
        if "</text>" not in text:
            return memory
        names = keepers(prompt)
        if "Answer yes or no" in text:
            return "yes" if names else "no"
        if '"quote"' in text:  # the strategy, which must show its grounds
            answer = strategy if strategy is not None else names[0]
            return reply(answer, quote=f"The light of Marsby is kept by {answer}.")
        if "Read by itself, one of these" in text:
            return reply(together(names))
        return reply(names[0] if names else "")

    return ScriptedModel(say)


async def read(texts: dict[str, str], trust: str, *, emit: Any = None, **options: Any) -> tuple[Answer, ScriptedModel]:
    model = world(**options)
    answer = await TopK(model, trust=trust).run(QUESTION, Corpus.from_texts(texts), emit=emit)
    return answer, model


def claims_of(answer: Answer) -> dict[str, list[str]]:
    assert answer.ledger is not None
    return {claim.answer: sorted(item.document for item in claim.evidence) for claim in answer.ledger.claims}


async def test_contradicting_documents_are_grouped_with_sources_and_dates() -> None:
    answer, _ = await read(THREE, "majority", strategy="Bo Lind")
    assert claims_of(answer) == {"Bo Lind": ["letter-2023.txt"], "Ada Berg": ["letter-2019.txt", "note-2018.txt"]}
    ledger = answer.ledger
    assert ledger is not None
    dates = {item.document: date for c in ledger.claims for item, date in zip(c.evidence, c.dates, strict=True)}
    assert dates == {"letter-2019.txt": "2019", "letter-2023.txt": "2023", "note-2018.txt": "2018"}


async def test_the_majority_changes_the_answer_and_its_citations() -> None:
    answer, _ = await read(THREE, "majority", strategy="Bo Lind")
    assert (answer.text, answer.verdict) == ("Ada Berg", Verdict.ANSWERED)
    assert sorted(item.document for item in answer.citations) == ["letter-2019.txt", "note-2018.txt"]
    assert all("Ada Berg" in item.quote for item in answer.citations)
    assert answer.ledger is not None
    assert answer.ledger.before == "Bo Lind"
    assert "2 to 1" in answer.ledger.reason


@pytest.mark.parametrize(("trust", "text"), [("newest", "Bo Lind"), ("majority", "Ada Berg")])
async def test_the_rule_decides(trust: str, text: str) -> None:
    answer, _ = await read(THREE, trust)
    assert answer.text == text


async def test_an_answer_that_already_says_the_claim_keeps_its_words() -> None:
    answer, _ = await read(THREE, "majority", strategy="Ada Berg")
    assert answer.text == "Ada Berg"
    assert answer.ledger is not None
    assert answer.ledger.settled == 0


@pytest.mark.parametrize("trust", ["majority", "text", "swap"])
async def test_what_no_rule_settles_is_reported_with_both_spans(trust: str) -> None:
    """LongAgent's true ambiguity: both passages state another fact, and neither withdraws."""
    answer, _ = await read(TWO, trust)
    ledger = answer.ledger
    assert ledger is not None
    assert ledger.is_unresolved
    assert answer.verdict is Verdict.FORCED
    assert {item.document for claim in ledger.claims for item in claim.evidence} == set(TWO)
    for claim in ledger.claims:
        assert all(TWO[item.document][item.start : item.end] == item.quote for item in claim.evidence)


async def test_members_that_invent_withdraw_when_they_read_the_other_passage() -> None:
    """Members without evidence say anything; one is right. A vote fails, the exchange finds the right one."""
    texts = {f"empty-{n:02}.txt": f"Here stands nothing of the light of Marsby, in book {n}." for n in range(7)}
    texts["right.txt"] = told("Ada Berg")
    invented = itertools.count()

    def say(prompt: Prompt, schema: Any) -> str:
        text = prompt[-1].content
        if "</text>" not in text:
            return f"Invented Name {next(invented)}"
        if "Answer yes or no" in text:
            return "yes"  # each believes that its passage answers
        material = text.partition("</text>")[0]
        if "light of Marsby is kept by Ada Berg" in material:
            return reply("Ada Berg", quote="The light of Marsby is kept by Ada Berg.")
        return reply(f"Invented Name {next(invented)}", quote="Here stands nothing")

    corpus = Corpus.from_texts(texts)
    model = ScriptedModel(say)
    voted = await TopK(model, trust="majority", settings={"max_chunks": 1}).run(QUESTION, corpus)
    assert voted.ledger is not None
    assert voted.ledger.is_unresolved
    model = ScriptedModel(say)
    answer = await TopK(model, trust="swap", settings={"max_chunks": 1}).run(QUESTION, corpus)
    assert answer.text == "Ada Berg"
    assert answer.verdict is Verdict.ANSWERED
    assert answer.ledger is not None
    exchanged = [call for call in model.calls if "Read by itself, one of these" in call.messages[-1].content]
    assert len(exchanged) <= 2 * (len(answer.ledger.claims) - 1)  # each pair in both orders
    assert all(call.messages[-1].content.count("# ") == 2 for call in exchanged)


async def test_one_that_always_believes_the_first_passage_settles_nothing() -> None:
    answer, _ = await read(TWO, "swap", together=lambda names: names[0])
    assert answer.ledger is not None
    assert answer.ledger.is_unresolved


@pytest.mark.parametrize(("sure", "settled"), [(0.6, True), (0.95, False)])
async def test_a_passage_that_was_certain_by_itself_does_not_withdraw(sure: float, settled: bool) -> None:
    """A small model that reads two passages prefers one even where both are right."""
    usual = world(together=lambda names: "Ada Berg")

    def say(prompt: Prompt, schema: Any) -> Any:
        if "Answer yes or no" in prompt[-1].content:
            return judged(sure)
        return usual._replier(prompt, schema)

    answer = await TopK(ScriptedModel(say), trust="swap").run(QUESTION, Corpus.from_texts(TWO))
    assert answer.ledger is not None
    assert answer.ledger.is_unresolved is not settled
    assert (answer.verdict is Verdict.ANSWERED) is settled


async def test_a_passage_that_hardly_answers_tells_nothing() -> None:
    def say(prompt: Prompt, schema: Any) -> Any:
        if "Answer yes or no" in prompt[-1].content:
            return judged(0.9 if "Ada Berg" in prompt[-1].content else 0.3)
        return world()._replier(prompt, schema)

    answer = await TopK(ScriptedModel(say), trust="text").run(QUESTION, Corpus.from_texts(THREE))
    assert "Bo Lind" not in claims_of(answer)


async def test_what_the_model_says_differently_each_time_is_not_remembered() -> None:
    names = itertools.cycle(["Ada Berg", "Bo Lind", "Cy Holm"])

    def say(prompt: Prompt, schema: Any) -> Any:
        return next(names) if "</text>" not in prompt[-1].content else world()._replier(prompt, schema)

    answer = await TopK(ScriptedModel(say), trust="model").run(QUESTION, Corpus.from_texts({"a.txt": told("Ada Berg")}))
    assert answer.ledger is not None
    assert [claim.remembered for claim in answer.ledger.claims] == [False]


async def test_texts_that_agree_outrank_memory() -> None:
    answer, _ = await read({"a.txt": told("Ada Berg"), "b.txt": told("Ada Berg")}, "text", memory="Cy Holm")
    assert answer.text == "Ada Berg"
    assert claims_of(answer) == {"Ada Berg": ["a.txt", "b.txt"], "Cy Holm": []}
    assert answer.ledger is not None
    assert answer.ledger.settled == 0
    assert "the model remembers another answer" in answer.ledger.reason


async def test_the_model_is_trusted_over_all_texts() -> None:
    answer, _ = await read(TWO, "model", memory="Cy Holm")
    assert (answer.text, answer.verdict, answer.citations) == ("Cy Holm", Verdict.ANSWERED, ())
    assert claims_of(answer) == {"Ada Berg": ["letter-2019.txt"], "Bo Lind": ["letter-2023.txt"], "Cy Holm": []}


async def test_a_model_that_knows_nothing_leaves_it_to_the_texts() -> None:
    answer, _ = await read({"a.txt": told("Ada Berg")}, "model")
    assert answer.text == "Ada Berg"
    assert answer.ledger is not None
    assert not answer.ledger.is_contested


async def test_parts_of_one_answer_do_not_contradict_each_other() -> None:
    answer, _ = await read(TWO, "majority", strategy="Ada Berg and Bo Lind")
    assert claims_of(answer) == {"Ada Berg and Bo Lind": sorted(TWO)}
    assert answer.verdict is Verdict.ANSWERED


async def test_without_trust_nobody_is_asked_again() -> None:
    model = world()
    answer = await TopK(model).run(QUESTION, Corpus.from_texts(TWO))
    assert answer.ledger is None
    assert len(model.calls) == 1
    assert "trust" not in answer.settings


async def test_what_the_answer_cites_is_not_asked_again() -> None:
    answer, model = await read({"a.txt": told("Ada Berg")}, "text")
    alone = [call for call in model.calls if "Answer yes or no" in call.messages[-1].content]
    assert answer.text == "Ada Berg"
    assert alone == []


async def test_the_events_tell_each_member_and_the_end() -> None:
    events: list[Event] = []
    answer, _ = await read(THREE, "majority", emit=events.append, memory="Cy Holm")
    members = [event for event in events if isinstance(event, ClaimTold)]
    assert {event.document for event in members} == {"", "letter-2023.txt", "note-2018.txt", "letter-2019.txt"} - {
        answer.citations[0].document
    } | {""}
    (ending,) = [event for event in events if isinstance(event, ConflictSettled)]
    assert ending.claims[ending.settled or 0] == answer.text
    assert Event.from_dict(json.loads(json.dumps(ending.to_dict()))) == ending


async def test_an_answer_with_a_ledger_survives_json() -> None:
    answer, _ = await read(THREE, "newest", memory="Cy Holm")
    again = Answer.from_dict(json.loads(answer.to_json()))
    assert again == answer
    assert json.loads(answer.to_json())["ledger"]["trust"] == "newest"


async def test_an_answer_that_repeats_the_question_is_none() -> None:
    answer, _ = await read({"a.txt": told("Ada Berg")}, "model", memory="Marsby")
    assert answer.text == "Ada Berg"
    assert claims_of(answer) == {"Ada Berg": ["a.txt"]}


async def test_a_limit_costs_the_ledger_and_not_the_answer() -> None:
    model = world()
    answer = await TopK(model, trust="majority", limits=Limits(max_calls=3)).run(QUESTION, Corpus.from_texts(THREE))
    assert answer.text == "Ada Berg" or answer.text == "Bo Lind"
    assert answer.verdict is Verdict.ANSWERED
    assert answer.ledger is None
    assert any("was not found out" in warning for warning in answer.warnings)


async def test_a_model_that_fails_costs_the_ledger_and_not_the_answer() -> None:
    right = world()

    async def say(prompt: Prompt, schema: Any) -> Any:
        if '"quote"' in prompt[-1].content:
            return right._replier(prompt, schema)
        return RequestRefused("no")

    answer = await TopK(ScriptedModel(say), trust="majority").run(QUESTION, Corpus.from_texts(TWO))
    assert answer.verdict is Verdict.ANSWERED
    assert answer.ledger is None
    assert any("was not found out" in warning for warning in answer.warnings)


async def test_replies_out_of_form_say_nothing() -> None:
    def say(prompt: Prompt, schema: Any) -> Any:
        right = '"quote"' in prompt[-1].content or "Answer yes or no" in prompt[-1].content
        return world()._replier(prompt, schema) if right else "??"

    answer = await TopK(ScriptedModel(say), trust="majority").run(QUESTION, Corpus.from_texts(TWO))
    assert len(claims_of(answer)) == 1


async def test_a_window_too_small_for_two_passages_is_told() -> None:
    padding = "The sea was calm and nothing else of note was seen by anybody at all that day. " * 6
    texts = {name: text + " " + padding for name, text in TWO.items()}
    model = world()
    model.window = 330
    answer = await TopK(model, trust="swap", settings={"answer_tokens": 40}).run(QUESTION, Corpus.from_texts(texts))
    assert answer.ledger is not None
    assert answer.ledger.is_unresolved
    assert any("not exchanged" in warning for warning in answer.warnings)


@pytest.mark.parametrize("kind", [Aggregation, NoContext])
def test_a_strategy_without_single_passages_has_no_ledger(kind: Any) -> None:
    with pytest.raises(UsageError, match="no single passages"):
        kind(world(), trust="text")


def test_an_unknown_rule_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="majority"):
        TopK(world(), trust="everyone")


@pytest.mark.parametrize("kind", [ExtAgents, Auto])
def test_other_strategies_take_it(kind: Any) -> None:
    assert kind(world(), trust=Trust.NEWEST).describe()["trust"] == "newest"


async def test_asked_again_the_ledger_comes_from_the_store(tmp_path: Any) -> None:
    model, store = world(), RunStore(f"sqlite:///{tmp_path / 'runs.sqlite'}")
    corpus = Corpus.from_texts(THREE)
    first = await aask(QUESTION, corpus=corpus, model=model, strategy="top_k", trust="majority", store=store)
    calls = len(model.calls)
    again = await aask(QUESTION, corpus=corpus, model=model, strategy="top_k", trust="majority", store=store)
    assert len(model.calls) == calls
    assert again.ledger == first.ledger
    other = await aask(QUESTION, corpus=corpus, model=model, strategy="top_k", trust="newest", store=store)
    assert other.text == "Bo Lind"
