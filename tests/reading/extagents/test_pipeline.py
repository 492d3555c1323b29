"""What runs at the same time, what is stopped, and that nothing is left behind."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.reading.scripted import (
    QUESTION,
    agents,
    answered,
    findings_of,
    houses,
    is_seek,
    lamp_seen,
    other_tasks,
    read,
    refused,
    seeks,
    tries,
)

from pansophy import ScriptedModel
from pansophy.engine import Engine, Limits
from pansophy.errors import AuthenticationFailed
from pansophy.reading import strategy
from pansophy.reading.extagents import ExtAgents
from pansophy.types import Verdict


class Busy:
    """Replies when a test lets it, and counts how many calls are open."""

    def __init__(self, reply: Any, *, hold: Any = lambda prompt: False, **options: Any) -> None:
        self.open = self.most = self.cancelled = 0
        self.released, self.began = asyncio.Event(), asyncio.Semaphore(0)
        self._reply, self._hold = reply, hold
        self.model = ScriptedModel(self._answer, **options)

    async def _answer(self, prompt: Any, schema: Any) -> Any:
        self.open += 1
        self.began.release()
        self.most = max(self.most, self.open)
        try:
            if self._hold(prompt):
                await self.released.wait()
            else:
                await asyncio.sleep(0.002)
            return self._reply(prompt)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.open -= 1


def reply_of(reason: Any):
    return lambda prompt: lamp_seen(prompt) if is_seek(prompt) else reason(prompt)


@pytest.fixture
def engines(monkeypatch) -> list[Engine]:
    """The engines that runs make."""
    made: list[Engine] = []

    class Watched(Engine):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            made.append(self)

    monkeypatch.setattr(strategy, "Engine", Watched)
    return made


@pytest.mark.parametrize("order", ["rank", "document"])
async def test_all_chunks_of_a_round_are_read_at_the_same_time(order):
    busy = Busy(reply_of(lambda prompt: answered("lamp", 1)))
    await read(busy.model, houses(16), order=order, exhaustive=True)
    assert busy.most == 16


@pytest.mark.parametrize(("limit", "parallel", "most"), [(5, 64, 5), (None, 3, 3)])
async def test_no_more_calls_run_at_once_than_the_limit_or_the_model_allow(limit, parallel, most):
    busy = Busy(reply_of(lambda prompt: answered("lamp", 1)), parallel=parallel)
    await read(busy.model, houses(16), order="document", limits=Limits(concurrency=limit))
    assert busy.most == most


async def test_in_document_order_only_a_few_chunks_are_held_while_they_are_read():
    busy = Busy(reply_of(lambda prompt: answered("lamp", 1)), parallel=2)
    most = 0

    def look(prompt):
        nonlocal most
        most = max(most, len(asyncio.all_tasks()))
        return lamp_seen(prompt) if is_seek(prompt) else answered("lamp", 1)

    busy._reply = look
    before = len(asyncio.all_tasks())
    await read(busy.model, houses(40), order="document")
    assert most <= before + 2 * 2 + 1


async def test_the_next_chunks_are_read_while_the_agent_reasons():
    seen_while_reasoning: list[int] = []

    async def reply(prompt, schema):
        if is_seek(prompt):
            return lamp_seen(prompt)
        for _ in range(20):
            await asyncio.sleep(0)
        seen_while_reasoning.append(len(seeks(model)))
        return answered("lamp", 1) if len(findings_of(prompt)) >= 4 else refused()

    model = ScriptedModel(reply)
    await read(model, houses(16), order="rank", lookahead=1, read_ahead=True)
    assert seen_while_reasoning == [2, 4, 8]
    seen_while_reasoning.clear()
    model.calls.clear()
    await read(model, houses(16), order="rank", lookahead=1, read_ahead=False)
    assert seen_while_reasoning == [1, 2, 4]


async def test_pending_reads_are_cancelled_when_the_answer_is_found(engines):
    busy = Busy(
        reply_of(lambda prompt: answered("lamp 0", 1)),
        hold=lambda prompt: is_seek(prompt) and lamp_seen(prompt) != lamp_seen_first(prompt),
    )
    before = await other_tasks()
    answer = await read(busy.model, houses(16), order="rank", lookahead=1, schedule=(1, "all"), read_ahead=True)
    assert answer.verdict is Verdict.ANSWERED
    assert len(tries(busy.model)) == 1
    assert busy.cancelled == len(seeks(busy.model)) - 1 == 15
    assert busy.open == 0
    assert await other_tasks() == before
    assert engines[0]._gate(busy.model).in_flight == 0


def lamp_seen_first(prompt):
    """The reply for the chunk that comes first in rank order (that of house 0: all are rated alike)."""
    return lamp_seen(prompt) if "House 0:" in prompt[1].content else None


async def test_reads_that_wait_for_a_slot_are_never_sent_once_the_answer_is_found(engines):
    busy = Busy(
        reply_of(lambda prompt: answered("lamp 0", 1)),
        hold=lambda prompt: is_seek(prompt) and lamp_seen_first(prompt) is None,
        parallel=3,
    )
    answer = await read(busy.model, houses(16), order="rank", lookahead=1, schedule=(1, "all"), read_ahead=True)
    assert answer.verdict is Verdict.ANSWERED
    assert len(seeks(busy.model)) <= 1 + 3
    assert engines[0]._gate(busy.model).in_flight == 0


@pytest.mark.parametrize("order", ["rank", "document"])
async def test_cancelling_a_run_leaves_no_task_and_no_slot(engines, order):
    busy = Busy(reply_of(lambda prompt: refused()), hold=lambda prompt: True, parallel=4)
    before = await other_tasks()
    task = asyncio.create_task(
        ExtAgents(busy.model, settings={"order": order, "chunk_tokens": 20, "exhaustive": True}).run(
            QUESTION, houses(12)
        )
    )
    for _ in range(4):
        await busy.began.acquire()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert busy.open == 0
    assert await other_tasks() == before
    assert engines[0]._gate(busy.model).in_flight == 0


async def test_leaving_a_stream_early_stops_the_run():
    busy = Busy(reply_of(lambda prompt: refused()), hold=lambda prompt: "House 5:" in prompt[1].content)
    before = await other_tasks()
    stream = ExtAgents(busy.model, settings={"exhaustive": True, "order": "rank"}).stream(QUESTION, houses(8))
    async for event in stream:
        if event.kind == "chunk_read":
            break
    await stream.aclose()
    assert busy.open == 0
    assert await other_tasks() == before


async def test_a_stream_ends_with_the_answer_and_raises_what_the_run_raises():
    model = agents(reason=lambda prompt: answered("lamp 1", 1))
    events = [event async for event in ExtAgents(model).stream(QUESTION, houses(3))]
    assert events[0].kind == "run_started"
    assert events[-1].kind == "answer_ready"
    assert events[-1].answer.text == "lamp 1"
    broken = agents(lambda prompt: AuthenticationFailed("wrong key"))
    with pytest.raises(Exception, match="wrong key"):
        [event async for event in ExtAgents(broken).stream(QUESTION, houses(3))]


async def test_an_error_of_one_read_cancels_the_others_before_it_goes_on():
    def reply(prompt):
        return AuthenticationFailed("wrong key") if "House 3:" in prompt[1].content else lamp_seen(prompt)

    busy = Busy(reply, hold=lambda prompt: "House 3:" not in prompt[1].content)
    before = await other_tasks()
    with pytest.raises(Exception, match="wrong key"):
        await read(busy.model, houses(8), order="document")
    assert busy.open == 0
    assert await other_tasks() == before
