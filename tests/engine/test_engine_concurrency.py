"""Many calls: how many at once, in which order, within which budget, and that nothing leaks."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.engine.virtual_time import now, run_virtually

from pansophy.engine import Engine, Limits, Prices
from pansophy.errors import BudgetExceeded, CallTimedOut, EndpointUnavailable, RateLimited
from pansophy.models import ScriptedModel
from pansophy.types import ChatMessage, Completion, Usage


def prompts(count: int) -> list[list[ChatMessage]]:
    return [[ChatMessage("user", f"question {number}")] for number in range(count)]


def engine_here(limits: Limits, **options) -> Engine:
    return Engine(limits, clock=asyncio.get_running_loop().time, **options)


REFUSAL = 0.01


class Endpoint:
    """A scripted endpoint that bears `capacity` calls at once, refuses further ones, and remembers its peak.

    A refusal takes a little time, as over a network: calls sent together are all under way when the first is refused.
    """

    def __init__(self, capacity: int | None = None, latency: float = 1.0) -> None:
        self.capacity = capacity
        self.latency = latency
        self.open = self.peak = self.completed = 0
        self.model = ScriptedModel(self._reply)

    async def _reply(self, messages, schema):
        if self.capacity is not None and self.open >= self.capacity:
            await asyncio.sleep(REFUSAL)
            return RateLimited("too many")
        self.open += 1
        self.peak = max(self.peak, self.open)
        try:
            await asyncio.sleep(self.latency)
        finally:
            self.open -= 1
        self.completed += 1
        return f"reply to {messages[-1].content}"


def complete_all(engine: Engine, model: ScriptedModel, count: int):
    calls = (engine.complete(model, prompt, max_tokens=20) for prompt in prompts(count))
    return asyncio.gather(*calls, return_exceptions=True)


def test_two_thousand_calls_take_no_longer_than_the_slots_allow():
    endpoint = Endpoint(latency=1.0)

    async def main():
        results = await complete_all(engine_here(Limits(concurrency=64)), endpoint.model, 2000)
        return results, now() - 1000

    results, seconds = run_virtually(main)
    assert [result.text for result in results] == [f"reply to question {n}" for n in range(2000)]
    assert endpoint.peak == 64
    assert seconds == pytest.approx(32)  # ceil(2000 / 64) waves of one second


def test_the_model_says_how_many_calls_it_can_use():
    endpoint = Endpoint()
    endpoint.model.parallel = 3
    run_virtually(lambda: _complete(endpoint, Limits(), 10))
    assert endpoint.peak == 3


async def _complete(endpoint: Endpoint, limits: Limits, count: int):
    return await complete_all(engine_here(limits), endpoint.model, count)


def test_two_models_do_not_wait_for_each_other():
    async def main():
        one, other = Endpoint(), Endpoint()
        other.model.identity = "another"
        engine = engine_here(Limits(concurrency=1))
        await asyncio.gather(complete_all(engine, one.model, 2), complete_all(engine, other.model, 2))
        return now() - 1000

    assert run_virtually(main) == pytest.approx(2)


def test_calls_of_lower_priority_number_overtake_waiting_ones():
    order = []
    model = ScriptedModel(lambda messages, schema: order.append(messages[-1].content) or "ok", latency=1)

    async def main():
        engine = engine_here(Limits(concurrency=1))
        reads = [
            asyncio.create_task(engine.complete(model, prompt, max_tokens=5, priority=10)) for prompt in prompts(3)
        ]
        await asyncio.sleep(0.5)
        reasoning = engine.complete(model, [ChatMessage("user", "reason")], max_tokens=5, priority=0)
        await asyncio.gather(reasoning, *reads)

    run_virtually(main)
    assert order == ["question 0", "reason", "question 1", "question 2"]


@settings(max_examples=40, deadline=None)
@given(
    capacity=st.integers(1, 40),
    count=st.integers(1, 120),
    concurrency=st.integers(1, 64),
    latency=st.sampled_from([0.05, 1.0, 30.0]),
)
@example(capacity=1, count=64, concurrency=64, latency=30.0)
@example(capacity=8, count=120, concurrency=64, latency=30.0)
@example(capacity=3, count=120, concurrency=64, latency=0.05)
def test_an_endpoint_that_bears_fewer_calls_loses_none(capacity, count, concurrency, latency):
    endpoint = Endpoint(capacity, latency)
    results = run_virtually(lambda: _complete(endpoint, Limits(concurrency=concurrency), count))
    assert [getattr(result, "text", result) for result in results] == [f"reply to question {n}" for n in range(count)]
    assert endpoint.peak <= min(capacity, concurrency)


def test_refusals_lower_the_calls_at_once_to_what_the_endpoint_bears_and_successes_raise_them_quickly():
    endpoint = Endpoint(capacity=8, latency=1.0)

    async def main():
        engine = engine_here(Limits(concurrency=64))
        wave = asyncio.ensure_future(complete_all(engine, endpoint.model, 64))
        await asyncio.sleep(0.5)  # after all refusals, before the first success
        gate = engine._gates[endpoint.model.identity]
        lowered = gate.limit
        endpoint.capacity = None
        await wave
        calls = (engine.complete(endpoint.model, prompt, max_tokens=20, seed=1) for prompt in prompts(100))
        await asyncio.gather(*calls)
        return lowered, gate.limit

    lowered, recovered = run_virtually(main)
    assert lowered == 8
    assert 32 <= recovered <= 64


def test_a_single_refusal_does_not_end_a_run_of_many_calls_at_once():
    """After a fall to one call the old width is back within the next few hundred calls."""
    refusals = iter([RateLimited("once")])

    async def reply(messages, schema):
        await asyncio.sleep(0.01)
        return next(refusals, "ok")

    async def main():
        engine = engine_here(Limits(concurrency=16))
        model = ScriptedModel(reply)
        await complete_all(engine, model, 400)
        return engine._gates[model.identity].limit

    assert run_virtually(main) == 16


def test_a_refusal_for_ever_ends_although_many_calls_wait():
    model = ScriptedModel(lambda messages, schema: RateLimited("never"))

    async def main():
        return await complete_all(engine_here(Limits(concurrency=16, attempts=3)), model, 50)

    results = run_virtually(main)
    assert all(isinstance(result, RateLimited) for result in results)
    assert len(model.calls) == 150


def test_nothing_is_sent_to_an_endpoint_that_asked_to_wait():
    sent = []

    def reply(messages, schema):
        sent.append(now() - 1000)
        return RateLimited("wait", retry_after=30) if len(sent) == 1 else "ok"

    async def main():
        engine = engine_here(Limits(concurrency=2))
        calls = [asyncio.create_task(engine.complete(ScriptedModel(reply), p, max_tokens=5)) for p in prompts(1)]
        await asyncio.sleep(1)
        calls += [asyncio.create_task(engine.complete(ScriptedModel(reply), p, max_tokens=5)) for p in prompts(6)[1:]]
        await asyncio.gather(*calls)

    run_virtually(main)
    assert sent[0] == 0
    assert len(sent) == 7
    assert min(sent[1:]) >= 30


def test_time_outs_lower_the_number_of_calls_at_once():
    async def main():
        endpoint = Endpoint(latency=100)
        engine = engine_here(Limits(concurrency=8, call_timeout=1, attempts=1))
        results = await complete_all(engine, endpoint.model, 8)
        assert all(isinstance(result, CallTimedOut) for result in results)
        return engine._gates[endpoint.model.identity].limit

    assert run_virtually(main) == 4  # once for the whole wave


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), concurrency=st.integers(1, 6), capacity=st.integers(1, 6))
def test_cancelled_calls_leak_no_slot_and_no_reservation(seed, concurrency, capacity):
    chance = random.Random(seed)
    endpoint = Endpoint(capacity)

    async def main():
        engine = engine_here(Limits(concurrency=concurrency, max_tokens=10**6))
        tasks = [
            asyncio.create_task(engine.complete(endpoint.model, p, max_tokens=20, priority=chance.randrange(3)))
            for p in prompts(30)
        ]
        for task in chance.sample(tasks, 20):
            await asyncio.sleep(chance.choice([0.0, 0.25, 1.0]))
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        gate = engine._gates[endpoint.model.identity]
        assert (gate.in_flight, endpoint.open) == (0, 0)
        assert (engine._budget.reserved.calls, engine._budget.reserved.tokens) == (0, 0)
        assert 1 <= gate.limit <= concurrency
        later = [engine.complete(endpoint.model, p, max_tokens=20, seed=99) for p in prompts(10)]
        assert all(completion.text for completion in await asyncio.gather(*later))

    run_virtually(main)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    max_calls=st.none() | st.integers(1, 30),
    max_tokens=st.none() | st.integers(1, 600),
    max_cost=st.none() | st.floats(1e-6, 6e-4),
)
def test_calls_at_the_same_time_never_overshoot_the_budget_together(seed, max_calls, max_tokens, max_cost):
    chance = random.Random(seed)
    billed = []

    async def reply(messages, schema):
        await asyncio.sleep(chance.random())
        if chance.random() < 0.2:
            billed.append(Usage(calls=1))
            return EndpointUnavailable("a bad moment")
        billed.append(Usage(calls=1, prompt_tokens=6, completion_tokens=chance.randint(1, 20)))
        return Completion("ok", "stop", billed[-1])

    prices = Prices(prompt=1.0, completion=2.0)
    limits = Limits(concurrency=8, max_calls=max_calls, max_tokens=max_tokens, max_cost=max_cost)

    async def main():
        engine = engine_here(limits, prices=prices)
        return await complete_all(engine, ScriptedModel(reply), 30), engine

    results, engine = run_virtually(main)
    assert len(billed) <= (max_calls or 10**9)
    assert sum(usage.prompt_tokens + usage.completion_tokens for usage in billed) <= (max_tokens or 10**9)
    assert sum(prices.cost(usage) for usage in billed) <= (max_cost or 10**9) + 1e-9
    allowed = Completion | BudgetExceeded | EndpointUnavailable
    assert all(isinstance(result, allowed) for result in results)
    assert engine.usage.calls == len(billed)


def test_a_budget_of_calls_is_used_to_the_last_one():
    endpoint = Endpoint()
    results = run_virtually(lambda: _complete(endpoint, Limits(concurrency=8, max_calls=13), 30))
    assert endpoint.completed == 13
    assert sum(isinstance(result, BudgetExceeded) for result in results) == 17


def test_a_budget_of_tokens_is_not_wasted_on_reservations():
    """Each call reserves 106 tokens and uses 9: all thirty fit into a budget that holds two reservations."""
    reply = Completion("ok", "stop", Usage(calls=1, prompt_tokens=6, completion_tokens=3))
    model = ScriptedModel(lambda messages, schema: reply, latency=1)

    async def main():
        engine = engine_here(Limits(concurrency=8, max_tokens=30 * 9 + 100))
        calls = (engine.complete(model, prompt, max_tokens=100) for prompt in prompts(30))
        return await asyncio.gather(*calls)

    assert len(run_virtually(main)) == 30


def test_a_call_cut_off_counts_in_full_against_the_budget():
    """Nobody tells what a cut call was billed, so the budget assumes the most."""
    model = ScriptedModel(lambda messages, schema: "late", latency=100)

    async def main():
        engine = engine_here(Limits(max_tokens=50, call_timeout=1, attempts=1))
        with pytest.raises(CallTimedOut):
            await engine.complete(model, prompts(1)[0], max_tokens=20)
        with pytest.raises(BudgetExceeded, match="26 are used, and the next call may take 26"):
            await engine.complete(model, prompts(1)[0], max_tokens=20)

    run_virtually(main)


def test_a_cancelled_call_counts_in_full_against_the_budget():
    model = ScriptedModel(lambda messages, schema: "late", latency=100)

    async def main():
        engine = engine_here(Limits(max_tokens=50))
        task = asyncio.create_task(engine.complete(model, prompts(1)[0], max_tokens=20))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(BudgetExceeded, match="26 are used"):
            await engine.complete(model, prompts(1)[0], max_tokens=20)
        assert engine.usage.calls == 1

    run_virtually(main)


def test_a_call_cancelled_before_it_is_sent_costs_nothing():
    model = ScriptedModel(lambda messages, schema: "ok", latency=1)

    async def main():
        engine = engine_here(Limits(concurrency=1, max_calls=2))
        first, waiting = (asyncio.create_task(engine.complete(model, p, max_tokens=20)) for p in prompts(2))
        await asyncio.sleep(0.5)
        waiting.cancel()
        await first
        await engine.complete(model, prompts(3)[2], max_tokens=20)
        assert engine.usage.calls == 2

    run_virtually(main)
