"""Made-up event streams for the tests of the live view."""

from __future__ import annotations

import random
from collections.abc import Iterator

from pansophy.events import (
    AnswerReady,
    ChunkFailed,
    ChunkRead,
    Event,
    ReasoningStarted,
    ReasoningTried,
    RoundStarted,
    RunStarted,
    Warned,
)
from pansophy.types import Answer, Evidence, Usage, Verdict


def started(chunks: int = 12, *, strategy: str = "extagents", order: str = "rank", seeker: str = "small") -> RunStarted:
    return RunStarted(
        run_id="r1",
        question="Who gave the brass key to the pilot?",
        strategy=strategy,
        model="large",
        seeker_model=seeker,
        chunks=chunks,
        order=order,
        window=8192,
        steps=(*(step for step in (1, 2, 4, 8) if step < chunks), chunks) if strategy == "extagents" else (),
    )


def read(chunk: int, rating: float, *, round: int = 1, statement: str = "", seconds: float = 0.0) -> ChunkRead:
    return ChunkRead(
        round=round,
        chunk=chunk,
        document="story.md",
        start=chunk * 100,
        end=chunk * 100 + 20,
        found=rating > 0,
        rating=rating,
        statement=statement or (f"finding of chunk {chunk}" if rating > 0 else ""),
        quote="the brass key" if rating > 0 else "",
        usage=Usage(calls=1, prompt_tokens=700, cached_tokens=500, completion_tokens=40, seconds=0.1),
        seconds=seconds,
    )


def tried(
    attempt: int, *, answered: bool, round: int = 1, forced: bool = False, seconds: float = 0.0
) -> ReasoningTried:
    return ReasoningTried(
        round=round,
        attempt=attempt,
        answered=answered,
        forced=forced,
        answer="Ilse Marant" if answered else "",
        cited=(3,) if answered else (),
        usage=Usage(calls=1, prompt_tokens=300, cached_tokens=100, completion_tokens=20, seconds=0.1),
        seconds=seconds,
    )


def answer() -> Answer:
    return Answer(
        question="Who gave the brass key to the pilot?",
        text="Ilse Marant",
        verdict=Verdict.ANSWERED,
        evidence=(
            Evidence("story.md", 300, 320, "the brass key", "Ilse gave the key", 92.0, 1, cited=True),
            Evidence("story.md", 500, 520, "a boat", "There was a boat", 40.0, 1),
        ),
        rounds=1,
        usage=Usage(calls=9, prompt_tokens=6000, cached_tokens=4000, completion_tokens=300, seconds=4.0),
        run_id="r1",
        seconds=3.5,
    )


def whole_run(chunks: int = 12, seed: int = 0) -> Iterator[Event]:
    """A run of two rounds: the first is refused at every step, the second answers."""
    source = random.Random(seed)
    yield started(chunks)
    clock = 0.0
    for number in (1, 2):
        yield RoundStarted(round=number, synchronised=0 if number == 1 else 5, seconds=clock)
        attempt = 0
        for chunk in range(chunks):
            clock += 0.05
            if source.random() < 0.05:
                yield ChunkFailed(
                    round=number,
                    chunk=chunk,
                    document="story.md",
                    start=chunk * 100,
                    end=chunk * 100 + 20,
                    error="no reply",
                    seconds=clock,
                )
            else:
                rating = source.choice((0, 0, 0, 10, 30, 55, 80)) if number == 1 else source.choice((0, 20, 95))
                yield read(chunk, rating, round=number, seconds=clock)
            if number == 1 and chunk + 1 in (1, 2, 4, 8, chunks):
                attempt += 1
                yield ReasoningStarted(
                    round=1, attempt=attempt, shown=tuple(range(chunk + 1)), forced=False, seconds=clock
                )
                yield tried(attempt, answered=False, seconds=clock)
    yield ReasoningStarted(round=2, attempt=1, shown=tuple(range(chunks)), forced=True, seconds=clock)
    yield Warned(message="a quote was not found in its chunk", seconds=clock)
    yield tried(1, answered=True, round=2, forced=True, seconds=clock)
    yield AnswerReady(answer=answer(), seconds=clock)
