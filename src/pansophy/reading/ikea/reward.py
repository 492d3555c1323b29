"""IKEA's reward: right with few searches, then right with many, wrong after a search, wrong without one, malformed.

A right answer earns the more the fewer searches it took, so knowledge is used where there is some; a wrong one earns a
little if a search was tried, so a search beats a confident error. Usable with any trainer: text and gold answers in, a
number out. Knows nothing of models and tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pansophy.errors import UsageError
from pansophy.evaluation.metrics import Gold, exact_match
from pansophy.reading.ikea.tags import answer_of, is_malformed, searches_in


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a transcript is worth, and why. `exact` is 1 or 0: the last answer equals a gold one; `answer` is None
    where there is none; `searches` counts opened search tags."""

    reward: float
    exact: float
    searches: int
    malformed: bool
    answer: str | None


@dataclass(frozen=True, slots=True)
class IkeaReward:
    """The reward of a transcript, by default the paper's.

    Args:
        r_plus: what a right answer without any search earns above 1.
        r_minus: what a wrong answer earns (or none at all) if there was a search.
        rt_max: searches from which a right answer earns nothing above 1.
        format_penalty: the reward of a malformed transcript.

    Raises:
        UsageError: the order of the docstring above wouldn't hold.
    """

    r_plus: float = 0.6  # the authors' script
    r_minus: float = 0.05  # the authors' script
    rt_max: int = 3  # the authors' script
    format_penalty: float = -1.0  # the authors' code

    def __post_init__(self) -> None:
        if self.r_plus < 0 or not 0 <= self.r_minus < 1:
            raise UsageError(f"r_plus must be at least 0 and r_minus in [0, 1), not {self.r_plus} and {self.r_minus}")
        if self.rt_max < 1:
            raise UsageError(f"rt_max must be at least 1, not {self.rt_max}")
        if self.format_penalty >= 0:
            raise UsageError(f"format_penalty is what a malformed transcript earns: below 0, not {self.format_penalty}")

    def judge(self, transcript: str, answers: Gold, *, training: bool = True) -> Judgement:
        """Judge the text behind a prompt.

        Args:
            transcript: what the agent wrote and was told.
            answers: the gold answer or answers.
            training: else the reward is the exact match alone, whatever the form.
        """
        answer, searches = answer_of(transcript), searches_in(transcript)
        exact = 0.0 if answer is None else exact_match(answer, answers)
        malformed = is_malformed(transcript)
        return Judgement(
            self._of(exact, searches, malformed) if training else exact, exact, searches, malformed, answer
        )

    def __call__(self, transcript: str, answers: Gold) -> float:
        """The reward in training."""
        return self.judge(transcript, answers).reward

    def all(self, completions: Sequence[str], answers: Sequence[Gold], **_: Any) -> list[float]:
        """As trl's trainers ask for rewards: by lists; other columns are ignored."""
        return [self(completion, gold) for completion, gold in zip(completions, answers, strict=True)]

    def _of(self, exact: float, searches: int, malformed: bool) -> float:
        if malformed:
            return self.format_penalty
        if exact:
            return 1 + self.r_plus * max(0.0, 1 - searches / self.rt_max)
        return self.r_minus if searches else 0.0


EXACT_MATCH_ONLY = IkeaReward(r_plus=0, r_minus=0)
"""The outcome alone (and the form), as Search-R1 is trained: what IKEA is compared with."""
