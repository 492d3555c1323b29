"""The frame of a report page: head, tables, legends, grids, sections. Knows nothing of what a report says.

A page needs no other file, has no script and loads nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files

from pansophy.evaluation.report import panels
from pansophy.evaluation.report.markup import tag, text
from pansophy.evaluation.report.tables import Table

# What the page may load: nothing. Should escaping ever fail, no script would run.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def whole_page(title: str, heading: str, sections: Sequence[str]) -> str:
    """The page of this title; `heading` and `sections` are markup."""
    style = panels.STYLE + files(__package__).joinpath("page.css").read_text("utf-8")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", text(title)),
        tag("style", style),
    )
    body = tag("body", tag("header", heading), tag("main", *sections))
    return "<!doctype html>\n" + tag("html", head, "\n", body, lang="en") + "\n"


def table(shown: Table) -> str:
    """A table with its notes below."""

    def cell(name: str, position: int, value: str) -> str:
        kind = "said" if position in shown.prose else "name" if position < shown.names else ""
        return tag(name, text(value), **({"class_": kind} if kind else {}))

    head = tag("tr", *(cell("th", position, value) for position, value in enumerate(shown.header)))
    lines = (tag("tr", *(cell("td", at, value) for at, value in enumerate(line))) for line in shown.lines)
    whole = tag("table", tag("thead", head), "\n", tag("tbody", "\n".join(lines)))
    notes = (tag("p", text(note), class_="note") for note in shown.notes)
    return tag("div", whole, class_="wide", role="region", aria_label=shown.title, tabindex=0) + "".join(notes)


def legend(numbers: Mapping[str, int]) -> str:
    """Labels beside the looks of their numbers."""
    size = f"0 0 {panels.KEY_WIDTH} {panels.KEY_HEIGHT}"
    items = [
        tag("li", tag("svg", panels.key(number), viewBox=size, aria_hidden="true"), tag("span", text(label)))
        for label, number in numbers.items()
    ]
    return tag("ul", *items, class_="legend")


def grid(figures: Sequence[str]) -> str:
    """Figures beside one another."""
    return tag("div", "\n".join(figures), class_="panels")


def section(title: str, *body: str) -> str:
    """A part of the page under its heading."""
    return tag("section", tag("h2", text(title)), "\n", *body) + "\n"


def folded(title: str, body: str) -> str:
    """What unfolds when its title is clicked."""
    return tag("details", tag("summary", text(title)), body) + "\n"


def counted(number: int, one: str, several: str) -> str:
    """A number with its noun: "1 answer", "2 answers"."""
    return f"{number:,} {one if number == 1 else several}"
