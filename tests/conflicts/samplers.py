"""Samplers that say what a test tells them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pansophy.conflicts.sampling import Sample
from pansophy.types import ChatMessage

Answers = Callable[[str, int], Sample]


class Broken(Exception):
    """What a sampler breaks with."""


class TableSampler:
    """The i-th answer to a prompt is `answers(prompt, i)`; `drawn` counts them, and after `breaks_after` it breaks."""

    identity = "table"

    def __init__(self, answers: Answers, breaks_after: int | None = None) -> None:
        self._answers = answers
        self._breaks_after = breaks_after
        self.drawn = 0

    async def sample(
        self, messages: Sequence[ChatMessage], *, count: int, temperature: float, max_tokens: int, seed: int
    ) -> list[Sample]:
        if self._breaks_after is not None and self.drawn >= self._breaks_after:
            raise Broken
        self.drawn += count
        return [self._answers(messages[-1].content, number) for number in range(count)]
