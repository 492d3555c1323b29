"""What has happened to a question so far, folded from its events. Knows nothing of pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pansophy.types import Answer, Usage


@dataclass(frozen=True, slots=True)
class Cell:
    """One chunk in one round. `error` says why it could not be read."""

    round: int
    chunk: int
    document: str
    start: int
    end: int
    found: bool = False
    rating: float = 0.0
    statement: str = ""
    quote: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of the reasoning agent; `answered` is None as long as it thinks."""

    round: int
    number: int
    shown: int
    forced: bool
    answered: bool | None = None
    answer: str = ""
    certainty: float | None = None


@dataclass(slots=True)
class Story:
    """Takes the events of a job, as JSON data, in their order. `version` counts them."""

    version: int = 0
    status: str = "queued"
    strategy: str = ""
    reason: str = ""
    model: str = ""
    seeker_model: str = ""
    chunks: int = 0
    cells: dict[tuple[int, int], Cell] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    answer: Answer | None = None
    error: str = ""

    @property
    def is_over(self) -> bool:
        return self.status in ("finished", "failed", "cancelled")

    @property
    def rounds(self) -> list[int]:
        """The rounds in which something was read, in order."""
        return sorted({round_ for round_, _ in self.cells})

    @property
    def findings(self) -> list[Cell]:
        """What was found, the latest first."""
        return [cell for cell in reversed(self.cells.values()) if cell.found]

    def add(self, event: Mapping[str, Any]) -> None:
        """Take one more event. One of a kind that says nothing here only counts."""
        self.version += 1
        if usage := event.get("usage"):
            self.usage += Usage(**usage)
        match event["kind"]:
            case "job_queued":
                self.status, self.error, self.answer = "queued", "", None
            case "job_started":
                self.status = "running"
            case "job_ended":
                self.status, self.error = event["status"], event["error"] or ""
            case "routed":
                self.reason = event["reason"]
            case "run_started":
                self._begin(event)
            case "chunk_read" | "chunk_failed":
                told = {name: event[name] for name in Cell.__dataclass_fields__ if name in event}
                # read again, a chunk stands among the latest
                self.cells.pop((event["round"], event["chunk"]), None)
                self.cells[event["round"], event["chunk"]] = Cell(**told)
            case "reasoning_started":
                shown = len(event["shown"])
                self.attempts.append(Attempt(event["round"], event["attempt"], shown, event["forced"]))
            case "reasoning_tried":
                if self.attempts:
                    told = {name: event[name] for name in ("answered", "answer", "certainty")}
                    self.attempts[-1] = replace(self.attempts[-1], **told)
            case "note_written":
                self.notes.append(event["text"])
            case "warned":
                self.warnings.append(event["message"])
            case "call_retried":
                self.warnings.append(f"a call failed and is tried again in {event['wait']:.0f} s: {event['error']}")
            case "answer_ready":
                self.answer = Answer.from_dict(event["answer"])
                self.usage = self.answer.usage

    def _begin(self, event: Mapping[str, Any]) -> None:
        """A run that is taken up again tells again what it had read."""
        self.strategy, self.chunks = event["strategy"], event["chunks"]
        self.model, self.seeker_model = event["model"], event["seeker_model"]
        self.cells, self.attempts, self.notes, self.warnings = {}, [], [], []
        self.usage = Usage()
