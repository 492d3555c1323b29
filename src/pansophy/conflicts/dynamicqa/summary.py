"""What many probed facts say together: by partition and answer, with intervals and rank correlations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pansophy.conflicts.dynamicqa.behaviour import Behaviour
from pansophy.evaluation.report.statistics import Estimate, bootstrap
from pansophy.evaluation.report.tables import Table, interval

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class GroupSummary:
    """The answers of one partition with contexts for one of the two answers.

    `persuaded` (the share that gives the context's answer, the paper's accuracy), `stubborn` and `changed` are shares;
    `persuasion` is the mean CP score, `entropy` the mean semantic entropy without a context, `discrete_entropy` that of
    the clusters' shares, all in nats; None where no row has them. `correlations` are Spearman's, by the names of the
    two quantities; None where there is too little to tell.
    """

    partition: str
    answer: str
    rows: int
    failed: int
    persuaded: Estimate
    stubborn: Estimate
    changed: Estimate
    persuasion: Estimate | None
    entropy: Estimate | None
    discrete_entropy: Estimate | None
    correlations: dict[tuple[str, str], float | None]

    @property
    def label(self) -> str:
        return f"{self.partition}, {self.answer}"


@dataclass(frozen=True, slots=True)
class Contrast:
    """A partition's persuaded share against another's: their difference (the coefficient of a linear regression on the
    partition), and the logarithm of the odds ratio with its standard error (that of a logistic one; None where a
    behaviour never occurs)."""

    partition: str
    reference: str
    answer: str
    difference: float
    log_odds: float | None
    standard_error: float | None


def summarise(rows: Sequence[Row]) -> list[GroupSummary]:
    """One summary for each partition and answer, in the order of their first rows."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["partition"], row["answer"]), []).append(row)
    return [_summary(*key, group) for key, group in groups.items()]


def contrasts(summaries: Sequence[GroupSummary]) -> list[Contrast]:
    """Every partition against the first, by answer."""
    found = []
    counted = {(one.partition, one.answer): one for one in summaries}
    partitions = list(dict.fromkeys(partition for partition, _ in counted))
    for (partition, answer), group in counted.items():
        base = counted.get((partitions[0], answer))
        if partition == partitions[0] or base is None:
            continue
        ours, theirs = _persuaded_counts(group), _persuaded_counts(base)
        cells = (*ours, *theirs)
        whole = all(cells)
        found.append(
            Contrast(
                partition,
                partitions[0],
                answer,
                group.persuaded.mean - base.persuaded.mean,
                math.log(ours[0] * theirs[1] / (ours[1] * theirs[0])) if whole else None,
                math.sqrt(sum(1 / cell for cell in cells)) if whole else None,
            )
        )
    return found


def spearman(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Spearman's rank correlation, ties sharing their mean rank; None for fewer than three pairs or constant values."""
    if len(one) < 3 or len(set(one)) < 2 or len(set(other)) < 2:
        return None
    return float(np.corrcoef(_ranks(one), _ranks(other))[0, 1])


def summary_table(summaries: Sequence[GroupSummary]) -> Table:
    """The summaries as a table."""
    header = ("Partition, answer", "Answers", "Persuaded", "Stubborn", "Changed", "CP", "SE", "Discrete SE", "Failed")
    lines = tuple(
        (
            one.label,
            str(one.rows),
            interval(one.persuaded),
            interval(one.stubborn),
            interval(one.changed),
            _nats(one.persuasion),
            _nats(one.entropy),
            _nats(one.discrete_entropy),
            str(one.failed),
        )
        for one in summaries
    )
    note = (
        "Persuaded, stubborn and changed (persuaded to another answer than the model's own) are shares x 100 of the "
        "answers that did not fail; CP is coherent persuasion, SE the semantic entropy without a context, in nats; "
        "with 95% bootstrap intervals over facts."
    )
    return Table("By partition and answer", header, lines, 1, (note,))


def correlation_table(summaries: Sequence[GroupSummary]) -> Table:
    """Spearman's correlations as a table."""
    pairs = list(summaries[0].correlations) if summaries else []
    header = ("Partition, answer", *(f"{_SHORT[one]} and {other}" for one, other in pairs))
    lines = tuple((one.label, *(_correlation(one.correlations[pair]) for pair in pairs)) for one in summaries)
    note = "Spearman's rank correlation of a measure with the number of a fact's edits and its subject's popularity."
    return Table("Correlations", header, lines, 1, (note,))


def contrast_table(summaries: Sequence[GroupSummary]) -> Table | None:
    """The contrasts as a table; None where there is one partition."""
    lines = tuple(
        (
            f"{one.partition}, {one.answer}",
            one.reference,
            f"{100 * one.difference:+.1f}",
            "" if one.log_odds is None else f"{one.log_odds:+.2f}",
            "" if one.standard_error is None else f"{one.standard_error:.2f}",
        )
        for one in contrasts(summaries)
    )
    if not lines:
        return None
    header = ("Partition, answer", "Against", "Difference", "Log odds ratio", "Standard error")
    note = "Persuaded shares x 100 of a partition against those of the first one."
    return Table("Persuaded, against the first partition", header, lines, 2, (note,))


_SHORT = {"persuasion": "CP", "entropy": "SE", "discrete_entropy": "discrete SE"}
_BY = ("edits", "popularity")


def measure_of(row: Row, name: str) -> float | None:
    """A measure of a row: `persuasion`, or an entropy of the answers without a context."""
    value = row[name] if name == "persuasion" else row["without"][name]
    return None if value is None else float(value)


def _summary(partition: str, answer: str, group: Sequence[Row]) -> GroupSummary:
    rows = [row for row in group if not row["error"]]
    correlations = {(one, other): _correlate(rows, one, other) for one in _SHORT for other in _BY}
    return GroupSummary(
        partition,
        answer,
        len(rows),
        len(group) - len(rows),
        bootstrap([float(row["behaviour"] == Behaviour.PERSUADED) for row in rows]),
        bootstrap([float(row["behaviour"] == Behaviour.STUBBORN) for row in rows]),
        bootstrap([float(bool(row["changed"])) for row in rows]),
        _estimate(rows, "persuasion"),
        _estimate(rows, "entropy"),
        _estimate(rows, "discrete_entropy"),
        correlations,
    )


def _estimate(rows: Sequence[Row], name: str) -> Estimate | None:
    known = [value for row in rows if (value := measure_of(row, name)) is not None]
    return bootstrap(known) if known else None


def _correlate(rows: Sequence[Row], name: str, by: str) -> float | None:
    pairs = [(value, row[by]) for row in rows if (value := measure_of(row, name)) is not None and row[by] is not None]
    return spearman([one for one, _ in pairs], [other for _, other in pairs])


def _persuaded_counts(group: GroupSummary) -> tuple[int, int]:
    persuaded = round(group.persuaded.mean * group.rows)
    return persuaded, group.rows - persuaded


def _ranks(values: Sequence[float]) -> np.ndarray[Any, np.dtype[np.float64]]:
    _, places, counts = np.unique(np.asarray(values, float), return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[places], np.float64)


def _nats(estimate: Estimate | None) -> str:
    return "" if estimate is None else f"{estimate.mean:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def _correlation(value: float | None) -> str:
    return "" if value is None else f"{value:+.2f}"
