"""A chat model acts as the agent: what it is shown, what it is told, how a question ends."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pansophy import Corpus, ScriptedModel
from pansophy.engine import Limits
from pansophy.errors import EmptyReply, EndpointUnavailable, RunFailed, UsageError
from pansophy.events import NoteWritten
from pansophy.models.scripted import Reply
from pansophy.reading.ask import strategy_class
from pansophy.reading.ikea import Ikea, IkeaSettings
from pansophy.reading.ikea.settings import GrpoSettings
from pansophy.types import Verdict

QUESTION = "Who built the ferry Hulda?"
SEARCH = "<think> I don't know. </think>\n<search> ferry Hulda </search> and so on"
ANSWER = "<think> It says so. </think>\n<answer> Tom Reed </answer>"


@pytest.fixture(scope="module")
def boats() -> Corpus:
    return Corpus.from_texts(
        {"hulda": "The ferry Hulda is blue. Tom Reed built the Hulda. It sails at noon.", "runa": "The Runa is a tug."}
    )


def scripted(*replies: Reply, window: int = 8192) -> ScriptedModel:
    return ScriptedModel(list(replies), window=window)


async def test_a_search_brings_passages_and_the_answer_its_evidence(boats: Corpus) -> None:
    model = scripted(SEARCH, ANSWER)
    answer = await strategy_class("ikea")(model).run(QUESTION, boats)
    assert (answer.text, answer.verdict, answer.rounds) == ("Tom Reed", Verdict.ANSWERED, 2)
    (evidence,) = answer.evidence
    assert (evidence.document, evidence.quote) == ("hulda", "Tom Reed built the Hulda.")
    assert answer.settings["queries"] == ["ferry Hulda"]
    first, second = model.calls
    assert [message.role for message in second.messages] == ["user", "assistant", "user"]
    assert first.messages[0].content.endswith(f"Question: {QUESTION}")
    assert second.messages[1].content == "<think> I don't know. </think>\n<search> ferry Hulda </search>"
    told = second.messages[2].content
    assert told.startswith("<information>Doc 1(Title: hulda) The ferry Hulda is blue.")
    assert told.endswith("</information>")
    assert "Doc 2" not in told
    notes = [event for event in answer.trace if isinstance(event, NoteWritten)]
    assert [(note.step, note.of, note.text[:7]) for note in notes] == [(1, 4, "<think>"), (2, 4, "<think>")]


async def test_what_the_model_knows_needs_no_search(boats: Corpus) -> None:
    model = scripted(ANSWER)
    answer = await Ikea(model).run(QUESTION, boats)
    assert (answer.text, answer.verdict, answer.evidence) == ("Tom Reed", Verdict.ANSWERED, ())
    assert len(model.calls) == 1


async def test_the_last_generation_answers_without_a_search_or_nothing_is_found(boats: Corpus) -> None:
    settings = IkeaSettings(rounds=1)
    forced = await Ikea(scripted(SEARCH, ANSWER), settings=settings).run(QUESTION, boats)
    assert (forced.text, forced.verdict) == ("Tom Reed", Verdict.FORCED)
    without = await Ikea(scripted(SEARCH, SEARCH), settings=settings).run(QUESTION, boats)
    assert (without.text, without.verdict) == ("", Verdict.NOTHING_FOUND)
    assert [one.document for one in without.evidence] == ["hulda"]
    empty = await Ikea(scripted("<answer></answer>"), settings=settings).run(QUESTION, boats)
    assert (empty.text, empty.verdict) == ("", Verdict.NOTHING_FOUND)


async def test_a_silent_model_has_taken_an_invalid_step(boats: Corpus) -> None:
    model = scripted(EmptyReply("nothing"), ANSWER)
    answer = await Ikea(model, limits=Limits(attempts=1)).run(QUESTION, boats)
    assert answer.text == "Tom Reed"
    assert "not valid" in model.calls[-1].messages[-1].content


async def test_a_failing_endpoint_fails_the_run(boats: Corpus) -> None:
    with pytest.raises(RunFailed, match="the line is dead"):
        await Ikea(scripted(EndpointUnavailable("the line is dead")), limits=Limits(attempts=1)).run(QUESTION, boats)


async def test_a_spent_budget_keeps_what_was_found(boats: Corpus) -> None:
    answer = await Ikea(scripted(SEARCH), limits=Limits(max_calls=1)).run(QUESTION, boats)
    assert answer.verdict is Verdict.OUT_OF_BUDGET
    assert [one.document for one in answer.evidence] == ["hulda"]


async def test_a_slow_search_is_told(boats: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(query: str, limit: int) -> Sequence[object]:
        raise TimeoutError

    monkeypatch.setattr(boats, "search", late)
    answer = await Ikea(scripted(SEARCH, ANSWER)).run(QUESTION, boats)
    assert answer.text == "Tom Reed"
    assert answer.warnings == ("1 of 1 searches took too long",)


@pytest.mark.parametrize("window", [1050, 1200, 1600])
async def test_a_whole_episode_fits_the_window(window: int) -> None:
    corpus = Corpus.from_texts({f"ferry-{number}": "ferry " * 300 for number in range(9)})
    think = "<think> " + "so " * 90 + "</think>"
    model = scripted(*[f"{think} <search> ferry </search>"] * 3, f"{think} <answer> Tom Reed </answer>", window=window)
    answer = await Ikea(model, settings={"reply_tokens": 110}).run(QUESTION, corpus)
    assert (answer.text, answer.verdict, answer.warnings) == ("Tom Reed", Verdict.FORCED, ())


async def test_a_window_that_is_too_small_is_refused_with_one_that_would_do(boats: Corpus) -> None:
    with pytest.raises(UsageError, match=r"too small for 3 searches.*Lower reply_tokens") as caught:
        await Ikea(scripted(ANSWER, window=1500)).run(QUESTION, boats)
    smallest = int(str(caught.value).partition("tokens: ")[2].split()[0])
    assert (await Ikea(scripted(ANSWER, window=smallest)).run(QUESTION, boats)).text == "Tom Reed"
    with pytest.raises(UsageError, match="too small"):
        await Ikea(scripted(ANSWER, window=smallest - 1)).run(QUESTION, boats)


async def test_a_model_whose_replies_outgrow_the_window_is_stopped_with_a_warning(boats: Corpus) -> None:
    class Growing(ScriptedModel):
        async def count_prompt(self, messages: Sequence[object]) -> int:  # type: ignore[override]
            return 9000 if len(messages) > 1 else 100

    answer = await Ikea(Growing([SEARCH, ANSWER])).run(QUESTION, boats)
    assert answer.verdict is Verdict.NOTHING_FOUND
    assert "window of scripted is full" in answer.warnings[0]


@pytest.mark.parametrize(
    "wrong", [{"rounds": -1}, {"max_chunks": 0}, {"reply_tokens": 0}, {"temperature": -1.0}, {"search_seconds": 0}]
)
def test_wrong_settings_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Ikea(ScriptedModel([]), settings=wrong)


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"group": 1}, {"warm_up": 1.5}, {"entropy_weight": -1}, {"questions": 1, "updates": 99}]
)
def test_wrong_training_settings_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=list(wrong)[0] if len(wrong) == 1 else "not 99 parts"):  # noqa: RUF015
        GrpoSettings(**wrong)
