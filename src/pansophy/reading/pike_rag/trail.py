"""How a decomposition went: its steps, the chunks that it found, and why it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pansophy.reading.pike_rag.knowledge import Candidate
from pansophy.reading.pike_rag.units import Unit
from pansophy.types import Chunk, Usage


class Stop(StrEnum):
    """Why a decomposition ended."""

    ENOUGH = "nothing more to ask"
    NOT_UNDERSTOOD = "the proposal was not understood"
    NOTHING_RETRIEVED = "the knowledge base has nothing more"
    NOTHING_CHOSEN = "nothing helps"
    CHOICE_NOT_UNDERSTOOD = "the choice was not understood"
    ROUNDS = "the most rounds were made"
    WINDOW = "the window is full"


@dataclass(frozen=True, slots=True)
class Step:
    """One round: what was proposed, what the knowledge base offered, what was chosen (None: nothing) and how it was
    found ("proposals", "question" or "chunks"), the chunk that was sampled to explore."""

    proposals: tuple[str, ...]
    candidates: tuple[Candidate, ...] = ()
    found_by: str = ""
    chosen: Candidate | None = None
    explored: Unit | None = None
    usage: Usage = field(default_factory=Usage)


@dataclass(slots=True)
class Trail:
    """How a question was decomposed; `context` are the chunks in the order in which they were chosen."""

    context: list[Unit] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    stop: Stop = Stop.ROUNDS

    @property
    def chunks(self) -> list[Chunk]:
        return [unit.chunk for unit in self.context]

    def describe(self) -> dict[str, Any]:
        """The trail as plain JSON data, for the answer's settings."""
        return {
            "stop": str(self.stop),
            "context": [_place(unit) for unit in self.context],
            "steps": [
                {
                    "proposals": list(step.proposals),
                    "found_by": step.found_by,
                    "candidates": [
                        {"question": one.question, "score": round(one.score, 3), **_place(one.unit)}
                        for one in step.candidates
                    ],
                    "chosen": step.chosen.question if step.chosen else None,
                    "calls": step.usage.calls,
                    "tokens": step.usage.prompt_tokens + step.usage.completion_tokens,
                }
                for step in self.steps
            ],
        }


def _place(unit: Unit) -> dict[str, Any]:
    return {"document": unit.chunk.document, "start": unit.chunk.start, "end": unit.chunk.end}
