"""How far a question is, told to the client while it is read.

Only numbers and the server's own words are told: what was found waits for the result, where it is set apart.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from pansophy.events import (
    CallRetried,
    ChunkFailed,
    ChunkRead,
    ClaimTold,
    Event,
    NoteWritten,
    ReasoningStarted,
    ReasoningTried,
    RoundStarted,
    Routed,
    RunStarted,
)


class Listener(Protocol):
    """Whom progress is told: a session of the SDK. One that didn't ask for it isn't bothered."""

    def report_progress(
        self, progress: float, total: float | None = None, message: str | None = None
    ) -> Awaitable[None]: ...


class Steps:
    """Folds the events of one run into one line each."""

    def __init__(self) -> None:
        self._chunks = 0
        self._round = 0
        self._read = 0

    def line(self, event: Event) -> str | None:
        """What `event` means for the client; None for one that doesn't matter to it."""
        match event:
            case Routed():
                return f"reading by {event.strategy}"
            case RunStarted():
                self._chunks = event.chunks
                return f"{event.strategy}: up to {event.chunks:,} chunks, in {event.order} order"
            case RoundStarted():
                self._round, self._read = event.round, 0
                return f"round {event.round} begins"
            case ChunkRead() | ChunkFailed():
                self._read += 1
                failed = ", this one could not be read" if isinstance(event, ChunkFailed) else ""
                of = f" of {self._chunks:,}" if self._read <= self._chunks else ""
                return f"round {max(self._round, 1)}: chunk {self._read:,}{of}{failed}"
            case ReasoningStarted():
                return f"round {event.round}: try {event.attempt} with {len(event.shown)} findings"
            case ReasoningTried():
                end = "answered" if event.answered else "not answerable from these"
                return f"round {event.round}: try {event.attempt}: {end}"
            case NoteWritten():
                return f"note {event.step} of {event.of}"
            case ClaimTold():
                return "asking a source by itself" if event.document else "asking the model without any text"
            case CallRetried():
                return f"a call failed and is tried again in {event.wait:.0f} s"
            case _:
                return None


@asynccontextmanager
async def told(listener: Listener) -> AsyncIterator[Callable[[Event], None]]:
    """Gives a function that takes events as they happen; `listener` has been told all of them when the block ends."""
    waiting: asyncio.Queue[str | None] = asyncio.Queue()
    steps = Steps()

    def hear(event: Event) -> None:
        if (line := steps.line(event)) is not None:
            waiting.put_nowait(line)

    async def tell() -> None:
        number = 0
        while (line := await waiting.get()) is not None:
            number += 1
            await listener.report_progress(number, None, line)

    teller = asyncio.create_task(tell())
    try:
        yield hear
        waiting.put_nowait(None)
        await teller
    finally:
        teller.cancel()
        await asyncio.gather(teller, return_exceptions=True)
