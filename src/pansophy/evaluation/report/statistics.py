"""How sure a mean is: percentile bootstrap and sign-flip permutation test, both seeded. Knows nothing of benches."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

RESAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95% bootstrap interval over questions."""

    mean: float
    low: float
    high: float


def bootstrap(values: Sequence[float], *, resamples: int = RESAMPLES, seed: int = 0) -> Estimate:
    """The mean of `values` with its 95% percentile bootstrap interval; zeros when there are none."""
    if not values:
        return Estimate(0.0, 0.0, 0.0)
    source = random.Random(seed)
    size = len(values)
    means = sorted(sum(source.choices(values, k=size)) / size for _ in range(resamples))
    tail = round(resamples * 0.025)
    return Estimate(sum(values) / size, means[tail], means[resamples - 1 - tail])


def bootstrap_ratio(
    parts: Sequence[float], wholes: Sequence[float], *, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """The sum of `parts` over the sum of `wholes`, resampled pair by pair; zeros when the wholes add up to nothing.

    `mean` is the ratio itself. A resample without any whole says nothing and is left out.

    Raises:
        ValueError: there are not as many parts as wholes.
    """
    if len(parts) != len(wholes):
        raise ValueError(f"{len(parts)} parts of {len(wholes)} wholes")
    pairs = list(zip(parts, wholes, strict=True))
    if not sum(wholes):
        return Estimate(0.0, 0.0, 0.0)
    source = random.Random(seed)
    drawn = (source.choices(pairs, k=len(pairs)) for _ in range(resamples))
    sums = ((sum(part for part, _ in sample), sum(whole for _, whole in sample)) for sample in drawn)
    ratios = sorted(part / whole for part, whole in sums if whole)
    tail = round(len(ratios) * 0.025)
    return Estimate(sum(parts) / sum(wholes), ratios[tail], ratios[len(ratios) - 1 - tail])


def sign_flip_p_value(differences: Sequence[float], *, resamples: int = RESAMPLES, seed: int = 0) -> float:
    """Two-sided p-value of a mean difference: how often random signs give one at least as large."""
    changed = [difference for difference in differences if difference]
    if not changed:
        return 1.0
    source = random.Random(seed)
    observed = abs(sum(changed)) - 1e-12
    extreme = sum(abs(sum(value * source.choice((-1, 1)) for value in changed)) >= observed for _ in range(resamples))
    return (extreme + 1) / (resamples + 1)
