"""Models that read texts and images: any callable from parts to an answer. A chat model reads texts alone."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Protocol

from pansophy.engine import Engine
from pansophy.errors import EmptyReply, UsageError
from pansophy.models import ChatModel
from pansophy.types import ChatMessage

Part = str | Path
"""A text, or the path of an image."""

ANSWER_TOKENS = 64


class Reader(Protocol):
    """Reads parts in their order and answers (awaitable or not)."""

    def __call__(self, parts: Sequence[Part], /) -> str | Awaitable[str]: ...


async def read(reader: Reader, parts: Sequence[Part]) -> str:
    """The reader's answer, waited for where it must be."""
    said = reader(parts)
    return await said if inspect.isawaitable(said) else said


def chat_reader(model: ChatModel, engine: Engine, *, max_tokens: int = ANSWER_TOKENS) -> Reader:
    """A chat model as a reader of texts.

    Raises:
        UsageError: (when it is asked) an image is among the parts.
    """

    async def complete(parts: Sequence[Part]) -> str:
        texts = [part for part in parts if isinstance(part, str)]
        if len(texts) < len(parts):
            raise UsageError(f"{model.name} reads no images: run with images=False")
        try:
            completion = await engine.complete(model, [ChatMessage("user", "\n\n".join(texts))], max_tokens=max_tokens)
        except EmptyReply:
            return ""
        return completion.text

    return complete
