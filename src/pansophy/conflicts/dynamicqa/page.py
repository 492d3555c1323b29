"""The report of probed facts: one HTML page with plots, tables and every answer, and the tables as Markdown."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pansophy.conflicts.dynamicqa.behaviour import Behaviour
from pansophy.conflicts.dynamicqa.summary import (
    GroupSummary,
    Row,
    contrast_table,
    correlation_table,
    measure_of,
    summarise,
    summary_table,
)
from pansophy.conflicts.results import read_manifest, read_rows
from pansophy.errors import RunError
from pansophy.evaluation.files import write_atomically
from pansophy.evaluation.report import frame
from pansophy.evaluation.report.axes import linear_axis, linear_ticks, percent_axis
from pansophy.evaluation.report.markdown import markdown_table
from pansophy.evaluation.report.markup import tag, text
from pansophy.evaluation.report.panels import BOTTOM, INSET, LEFT, RIGHT, TOP, Curve, Panel, Scale, draw
from pansophy.evaluation.report.statistics import Estimate, bootstrap
from pansophy.evaluation.report.tables import Table

MOST_EDITS = 5
"""Facts with so many edits or more are drawn together."""
BINS = 4
"""Parts of equal size, by entropy, that a group is drawn in."""


def write_report(folder: str | Path) -> str:
    """Write `report.html` and `report.md` beside a folder's rows.

    Returns:
        The tables as Markdown.

    Raises:
        RunError: the folder has no results yet.
    """
    place = Path(folder).expanduser()
    manifest, rows = read_manifest(place), read_rows(place)
    if not rows:
        raise RunError(f"{place} has no finished facts yet")
    summaries = summarise(rows)
    tables = _tables(summaries)
    markdown = "\n\n".join(part for table in tables for part in (markdown_table(table), *table.notes)) + "\n"
    write_atomically(place / "report.md", markdown)
    write_atomically(place / "report.html", report_page(rows, summaries, manifest))
    return markdown


def report_page(rows: Sequence[Row], summaries: Sequence[GroupSummary], manifest: Mapping[str, Any]) -> str:
    """The page of `rows`, summed up in `summaries`; it holds the model's answers and none of the facts' texts."""
    measured = frame.counted(len(rows), "answer", "answers")
    heading = tag("h1", "Knowledge conflicts") + tag(
        "p", text(f"{manifest['made_with']['model']}; {measured}."), class_="soft"
    )
    styles = {one.label: number for number, one in enumerate(summaries)}
    figures = [tag("figure", panel.svg(f"plot{number}")) for number, panel in enumerate(_panels(rows, styles))]
    sections = [frame.section("Conflict and persuasion", frame.legend(styles), frame.grid(figures))]
    sections += [frame.section(table.title, frame.table(table)) for table in _tables(summaries)]
    sections.append(frame.section("Answers", *_answers(rows)))
    sections.append(frame.section("Where the numbers come from", _origin(manifest)))
    return frame.whole_page("Knowledge conflicts", heading, sections)


def _tables(summaries: Sequence[GroupSummary]) -> list[Table]:
    found = [summary_table(summaries), contrast_table(summaries), correlation_table(summaries)]
    return [table for table in found if table is not None]


def _panels(rows: Sequence[Row], styles: Mapping[str, int]) -> list[Panel]:
    known = [row for row in rows if not row["error"]]
    groups: dict[str, list[Row]] = {}
    for row in known:
        groups.setdefault(f"{row['partition']}, {row['answer']}", []).append(row)
    wanted = [
        ("Persuaded by doubt", "%", "discrete SE without a context", _by_entropy, _persuaded),
        ("CP by doubt", "nats", "discrete SE without a context", _by_entropy, _persuasion),
        ("CP by edits", "nats", f"edits of the fact ({MOST_EDITS}: or more)", _by_edits, _persuasion),
    ]
    found = []
    for title, unit, across, split, value in wanted:
        curves = [
            Curve(label, styles[label], points)
            for label, group in groups.items()
            if (points := tuple((x, one) for x, part in split(group) if (one := value(part)) is not None))
        ]
        if curves:
            found.append(_panel(title, unit, across, curves))
    return found


def _panel(title: str, unit: str, across: str, curves: Sequence[Curve]) -> Panel:
    horizontal = linear_axis([x for curve in curves for x, _ in curve.points], LEFT + INSET, RIGHT - INSET)
    bounds = [bound for curve in curves for _, one in curve.points for bound in (one.low, one.high)]
    vertical = percent_axis(BOTTOM, TOP) if unit == "%" else linear_axis(bounds, BOTTOM, TOP)
    about = f"{title}: {unit} against {across}, of {frame.counted(len(curves), 'group', 'groups')}."
    return draw(
        title,
        about,
        curves,
        Scale(across, horizontal, linear_ticks(horizontal)),
        Scale(unit, vertical, linear_ticks(vertical)),
    )


def _by_entropy(group: Sequence[Row]) -> list[tuple[float, Sequence[Row]]]:
    """Parts of about equal size from the surest facts to the least sure, each at its mean entropy."""
    ordered = sorted(group, key=_doubt)
    cuts = [round(len(ordered) * number / BINS) for number in range(BINS + 1)]
    parts = [ordered[start:end] for start, end in itertools.pairwise(cuts) if end > start]
    return [(sum(map(_doubt, part)) / len(part), part) for part in parts]


def _by_edits(group: Sequence[Row]) -> list[tuple[float, Sequence[Row]]]:
    parts: dict[float, list[Row]] = {}
    for row in group:
        if row["edits"] is not None:
            parts.setdefault(min(row["edits"], MOST_EDITS), []).append(row)
    return sorted(parts.items())


def _doubt(row: Row) -> float:
    return float(row["without"]["discrete_entropy"])


def _persuaded(part: Sequence[Row]) -> Estimate:
    return bootstrap([100.0 * (row["behaviour"] == Behaviour.PERSUADED) for row in part])


def _persuasion(part: Sequence[Row]) -> Estimate | None:
    known = [value for row in part if (value := measure_of(row, "persuasion")) is not None]
    return bootstrap(known) if known else None


def _answers(rows: Sequence[Row]) -> list[str]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(f"{row['partition']}, {row['answer']}", []).append(row)
    header = ("Fact", "Alone", "With the context", "Behaviour", "CP", "Discrete SE", "Flags", "Error")
    folded = []
    for label, group in groups.items():
        table = Table(label, header, tuple(map(_line, group)), 1, prose=(1, 2, 3, 6, 7))
        folded.append(frame.folded(f"{label}: {frame.counted(len(group), 'answer', 'answers')}", frame.table(table)))
    return folded


def _line(row: Row) -> tuple[str, ...]:
    flags = "; ".join(row["flags"])
    if row["error"]:
        return (row["id"], "", "", "", "", "", flags, row["error"])
    persuasion = "" if row["persuasion"] is None else f"{row['persuasion']:.2f}"
    behaviour = row["behaviour"] + (", changed" if row["changed"] else "")
    return (
        row["id"],
        row["without"]["answer"],
        row["with"]["answer"],
        behaviour,
        persuasion,
        f"{_doubt(row):.2f}",
        flags,
        "",
    )


def _origin(manifest: Mapping[str, Any]) -> str:
    made, last = manifest["made_with"], manifest["sessions"][-1]
    facts = {
        "Model": made["model"],
        "Entailment": made["entailment"],
        "Settings": ", ".join(f"{name}={value}" for name, value in made["settings"].items()),
        "Facts": f"sha256 {made['facts'][:12]}",
        "Machine": f"{last['machine']['processor']}, {last['machine']['cores']} cores",
        "Versions": ", ".join(f"{name} {version}" for name, version in last["versions"].items()),
        "Command": " ".join(last["command"]),
    }
    return tag("dl", *(tag("dt", text(name)) + tag("dd", text(value)) for name, value in facts.items()))
