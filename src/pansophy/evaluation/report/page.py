"""A report as one HTML page: plots, tables, single questions. It needs no other file, has no script, loads nothing.

The plots' text alternatives are the tables: every number that is drawn stands in one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from itertools import count
from typing import TYPE_CHECKING, Any

from pansophy.evaluation.report import panels, plots
from pansophy.evaluation.report.markup import tag, text
from pansophy.evaluation.report.series import REPEATED
from pansophy.evaluation.report.tables import (
    Table,
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

# What the page may load: nothing. Should escaping ever fail, no script would run.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def report_page(report: Report) -> str:
    """The page; its rows hold no text of the dataset but the predictions."""
    title = f"{', '.join(dict.fromkeys(m['dataset']['name'] for m in report.manifests.values()))}: benchmark report"
    style = panels.STYLE + files(__package__).joinpath("page.css").read_text("utf-8")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", text(title)),
        tag("style", style),
    )
    body = tag("body", tag("header", _heading(report)), tag("main", *_sections(report)))
    return "<!doctype html>\n" + tag("html", head, "\n", body, lang="en") + "\n"


def _heading(report: Report) -> str:
    data = dict.fromkeys(manifest["dataset"]["name"] for manifest in report.manifests.values())
    strategies = _counted(len({summary.strategy for summary in report.strategies}), "strategy", "strategies")
    answers = _counted(sum(summary.questions for summary in report.strategies), "answer", "answers")
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
            body = [_legend(shown), _grid(quality), _table(length_table(sweep)), _grid(costs)]
            parts.append(_section(f"{sweep.benchmark} against length", *body))
    parts.append(_section("Scores", _table(score_table(report))))
    if kinds is not None:
        parts.append(_section(kinds.title, _table(kinds)))
    parts.append(_section("Costs", _table(cost_table(report))))
    if found := plots.frontiers(report, numbers):
        parts.append(_section("Quality against cost", *_frontiers(found, numbers, identities)))
    if comparisons is not None:
        parts.append(_section(comparisons.title, _table(comparisons)))
    parts.append(_section("Questions", *_questions(report)))
    parts.append(_section("Where the numbers come from", *map(_origin, report.manifests, report.manifests.values())))
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
        grids.append(_grid(figures))
    note = (
        "Along the dashed line no strategy is both cheaper and as good, or as cheap and better; hollow points are "
        "beaten. Each point is over the questions that its strategy was asked."
    )
    return [_legend(numbers), *grids, tag("p", text(note), class_="note")]


def _questions(report: Report) -> list[str]:
    """For each bench and strategy a folded table of its questions."""
    return [
        _folded(f"{bench}, {name}: {_counted(len(rows), 'question', 'questions')}", _table(question_table(rows)))
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
    return _folded(bench, tag("dl", *(tag("dt", text(name)) + tag("dd", text(value)) for name, value in facts)))


def _table(table: Table) -> str:
    def cell(name: str, position: int, value: str) -> str:
        kind = "said" if position in table.prose else "name" if position < table.names else ""
        return tag(name, text(value), **({"class_": kind} if kind else {}))

    head = tag("tr", *(cell("th", position, value) for position, value in enumerate(table.header)))
    lines = (tag("tr", *(cell("td", at, value) for at, value in enumerate(line))) for line in table.lines)
    whole = tag("table", tag("thead", head), "\n", tag("tbody", "\n".join(lines)))
    notes = (tag("p", text(note), class_="note") for note in table.notes)
    return tag("div", whole, class_="wide", role="region", aria_label=table.title, tabindex=0) + "".join(notes)


def _legend(numbers: Mapping[str, int]) -> str:
    size = f"0 0 {panels.KEY_WIDTH} {panels.KEY_HEIGHT}"
    items = [
        tag("li", tag("svg", panels.key(number), viewBox=size, aria_hidden="true"), tag("span", text(label)))
        for label, number in numbers.items()
    ]
    note = ""
    if any(label.endswith(REPEATED) for label in numbers):
        words = (
            f"{REPEATED}, and so on: the second bench of the same data, strategy and models, as the tables list them."
        )
        note = tag("p", text(words), class_="note")
    return tag("ul", *items, class_="legend") + note


def _grid(figures: Sequence[str]) -> str:
    return tag("div", "\n".join(figures), class_="panels")


def _section(title: str, *body: str) -> str:
    return tag("section", tag("h2", text(title)), "\n", *body) + "\n"


def _folded(title: str, body: str) -> str:
    return tag("details", tag("summary", text(title)), body) + "\n"


def _counted(number: int, one: str, several: str) -> str:
    return f"{number:,} {one if number == 1 else several}"
