"""Runs model calls within limits: how many at once, how long, how often again, for how much.

Knows nothing of questions, prompts or corpora. One `Engine` serves one run.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from pansophy.engine.accounting import settled_usage
from pansophy.engine.budget import Budget, Charge
from pansophy.engine.concurrency import AdaptiveGate, Slot
from pansophy.engine.journal import Journal, call_key
from pansophy.engine.limits import Limits
from pansophy.engine.prices import PriceList, prices_from_environment, prices_of
from pansophy.engine.retries import Attempts, RetryPolicy
from pansophy.errors import (
    BudgetExceeded,
    CallTimedOut,
    ContextOverflow,
    EmptyReply,
    ModelError,
    RateLimited,
    UsageError,
)
from pansophy.events import CallRetried, Event, Warned
from pansophy.models import prepare
from pansophy.models.base import ChatModel, JSONSchema
from pansophy.types import ChatMessage, Completion, Usage

CALL_SECONDS = 120.0
LEAST_READING_SPEED = 20.0
"""Prompt tokens a second that a model on this machine reads at least, unless something is wrong."""


@dataclass(slots=True)
class _Call:
    model: ChatModel
    messages: Sequence[ChatMessage]
    schema: JSONSchema | None
    max_tokens: int
    temperature: float
    seed: int | None
    priority: int
    order: int
    attempts: Attempts
    logprobs: bool = False
    prompt_tokens: int | None = None
    empty_replies: int = 0


class Engine:
    """Runs the model calls of one run.

    Args:
        limits: what the run may take.
        journal: remembers completions; a call that it recalls is not made.
        emit: is told of retries and warnings.
        prices: for every model or by model; None for those of `PANSOPHY_PRICES`. Without any, `cost` stays None.
        clock: seconds that only ever rise; must be the event loop's time.
        jitter: the source of the random part of waits.

    Raises:
        UsageError: `max_cost` is set and no prices are known.

    Attributes:
        usage: what was paid for so far; `calls` counts every request sent, failed ones too.
        recalled: what the recalled completions cost when they were made; not part of `usage`.
    """

    def __init__(
        self,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        *,
        journal: Journal | None = None,
        emit: Callable[[Event], None] | None = None,
        prices: PriceList = None,
        clock: Callable[[], float] = time.monotonic,
        jitter: random.Random | None = None,
    ) -> None:
        prices = prices_from_environment() if prices is None else prices
        if limits.max_cost is not None and prices is None:
            raise UsageError("max_cost needs prices: give them as an argument or in PANSOPHY_PRICES")
        self.limits = limits
        self.usage = Usage()
        self.recalled = Usage()
        self._journal = journal
        self._emit = emit
        self._prices = prices
        self._clock = clock
        self._started = clock()
        self._policy = RetryPolicy(limits.attempts, limits.longest_wait, jitter or random.Random())
        self._budget = Budget(limits)
        self._gates: dict[str, AdaptiveGate] = {}
        self._order = itertools.count()
        self._warned: set[str] = set()

    @property
    def elapsed(self) -> float:
        """Seconds since the engine was made."""
        return self._clock() - self._started

    @property
    def remaining(self) -> float | None:
        """Seconds until the deadline, negative after it; None without one."""
        return None if self.limits.deadline is None else self.limits.deadline - self.elapsed

    async def prepare(self, *models: ChatModel) -> None:
        """Make `models` ready for calls: fetch, load, ask for their windows.

        Raises:
            ModelError: a model can't be made ready.
            BudgetExceeded: the deadline passed before they were.
        """
        async with self._until_deadline():
            await asyncio.gather(*(prepare(model) for model in models))

    async def complete(
        self,
        model: ChatModel,
        messages: Sequence[ChatMessage],
        *,
        schema: JSONSchema | None = None,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int | None = 0,
        logprobs: bool = False,
        priority: int = 0,
    ) -> Completion:
        """One completion, recalled from the journal or made within the limits.

        Args:
            model: who answers.
            messages: the chat prompt.
            schema: a JSON schema that the reply must follow.
            max_tokens: the most tokens that may be generated.
            temperature: 0 for the most likely reply.
            seed: for sampling.
            logprobs: ask for log-probabilities of the generated tokens.
            priority: calls with a lower number go first when the model has no free slot.

        Raises:
            ModelError: the call failed, for good or on its last attempt.
            BudgetExceeded: a limit of the run is reached.
            UsageError: `max_cost` is set and the prices of `model` are unknown.
        """
        key = call_key(model.identity, messages, schema, max_tokens, temperature, seed, logprobs)
        if self._journal is not None and (known := self._journal.recall(key)) is not None:
            self.recalled += known.usage
            return known
        order = next(self._order)
        attempts = Attempts(self._policy)
        call = _Call(
            model, messages, schema, max_tokens, temperature, seed, priority, order, attempts, logprobs=logprobs
        )
        async with self._until_deadline():
            completion = await self._persevere(call)
        if self._journal is not None:
            self._journal.record(key, completion)
        return completion

    async def _persevere(self, call: _Call) -> Completion:
        while True:
            gate = None
            try:
                await self._prepare(call.model)
                gate = self._gate(call.model)
                async with gate.slot(call.priority, call.order) as slot:
                    return await self._attempt(call, gate, slot)
            except ModelError as error:
                if not call.attempts.failed(error, gate.successes if gate else 0):
                    raise
                wait = self._policy.wait(call.attempts.made, error)
                self._announce_retry(call, error, wait)
            await asyncio.sleep(wait)

    async def _prepare(self, model: ChatModel) -> None:
        """A model knows its window and how much it can do at once only when it is ready."""
        if model.identity not in self._gates:
            await prepare(model)

    async def _attempt(self, call: _Call, gate: AdaptiveGate, slot: Slot) -> Completion:
        prompt_tokens = await self._count(call)
        prices = prices_of(self._prices, call.model.name)
        if self.limits.max_cost is not None and prices is None:
            raise UsageError(f"max_cost needs the prices of {call.model.name!r}")
        most = prices.most(prompt_tokens, call.max_tokens) if prices else 0.0
        reservation = Charge(calls=1, tokens=prompt_tokens + call.max_tokens, cost=most)
        await self._budget.reserve(reservation)
        used = Charge()
        try:
            self._check_deadline()
            used = reservation  # a call that is cut off may be billed in full: nobody tells
            used, completion = await self._send(call, gate, slot, prompt_tokens)
        except ModelError as error:
            used = Charge(calls=1) if not isinstance(error, CallTimedOut) else reservation
            raise
        finally:
            self._budget.settle(reservation, used)
        if not completion.text.strip():
            call.empty_replies += 1
            raise EmptyReply(_explain_empty(call, completion))
        return completion

    async def _send(self, call: _Call, gate: AdaptiveGate, slot: Slot, prompt_tokens: int) -> tuple[Charge, Completion]:
        started = self._clock()
        usage = Usage(calls=1)
        try:
            completion = await self._within_timeout(call)
            usage, doubt = settled_usage(
                completion, call.model, prompt_tokens, call.max_tokens, prices_of(self._prices, call.model.name)
            )
            if doubt:
                self._warn(doubt)
            gate.succeeded(slot)
        except RateLimited as error:
            asked = None if error.retry_after is None else min(error.retry_after, self.limits.longest_wait)
            if gate.refused(slot, asked):
                self._warn(f"{call.model.name} asks to slow down: fewer calls are made at once")
            raise
        except CallTimedOut:
            if gate.timed_out(slot):
                self._warn(f"calls to {call.model.name} time out: fewer are made at once")
            raise
        finally:
            usage = replace(usage, seconds=usage.seconds or self._clock() - started)
            self.usage += usage
        used = Charge(calls=1, tokens=usage.prompt_tokens + usage.completion_tokens, cost=usage.cost or 0.0)
        return used, replace(completion, usage=usage)

    async def _within_timeout(self, call: _Call) -> Completion:
        patience = self._patience(call)
        try:
            async with asyncio.timeout(patience) as timeout:
                return await call.model.complete(
                    call.messages,
                    schema=call.schema,
                    max_tokens=call.max_tokens,
                    temperature=call.temperature,
                    # an empty reply to a sampled call is not worth asking for again with the same seed
                    seed=None if call.seed is None else call.seed + call.empty_replies,
                    logprobs=call.logprobs,
                )
        except TimeoutError as error:
            if not timeout.expired():
                raise
            raise CallTimedOut(f"{call.model.name} did not reply within {patience:g} s") from error

    def _patience(self, call: _Call) -> float:
        """Seconds that a call may take."""
        if self.limits.call_timeout is not None:
            return self.limits.call_timeout
        reading = (call.prompt_tokens or 0) / LEAST_READING_SPEED if getattr(call.model, "local", False) else 0.0
        return round(CALL_SECONDS + reading)

    async def _count(self, call: _Call) -> int:
        if call.prompt_tokens is None:
            call.prompt_tokens = await call.model.count_prompt(call.messages)
        needed = call.prompt_tokens + call.max_tokens
        if needed > call.model.window:
            raise ContextOverflow(
                f"the prompt of {call.prompt_tokens} tokens and the {call.max_tokens} reserved for the reply do not "
                f"fit the window of {call.model.window} tokens of {call.model.name}"
            )
        return call.prompt_tokens

    def _gate(self, model: ChatModel) -> AdaptiveGate:
        gate = self._gates.get(model.identity)
        if gate is None:
            gate = AdaptiveGate(self.limits.concurrency or model.parallel, self._clock)
            self._gates[model.identity] = gate
        return gate

    def _announce_retry(self, call: _Call, error: ModelError, wait: float) -> None:
        remaining = self.remaining
        if remaining is not None and wait >= remaining:
            raise BudgetExceeded(
                f"the deadline of {self.limits.deadline:g} s leaves no time to try again after: {error}"
            ) from error
        self._tell(CallRetried(attempt=call.attempts.made + 1, error=str(error), wait=wait, seconds=self.elapsed))

    @asynccontextmanager
    async def _until_deadline(self) -> AsyncIterator[None]:
        """Cancel the block when the deadline passes. Raises BudgetExceeded then."""
        try:
            async with asyncio.timeout(self.remaining) as deadline:
                yield
        except TimeoutError as error:
            if deadline.expired():
                raise self._deadline_passed() from error
            raise

    def _check_deadline(self) -> None:
        remaining = self.remaining
        if remaining is not None and remaining <= 0:
            raise self._deadline_passed()

    def _deadline_passed(self) -> BudgetExceeded:
        return BudgetExceeded(f"the deadline of {self.limits.deadline:g} s has passed")

    def _warn(self, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            self._tell(Warned(message=message, seconds=self.elapsed))

    def _tell(self, event: Event) -> None:
        if self._emit is not None:
            self._emit(event)


def _explain_empty(call: _Call, completion: Completion) -> str:
    if completion.finish_reason == "length":
        return (
            f"{call.model.name} used up its {call.max_tokens} tokens without any text (a model that thinks before it "
            "answers needs more)"
        )
    return f"{call.model.name} replied with nothing"
