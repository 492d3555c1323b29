"""Fault injection: the engine and the endpoint back end against a real server that misbehaves."""

from __future__ import annotations

import asyncio
import time

import pytest
from pydantic import BaseModel
from tests.servers import misbehaving as m

from pansophy.engine import Engine, Limits, complete_as
from pansophy.errors import (
    AuthenticationFailed,
    BudgetExceeded,
    CallTimedOut,
    ContextOverflow,
    EmptyReply,
    EndpointUnavailable,
    RateLimited,
    UnknownModel,
)
from pansophy.events import CallRetried, Event, Warned
from pansophy.models import OpenAICompatible
from pansophy.types import ChatMessage

PROMPT = [ChatMessage("user", "Who?")]
QUICK = {"longest_wait": 0.01}
"""Waits between attempts are kept short: how long they are is tested on virtual time."""


async def ask(server: m.MisbehavingServer, events: list[Event] | None = None, **limits):
    """One call under `limits`; what came of it, and how long it took."""
    model = OpenAICompatible("fake", base_url=server.base_url, api_key="key")
    await model.prepare()
    engine = Engine(Limits(**{**QUICK, **limits}), emit=None if events is None else events.append)
    started = time.monotonic()
    try:
        return await engine.complete(model, PROMPT, max_tokens=20), time.monotonic() - started
    finally:
        await model.aclose()


