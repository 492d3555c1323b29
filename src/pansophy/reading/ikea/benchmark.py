"""What IKEA's reward teaches a learner of two weights: from which share of right memories on it stops searching.

First the switch: the rates of searching that learners end at, under IKEA's reward with and without the division by the
group's standard deviation, and under the outcome alone. Then the boundary: questions that are known and as many that
aren't, whose familiarity tells one from the other roughly, learnt together and each kind alone. The checks at the end
are the thresholds that were set beforehand.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from pansophy.errors import UsageError
from pansophy.reading.ikea.reward import EXACT_MATCH_ONLY, IkeaReward
from pansophy.reading.ikea.switching import Question, crossing, learn, search_pays

SHARES = (0.0, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.88, 0.9, 0.95, 1.0)
"""Probabilities that a direct answer is right."""
IKEA, MEAN_ALONE, EXACT_MATCH = "ikea", "ikea, mean alone", "exact match alone"
ARMS: Mapping[str, Mapping[str, Any]] = {
    IKEA: {"reward": IkeaReward(), "by_deviation": True},
    MEAN_ALONE: {"reward": IkeaReward(), "by_deviation": False},
    EXACT_MATCH: {"reward": EXACT_MATCH_ONLY, "by_deviation": True},
}
"""What learners are paid by, and whether advantages are divided by the group's deviation."""
BOTH, EASY, HARD = "easy and hard", "only easy", "only hard"
HALF_KNOWN = 0.5
KINDS = {"known": (1.0, 0.75), "half known": (HALF_KNOWN, 0.5), "unknown": (0.0, 0.25)}
"""Probability that a direct answer is right, and mean familiarity, of the boundary's questions."""
LEARNT_FROM: Mapping[str, tuple[tuple[str, ...], str]] = {
    BOTH: (("known", "unknown"), IKEA),
    EASY: (("known",), IKEA),
    HARD: (("unknown",), IKEA),
    f"{BOTH}, {EXACT_MATCH}": (("known", "unknown"), EXACT_MATCH),
}
"""The boundary's kinds of questions that are learnt from, and under which arm."""

Progress = Callable[[int, int, str], None]
"""Told how many learners of how many are done, and what came of the last ones."""


@dataclass(frozen=True, slots=True)
class LearnerSettings:
    """How much is learnt.

    Args:
        questions: of each kind.
        steps: of each learner; twice as many at the boundary.
        group: episodes of a question in a step.
        seeds: learners of each kind.
    """

    questions: int = 40
    steps: int = 200
    group: int = 16
    seeds: int = 4

    def __post_init__(self) -> None:
        if min(self.questions, self.steps, self.seeds) < 1 or self.group < 2:
            raise UsageError("questions, steps and seeds are at least 1, and a group has at least 2 episodes")


