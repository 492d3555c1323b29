"""A white-box model as a chat model: what was trained here answers wherever a chat model does.

One call at a time, without a grammar for JSON schemas and without a cache of prompts: for adapters and small models.
A model that is asked a lot is served faster from a GGUF file.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from pansophy.errors import ContextOverflow
from pansophy.models.base import JSONSchema
from pansophy.models.white_box.model import WhiteBoxModel
from pansophy.models.white_box.streams import choice
from pansophy.types import ChatMessage, Completion, TokenLogprob, Usage

ALTERNATIVES = 20
"""Likeliest tokens that are told at each place, as by most endpoints."""


@dataclass(slots=True)
class _Written:
    """A reply so far. `text` is what is certain: without the beginning of what may become a stop string."""

    tokens: list[int]
    logprobs: list[TokenLogprob]
    text: str = ""
    finish_reason: str = "length"


class WhiteBoxChat:
    """A `ChatModel` over a white-box model; nothing is loaded before it is needed.

    Args:
        model: a loaded model, or a name as for `WhiteBoxModel.load`: an adapter's folder, say.
        window: tokens of prompt and reply together; by default the model's own.
        device, dtype, home: as for `WhiteBoxModel.load`.

    Raises (when it is first used):
        UnknownModel, UsageError, ModelError: as `WhiteBoxModel.load`.
    """

    parallel = 1
    counts_exactly = True
    local = True

    def __init__(
        self,
        model: WhiteBoxModel | str | Path,
        *,
        window: int | None = None,
        device: str | None = None,
        dtype: str | None = None,
        home: Path | None = None,
    ) -> None:
        self.name = model.name if isinstance(model, WhiteBoxModel) else str(model)
        self._model = model if isinstance(model, WhiteBoxModel) else None
        self._given = self._model is not None
        self._window, self._device, self._dtype, self._home = window, device, dtype, home
        self._loading, self._busy = threading.Lock(), threading.Lock()

    @property
    def model(self) -> WhiteBoxModel:
        """The model, loaded by now."""
        with self._loading:
            if self._model is None:
                self._model = WhiteBoxModel.load(self.name, device=self._device, dtype=self._dtype, home=self._home)
            return self._model

    @property
    def window(self) -> int:
        """Tokens of prompt and reply together."""
        return min(self._window or self.model.window, self.model.window)

    @window.setter
    def window(self, tokens: int) -> None:
        self._window = tokens

    @property
    def identity(self) -> str:
        return self.model.identity

    @property
    def parameters(self) -> float:
        """Billions."""
        count: int = sum(one.numel() for one in self.model.network.parameters())
        return count / 1e9

    async def prepare(self) -> None:
        """Load it now."""
        await asyncio.to_thread(lambda: self.model)

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
        """See `ChatModel.complete`; `schema` isn't enforced."""
        started, over = time.perf_counter(), threading.Event()

        def work() -> Completion:
            tokens = self._tokens(messages, max_tokens)
            written = self._write(tokens, max_tokens, temperature, seed, stop, over, lambda piece: None)
            usage = Usage(1, len(tokens), 0, len(written.tokens), time.perf_counter() - started)
            told = tuple(written.logprobs) if logprobs else None
            return Completion(written.text, written.finish_reason, usage, told)

        try:
            return await asyncio.to_thread(work)
        finally:
            over.set()

    async def stream(
        self,
        messages: Sequence[ChatMessage],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int | None = 0,
        stop: Sequence[str] = (),
    ) -> AsyncIterator[str]:
        """See `ChatModel.stream`."""
        loop, over = asyncio.get_running_loop(), threading.Event()
        pieces: asyncio.Queue[str | None] = asyncio.Queue()

        def tell(piece: str | None) -> None:
            loop.call_soon_threadsafe(pieces.put_nowait, piece)

        def work() -> None:
            try:
                tokens = self._tokens(messages, max_tokens)
                self._write(tokens, max_tokens, temperature, seed, stop, over, tell)
            finally:
                tell(None)

        writing = asyncio.create_task(asyncio.to_thread(work))
        try:
            while (piece := await pieces.get()) is not None:
                yield piece
            await writing
        finally:
            over.set()

    async def count_tokens(self, text: str) -> int:
        return await asyncio.to_thread(lambda: len(self.model.tokenizer(text, add_special_tokens=False).input_ids))

    async def count_prompt(self, messages: Sequence[ChatMessage]) -> int:
        return await asyncio.to_thread(lambda: len(self._encoded(messages)))

    async def aclose(self) -> None:
        """A model that was loaded here is let go."""
        if not self._given:
            self._model = None

    def _encoded(self, messages: Sequence[ChatMessage]) -> list[int]:
        """The prompt's tokens: by the chat template, or the messages' text where there is none."""
        model = self.model
        if model.tokenizer.chat_template:
            return model.encode(model.chat_prompt(messages))
        return model.encode("\n".join(message.content for message in messages))

    def _tokens(self, messages: Sequence[ChatMessage], max_tokens: int) -> list[int]:
        tokens = self._encoded(messages)
        if len(tokens) + max_tokens > self.window:
            raise ContextOverflow(
                f"the prompt has {len(tokens)} tokens and {max_tokens} are reserved for the reply, but the window of "
                f"{self.name} holds {self.window}"
            )
        return tokens

    def _write(
        self,
        prompt: list[int],
        max_tokens: int,
        temperature: float,
        seed: int | None,
        stop: Sequence[str],
        over: threading.Event,
        tell: Callable[[str], None],
    ) -> _Written:
        model, written = self.model, _Written([], [])
        generator = None if seed is None else torch.Generator(model.device).manual_seed(seed)
        take = choice(temperature, generator=generator)
        with self._busy:
            if over.is_set():
                return written
            stream = model.stream([prompt])
            while not over.is_set():
                token = take(stream.log_probs)
                if int(token) in model.end_tokens:
                    written.finish_reason = "stop"
                    break
                written.tokens.append(int(token))
                written.logprobs.append(_told(model, int(token), stream.log_probs[0]))
                text = model.decode(written.tokens)
                if (end := _first(text, stop)) is not None:
                    _grow(written, text[:end], tell)
                    written.finish_reason = "stop"
                    return written
                _grow(written, text[: len(text) - _held_back(text, stop)], tell)
                if len(written.tokens) == max_tokens:
                    break
                stream.append(token)
        _grow(written, model.decode(written.tokens), tell)
        return written


def _grow(written: _Written, text: str, tell: Callable[[str], None]) -> None:
    if len(text) > len(written.text):
        tell(text[len(written.text) :])
        written.text = text


def _first(text: str, stop: Sequence[str]) -> int | None:
    """Where the first stop string begins."""
    return min((place for one in stop if one and (place := text.find(one)) >= 0), default=None)


def _held_back(text: str, stop: Sequence[str]) -> int:
    """How many characters at the end may yet become a stop string, or another letter."""
    if text.endswith("\ufffd"):  # a letter of which some bytes are missing
        return len(text) - len(text.rstrip("\ufffd"))
    longest = min(max(map(len, stop), default=0), len(text))
    return next((size for size in range(longest, 0, -1) if any(one.startswith(text[-size:]) for one in stop)), 0)


def _told(model: WhiteBoxModel, token: int, log_probs: Tensor) -> TokenLogprob:
    best = log_probs.topk(min(ALTERNATIVES, log_probs.shape[-1]))
    top = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    alternatives = tuple((str(model.tokenizer.decode([one])), value) for one, value in top)
    return TokenLogprob(str(model.tokenizer.decode([token])), float(log_probs[token]), alternatives)
