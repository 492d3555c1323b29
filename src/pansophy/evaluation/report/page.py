"""A report as one HTML page: plots, tables, single questions. It needs no other file, has no script, loads nothing.

The plots' text alternatives are the tables: every number that is drawn stands in one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

from pansophy.evaluation.report import plots
from pansophy.evaluation.report.frame import counted, folded, grid, legend, section, table, whole_page
from pansophy.evaluation.report.markup import tag, text
from pansophy.evaluation.report.series import REPEATED
from pansophy.evaluation.report.tables import (
    comparison_table,
    cost_table,
    kind_table,
    length_table,
    origin,
    question_table,
    score_table,
)

if TYPE_CHECKING:
    from pansophy.evaluation.report.build import Report


def report_page(report: Report) -> str:
    """The page; its rows hold no text of the dataset but the predictions."""
    title = f"{', '.join(dict.fromkeys(m['dataset']['name'] for m in report.manifests.values()))}: benchmark report"
    return whole_page(title, _heading(report), _sections(report))


def _heading(report: Report) -> str:
    data = dict.fromkeys(manifest["dataset"]["name"] for manifest in report.manifests.values())
    strategies = counted(len({summary.strategy for summary in report.strategies}), "strategy", "strategies")
    answers = counted(sum(summary.questions for summary in report.strategies), "answer", "answers")
    counts = f"{strategies} on {', '.join(data)}; {answers}."
    notes = (tag("p", text(note), class_="note") for note in report.notes)
    return tag("h1", "Benchmark report") + tag("p", text(counts), class_="soft") + "".join(notes)


def _sections(report: Report) -> list[str]:
    numbers = plots.styles(report)
    identities = (f"plot{number}" for number in count(1))
    kinds, comparisons = kind_table(report), comparison_table(report)
    parts = []
    for sweep in report.sweeps():
        if len(sweep.lengths) > 1:
            shown = {series.label: numbers[series.label] for series in sweep.series}
            quality = [tag("figure", one.svg(next(identities))) for one in plots.quality_panels(sweep, numbers)]
            costs = [tag("figure", one.svg(next(identities))) for one in plots.cost_panels(sweep, numbers)]
            body = [_legend(shown), grid(quality), table(length_table(sweep)), grid(costs)]
            parts.append(section(f"{sweep.benchmark} against length", *body))
    parts.append(section("Scores", table(score_table(report))))
    if kinds is not None:
        parts.append(section(kinds.title, table(kinds)))
    parts.append(section("Costs", table(cost_table(report))))
    if found := plots.frontiers(report, numbers):
        parts.append(section("Quality against cost", *_frontiers(found, numbers, identities)))
    if comparisons is not None:
        parts.append(section(comparisons.title, table(comparisons)))
    parts.append(section("Questions", *_questions(report)))
    parts.append(section("Where the numbers come from", *map(_origin, report.manifests, report.manifests.values())))
    return parts


def _frontiers(
    found: Mapping[str, Sequence[plots.Frontier]], numbers: Mapping[str, int], identities: Iterator[str]
) -> list[str]:
    grids = []
    for frontiers in found.values():
        captions = (f"Unbeaten, cheapest first: {', '.join(one.best)}." for one in frontiers)
        figures = [
            tag("figure", one.panel.svg(next(identities)), tag("figcaption", text(caption)))
            for one, caption in zip(frontiers, captions, strict=True)
        ]
        grids.append(grid(figures))
    note = (
        "Along the dashed line no strategy is both cheaper and as good, or as cheap and better; hollow points are "
        "beaten. Each point is over the questions that its strategy was asked."
    )
    return [_legend(numbers), *grids, tag("p", text(note), class_="note")]


def _questions(report: Report) -> list[str]:
    """For each bench and strategy a folded table of its questions."""
    return [
        folded(f"{bench}, {name}: {counted(len(rows), 'question', 'questions')}", table(question_table(rows)))
        for bench, strategies in report.rows.items()
        for name, rows in strategies.items()
    ]


def _origin(bench: str, manifest: Mapping[str, Any]) -> str:
    known = origin(manifest)
    del known["Command"]  # of the last session; here are all
    facts = [*known.items()]
    facts += [("Command", f"{' '.join(one['command'])} (started {one['started']})") for one in manifest["sessions"]]
    for name, entry in manifest["strategies"].items():
        settings = ", ".join(f"{setting}={value}" for setting, value in entry["settings"].items())
        facts.append((name, f"{settings}; fingerprint {entry['fingerprint'][:12]}"))
    return folded(bench, tag("dl", *(tag("dt", text(name)) + tag("dd", text(value)) for name, value in facts)))


def _legend(numbers: Mapping[str, int]) -> str:
    if not any(label.endswith(REPEATED) for label in numbers):
        return legend(numbers)
    words = f"{REPEATED}, and so on: the second bench of the same data, strategy and models, as the tables list them."
    return legend(numbers) + tag("p", text(words), class_="note")
