"""What a search agent is measured by: exact match, searches a question, and whether it searches where it must.

"Decision F1" is that of AdaSearch (arXiv 2512.16883): a search is needed where the model, asked without any text, never
gave the right answer; it is predicted where the agent searched at least once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

EASY, HARD = "easy", "hard"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one episode; `label` is `EASY`, `HARD`, or "" where the question wasn't probed."""

    exact: float
    searches: int
    malformed: bool
    reward: float
    label: str = ""


def summary(outcomes: Iterable[Outcome]) -> dict[str, float | int | None]:
    """The measures over some episodes; None for what there is nothing to compute from.

    Raises:
        ValueError: there is no episode.
    """
    told = list(outcomes)
    if not told:
        raise ValueError("there is no episode to measure")
    easy = [one for one in told if one.label == EASY]
    hard = [one for one in told if one.label == HARD]
    return {
        "episodes": len(told),
        "exact_match": fmean(one.exact for one in told),
        "searches": fmean(one.searches for one in told),
        "reward": fmean(one.reward for one in told),
        "malformed": fmean(one.malformed for one in told),
        "search_rate": _rate(told),
        "search_rate_easy": _rate(easy),
        "search_rate_hard": _rate(hard),
        "exact_match_easy": fmean(one.exact for one in easy) if easy else None,
        "exact_match_hard": fmean(one.exact for one in hard) if hard else None,
        "decision_f1": decision_f1([*easy, *hard]),
    }


def decision_f1(outcomes: Iterable[Outcome]) -> float | None:
    """F1 of "a search is needed", 0..1; None where it neither was needed nor made."""
    told = list(outcomes)
    hit = sum(one.label == HARD and one.searches > 0 for one in told)
    needed = sum(one.label == HARD for one in told)
    made = sum(one.searches > 0 for one in told)
    return 2 * hit / (needed + made) if needed + made else None


def _rate(outcomes: list[Outcome]) -> float | None:
    return fmean(one.searches > 0 for one in outcomes) if outcomes else None
