"""Whether one side of the pairs is longer: then preferring it can be learnt by length alone."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from pansophy.errors import UsageError

MOST = 5
"""Tokens by which the two sides may differ on average."""


def mean_gaps(gaps: Mapping[str, Sequence[int]]) -> dict[str, float]:
    """The mean of the differences (chosen less rejected) by kind."""
    return {kind: statistics.fmean(found) for kind, found in gaps.items()}


def refuse_gaps(gaps: Mapping[str, Sequence[int]], *, force: bool = False) -> None:
    """Refuse pairs whose sides differ too much.

    Raises:
        UsageError: a kind's mean difference is more than `MOST` either way, and it isn't forced.
    """
    wide = {kind: gap for kind, gap in mean_gaps(gaps).items() if abs(gap) > MOST}
    if wide and not force:
        told = ", ".join(f"{kind} {gap:+.1f}" for kind, gap in wide.items())
        raise UsageError(
            f"chosen and rejected answers differ in length by more than {MOST} tokens on average ({told}): the model "
            "would learn the length; bring them to one length, or force it"
        )
