"""The report of timelines as one HTML page, with every timeline drawn, and as Markdown and lines of JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pansophy.conflicts.results import read_manifest
from pansophy.errors import RunError
from pansophy.evaluation.files import write_atomically
from pansophy.evaluation.report import frame
from pansophy.evaluation.report.markup import tag, text
from pansophy.evaluation.report.tables import Table
from pansophy.reading.chroknowledge.categories import TimelineCategory
from pansophy.reading.chroknowledge.probe import ProbedFact, ProbedYear
from pansophy.reading.chroknowledge.report import LEVELS, NAMES, Interval, TimelineReport, shares_of

MOST_DRAWN = 40
"""Timelines of one category that are drawn; `facts.jsonl` has them all."""
LOOKS = {"correct": ("#0072b2", "●"), "partial": ("#b8860b", "◐"), "incorrect": ("#b03a2e", "○")}
"""Colour and sign of a level, so that they can be told apart without colours."""
REPAIRED = "✓"
NAME_WIDTH, CELL, ROW, TOP, HIGH = 190, 56, 40, 22, 120


def write_report(report: TimelineReport, folder: str | Path) -> None:
    """Write `report.html`, `report.md` and `facts.jsonl` beside the rows.

    Raises:
        RunError: there is nothing to report.
    """
    if not report.probed:
        raise RunError(f"{folder} has no fact yet that is probed at all its stamps")
    place = Path(folder).expanduser()
    write_atomically(place / "report.md", report.markdown())
    write_atomically(place / "facts.jsonl", report.lines())
    write_atomically(place / "report.html", report_page(report, read_manifest(place)))


def report_page(report: TimelineReport, manifest: Mapping[str, Any]) -> str:
    """The page: plots, tables, and what is held true from when to when."""
    made = manifest["made_with"]
    counted = frame.counted(len(report.probed), "timeline", "timelines")
    heading = tag("h1", "Knowledge over time") + tag("p", text(f"{made['model']}; {counted}."), class_="soft")
    sections = [frame.section("Stamps", _legend(), tag("figure", stamps_plot(report)))]
    for category in TimelineCategory:
        group = [one for one in report.probed if one.category is category]
        if group:
            sections.append(frame.section(_title(category, len(group)), tag("figure", timelines_plot(report, group))))
    sections += [frame.section(table.title, frame.table(table)) for table in report.tables()]
    sections.append(frame.section("From when to when", frame.folded("All facts", frame.table(_intervals(report)))))
    sections.append(frame.section("Where the numbers come from", _origin(manifest)))
    return frame.whole_page("Knowledge over time", heading, sections)


def stamps_plot(report: TimelineReport) -> str:
    """The shares of correct, partial and incorrect at each stamp, as stacked bars."""
    bars = []
    for column, (stamp, levels) in enumerate(report.levels().items()):
        x, y = column * CELL + 40, float(HIGH + TOP)
        for level, share in zip(LOOKS, shares_of(levels), strict=True):
            y -= share * HIGH
            about = tag("title", text(f"{stamp or 'no time'}: {100 * share:.0f} % {level} of {len(levels)}"))
            fill = LOOKS[level][0]
            bars.append(tag("rect", about, x=x, y=y, width=CELL - 8, height=share * HIGH, fill=fill))
        bars.append(_label(stamp or "no time", x + CELL / 2 - 4, HIGH + TOP + 16, text_anchor="middle"))
    for share in (0, 50, 100):
        bars.append(_label(f"{share}%", 34, HIGH + TOP + 4 - share / 100 * HIGH, text_anchor="end"))
    width = len(report.stamps) * CELL + 48
    return _svg("Shares of correct, partial and incorrect at each stamp", bars, width, HIGH + TOP + 24)


def timelines_plot(report: TimelineReport, group: Sequence[ProbedFact]) -> str:
    """A row for each timeline: its stamps coloured by level, and below them what is true from when to when."""
    columns = {stamp: column for column, stamp in enumerate(report.stamps)}
    parts = [
        _label(stamp or "no time", NAME_WIDTH + column * CELL + CELL / 2 - 2, 14, text_anchor="middle")
        for stamp, column in columns.items()
    ]
    drawn = group[:MOST_DRAWN]
    for row, one in enumerate(drawn):
        y = TOP + row * ROW
        parts.append(_label(_short(one.fact.id, 30), 0, y + 14))
        again = report.repair_of.get(one.fact.id)
        known = {year.stamp for year in again.years if year.known} if again else set()
        parts += [_cell(year, NAME_WIDTH + columns[year.stamp] * CELL, y, year.stamp in known) for year in one.years]
        parts += [_bar(part, columns, y + 21) for part in report.true(one)]
    height = TOP + len(drawn) * ROW
    if len(group) > len(drawn):
        parts.append(_label(f"and {len(group) - len(drawn):,} more in facts.jsonl", 0, height + 12))
        height += 20
    return _svg("Timelines", parts, NAME_WIDTH + len(columns) * CELL, height)


def _cell(year: ProbedYear, x: int, y: int, known: bool) -> str:
    level = LEVELS[year.category]
    fill, sign = LOOKS[level]
    said = f"{year.stamp}: {level}; says {year.usual or 'nothing'}, true is {'; '.join(year.gold)}"
    about = tag("title", text(said + ("; right when asked again" if known else "")))
    signs = sign + (REPAIRED if known else "")
    mark = tag("text", text(signs), x=x + CELL / 2 - 2, y=y + 14, fill="#fff", text_anchor="middle", font_size=13)
    return tag("g", about, tag("rect", x=x, y=y, width=CELL - 4, height=19, rx=3, fill=fill), mark)


def _bar(part: Interval, columns: Mapping[str, int], y: int) -> str:
    """A line from an interval's start to its end, and its answer below."""
    start, end = NAME_WIDTH + columns[part.start] * CELL, NAME_WIDTH + columns[part.end] * CELL + CELL - 4
    line = tag("rect", x=start, y=y, width=end - start, height=2, class_="ink")
    return tag("g", tag("title", text(part)), line, _label(_short(part.answer, (end - start) // 6), start, y + 12, 10))


def _label(said: str, x: float, y: float, size: int = 12, **more: object) -> str:
    return tag("text", text(said), x=x, y=y, font_size=size, class_="ink", **more)


def _svg(title: str, parts: Sequence[str], width: int, height: int) -> str:
    about = tag("title", text(title))
    drawn = tag("svg", about, *parts, viewBox=f"0 0 {width} {height}", width=width, height=height, role="img")
    return tag("div", drawn, class_="wide")


def _legend() -> str:
    signs = (f"{sign} {level}" for level, (_, sign) in LOOKS.items())
    return tag(
        "p", text(f"{', '.join(signs)}; {REPAIRED} right when asked again with neighbours shown."), class_="note"
    )


def _title(category: TimelineCategory, number: int) -> str:
    return f"{NAMES[category]}: {frame.counted(number, 'timeline', 'timelines')}"


def _intervals(report: TimelineReport) -> Table:
    header = ("Fact", "Category", "True", "Said", "Said after repair")
    lines = tuple(
        (
            one.fact.id,
            NAMES[one.category],
            *(_joined(part) for part in (report.true(one), report.said(one), report.said_after(one))),
        )
        for one in report.probed
    )
    return Table("From when to when", header, lines, 1, prose=(1, 2, 3, 4))


def _joined(found: Sequence[Interval]) -> str:
    return ", ".join(str(one) for one in found if one.answer)


def _short(words: str, most: int) -> str:
    return words if len(words) <= most else words[: max(most - 1, 1)] + "…"


def _origin(manifest: Mapping[str, Any]) -> str:
    made, last = manifest["made_with"], manifest["sessions"][-1]
    told = {
        "Model": made["model"],
        "Settings": ", ".join(f"{name}={value}" for name, value in made["settings"].items()),
        "Facts": f"sha256 {made['facts'][:12]}",
        "Machine": f"{last['machine']['processor']}, {last['machine']['cores']} cores",
        "Versions": ", ".join(f"{name} {version}" for name, version in last["versions"].items()),
        "Command": " ".join(last["command"]),
    }
    return tag("dl", *(tag("dt", text(name)) + tag("dd", text(value)) for name, value in told.items()))
