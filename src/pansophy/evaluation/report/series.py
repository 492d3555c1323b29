"""Results arranged for plots: by the length of the text, and by cost. Knows nothing of how they are drawn."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pansophy.errors import UsageError
from pansophy.evaluation.haystack import length_of
from pansophy.evaluation.report.summaries import StrategySummary

REPEATED = "(2)"
"""Ends the label of a series that is the second of its strategy, models, benchmark and length."""


class Place(NamedTuple):
    """Where a bench stands among others: its benchmark, and the length of its texts (None: not known) in `unit`."""

    benchmark: str
    unit: str
    length: int | None


@dataclass(frozen=True, slots=True)
class Series:
    """One strategy with one set of models: its results by length, shortest first."""

    label: str
    points: tuple[tuple[int, StrategySummary], ...]


@dataclass(frozen=True, slots=True)
class Sweep:
    """A benchmark at one or several lengths; `unit` is what the lengths count: tokens or characters."""

    benchmark: str
    unit: str
    series: tuple[Series, ...]

    @property
    def lengths(self) -> tuple[int, ...]:
        return tuple(sorted({length for one in self.series for length, _ in one.points}))

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of question, where there are several."""
        return tuple(dict.fromkeys(kind for one in self.series for _, summary in one.points for kind in summary.kinds))

    @property
    def metric(self) -> str:
        """The name of the main score."""
        return "score" if any("score" in summary.scores for one in self.series for _, summary in one.points) else "F1"


def sweeps(summaries: Sequence[StrategySummary], manifests: Mapping[str, Mapping[str, Any]]) -> tuple[Sweep, ...]:
    """The benchmarks whose texts have a known length, in the order of the benches."""
    labels = series_labels(summaries, manifests)
    found: dict[tuple[str, str], dict[str, list[tuple[int, StrategySummary]]]] = {}
    for summary, label in zip(summaries, labels, strict=True):
        place = placed(manifests[summary.bench])
        if place.length is not None:
            lines = found.setdefault((place.benchmark, place.unit), {})
            lines.setdefault(label, []).append((place.length, summary))
    return tuple(
        Sweep(
            benchmark,
            unit,
            tuple(Series(label, tuple(sorted(points, key=lambda point: point[0]))) for label, points in lines.items()),
        )
        for (benchmark, unit), lines in found.items()
    )


def series_labels(summaries: Sequence[StrategySummary], manifests: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """What the plots call each summary: its strategy, with its models where the report has several.

    Where benches of one benchmark and length have the same strategy and models (with other settings, say), the second
    is called "name (2)".
    """
    several = len({summary.models for summary in summaries}) > 1
    seen: dict[tuple[Any, ...], int] = {}
    labels = []
    for summary in summaries:
        name = f"{summary.strategy}, {' + '.join(map(short_model, summary.models))}" if several else summary.strategy
        place = (name, placed(manifests[summary.bench]))
        seen[place] = seen.get(place, 0) + 1
        labels.append(name if seen[place] == 1 else f"{name} ({seen[place]})")
    return tuple(labels)


def placed(manifest: Mapping[str, Any]) -> Place:
    """Where a bench stands. Texts that were not made to a length in tokens have that of the documents that all
    questions share, in characters."""
    data = manifest["dataset"]
    benchmark: Mapping[str, Any] = manifest.get("benchmark") or _by_name(data)
    if benchmark["tokens"] is not None:
        return Place(benchmark["name"], "tokens", benchmark["tokens"])
    return Place(benchmark["name"], "characters", data["characters"] or None)


def frontier(points: Sequence[tuple[float, float]]) -> tuple[int, ...]:
    """Which (cost, quality) points no other beats: none is as cheap and better, or as good and cheaper.

    Returns:
        Their positions, cheapest first.
    """
    kept: list[int] = []
    for position in sorted(range(len(points)), key=lambda at: (points[at][0], -points[at][1])):
        if not kept or points[position][1] > points[kept[-1]][1] or points[position] == points[kept[-1]]:
            kept.append(position)
    return tuple(kept)


def short_model(identity: str) -> str:
    """A model's identity with hashes cut to eight digits."""
    return re.sub(r"\b([0-9a-f]{8})[0-9a-f]{24,}\b", r"\1", identity)


def _by_name(data: Mapping[str, Any]) -> dict[str, Any]:
    """The benchmark of a bench that did not record it: generated data is called NAME-LENGTH, such as babilong-128k."""
    name, _, length = str(data["name"]).rpartition("-")
    if name and not data["documents"]:
        try:
            return {"name": name, "tokens": length_of(length)}
        except UsageError:  # a name that ends in something else
            pass
    return {"name": data["name"], "tokens": None}
