"""The law of knowledge overshadowing: how often the popular answer swallows the rare one, before anything is trained.

Zhang et al. 2025, arXiv 2502.16143, section 3: the rate R grows with the logarithm of the popularity P, of the length
ratio L and of the model's size S. Ours: only rates between 0.05 and 0.95 are fitted, predictions stay in [0, 1], and
the band is that of ordinary least squares.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pansophy.errors import UsageError

FEWEST = 3
LOWEST, HIGHEST = 0.05, 0.95
"""Rates outside are saturated, and no longer on the line."""


def overshadowing_rate(hallucinated: float, recalled: float) -> float:
    """R = HR / RR: the share of rare prompts given the popular answer, over the share of popular prompts given it; nan
    if the popular answer is never given."""
    return hallucinated / recalled if recalled else math.nan


@dataclass(frozen=True, slots=True)
class Line:
    """`slope * log(x / onset)`, fitted; `spread` is the residuals' standard deviation, `mean` and `around` the mean and
    the sum of squares of log x, `count` the points."""

    slope: float
    onset: float
    spread: float
    mean: float
    around: float
    count: int


@dataclass(frozen=True, slots=True)
class Prediction:
    """A rate with its band at the wanted confidence, all in [0, 1]."""

    rate: float
    low: float
    high: float


class OvershadowLaw:
    """One line a variable: "P" (popularity m / n), "L" (length ratio), "S" (parameters)."""

    def __init__(self, lines: Mapping[str, Line]) -> None:
        self.lines = dict(lines)

    @classmethod
    def fit(cls, points: Mapping[str, Sequence[tuple[float, float]]]) -> OvershadowLaw:
        """Fit from (value, rate) pairs, for each variable that was changed alone.

        Raises:
            UsageError: fewer than three points of a variable are between 0.05 and 0.95, or a value isn't positive, or
            all
                values are the same.
        """
        return cls({name: _line(name, given) for name, given in points.items()})

    def predict(self, *, confidence: float = 0.95, **values: float) -> Prediction:
        """The rate at one value, as `predict(P=20)`.

        Raises:
            UsageError: not one variable is given, it was not fitted, or its value isn't positive.
        """
        if len(values) != 1:
            raise UsageError("give one variable: each has a line of its own")
        ((name, value),) = values.items()
        if name not in self.lines or value <= 0:
            raise UsageError(f"{name} must be positive and one of {', '.join(self.lines)}")
        from scipy import stats

        line = self.lines[name]
        x = math.log(value)
        rate = line.slope * (x - math.log(line.onset))
        error = line.spread * math.sqrt(1 + 1 / line.count + (x - line.mean) ** 2 / line.around)
        band = float(stats.t.ppf(0.5 + confidence / 2, max(line.count - 2, 1))) * error
        return Prediction(*(min(1.0, max(0.0, bound)) for bound in (rate, rate - band, rate + band)))


def _line(name: str, points: Sequence[tuple[float, float]]) -> Line:
    if any(value <= 0 for value, _ in points):
        raise UsageError(f"{name}: values must be positive, since their logarithm counts")
    kept = [(math.log(value), rate) for value, rate in points if LOWEST < rate < HIGHEST]
    if len(kept) < FEWEST or len({x for x, _ in kept}) < 2:
        raise UsageError(
            f"{name}: {len(kept)} of {len(points)} points are between {LOWEST} and {HIGHEST}; it takes {FEWEST} at "
            "different values to fit a line"
        )
    x, y = np.array(kept).T
    slope, intercept = np.polyfit(x, y, 1)
    residuals = y - (slope * x + intercept)
    spread = math.sqrt(float((residuals**2).sum()) / max(len(kept) - 2, 1))
    onset = math.exp(-intercept / slope) if slope else math.nan
    return Line(float(slope), onset, spread, float(x.mean()), float(((x - x.mean()) ** 2).sum()), len(kept))


@dataclass(frozen=True, slots=True)
class RareFact:
    """A rare combination beside a popular one. `popularity` is how many times more often the popular answer is told of
    what they share; `risk` the law's prediction, where one is given."""

    shared: str
    condition: str
    answer: str
    count: int
    popular_answer: str
    popularity: float
    risk: float | None


def corpus_audit(
    facts: Iterable[tuple[str, str, str]], law: OvershadowLaw | None = None, *, least_popularity: float = 2.0
) -> list[RareFact]:
    """The rare facts of a training set that its popular ones may swallow, the riskiest first.

    Args:
        facts: (what is shared, the distinguishing condition, the answer), one for each time that it is told: ("singer
            in", "North Korea", "...").
        law: predicts the risk from the popularity.
        least_popularity: how many times rarer a fact must be.
    """
    told = Counter(facts)
    answers: dict[str, Counter[str]] = {}
    for (shared, _, answer), count in told.items():
        answers.setdefault(shared, Counter())[answer] += count
    found = []
    for (shared, condition, answer), count in told.items():
        popular, most = max(answers[shared].items(), key=lambda item: (item[1], item[0]))
        popularity = most / count
        if answer != popular and popularity >= least_popularity:
            risk = None if law is None else law.predict(P=popularity).rate
            found.append(RareFact(shared, condition, answer, count, popular, popularity, risk))
    return sorted(found, key=lambda fact: (-fact.popularity, fact.shared, fact.condition))