@dataclass(frozen=True, slots=True)
class Measured:
    """What was learnt.

    Args:
        rates: by arm, for each of `SHARES`, the search rate that each seed ended at.
        boundary: by what was learnt from, search rate and exact match on each kind of questions, means over seeds.
    """

    rates: Mapping[str, Sequence[Sequence[float]]]
    boundary: Mapping[str, Mapping[str, float]]

    @property
    def means(self) -> dict[str, list[float]]:
        """By arm, the search rate at each of `SHARES`."""
        return {arm: [fmean(of_seeds) for of_seeds in told] for arm, told in self.rates.items()}

    @property
    def switch(self) -> dict[str, float | None]:
        """By arm, the share of right memories at which half is searched; None if it is passed nowhere."""
        return {arm: crossing(SHARES, told) for arm, told in self.means.items()}

    def checks(self) -> dict[str, bool]:
        """Whether each threshold that was set beforehand is met."""
        rate = {arm: dict(zip(SHARES, told, strict=True)) for arm, told in self.means.items()}
        both, easy, found = self.boundary[BOTH], self.boundary[EASY], self.switch[IKEA]
        lost = both["exact match, unknown"] - easy["exact match, unknown"]
        return {
            "search rate <= .1 where memory is always right": rate[IKEA][1.0] <= 0.1,
            "search rate >= .9 where it never is": rate[IKEA][0.0] >= 0.9,
            "search rate passes .5 between .70 and .88": found is not None and 0.7 <= found <= 0.88,
            "search rate <= .15 at .9": rate[IKEA][0.9] <= 0.15,
            "exact match alone keeps searching at .9 (>= .8)": rate[EXACT_MATCH][0.9] >= 0.8,
            "both kinds: known <= .1, unknown >= .9": both["search rate, known"] <= 0.1
            and both["search rate, unknown"] >= 0.9,
            "only easy loses >= 30 points of exact match on unknown": lost >= 0.3,
        }

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON data."""
        return {
            "shares_of_right_memories": list(SHARES),
            "search_rates": {
                arm: [[round(one, 4) for one in of_seeds] for of_seeds in told] for arm, told in self.rates.items()
            },
            "switch": self.switch,
            "switch_in_expectation": switch_in_expectation(),
            "boundary": {name: dict(told) for name, told in self.boundary.items()},
            "checks": self.checks(),
        }


def measure(settings: LearnerSettings = LearnerSettings(), on_progress: Progress | None = None) -> Measured:
    """Train all learners and see when they search."""
    total = (len(ARMS) * len(SHARES) + len(LEARNT_FROM)) * settings.seeds
    rates: dict[str, list[list[float]]] = {arm: [] for arm in ARMS}
    done = 0
    for arm in ARMS:
        for share in SHARES:
            rates[arm].append(search_rates(share, arm, settings))
            done += settings.seeds
            if on_progress is not None:
                on_progress(done, total, f"{arm}: memory right at {share:.2f}, searches {fmean(rates[arm][-1]):.2f}")
    told = []
    for seed in range(settings.seeds):
        told.append(boundary(seed, settings))
        done += len(told[-1])
        if on_progress is not None:
            on_progress(done, total, f"boundary, seed {seed}")
    return Measured(rates, _mean(told))


def search_rates(share: float, arm: str, settings: LearnerSettings) -> list[float]:
    """The search rate that each seed ends at, where direct answers are right with this probability.

    Raises:
        UsageError: there is no such arm.
    """
    if arm not in ARMS:
        raise UsageError(f"there is no arm {arm!r}; there are {', '.join(ARMS)}")
    questions = [Question(share)] * settings.questions
    return [
        learn(questions, steps=settings.steps, group=settings.group, seed=seed, **ARMS[arm]).search_rate(questions)
        for seed in range(settings.seeds)
    ]


def boundary(seed: int, settings: LearnerSettings) -> dict[str, dict[str, float]]:
    """By what was learnt from: search rate and exact match on known, half-known and unknown questions."""
    chance = random.Random(seed)
    asked = {
        kind: [Question(share, chance.gauss(familiarity, 0.1)) for _ in range(settings.questions)]
        for kind, (share, familiarity) in KINDS.items()
    }
    found = {}
    for name, (kinds, arm) in LEARNT_FROM.items():
        taught = [question for kind in kinds for question in asked[kind]]
        chooser = learn(taught, steps=2 * settings.steps, group=settings.group, seed=seed, **ARMS[arm])
        found[name] = {
            **{f"search rate, {kind}": chooser.search_rate(questions) for kind, questions in asked.items()},
            **{f"exact match, {kind}": chooser.exact_match(questions) for kind, questions in asked.items()},
        }
    return found


def _mean(told: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    """The means over seeds."""
    return {
        name: {what: round(fmean(of_seed[name][what] for of_seed in told), 4) for what in found}
        for name, found in told[0].items()
    }


def switch_in_expectation() -> float:
    """The share of right memories, in thousandths, from which on a search doesn't pay in expectation."""
    return next(share / 1000 for share in range(1001) if search_pays(IkeaReward(), share / 1000) <= 0)
