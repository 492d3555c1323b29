"""A chat model whose replies a test writes down: no network, no weights, deterministic.

For our tests and for those of our users:

    model = ScriptedModel(lambda messages, schema: "Paris")
    model = ScriptedModel(["first reply", RateLimited("slow down"), "second reply"])

It keeps the promises that a real model keeps: it never takes more than its window, cuts what exceeds `max_tokens`, and
stops when its task is cancelled. It knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
import inspect
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pansophy.errors import ContextOverflow, ModelError, RequestRefused
from pansophy.models.base import JSONSchema
from pansophy.types import ChatMessage, Completion, Usage

Reply: TypeAlias = str | Completion | ModelError
Replier: TypeAlias = Callable[[Sequence[ChatMessage], JSONSchema | None], Reply | Awaitable[Reply]]

MESSAGE_OVERHEAD = 4
"""Tokens that each message costs besides its words, as chat templates do."""

# A word is a run of letters and digits, one CJK character, or one other visible character.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class ScriptedCall:
    """One call that a `ScriptedModel` has received."""

    messages: tuple[ChatMessage, ...]
    schema: JSONSchema | None
    max_tokens: int
    temperature: float = 0.0
    seed: int | None = 0


class ScriptedModel:
    """A chat model that answers from a script.

    Args:
        reply: a function of (messages, schema) or a list used up in order. A reply is a text, a whole `Completion`,
            or a `ModelError` that the call shall raise; the function may also be a coroutine function.
        name: the model's name; part of its identity.
        window: context window in words (see `count_tokens`).
        parallel: how many calls the model says it can usefully run at once.
        latency: seconds that every call takes.

    `calls` lists every call in the order of arrival, refused ones included.
    """

    def __init__(
        self,
        reply: Replier | Sequence[Reply],
        *,
        name: str = "scripted",
        window: int = 8192,
        parallel: int = 64,
        latency: float = 0.0,
    ) -> None:
        self.name = name
        self.identity = f"scripted:{name}"
        self.window = window
        self.parallel = parallel
        self.counts_exactly = True
        self.latency = latency
        self.calls: list[ScriptedCall] = []
        self._replier: Replier = reply if callable(reply) else _in_order(reply)

    async def complete(
        self,
        messages: Sequence[ChatMessage],
        *,
        schema: JSONSchema | None = None,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int | None = 0,
        stop: Sequence[str] = (),
        logprobs: bool = False,
    ) -> Completion:
        """The scripted reply, cut at `stop` and at `max_tokens` words. `logprobs` is ignored: there are none.

        Raises:
            ContextOverflow: prompt and `max_tokens` together exceed the window.
            RequestRefused: a list of replies is used up.
            ModelError: whatever the script says.
        """
        started = time.perf_counter()
        self.calls.append(ScriptedCall(tuple(messages), schema, max_tokens, temperature, seed))
        prompt_tokens = await self.count_prompt(messages)
        if prompt_tokens + max_tokens > self.window:
            raise ContextOverflow(
                f"the prompt has {prompt_tokens} tokens and {max_tokens} are reserved for the reply, "
                f"but the window of {self.name} holds {self.window}"
            )
        if self.latency:
            await asyncio.sleep(self.latency)
        scripted = self._replier(messages, schema)
        reply = await scripted if inspect.isawaitable(scripted) else scripted
        if isinstance(reply, ModelError):
            raise reply
        if isinstance(reply, Completion):
            return reply
        text, finish_reason = _cut(reply, max_tokens, stop)
        seconds = time.perf_counter() - started
        return Completion(text, finish_reason, Usage(1, prompt_tokens, 0, count_words(text), seconds))

    async def stream(
        self,
        messages: Sequence[ChatMessage],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int | None = 0,
        stop: Sequence[str] = (),
    ) -> AsyncIterator[str]:
        """The same reply as `complete`, word by word."""
        completion = await self.complete(messages, max_tokens=max_tokens, temperature=temperature, seed=seed, stop=stop)
        for piece in re.findall(r"\s*\S+|\s+$", completion.text):
            yield piece

    async def count_tokens(self, text: str) -> int:
        """Words of `text`: runs of letters and digits, single CJK characters, other visible characters."""
        return count_words(text)

    async def count_prompt(self, messages: Sequence[ChatMessage]) -> int:
        """Words of all messages and four more for each message."""
        return sum(count_words(message.content) + MESSAGE_OVERHEAD for message in messages)

    async def aclose(self) -> None:
        """Nothing to free."""


def count_words(text: str) -> int:
    """The token count of `ScriptedModel`: see `ScriptedModel.count_tokens`."""
    return len(_WORD.findall(text))


def _in_order(replies: Sequence[Reply]) -> Replier:
    if isinstance(replies, str):
        raise TypeError("ScriptedModel takes a function or a list of replies; for one reply write [reply]")
    remaining = iter(tuple(replies))

    def next_reply(messages: Sequence[ChatMessage], schema: JSONSchema | None) -> Reply:
        try:
            return next(remaining)
        except StopIteration:
            raise RequestRefused(f"the script's {len(replies)} replies are used up and another was asked for") from None

    return next_reply


def _cut(text: str, max_tokens: int, stop: Sequence[str]) -> tuple[str, str]:
    ends = [text.find(mark) for mark in stop if mark in text]
    if ends:
        text = text[: min(ends)]
    words = _WORD.finditer(text)
    for _ in range(max_tokens):
        if next(words, None) is None:
            return text, "stop"
    beyond = next(words, None)
    return (text, "stop") if beyond is None else (text[: beyond.start()].rstrip(), "length")