@pytest.mark.parametrize(
    ("behaviour", "error", "requests"),
    [
        (m.wrong_key(), AuthenticationFailed, 1),
        (m.unknown_model(), UnknownModel, 1),
        (m.context_overflow(), ContextOverflow, 1),
        (m.rate_limited(), RateLimited, 3),
        (m.rate_limited(retry_after=0), RateLimited, 3),
        (m.failing(500), EndpointUnavailable, 3),
        (m.failing(503), EndpointUnavailable, 3),
        (m.empty(), EmptyReply, 3),
        (m.malformed(), EndpointUnavailable, 3),
        (m.html_page(), EndpointUnavailable, 3),
        (m.reset_mid_body(), EndpointUnavailable, 3),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
async def test_a_lasting_fault_ends_in_its_own_error_after_the_allowed_requests(behaviour, error, requests):
    with m.MisbehavingServer(behaviour) as server:
        with pytest.raises(error):
            await ask(server)
        assert len(server.requests) == requests


@pytest.mark.parametrize(
    "fault",
    [
        m.rate_limited(),
        m.rate_limited(retry_after=0.01),
        m.failing(500),
        m.failing(503),
        m.empty(),
        m.malformed(),
        m.html_page(),
        m.reset_mid_body(),
    ],
)
async def test_a_passing_fault_costs_one_more_request(fault):
    events: list[Event] = []
    with m.MisbehavingServer(m.times(1, fault, then=m.ok("Watson"))) as server:
        completion, _ = await ask(server, events)
        assert completion.text == "Watson"
        assert len(server.requests) == 2
    assert sum(isinstance(event, CallRetried) for event in events) == 1


@pytest.mark.parametrize("fault", [m.hang(), m.slow_drip(), m.flood()], ids=["hang", "drip", "flood"])
async def test_a_reply_that_does_not_end_is_cut_by_the_calls_own_time_out(fault):
    with m.MisbehavingServer(fault) as server:
        started = time.monotonic()
        with pytest.raises(CallTimedOut):
            await ask(server, call_timeout=0.2, attempts=2)
        assert 0.4 <= time.monotonic() - started < 3
        assert len(server.requests) == 2


@pytest.mark.parametrize("fault", [m.hang(), m.slow_drip(), m.flood()], ids=["hang", "drip", "flood"])
async def test_a_reply_that_does_not_end_is_cut_by_the_deadline(fault):
    with m.MisbehavingServer(fault) as server:
        started = time.monotonic()
        with pytest.raises(BudgetExceeded, match="deadline of"):
            await ask(server, deadline=0.3)
        assert 0.3 <= time.monotonic() - started < 3
        assert len(server.requests) == 1


@pytest.mark.parametrize("fault", [m.rate_limited(), m.rate_limited(retry_after=60), m.failing(500)])
async def test_retries_end_with_the_deadline(fault):
    with m.MisbehavingServer(fault) as server:
        started = time.monotonic()
        with pytest.raises(BudgetExceeded, match="no time to try again"):
            await ask(server, deadline=0.2, longest_wait=60)
        assert time.monotonic() - started < 3
        assert len(server.requests) == 1


async def test_the_server_notices_a_cancelled_call():
    with m.MisbehavingServer(m.hang()) as server:
        task = asyncio.create_task(ask(server))
        await _until(lambda: server.requests)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await _until(lambda: server.requests[0].abandoned)


async def _until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the server's thread has no event for it
            await asyncio.sleep(0.005)


async def test_a_rambling_reply_is_cut_by_max_tokens():
    with m.MisbehavingServer(m.rambling) as server:
        completion, _ = await ask(server)
    assert completion.finish_reason == "length"
    assert completion.usage.completion_tokens == 20


@pytest.mark.parametrize("told", [(-7, 10**12), (10**12, 5), (0, 0)])
async def test_wrong_token_counts_do_not_exhaust_the_budget(told):
    events: list[Event] = []
    with m.MisbehavingServer(m.wrong_usage(*told)) as server:
        completion, _ = await ask(server, events, max_tokens=1000)
    assert 0 < completion.usage.prompt_tokens < 100
    assert 0 < completion.usage.completion_tokens < 100


class Finding(BaseModel):
    found: bool
    statement: str = ""


@pytest.mark.parametrize(
    ("behaviour", "understood", "requests"),
    [
        (m.ok('{"found": true, "statement": "Watson"}'), Finding(found=True, statement="Watson"), 1),
        (m.cut('{"found": true, "statement": "Wat'), Finding(found=True, statement="Wat"), 1),
        (m.prose(), None, 2),
        (m.rambling, None, 2),
        (m.times(1, m.prose(), then=m.ok('{"found": false}')), Finding(found=False), 2),
    ],
)
async def test_a_typed_reply_is_understood_or_none_after_two_tries(behaviour, understood, requests):
    with m.MisbehavingServer(behaviour) as server:
        model = OpenAICompatible("fake", base_url=server.base_url, api_key="key")
        engine = Engine(Limits(**QUICK))
        parsed, _ = await complete_as(engine, model, PROMPT, Finding, max_tokens=30)
        await model.aclose()
        assert parsed == understood
        assert len(server.requests) == requests


async def test_no_more_calls_are_open_at_once_than_allowed_and_all_are_answered():
    def slow_echo(request: m.Request) -> m.Reply:
        return m.ok(request.prompt, latency=0.1)

    with m.MisbehavingServer(slow_echo) as server:
        model = OpenAICompatible("fake", base_url=server.base_url, api_key="key")
        engine = Engine(Limits(concurrency=16))
        calls = (engine.complete(model, [ChatMessage("user", f"question {n}")], max_tokens=20) for n in range(100))
        completions = await asyncio.gather(*calls)
        await model.aclose()
        assert [completion.text for completion in completions] == [f"question {n}" for n in range(100)]
        assert 8 < server.most_at_once <= 16
        assert len(server.requests) == 100


async def test_a_server_that_bears_few_calls_answers_all_and_the_user_is_told():
    def bears_four(request: m.Request) -> m.Reply:
        return m.rate_limited(retry_after=0.01) if server.open_requests > 4 else m.ok(request.prompt, latency=0.02)

    events: list[Event] = []
    with m.MisbehavingServer(bears_four) as server:
        model = OpenAICompatible("fake", base_url=server.base_url, api_key="key")
        engine = Engine(Limits(concurrency=32), emit=events.append)
        calls = (engine.complete(model, [ChatMessage("user", f"question {n}")], max_tokens=20) for n in range(60))
        completions = await asyncio.gather(*calls)
        await model.aclose()
    assert [completion.text for completion in completions] == [f"question {n}" for n in range(60)]
    assert [event.message for event in events if isinstance(event, Warned)] == [
        "fake asks to slow down: fewer calls are made at once"
    ]


async def test_an_endpoint_that_is_not_there_is_named():
    model = OpenAICompatible("fake", base_url="http://127.0.0.1:9/v1", api_key="key")
    with pytest.raises(EndpointUnavailable, match=r"127\.0\.0\.1:9/v1 can't be reached"):
        await Engine(Limits(**QUICK)).complete(model, PROMPT, max_tokens=20)
    await model.aclose()
