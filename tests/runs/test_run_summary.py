"""What a run's events tell of its state."""

from __future__ import annotations

from pansophy.events import CallRetried, ChunkFailed, ChunkRead, Event, ReasoningTried, RoundStarted, RunStarted, Warned
from pansophy.runs.summary import summarise
from pansophy.types import Usage


def read(round_number: int, chunk: int, rating: float, found: bool = True) -> ChunkRead:
    return ChunkRead(
        round=round_number,
        chunk=chunk,
        document="d",
        start=0,
        end=1,
        found=found,
        rating=rating,
        statement=f"chunk {chunk} in round {round_number}",
        quote="",
        usage=Usage(1, 10, 5, 2),
    )


EVENTS: list[Event] = [
    RunStarted(run_id="r", question="q", strategy="s", model="m", seeker_model="m", chunks=9, order="rank", window=100),
    RoundStarted(round=1, synchronised=0),
    read(1, 0, 20),
    read(1, 1, 90),
    read(1, 2, 0, found=False),
    CallRetried(attempt=2, error="e", wait=1),
    Warned(message="careful"),
    Warned(message="careful"),
    ChunkFailed(round=1, chunk=3, document="d", start=1, end=2, error="timed out"),
    ReasoningTried(round=1, attempt=1, answered=False, forced=False, answer="", cited=(), usage=Usage(1, 30, 0, 1)),
    RoundStarted(round=2, synchronised=2),
    read(2, 0, 95),
]


def test_a_run_in_its_second_round():
    summary = summarise(EVENTS)
    assert (summary.model, summary.planned, summary.rounds) == ("m", 9, 2)
    assert (summary.chunks, summary.reads) == (3, 4)
    assert [finding.statement for finding in summary.findings] == ["chunk 0 in round 2", "chunk 1 in round 1"]
    assert [failure.error for failure in summary.failures] == ["timed out"]
    assert [attempt.answered for attempt in summary.tries] == [False]
    assert (summary.retries, summary.warnings) == (1, ("careful",))
    assert summary.usage == Usage(5, 70, 20, 9)


def test_a_run_that_has_not_begun():
    summary = summarise([])
    assert (summary.model, summary.planned, summary.rounds, summary.chunks) == (None, None, 0, 0)
    assert summary.usage == Usage()
