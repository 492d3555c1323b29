"""The control without a text: it sees the question alone, and ends as the strategies do that read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from pansophy.corpus import Corpus
from pansophy.engine import Limits
from pansophy.errors import EndpointUnavailable, RunFailed, UsageError
from pansophy.models import ScriptedModel
from pansophy.reading.ask import strategy_class
from pansophy.reading.no_context import NoContext
from pansophy.types import ChatMessage, Verdict

QUESTION = "Who keeps the key of room 17?"
TEXT = "The key of room 17 is kept by porter17."
REFUSAL = json.dumps({"answerable": False, "answer": "perhaps porter9"})


@pytest.fixture(scope="module")
def rooms() -> Corpus:
    return Corpus.from_texts({"rooms": TEXT})


async def test_no_word_of_the_text_is_shown_and_the_answer_has_no_evidence(rooms: Corpus) -> None:
    model = ScriptedModel([json.dumps({"answerable": True, "answer": "porter3"})])
    answer = await strategy_class("no-context")(model).run(QUESTION, rooms)
    assert (answer.text, answer.verdict, answer.evidence) == ("porter3", Verdict.ANSWERED, ())
    (call,) = model.calls
    shown = " ".join(message.content for message in call.messages)
    assert QUESTION in shown
    assert "porter17" not in shown
    assert "quote" not in shown + json.dumps(call.schema)


async def test_a_refusal_is_followed_by_a_call_without_the_way_out(rooms: Corpus) -> None:
    def reply(messages: Sequence[ChatMessage], schema: Any) -> str:
        return REFUSAL if "answerable" in schema["properties"] else json.dumps({"answer": "porter5"})

    model = ScriptedModel(reply)
    answer = await NoContext(model).run(QUESTION, rooms)
    assert (answer.text, answer.verdict, len(model.calls)) == ("porter5", Verdict.FORCED, 2)
    assert "answerable" not in model.calls[1].messages[-1].content


async def test_without_force_a_refusal_is_the_end(rooms: Corpus) -> None:
    answer = await NoContext(ScriptedModel([REFUSAL]), settings={"force": False}).run(QUESTION, rooms)
    assert (answer.text, answer.verdict) == ("", Verdict.NOTHING_FOUND)


async def test_an_empty_corpus_is_as_good_as_any() -> None:
    model = ScriptedModel([json.dumps({"answerable": True, "answer": "porter3"})])
    answer = await NoContext(model).run(QUESTION, Corpus.from_texts({}))
    assert (answer.text, answer.verdict, answer.warnings) == ("porter3", Verdict.ANSWERED, ())


async def test_a_failing_endpoint_fails_the_run(rooms: Corpus) -> None:
    model = ScriptedModel(lambda messages, schema: EndpointUnavailable("the line is dead"))
    with pytest.raises(RunFailed, match="the line is dead"):
        await NoContext(model, limits=Limits(attempts=1)).run(QUESTION, rooms)


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(UsageError, match="answer_tokens must be at least 1"):
        NoContext(ScriptedModel([]), settings={"answer_tokens": 0})
