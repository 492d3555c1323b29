"""How much of what a question needs a reader has found: the share of the gold notes among those that it read.

Knows nothing of readers; it is told what each found.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from pansophy.evaluation.metrics import contains

SAMPLES = 2000
"""Of the bootstrap."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one reader found for one question. `answer` is None for a mere search."""

    question: str
    gold: Collection[str]
    found: Sequence[str]
    gold_answer: str
    answer: str | None = None
    stop: str = ""
    calls: int = 0
    tokens: int = 0
    seconds: float = 0.0

    @property
    def recall(self) -> float:
        return len(set(self.gold) & set(self.found)) / len(set(self.gold))

    @property
    def right(self) -> bool | None:
        return None if self.answer is None else contains(self.answer, self.gold_answer) == 1.0

    def describe(self) -> dict[str, Any]:
        """The finding as plain JSON data."""
        return {
            "question": self.question,
            "gold": sorted(self.gold),
            "found": list(self.found),
            "recall": round(self.recall, 3),
            **({} if self.answer is None else {"answer": self.answer, "right": self.right, "stop": self.stop}),
            "calls": self.calls,
            "tokens": self.tokens,
            "seconds": round(self.seconds, 1),
        }


def summarise(findings: Sequence[Finding]) -> dict[str, Any]:
    """Means over questions; the recall with a 95 % interval (bootstrap over questions)."""
    recalls = [one.recall for one in findings]
    answered = [one.right for one in findings if one.right is not None]
    stops: dict[str, int] = {}
    for one in findings:
        if one.stop:
            stops[one.stop] = stops.get(one.stop, 0) + 1
    return {
        "questions": len(findings),
        "chain_recall": round(statistics.mean(recalls), 3),
        "chain_recall_95": [round(bound, 3) for bound in interval(recalls)],
        "whole_chain": round(statistics.mean(recall == 1.0 for recall in recalls), 3),
        "notes_read": round(statistics.mean(len(one.found) for one in findings), 2),
        "right": round(statistics.mean(answered), 3) if answered else None,
        "calls": round(statistics.mean(one.calls for one in findings), 1),
        "tokens": round(statistics.mean(one.tokens for one in findings)),
        "seconds": round(statistics.mean(one.seconds for one in findings), 1),
        "stops": dict(sorted(stops.items())),
    }


def interval(values: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """The 2.5 and 97.5 percentiles of the mean over resamples of `values`."""
    chance = random.Random(seed)
    means = sorted(statistics.fmean(chance.choices(values, k=len(values))) for _ in range(SAMPLES))
    return means[math.floor(0.025 * SAMPLES)], means[math.ceil(0.975 * SAMPLES) - 1]
