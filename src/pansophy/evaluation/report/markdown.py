"""A report as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pansophy.evaluation.report.tables import (
    Table,
    comparison_table,
    cost_table,
    kind_table,
    length_table,
    origin,
    score_table,
)

if TYPE_CHECKING:
    from pansophy.evaluation.report.build import Report


def report_markdown(report: Report) -> str:
    lengths = [length_table(sweep) for sweep in report.sweeps() if len(sweep.lengths) > 1]
    tables = [score_table(report), *lengths, kind_table(report), cost_table(report), comparison_table(report)]
    parts = [
        part for table in tables if table is not None for part in (markdown_table(table), *map(_text, table.notes))
    ]
    parts += map(_text, report.notes)
    for label, manifest in report.manifests.items():
        known = origin(manifest)
        command = known.pop("Command")
        data, rules, models, seed, machine, versions = map(_text, known.values())
        parts.append(
            f"{_text(label)}: {data}, rules {rules}; model {models}; seed {seed}; {machine}; {versions}; "
            f"command `{command.replace('`', chr(39))}`."
        )
    return "\n\n".join(parts) + "\n"


def markdown_table(table: Table) -> str:
    """The table without its notes."""
    rule = ["---"] * table.names + ["---:"] * (len(table.header) - table.names)
    rows = (map(_text, table.header), rule, *(map(_text, line) for line in table.lines))
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


def _text(value: str) -> str:
    """Names come from users: what would end a cell or begin a tag is escaped."""
    return " ".join(value.splitlines()).replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
