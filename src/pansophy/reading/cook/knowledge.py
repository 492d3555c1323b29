"""What cards wrote and what became of it; what an answer rests on. Knows nothing of models."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pansophy.types import ChatMessage, Usage


@dataclass(frozen=True, slots=True)
class Knowledge:
    """One document that a card wrote.

    `relevance` to the question, `faithfulness` of the summary to the text and `support` by evidence are 0 to 1, None
    where they were not asked for; `evidence` is the text that supports it best. `dropped` says why it isn't shown to
    the model; it is empty if it is.
    """

    card: str
    number: int
    text: str
    round: int = 0
    summary: str = ""
    relevance: float | None = None
    faithfulness: float | None = None
    support: float | None = None
    evidence: str = ""
    dropped: str = ""

    @property
    def factuality(self) -> float | None:
        """The mean of faithfulness and support."""
        if self.faithfulness is None or self.support is None:
            return None
        return (self.faithfulness + self.support) / 2

    @property
    def shown(self) -> str:
        """What the model is shown, in one line."""
        return " ".join((self.summary or self.text).split())

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON data, with its factuality."""
        names = ("card", "number", "round", "text", "summary", "relevance", "faithfulness", "support")
        told = {name: getattr(self, name) for name in names}
        return {**told, "factuality": self.factuality, "evidence": self.evidence, "dropped": self.dropped}


@dataclass(frozen=True, slots=True)
class Step:
    """One round of a top-down answer: whether the model asked for more, what it said it needs, which card was asked,
    and why that one: "description", "likeness" or "random"."""

    round: int
    wants: str
    needs: str = ""
    card: str = ""
    chosen_by: str = ""


@dataclass(frozen=True, slots=True)
class CookAnswer:
    """An answer with all that it came from.

    `knowledge` has every document, kept and dropped, and `kept` those that the model was shown, in the order of the
    prompt; `cards` maps the cards that were asked to their digests.
    """

    question: str
    text: str
    mode: str
    prompt: tuple[ChatMessage, ...] = field(repr=False)
    kept: tuple[Knowledge, ...]
    knowledge: tuple[Knowledge, ...] = field(repr=False)
    cards: dict[str, str]
    steps: tuple[Step, ...] = ()
    warnings: tuple[str, ...] = ()
    usage: Usage = field(default_factory=Usage)

    def __str__(self) -> str:
        return self.text

    @property
    def dropped(self) -> tuple[Knowledge, ...]:
        return tuple(one for one in self.knowledge if one.dropped)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON data."""
        steps = [{name: getattr(step, name) for name in Step.__slots__} for step in self.steps]
        return {
            "question": self.question,
            "answer": self.text,
            "mode": self.mode,
            "kept": [one.to_dict() for one in self.kept],
            "dropped": [one.to_dict() for one in self.dropped],
            "cards": self.cards,
            "steps": steps,
            "warnings": list(self.warnings),
            "prompt": [[message.role, message.content] for message in self.prompt],
            "calls": self.usage.calls,
        }
