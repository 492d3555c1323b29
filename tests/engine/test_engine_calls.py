"""One call: retries, time-outs, deadline, journal, what it costs."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.virtual_time import now, run_virtually

from pansophy.engine import Engine, Limits, Prices, call_key
from pansophy.engine.retries import LONGEST_BACKOFF, RetryPolicy
from pansophy.errors import (
    AuthenticationFailed,
    BudgetExceeded,
    CallTimedOut,
    ContextOverflow,
    EmptyReply,
    EndpointUnavailable,
    ModelError,
    RateLimited,
    RequestRefused,
    StoreError,
    UnknownModel,
    UsageError,
)
from pansophy.events import CallRetried, Event, Warned
from pansophy.models import ScriptedModel
from pansophy.types import ChatMessage, Completion, Usage

PROMPT = [ChatMessage("user", "Who?")]
PROMPT_TOKENS = 6


class MemoryJournal:
    def __init__(self) -> None:
        self.kept: dict[str, Completion] = {}

    def recall(self, key: str) -> Completion | None:
        return self.kept.get(key)

    def record(self, key: str, completion: Completion) -> None:
        self.kept[key] = completion


def ask(engine: Engine, model: ScriptedModel, **options):
    return engine.complete(model, PROMPT, **{"max_tokens": 50, **options})


def test_a_passing_failure_is_tried_again_and_announced(new_engine):
    events: list[Event] = []
    model = ScriptedModel([EndpointUnavailable("down"), "Watson"])

    async def main():
        engine = new_engine(emit=events.append)
        completion = await ask(engine, model)
        return engine, completion, now() - 1000

    engine, completion, waited = run_virtually(main)
    assert completion.text == "Watson"
    assert [(event.attempt, event.error) for event in events if isinstance(event, CallRetried)] == [(2, "down")]
    assert waited == pytest.approx(events[0].wait)
    assert engine.usage.calls == 2
    assert engine.usage.prompt_tokens == PROMPT_TOKENS


@pytest.mark.parametrize("kind", [AuthenticationFailed, UnknownModel, ContextOverflow, RequestRefused])
def test_an_error_that_will_not_pass_is_raised_at_once(new_engine, kind):
    model = ScriptedModel(lambda messages, schema: kind("no"))
    with pytest.raises(kind):
        run_virtually(lambda: _in_new_engine(new_engine, model))
    assert len(model.calls) == 1


@pytest.mark.parametrize("kind", [RateLimited, EndpointUnavailable, CallTimedOut, EmptyReply])
@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_a_lasting_failure_is_raised_after_exactly_the_allowed_attempts(new_engine, kind, attempts):
    model = ScriptedModel(lambda messages, schema: kind("still no"))
    with pytest.raises(kind, match="still no"):
        run_virtually(lambda: _in_new_engine(new_engine, model, attempts=attempts))
    assert len(model.calls) == attempts


async def _in_new_engine(new_engine, model, **limits):
    return await ask(new_engine(**limits), model)


def test_an_empty_reply_is_asked_for_again_with_another_seed_and_paid_for(new_engine):
    model = ScriptedModel([" \n", "Watson"])

    async def main():
        engine = new_engine()
        return await ask(engine, model, seed=7), engine

    completion, engine = run_virtually(main)
    assert completion.text == "Watson"
    assert [call.seed for call in model.calls] == [7, 8]
    assert engine.usage.prompt_tokens == 2 * PROMPT_TOKENS


def test_empty_replies_for_ever_raise_and_say_when_the_tokens_ran_out(new_engine):
    thinking = Completion("", "length", Usage(calls=1, prompt_tokens=6, completion_tokens=50))
    model = ScriptedModel(lambda messages, schema: thinking)
    with pytest.raises(EmptyReply, match="used up its 50 tokens"):
        run_virtually(lambda: _in_new_engine(new_engine, model))


def test_a_prompt_that_would_not_fit_is_never_sent(new_engine):
    model = ScriptedModel(["never"], window=PROMPT_TOKENS + 49)
    with pytest.raises(ContextOverflow, match="50 reserved"):
        run_virtually(lambda: _in_new_engine(new_engine, model))
    assert model.calls == []


def test_retry_after_is_waited_for(new_engine):
    model = ScriptedModel([RateLimited("slow", retry_after=30), "Watson"])

    async def main():
        await ask(new_engine(), model)
        return now() - 1000

    assert 30 <= run_virtually(main) <= 33


def test_retry_after_is_capped(new_engine):
    model = ScriptedModel([RateLimited("tomorrow", retry_after=86400), "Watson"])

    async def main():
        await ask(new_engine(longest_wait=60), model)
        return now() - 1000

    assert run_virtually(main) == 60


def test_a_retry_that_would_come_after_the_deadline_is_not_waited_for(new_engine):
    model = ScriptedModel([RateLimited("slow", retry_after=30), "too late"])

    async def main():
        with pytest.raises(BudgetExceeded, match="no time to try again after: slow"):
            await ask(new_engine(deadline=20), model)
        return now() - 1000

    assert run_virtually(main) == 0


@given(attempt=st.integers(1, 10_000), asked=st.none() | st.floats(-10, 1e9), cap=st.floats(0, 120), seed=st.integers())
def test_waits_stay_within_their_bounds(attempt, asked, cap, seed):
    policy = RetryPolicy(attempts=3, longest_wait=cap, random=random.Random(seed))
    wait = policy.wait(attempt, EndpointUnavailable("x", retry_after=asked))
    assert 0 <= wait <= cap
    if asked is not None:
        assert wait >= min(max(asked, 0), cap)
    else:
        assert wait <= LONGEST_BACKOFF


def test_a_call_that_takes_too_long_is_cut_and_tried_again(new_engine):
    model = ScriptedModel(lambda messages, schema: "late", latency=100)

    async def main():
        engine = new_engine(call_timeout=10, attempts=2)
        with pytest.raises(CallTimedOut, match="within 10 s"):
            await ask(engine, model)
        return now() - 1000

    assert 20 <= run_virtually(main) <= 21
    assert len(model.calls) == 2


@pytest.mark.parametrize(("local", "seconds"), [(False, 120), (True, 120 + 6000 / 20)])
def test_a_model_on_this_machine_has_time_to_read_a_long_prompt(new_engine, local, seconds):
    model = ScriptedModel(lambda messages, schema: "late", latency=10_000)
    model.local = local

    async def main():
        engine = new_engine(attempts=1)
        with pytest.raises(CallTimedOut):
            await engine.complete(model, [ChatMessage("user", "word " * 6000)], max_tokens=10)
        return now() - 1000

    assert run_virtually(main) == pytest.approx(seconds, abs=2)


def test_when_the_deadline_passes_calls_in_flight_are_cancelled(new_engine):
    cancelled = []

    async def hang(messages, schema):
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            cancelled.append(now() - 1000)
            raise

    async def slow(messages, schema):
        return await hang(messages, schema)

    model = ScriptedModel(slow)

    async def main():
        engine = new_engine(deadline=5)
        results = await asyncio.gather(*(ask(engine, model, seed=s) for s in range(3)), return_exceptions=True)
        assert all(isinstance(result, BudgetExceeded) and "deadline of 5 s" in str(result) for result in results)
        with pytest.raises(BudgetExceeded):
            await ask(engine, model)

    run_virtually(main)
    assert cancelled == [5, 5, 5]
    assert len(model.calls) == 3


def test_a_call_waiting_for_a_slot_is_given_up_at_the_deadline(new_engine):
    model = ScriptedModel(lambda messages, schema: "slow", latency=8)

    async def main():
        engine = new_engine(deadline=10, concurrency=1)
        results = await asyncio.gather(*(ask(engine, model, seed=s) for s in range(3)), return_exceptions=True)
        return [type(result) for result in results]

    assert run_virtually(main) == [Completion, BudgetExceeded, BudgetExceeded]
    assert len(model.calls) == 2


def test_a_recalled_completion_costs_no_call(new_engine):
    journal = MemoryJournal()
    model = ScriptedModel(["Watson"])

    async def main():
        first = new_engine(journal=journal)
        await ask(first, model)
        second = new_engine(journal=journal, max_calls=1)
        return first, second, await ask(second, model)

    first, second, completion = run_virtually(main)
    assert completion.text == "Watson"
    assert len(model.calls) == 1
    assert (first.usage.calls, first.recalled.calls) == (1, 0)
    assert (second.usage, second.recalled) == (Usage(), first.usage)


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"temperature": 0.5}, {"max_tokens": 51}, {"schema": {"type": "object"}}]
)
def test_any_change_of_a_call_makes_it_another_call(new_engine, change):
    model = ScriptedModel(lambda messages, schema: "Watson")

    async def main():
        engine = new_engine(journal=MemoryJournal())
        await ask(engine, model)
        await ask(engine, model, **change)

    run_virtually(main)
    assert len(model.calls) == 2


@given(st.lists(st.lists(st.text(max_size=3), max_size=3), min_size=2, max_size=2, unique_by=tuple))
def test_different_messages_never_share_a_key(contents):
    one, other = ([ChatMessage("user", text) for text in texts] for texts in contents)
    assert call_key("m", one, None, 5, 0.0, 0) != call_key("m", other, None, 5, 0.0, 0)


def test_failed_calls_are_not_recorded(new_engine):
    journal = MemoryJournal()
    with pytest.raises(ModelError):
        run_virtually(lambda: _in_new_engine(new_engine, ScriptedModel([RequestRefused("no")]), journal=journal))
    assert journal.kept == {}


def test_a_reply_that_can_not_be_stored_is_an_error(new_engine):
    class FullJournal(MemoryJournal):
        def record(self, key, completion):
            raise StoreError("disk full")

    async def main():
        engine = new_engine(journal=FullJournal(), concurrency=1)
        for _ in range(2):  # the second would wait for ever had the first kept its slot
            with pytest.raises(StoreError):
                await ask(engine, ScriptedModel(["Watson"]))

    run_virtually(main)


def test_a_bug_in_a_model_is_not_hidden_and_frees_its_slot(new_engine):
    def broken(messages, schema):
        raise ZeroDivisionError

    async def main():
        engine = new_engine(concurrency=1)
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                await ask(engine, ScriptedModel(broken))

    run_virtually(main)


@pytest.mark.parametrize("told", [Usage(1, -7, 0, 10**12), Usage(1, 10**9, 0, 3), Usage(1, 6, 0, -1)])
def test_impossible_token_counts_are_replaced_and_reported(new_engine, told):
    events: list[Event] = []
    model = ScriptedModel(lambda messages, schema: Completion("It was Watson", "stop", told))

    async def main():
        engine = new_engine(emit=events.append)
        await ask(engine, model)
        await ask(engine, model)
        return engine.usage

    usage = run_virtually(main)
    assert usage.prompt_tokens == 2 * PROMPT_TOKENS
    assert 0 < usage.completion_tokens <= 100
    assert len([event for event in events if isinstance(event, Warned)]) == 1


def test_more_cached_tokens_than_prompt_tokens_are_cut_down(new_engine):
    model = ScriptedModel([Completion("Watson", "stop", Usage(1, 10, 99, 2))])
    completion = run_virtually(lambda: _in_new_engine(new_engine, model))
    assert completion.usage.prefilled_tokens == 0


def test_cost_is_known_when_prices_are(new_engine):
    model = ScriptedModel([Completion("Watson", "stop", Usage(1, 1000, 400, 100))])
    prices = Prices(prompt=2.0, cached=1.0, completion=10.0)
    completion = run_virtually(lambda: _in_new_engine(new_engine, model, prices=prices))
    assert completion.usage.cost == pytest.approx((600 * 2 + 400 * 1 + 100 * 10) / 1e6)


def test_cost_is_unknown_without_prices(new_engine):
    assert run_virtually(lambda: _in_new_engine(new_engine, ScriptedModel(["Watson"]))).usage.cost is None


def test_prices_may_come_from_the_environment(new_engine, monkeypatch):
    monkeypatch.setenv("PANSOPHY_PRICES", "scripted=1000000,1000000")
    completion = run_virtually(lambda: _in_new_engine(new_engine, ScriptedModel(["It was Watson"]), max_cost=100))
    assert completion.usage.cost == PROMPT_TOKENS + 3


def test_a_cost_limit_needs_prices(monkeypatch):
    monkeypatch.delenv("PANSOPHY_PRICES", raising=False)
    with pytest.raises(UsageError, match="PANSOPHY_PRICES"):
        Engine(Limits(max_cost=1.0))


def test_a_cost_limit_needs_the_prices_of_every_model(new_engine):
    prices = {"another": Prices(prompt=1, completion=1)}
    model = ScriptedModel(["Watson"])
    with pytest.raises(UsageError, match="'scripted'"):
        run_virtually(lambda: _in_new_engine(new_engine, model, prices=prices, max_cost=1.0))
    assert model.calls == []


@pytest.mark.parametrize(
    "wrong",
    [{"concurrency": 0}, {"deadline": -1}, {"max_calls": 0}, {"call_timeout": float("nan")}, {"longest_wait": -1}],
)
def test_senseless_limits_are_refused(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Limits(**wrong)


def test_a_model_is_made_ready_before_its_window_is_believed(new_engine):
    class Unprepared(ScriptedModel):
        prepared = 0

        async def prepare(self) -> None:
            self.prepared += 1
            self.window = 8192

    model = Unprepared(["Watson"], window=1)
    assert run_virtually(lambda: _in_new_engine(new_engine, model)).text == "Watson"
    assert model.prepared == 1


def test_failing_to_make_a_model_ready_follows_the_same_policy(new_engine):
    class Unreachable(ScriptedModel):
        tried = 0

        async def prepare(self) -> None:
            self.tried += 1
            raise EndpointUnavailable("no one there")

    model = Unreachable([])
    with pytest.raises(EndpointUnavailable, match="no one there"):
        run_virtually(lambda: _in_new_engine(new_engine, model, attempts=3))
    assert model.tried == 3


def test_making_a_model_ready_ends_with_the_deadline(new_engine):
    class Hanging(ScriptedModel):
        async def prepare(self) -> None:
            await asyncio.sleep(1000)

    async def main():
        engine = new_engine(deadline=5)
        with pytest.raises(BudgetExceeded, match="deadline of 5 s"):
            await engine.prepare(Hanging([]), ScriptedModel([]))
        return now() - 1000

    assert run_virtually(main) == 5
