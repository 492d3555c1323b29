"""Bars of OAR, CAR and IAR with their intervals, as SVG. Knows nothing of folders and pages."""

from __future__ import annotations

from collections.abc import Mapping

from pansophy.conflicts.mmkc.scoring import KindScore
from pansophy.evaluation.report.axes import percent_axis, short_number
from pansophy.evaluation.report.markup import tag, text
from pansophy.evaluation.report.panels import BOTTOM, COLOURS_LIGHT, LEFT, RIGHT, TOP, Panel
from pansophy.evaluation.report.statistics import Estimate

RATES = {"OAR": "own answer kept", "CAR": "false answer taken", "IAR": "another answer"}
"""The bars of a group, in their order; the number of each is that of its colour."""
FILLED = 0.75
"""Share of a group's room that its bars take."""
LETTER = 6.2
"""Pixels of a letter, about."""
LONGEST_TITLE = 44


def bars(title: str, groups: Mapping[str, KindScore]) -> Panel:
    """A plot with three bars for each group, in percent of its items; groups without items have none."""
    room = (RIGHT - LEFT) / max(len(groups), 1)
    parts = [_frame(title)]
    for number, (label, score) in enumerate(groups.items()):
        middle = LEFT + (number + 0.5) * room
        parts.append(_label(label, middle, room))
        if score.counted:
            shown = ((score.rates.oar, 0), (score.rates.car, 1), (score.rates.iar, 2))
            width = room * FILLED / len(shown)
            parts += [_bar(rate, place, label, middle + (place - 1.5) * width, width) for rate, place in shown]
    about = f"{title}: shares of answers kept, given up for a false one, or neither, in {len(groups)} groups."
    return Panel(title, about, "".join(parts))


def legend() -> str:
    """The three colours with their names, as HTML."""
    square = tag("path", d="M0 0h12v12h-12z", fill="currentColor")
    items = [
        tag(
            "li",
            tag("svg", square, viewBox="0 0 12 12", width=12, height=12, class_=_colour(number), aria_hidden="true"),
            tag("span", text(f"{name}: {meaning}")),
        )
        for number, (name, meaning) in enumerate(RATES.items())
    ]
    return tag("ul", *items, class_="legend")


def _frame(title: str) -> str:
    axis = percent_axis(BOTTOM, TOP)
    heading = tag("tspan", text(_cut(title, LONGEST_TITLE)), font_weight="bold", font_size=12)
    parts = [tag("text", heading, tag("tspan", "%", dx=8, fill_opacity="0.75"), x=LEFT - 36, y=TOP - 18, class_="ink")]
    for value in (0, 20, 40, 60, 80, 100):
        y = axis.at(value)
        parts.append(tag("line", x1=LEFT, x2=RIGHT, y1=y, y2=y, class_="grid"))
        parts.append(tag("text", short_number(value), x=LEFT - 5, y=y + 4, text_anchor="end", class_="ink"))
    return "".join(parts)


def _label(label: str, middle: float, room: float) -> str:
    """The group's name below its bars, cut where it would run into the next one's."""
    shown = _cut(label, max(int(room / LETTER), 2))
    place = {"x": middle, "y": BOTTOM + 17, "text_anchor": "middle", "class_": "ink"}
    return tag("text", tag("title", text(label)), text(shown), **place)


def _cut(label: str, longest: int) -> str:
    return label if len(label) <= longest else label[: longest - 1] + "…"


def _bar(rate: Estimate, number: int, label: str, left: float, width: float) -> str:
    axis = percent_axis(BOTTOM, TOP)
    mean, low, high = (100 * one for one in (rate.mean, rate.low, rate.high))
    top, middle = axis.at(mean), left + width / 2
    said = f"{label}, {list(RATES)[number]}: {mean:.1f} [{low:.1f}, {high:.1f}]"
    block = tag("rect", x=left, y=top, width=width, height=BOTTOM - top, fill="currentColor", fill_opacity="0.8")
    whisker = tag("path", d=f"M{middle:.1f} {axis.at(low):.1f}V{axis.at(high):.1f}", stroke_width="1.2", class_="front")
    return tag("g", tag("title", text(said)), block, whisker, class_=_colour(number))


def _colour(number: int) -> str:
    return f"c{number % len(COLOURS_LIGHT)}"
