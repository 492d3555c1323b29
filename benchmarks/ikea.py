"""What IKEA's reward teaches a learner of two weights: `python benchmarks/ikea.py [--output FILE]`.

First the switch: at which share of right memories the learner stops searching, under IKEA's reward with and without the
division by the group's standard deviation, and under the outcome alone. Then the boundary: 40 questions that are known
and 40 that aren't, whose familiarity tells one from the other roughly, learnt together and each kind alone. The checks
at the end are the thresholds that were set beforehand.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from pansophy.evaluation import provenance
from pansophy.reading.ikea.reward import EXACT_MATCH_ONLY, IkeaReward
from pansophy.reading.ikea.switching import Question, crossing, learn, search_pays

SHARES = (0.0, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.88, 0.9, 0.95, 1.0)
ARMS: dict[str, dict[str, Any]] = {
    "ikea": {"reward": IkeaReward(), "by_deviation": True},
    "ikea, mean alone": {"reward": IkeaReward(), "by_deviation": False},
    "exact match alone": {"reward": EXACT_MATCH_ONLY, "by_deviation": True},
}
HALF_KNOWN = 0.5


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    started = time.process_time()
    rates = {arm: [_rates(share, arm, options) for share in SHARES] for arm in ARMS}
    means = {arm: [fmean(of_seeds) for of_seeds in told] for arm, told in rates.items()}
    switch = {arm: crossing(SHARES, told) for arm, told in means.items()}
    boundary = _boundary(options)
    checks = _checks(means, switch, boundary)
    result = {
        "benchmark": "ikea",
        "command": provenance.command(),
        "measured": provenance.now(),
        "options": {name: value for name, value in vars(options).items() if name != "output"},
        "shares_of_right_memories": SHARES,
        "search_rates": {arm: [[round(one, 4) for one in told] for told in rates[arm]] for arm in ARMS},
        "switch": switch,
        "switch_in_expectation": next(
            share / 1000 for share in range(1001) if search_pays(IkeaReward(), share / 1000) <= 0
        ),
        "boundary": boundary,
        "checks": checks,
        "cpu_seconds": round(time.process_time() - started, 1),
        "machine": provenance.machine(),
        "versions": {**provenance.versions(), **provenance.versions_of("torch")},
    }
    print(_table(means, switch, boundary))
    for name, met in checks.items():
        print(f"{'met   ' if met else 'MISSED'}  {name}")
    if options.output:
        Path(options.output).parent.mkdir(parents=True, exist_ok=True)
        Path(options.output).write_text(json.dumps(result, indent=2) + "\n")


def _rates(share: float, arm: str, options: argparse.Namespace) -> list[float]:
    """The search rate that each seed ends at, where direct answers are right with this probability."""
    questions = [Question(share)] * options.questions
    return [
        learn(questions, steps=options.steps, group=options.group, seed=seed, **ARMS[arm]).search_rate(questions)
        for seed in range(options.seeds)
    ]


def _boundary(options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """By what was learnt from: search rates and exact match on known, half-known and unknown questions, over seeds."""
    told: dict[str, list[dict[str, float]]] = {}
    for seed in range(options.seeds):
        chance = random.Random(seed)
        known, half, unknown = (
            [Question(share, chance.gauss(familiarity, 0.1)) for _ in range(options.questions)]
            for share, familiarity in ((1.0, 0.75), (HALF_KNOWN, 0.5), (0.0, 0.25))
        )
        for name, taught, arm in (
            ("easy and hard", [*known, *unknown], "ikea"),
            ("only easy", known, "ikea"),
            ("only hard", unknown, "ikea"),
            ("easy and hard, exact match alone", [*known, *unknown], "exact match alone"),
        ):
            chooser = learn(taught, steps=2 * options.steps, group=options.group, seed=seed, **ARMS[arm])
            told.setdefault(name, []).append(
                {
                    f"{measure}, {kind}": getattr(chooser, measure.replace(" ", "_"))(questions)
                    for measure in ("search rate", "exact match")
                    for kind, questions in (("known", known), ("half known", half), ("unknown", unknown))
                }
            )
    return {
        name: {measure: round(fmean(seed[measure] for seed in seeds), 4) for measure in seeds[0]}
        for name, seeds in told.items()
    }


def _checks(
    means: dict[str, list[float]], switch: dict[str, float | None], boundary: dict[str, dict[str, float]]
) -> dict[str, bool]:
    rate = {arm: dict(zip(SHARES, told, strict=True)) for arm, told in means.items()}
    both, easy = boundary["easy and hard"], boundary["only easy"]
    found = switch["ikea"]
    return {
        "search rate <= .1 where memory is always right": rate["ikea"][1.0] <= 0.1,
        "search rate >= .9 where it never is": rate["ikea"][0.0] >= 0.9,
        "search rate passes .5 between .70 and .88": found is not None and 0.7 <= found <= 0.88,
        "search rate <= .15 at .9": rate["ikea"][0.9] <= 0.15,
        "exact match alone keeps searching at .9 (>= .8)": rate["exact match alone"][0.9] >= 0.8,
        "both kinds: known <= .1, unknown >= .9": both["search rate, known"] <= 0.1
        and both["search rate, unknown"] >= 0.9,
        "only easy loses >= 30 points of exact match on unknown": both["exact match, unknown"]
        - easy["exact match, unknown"]
        >= 0.3,
    }


def _table(
    means: dict[str, list[float]], switch: dict[str, float | None], boundary: dict[str, dict[str, float]]
) -> str:
    lines = [
        "search rate at a share of right memories of | " + " | ".join(f"{share:.2f}" for share in SHARES) + " | .5 at"
    ]
    for arm, told in means.items():
        at = switch[arm]
        lines.append(
            f"{arm} | " + " | ".join(f"{one:.2f}" for one in told) + " | " + ("never" if at is None else f"{at:.3f}")
        )
    for name, measures in boundary.items():
        lines.append(f"{name}: " + ", ".join(f"{measure} {value:.2f}" for measure, value in measures.items()))
    return "\n".join(lines)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=40, help="of each kind")
    parser.add_argument("--steps", type=int, default=200, help="of each learner; twice as many at the boundary")
    parser.add_argument("--group", type=int, default=16, help="episodes of a question")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", help="JSON file for the result")
    return parser.parse_args()


if __name__ == "__main__":
    main()
