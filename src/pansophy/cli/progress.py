"""What a run looks like so far, folded from its events. Knows nothing of terminals: `live.py` draws it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from pansophy.events import (
    AnswerReady,
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
    Warned,
)
from pansophy.types import Usage

WAITING, FAILED = -2.0, -1.0
"""Marks in the grid for a chunk that was not read yet and for one that could not be read; a rating is 0..100."""


class Try(StrEnum):
    """How one try of the reasoning agent stands."""

    PLANNED = "planned"
    RUNNING = "running"
    REFUSED = "refused"
    ANSWERED = "answered"


@dataclass(frozen=True, slots=True)
class Rung:
    """One try: with how many findings, forced to answer or not, and how it ended."""

    label: str
    state: Try
    forced: bool = False


@dataclass(slots=True)
class Progress:
    """The state of one run. Feed it every event by `add`."""

    routed: Routed | None = None
    started: RunStarted | None = None
    round: int = 0
    synchronised: int = 0
    grid: list[float] = field(default_factory=list)
    read_in_round: int = 0
    failed_in_round: int = 0
    rungs: list[Rung] = field(default_factory=list)
    best: ChunkRead | None = None
    note: NoteWritten | None = None
    claims: list[ClaimTold] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    retries: int = 0
    last_retry: str = ""
    warnings: deque[str] = field(default_factory=lambda: deque(maxlen=3))
    seconds: float = 0.0
    finished: AnswerReady | None = None

    def add(self, event: Event) -> None:
        """Take one event into account."""
        self.seconds = max(self.seconds, event.seconds)
        match event:
            case Routed():
                self.routed = event
            case RunStarted():
                self.started = event
                self.grid = [WAITING] * event.chunks
            case RoundStarted():
                self.round, self.synchronised = event.round, event.synchronised
                self.read_in_round, self.failed_in_round, self.rungs = 0, 0, []
            case ChunkRead():
                self._chunk_read(event)
            case ChunkFailed():
                self.failed_in_round += 1
                self._mark(event.chunk, FAILED)
            case ReasoningStarted():
                self.rungs.append(Rung(str(len(event.shown)), Try.RUNNING, event.forced))
            case ReasoningTried():
                self.usage += event.usage
                self._reasoning_tried(event)
            case NoteWritten():
                self.usage += event.usage
                self.note = event
            case ClaimTold():
                self.usage += event.usage
                self.claims.append(event)
            case CallRetried():
                self.retries += 1
                self.last_retry = event.error
            case Warned():
                self.warnings.append(event.message)
            case AnswerReady():
                self.finished = event
                self.usage = event.answer.usage
            case _:
                pass

    def ladder(self) -> list[Rung]:
        """The tries of this round; in the first round also those that may still come."""
        if self.started is None or self.round > 1:
            return self.rungs
        tried = int(self.rungs[-1].label) if self.rungs else 0
        planned = [size for size in self.started.steps if size > tried]
        return self.rungs + [Rung("all" if size == self.started.chunks else str(size), Try.PLANNED) for size in planned]

    def _chunk_read(self, event: ChunkRead) -> None:
        self.usage += event.usage
        self.read_in_round += 1
        self._mark(event.chunk, event.rating if event.found else 0.0)
        if event.found and (self.best is None or event.rating > self.best.rating):
            self.best = event

    def _mark(self, chunk: int, value: float) -> None:
        if chunk >= len(self.grid):
            self.grid.extend([WAITING] * (chunk + 1 - len(self.grid)))
        self.grid[chunk] = max(self.grid[chunk], value)

    def _reasoning_tried(self, event: ReasoningTried) -> None:
        label = self.rungs[-1].label if self.rungs else "0"
        rung = Rung(label, Try.ANSWERED if event.answered else Try.REFUSED, event.forced)
        self.rungs[-1:] = [rung]
