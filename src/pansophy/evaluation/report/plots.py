"""The plots of a report: quality and cost against the length of the text, quality against cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pansophy.errors import UsageError
from pansophy.evaluation.report.axes import log_axis, log_ticks, percent_axis, short_number, spaced
from pansophy.evaluation.report.markup import tag
from pansophy.evaluation.report.panels import (
    BOTTOM,
    HEIGHT,
    INSET,
    LEFT,
    RIGHT,
    STYLE,
    TOP,
    WIDTH,
    Curve,
    Panel,
    Scale,
    draw,
    legend,
    svg,
)
from pansophy.evaluation.report.series import Sweep, frontier, series_labels
from pansophy.evaluation.report.statistics import Estimate
from pansophy.evaluation.report.summaries import StrategySummary

if TYPE_CHECKING:
    from pansophy.evaluation.report.build import Report

ACROSS = 3
"""Panels in a row of a picture."""

PERCENT = Scale("", percent_axis(BOTTOM, TOP), (0, 20, 40, 60, 80, 100))
PLOTTED_COSTS = {"prefilled_tokens": "prefilled tokens", "seconds": "seconds"}

Value = Callable[[StrategySummary], Estimate | None]


def report_figure(report: Report) -> str:
    """The main score against length as one picture with a legend: a panel for each kind of question.

    Raises:
        UsageError: no bench has texts of a known length.
    """
    found = report.sweeps()
    if not found:
        raise UsageError("no bench here has texts of a known length: there is no quality against length to draw")
    numbers = styles(report)
    shown = {series.label: numbers[series.label] for sweep in found for series in sweep.series}
    panels = [panel for sweep in found for panel in quality_panels(sweep, numbers)]
    across = min(ACROSS, len(panels))
    rows = -(-len(panels) // across)
    width = across * WIDTH
    placed = "".join(
        tag("g", panel.drawing, transform=f"translate({number % across * WIDTH} {number // across * HEIGHT})")
        for number, panel in enumerate(panels)
    )
    keys, depth = legend(shown, width)
    height = rows * HEIGHT + depth
    ground = tag("rect", width=width, height=height, class_="ground")
    drawing = tag("style", STYLE) + ground + placed + tag("g", keys, transform=f"translate(0 {rows * HEIGHT})")
    title = f"{', '.join(sweep.benchmark for sweep in found)}: quality against length"
    return svg(drawing, width, height, title, " ".join(panel.description for panel in panels), "figure") + "\n"


def styles(report: Report) -> dict[str, int]:
    """A number for each series, by its label: the same series looks the same in all plots."""
    labels = dict.fromkeys(series_labels(report.strategies, report.manifests))
    return {label: number for number, label in enumerate(labels)}


def quality_panels(sweep: Sweep, numbers: Mapping[str, int]) -> list[Panel]:
    """The main score against length: of all questions, then of each kind."""
    unit = f"{sweep.metric} x 100, 95% intervals"
    whole = _against_length(
        f"{sweep.benchmark}, all questions", unit, sweep, numbers, lambda summary: _percent(summary.main)
    )
    parts = [
        _against_length(f"{sweep.benchmark}, {kind}", unit, sweep, numbers, partial(_of_kind, kind))
        for kind in sweep.kinds
    ]
    return [whole, *parts]


def cost_panels(sweep: Sweep, numbers: Mapping[str, int]) -> list[Panel]:
    """Prefilled tokens and seconds against length."""
    return [
        _against_length(f"{sweep.benchmark}, {name}", "a question", sweep, numbers, partial(_cost, cost), percent=False)
        for cost, name in PLOTTED_COSTS.items()
    ]


@dataclass(frozen=True, slots=True)
class Frontier:
    """The strategies of one dataset by quality and one cost; `best` are those that no other beats, cheapest first."""

    panel: Panel
    best: tuple[str, ...]


def frontiers(report: Report, numbers: Mapping[str, int]) -> dict[str, list[Frontier]]:
    """For each cost, one for every dataset with two or more results; empty where no dataset has."""
    groups: dict[tuple[str, str], dict[str, StrategySummary]] = {}
    for summary, label in zip(report.strategies, series_labels(report.strategies, report.manifests), strict=True):
        data = report.manifests[summary.bench]["dataset"]
        groups.setdefault((data["name"], data["sha256"]), {})[label] = summary
    names = [name for name, _ in groups]
    titled = {
        name if names.count(name) == 1 else f"{name} ({next(iter(summaries.values())).bench})": summaries
        for (name, _), summaries in groups.items()
        if len(summaries) > 1
    }
    return {
        cost: [_frontier(title, cost, summaries, numbers) for title, summaries in titled.items()]
        for cost in PLOTTED_COSTS
        if titled
    }


def _frontier(title: str, cost: str, summaries: Mapping[str, StrategySummary], numbers: Mapping[str, int]) -> Frontier:
    places = [(summary.costs[cost].mean, 100 * summary.main.mean) for summary in summaries.values()]
    best = frontier(places)
    curves = [
        Curve(label, numbers[label], ((place[0], _percent(summary.main)),), faded=position not in best)
        for position, ((label, summary), place) in enumerate(zip(summaries.items(), places, strict=True))
    ]
    axis = log_axis([place[0] for place in places], LEFT + INSET, RIGHT - INSET)
    horizontal = Scale(f"{PLOTTED_COSTS[cost]}, a question", axis, spaced(axis, log_ticks(axis), 30))
    labels = tuple(list(summaries)[position] for position in best)
    metric = "score" if any("score" in summary.scores for summary in summaries.values()) else "F1"
    about = (
        f"{title}: {metric} against {PLOTTED_COSTS[cost]} of {len(places)} strategies. Unbeaten: {', '.join(labels)}."
    )
    vertical = Scale(f"{metric} x 100", PERCENT.axis, PERCENT.ticks)
    return Frontier(draw(title, about, curves, horizontal, vertical, front=[places[at] for at in best]), labels)


def _against_length(
    title: str, unit: str, sweep: Sweep, numbers: Mapping[str, int], value: Value, *, percent: bool = True
) -> Panel:
    curves = []
    for series in sweep.series:
        points = [(float(length), value(summary)) for length, summary in series.points]
        if known := tuple((length, estimate) for length, estimate in points if estimate is not None):
            curves.append(Curve(series.label, numbers[series.label], known))
    lengths = [float(length) for length in sweep.lengths]
    axis = log_axis(lengths, LEFT + INSET, RIGHT - INSET)
    horizontal = Scale(f"length of the text, {sweep.unit}", axis, spaced(axis, lengths, 30))
    about = (
        f"{title}: {unit}, of {len(curves)} strategies, over texts of {short_number(lengths[0])} to "
        f"{short_number(lengths[-1])} {sweep.unit}."
    )
    vertical = Scale(unit, PERCENT.axis, PERCENT.ticks) if percent else _cost_scale(unit, curves)
    return draw(title, about, curves, horizontal, vertical)


def _cost_scale(unit: str, curves: Sequence[Curve]) -> Scale:
    means = [estimate.mean for curve in curves for _, estimate in curve.points]
    bounds = [bound for curve in curves for _, one in curve.points for bound in (one.low, one.high) if bound > 0]
    axis = log_axis([*means, *bounds], BOTTOM - 6, TOP + 6)
    return Scale(unit, axis, log_ticks(axis))


def _percent(one: Estimate) -> Estimate:
    return Estimate(100 * one.mean, 100 * one.low, 100 * one.high)


def _of_kind(kind: str, summary: StrategySummary) -> Estimate | None:
    return _percent(summary.kinds[kind]) if kind in summary.kinds else None


def _cost(cost: str, summary: StrategySummary) -> Estimate:
    return summary.costs[cost]
