"""What became of a run so far, from its events: also of a run that was interrupted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pansophy.events import (
    CallRetried,
    ChunkFailed,
    ChunkRead,
    Event,
    NoteWritten,
    ReasoningTried,
    RoundStarted,
    RunStarted,
    Warned,
)
from pansophy.types import Usage


@dataclass(frozen=True, slots=True)
class RunSummary:
    """The state of a run.

    `planned` is how many chunks the strategy may read (None before it said so), `chunks` how many different ones have
    been read, `reads` how often chunks were read in all rounds. `findings` are the newest findings of each chunk, best
    first. `usage` is what the events report; calls that failed or were cut off are not part of it.
    """

    model: str | None
    planned: int | None
    rounds: int
    chunks: int
    reads: int
    findings: tuple[ChunkRead, ...]
    failures: tuple[ChunkFailed, ...]
    tries: tuple[ReasoningTried, ...]
    notes: int
    retries: int
    warnings: tuple[str, ...]
    usage: Usage


def summarise(events: Iterable[Event]) -> RunSummary:
    """The state of the run that `events` tell of."""
    events = tuple(events)
    reads = [event for event in events if isinstance(event, ChunkRead)]
    newest = {event.chunk: event for event in reads if event.found}
    started = next((event for event in events if isinstance(event, RunStarted)), None)
    told = (event.usage for event in events if isinstance(event, ChunkRead | ReasoningTried | NoteWritten))
    return RunSummary(
        model=started.model if started else None,
        planned=started.chunks if started else None,
        rounds=max((event.round for event in events if isinstance(event, RoundStarted)), default=0),
        chunks=len({event.chunk for event in reads}),
        reads=len(reads),
        findings=tuple(sorted(newest.values(), key=lambda event: (-event.rating, event.chunk))),
        failures=tuple(event for event in events if isinstance(event, ChunkFailed)),
        tries=tuple(event for event in events if isinstance(event, ReasoningTried)),
        notes=sum(isinstance(event, NoteWritten) for event in events),
        retries=sum(isinstance(event, CallRetried) for event in events),
        warnings=tuple(dict.fromkeys(event.message for event in events if isinstance(event, Warned))),
        usage=sum(told, Usage()),
    )
