"""Auto: the kind of a question, the rules, and that the chosen strategy reads as if it had been named."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from tests.reading.scripted import QUESTION, agents, answered, houses, lamp, lamp_seen

from pansophy.engine import Limits
from pansophy.errors import UsageError
from pansophy.events import Event, Routed
from pansophy.models import ScriptedModel
from pansophy.reading.ask import STRATEGIES, aask, strategy_class
from pansophy.reading.auto import RULES, Auto, Case, affordable, route
from pansophy.reading.cues import Asked, asked_for
from pansophy.reading.extagents import ExtAgents
from pansophy.types import Verdict

WORDS = {"kinds": [{"name": "w", "source": "words"}], "reduce": "most_common", "field": "word"}


@pytest.mark.parametrize(
    "question",
    [
        "How many letters are there in the book?",
        "How often does the word harbour appear?",
        "How much did Ada pay in total?",
        "List all keepers of the light.",
        "What are the 10 most common words in the list?",
        "What are all the secret values of brilda that the text mentions?",
        "Which variables hold the value 5, directly or through other variables? Name all 5.",
        "Who made the largest payment in these records?",
        "What is the average of all the temperatures?",
        "Which name is mentioned most often?",
        "文中一共提到了多少座桥？",
        "列出所有的灯塔看守人。",
        "“海”字出现了多少次？",
        "书中最常见的名字是什么？",
        "全文中最大的一笔付款是多少？",
    ],
)
def test_counting_over_the_whole_text_is_recognised(question: str) -> None:
    assert asked_for(question) is Asked.AGGREGATE


@pytest.mark.parametrize(
    "question",
    [
        "Summarise the report.",
        "What is the book about?",
        "What are the main themes?",
        "Give an overview of the plot.",
        "请概括全文的主要内容。",
        "这本书讲了什么？",
    ],
)
def test_questions_about_the_whole_text_are_recognised(question: str) -> None:
    assert asked_for(question) is Asked.OVERVIEW


@pytest.mark.parametrize(
    "question",
    [
        "Who relieved the keeper in March?",
        "How many seasons did the company play at the pier theatre?",
        "What is the largest city of the island where Holm was born?",
        "How many objects is Mary carrying?",
        "Was the Count the father of the pilot?",
        "What test is described by the engineer?",
        "桥是哪一年建成的？",
        "统计局在哪座城市？",
    ],
)
def test_a_question_for_something_that_stands_somewhere_is_not_taken_for_another(question: str) -> None:
    assert asked_for(question) is Asked.FACT


def case(
    asked: Asked = Asked.FACT,
    *,
    tokens: int = 100_000,
    room: int = 8000,
    affordable: bool = True,
    planned: bool = True,
    chained: bool = False,
    remembered: bool = False,
) -> Case:
    return Case(asked, tokens, room, affordable, planned, chained, remembered)


@pytest.mark.parametrize(
    ("given", "strategies"),
    [
        (case(), {"extagents"}),
        (case(tokens=8000), {"direct"}),
        (case(tokens=8001), {"extagents"}),
        (case(Asked.AGGREGATE), {"aggregation"}),
        (case(Asked.AGGREGATE, tokens=10), {"aggregation"}),
        (case(Asked.AGGREGATE, affordable=False), {"aggregation"}),
        (case(Asked.OVERVIEW), {"readagent", "map_reduce"}),
        (case(Asked.OVERVIEW, tokens=10), {"direct"}),
        (case(Asked.OVERVIEW, affordable=False), {"extagents"}),
        (case(Asked.AGGREGATE, planned=False), {"extagents"}),
        (case(Asked.AGGREGATE, planned=False, tokens=1), {"direct"}),
        (case(tokens=1, chained=True), {"extagents"}),
        (case(Asked.AGGREGATE, chained=True), {"aggregation"}),
        (case(remembered=True), {"no_context"}),
    ],
)
def test_the_first_rule_that_holds_chooses(given: Case, strategies: set[str]) -> None:
    name, rule = route(given)
    assert name in strategies & set(STRATEGIES)
    assert rule.when(given)


def test_every_case_is_decided_and_every_rule_is_needed() -> None:
    cases = [
        case(asked, tokens=tokens, affordable=paid, planned=planned, chained=chained, remembered=remembered)
        for asked in Asked
        for tokens in (1, 100_000)
        for paid in (False, True)
        for planned in (False, True)
        for chained in (False, True)
        for remembered in (False, True)
    ]
    assert {route(one)[1].reason for one in cases} == {rule.reason for rule in RULES}


@pytest.mark.parametrize(
    ("limits", "enough"),
    [
        (Limits(), True),
        (Limits(max_calls=51), True),
        (Limits(max_calls=50), False),
        (Limits(max_tokens=150_000), True),
        (Limits(max_tokens=149_999), False),
    ],
)
def test_reading_everything_must_fit_the_limits(limits: Limits, enough: bool) -> None:
    assert affordable(100_000, limits) is enough


# --- reading as the chosen one ----------------------------------------------------------------------------------------


def knowing(**options: Any) -> ScriptedModel:
    return agents(lamp_seen, lambda prompt: answered("lamp 1", 1), **options)


def remembering(*answers: str) -> ScriptedModel:
    """Agents that say `answers` in turn when they are asked without any text."""
    told = itertools.cycle(answers)
    usual = knowing(window=1500)

    def say(prompt: Any, schema: Any) -> Any:
        return next(told) if len(prompt) == 1 else usual._replier(prompt, schema)

    return ScriptedModel(say, window=1500)


async def test_what_the_model_is_sure_of_is_not_read_if_that_is_allowed() -> None:
    events: list[Event] = []
    model = remembering("Lamp 9", "lamp 9.", "Lamp 9", "a lantern", "The lamp 9")
    answer = await Auto(model, settings={"memory": True}).run(QUESTION, houses(40), emit=events.append)
    assert (answer.text, answer.verdict, answer.evidence) == ("Lamp 9", Verdict.ANSWERED, ())
    assert len(model.calls) == answer.usage.calls == 5
    assert [event.strategy for event in events if isinstance(event, Routed)] == ["no_context"]
    assert "without any text" in answer.settings["chosen"]["reason"]


async def test_what_the_model_is_not_sure_of_is_read() -> None:
    model = remembering("Lamp 9", "Lamp 8", "Lamp 9", "a lantern", "Lamp 9")
    answer = await Auto(model, settings={"memory": True, "chunk_tokens": 20}).run(QUESTION, houses(40))
    assert (answer.text, answer.settings["chosen"]["strategy"]) == ("lamp 1", "extagents")


async def test_memory_is_not_asked_unless_that_is_allowed_nor_for_what_only_the_text_can_tell() -> None:
    model = remembering("Lamp 9")
    answer = await Auto(model, settings={"chunk_tokens": 20}).run(QUESTION, houses(40))
    assert answer.text == "lamp 1"
    model = remembering("Lamp 9")
    await Auto(model, settings={"memory": True}).run("Summarise the text.", houses(3))
    assert all(len(call.messages) > 1 for call in model.calls)


async def test_with_trust_the_texts_are_asked_about_what_the_model_remembers() -> None:
    def say(prompt: Any, schema: Any) -> Any:
        if len(prompt) == 1:
            return "lamp 9"
        return "yes" if "Answer yes or no" in prompt[-1].content else answered("lamp 1")

    model = ScriptedModel(say, window=1500)
    answer = await Auto(model, settings={"memory": True}, trust="text").run(QUESTION, houses(3))
    assert answer.ledger is not None
    assert (answer.ledger.before, answer.text) == ("lamp 9", "lamp 1")


async def test_the_chosen_strategy_makes_the_same_calls_as_if_it_had_been_named() -> None:
    corpus, routed, named = houses(40), knowing(window=1500), knowing(window=1500)
    events: list[Event] = []
    answer = await Auto(routed, settings={"chunk_tokens": 20}).run(QUESTION, corpus, emit=events.append)
    expected = await ExtAgents(named, settings={"chunk_tokens": 20}).run(QUESTION, corpus)
    assert (answer.text, answer.evidence) == (expected.text, expected.evidence)
    assert [call.messages for call in routed.calls] == [call.messages for call in named.calls]
    assert events[0] == Routed(strategy="extagents", reason=RULES[-1].reason, seconds=events[0].seconds)
    assert Event.from_dict(events[0].to_dict()) == events[0]
    assert answer.settings["strategy"] == "auto"
    assert answer.settings["chosen"] == {"reason": RULES[-1].reason, **expected.settings}


async def test_a_text_that_fits_the_window_is_read_directly() -> None:
    model = ScriptedModel(lambda messages, schema: '{"answerable": true, "answer": "lamp 1", "quote": ""}')
    answer = await Auto(model).run(QUESTION, houses(3))
    assert answer.settings["chosen"]["strategy"] == "direct"
    assert len(model.calls) == 1


async def test_a_small_model_is_not_given_a_full_window_at_once() -> None:
    small = knowing(window=8000)
    small.parameters = 0.5  # type: ignore[attr-defined]
    texts = houses(80)
    assert Auto(small)._case(QUESTION, texts).room < Auto(knowing(window=8000))._case(QUESTION, texts).room


async def test_a_small_model_is_not_asked_for_a_plan() -> None:
    question = f"{QUESTION} List all the lamps that are mentioned in the text."
    for parameters, expected in ((0.5, "extagents"), (8.0, "aggregation")):
        model = knowing(window=2600)
        model.parameters = parameters  # type: ignore[attr-defined]
        answer = await Auto(model, settings={"chunk_tokens": 60}).run(question, houses(200))
        assert answer.settings["chosen"]["strategy"] == expected


@pytest.mark.parametrize(
    ("parameters", "question", "settings", "expected"),
    [
        (0.5, "Who is the mentor of the heir of Ada?", {}, ("extagents", "sentences")),
        (0.5, "Who is the mentor of the heir of Ada?", {"unit": "chunks"}, ("extagents", "chunks")),
        (0.5, "Who is the mentor of Ada?", {}, ("direct", None)),
        (8.0, "Who is the mentor of the heir of Ada?", {}, ("direct", None)),
    ],
)
async def test_a_small_model_is_asked_one_relation_after_the_other_even_where_the_text_fits_the_window(
    parameters: float, question: str, settings: dict[str, Any], expected: tuple[str, str | None]
) -> None:
    model = ScriptedModel(lambda messages, schema: "Ben", window=4000)
    model.parameters = parameters  # type: ignore[attr-defined]
    answer = await Auto(model, settings=settings).run(question, houses(3))
    assert (answer.settings["chosen"]["strategy"], answer.settings["chosen"].get("unit")) == expected


async def test_counting_words_takes_no_call_with_a_plan_whatever_the_question() -> None:
    model = knowing()
    answer = await Auto(model, settings={"plan": WORDS}, limits=Limits(max_calls=1)).run("Which one?", houses(5))
    assert answer.settings["chosen"]["strategy"] == "aggregation"
    assert answer.evidence
    assert answer.verdict is Verdict.ANSWERED


async def test_settings_that_the_chosen_strategy_has_not_are_told_and_unknown_ones_refused() -> None:
    model = ScriptedModel(lambda messages, schema: '{"answerable": true, "answer": "lamp 1", "quote": ""}')
    answer = await Auto(model, settings={"rounds": 3, "order": "document"}).run(QUESTION, houses(3))
    assert answer.warnings == ("the strategy direct has no setting rounds: it reads without",)
    assert answer.settings["chosen"]["order"] == "document"
    answer = await Auto(model, settings={"order": "latest", "unit": "sentences"}).run(QUESTION, houses(3))  # ExtAgents'
    assert answer.warnings == ("the strategy direct has no setting order, unit: it reads without",)
    with pytest.raises(UsageError, match="auto has no setting speed"):
        Auto(model, settings={"speed": 1})
    with pytest.raises(UsageError, match="rounds must be at least 1"):
        await Auto(knowing(window=1500), settings={"rounds": 0}).run(QUESTION, houses(40))


async def test_a_routed_run_goes_on_and_is_then_answered_from_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PANSOPHY_HOME", str(tmp_path / "home"))
    for number in range(30):
        (tmp_path / f"house-{number}.txt").write_text(lamp(number), encoding="utf-8")
    models = [knowing(window=1200, parallel=1) for _ in range(3)]

    async def ask(model: ScriptedModel, **limits: int) -> Any:
        settings = {"chunk_tokens": 20, "order": "document", "exhaustive": True}
        return await aask(
            QUESTION, [tmp_path / "*.txt"], model=model, strategy="auto", settings=settings, limits=Limits(**limits)
        )

    cut_off, whole, again = [await ask(models[0], max_calls=9), await ask(models[1]), await ask(models[2])]
    assert (cut_off.verdict, whole.verdict) == (Verdict.OUT_OF_BUDGET, Verdict.ANSWERED)
    assert cut_off.run_id == whole.run_id == again.run_id
    first, second = ([call.messages for call in model.calls] for model in models[:2])
    assert len(first) == 9
    assert not set(first) & set(second)
    assert models[2].calls == []
    assert again.settings["chosen"] == whole.settings["chosen"]


def test_auto_never_chooses_itself() -> None:
    named = {name for rule in RULES for name in rule.strategies if name in STRATEGIES}
    assert "auto" not in named
    assert {strategy_class(name).name for name in named} == named
