"""Small plots of one size as SVG, without a script. Knows nothing of benches.

Series are told apart by colour (chosen for colour-blind readers, light and dark), marker and dash together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pansophy.evaluation.report.axes import Axis, short_number
from pansophy.evaluation.report.markup import tag, text
from pansophy.evaluation.report.statistics import Estimate

WIDTH, HEIGHT = 340, 250
LEFT, RIGHT, TOP, BOTTOM = 44.0, 330.0, 36.0, 208.0
INSET = 16.0
"""Pixels between the frame and the outermost points: room for markers, and for points set side by side."""

COLOURS_LIGHT = ("#0072b2", "#c84e00", "#00805c", "#a8457f", "#8a6300", "#4d4d4d")
COLOURS_DARK = ("#56b4e9", "#ff8f4d", "#2fcf9f", "#eb9fca", "#e8bd3c", "#bdbdbd")
DASHES = ("none", "6 3", "2 3")
MARKERS = (  # around (0, 0)
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",  # circle
    "M-3.6-3.6h7.2v7.2h-7.2z",  # square
    "M0-4.8L4.6 3.4h-9.2z",  # triangle
    "M0-5.2L5.2 0L0 5.2L-5.2 0z",  # diamond
    "M0 4.8L4.6-3.4h-9.2z",  # triangle, point down
    "M-1.5-4.8h3v3.3h3.3v3h-3.3v3.3h-3v-3.3h-3.3v-3h3.3z",  # cross
)
KEY_WIDTH, KEY_HEIGHT = 34, 14


def _colours(series: Sequence[str], ground: str, ink: str, grid: str) -> str:
    own = "".join(f".c{number}{{color:{colour}}}" for number, colour in enumerate(series))
    return f"{own}.ground{{fill:{ground}}}.ink{{fill:{ink}}}.grid{{stroke:{grid}}}.front{{stroke:{ink}}}"


STYLE = (
    _colours(COLOURS_LIGHT, "#ffffff", "#222222", "#e2e2e2")
    + "@media screen and (prefers-color-scheme:dark){"
    + _colours(COLOURS_DARK, "#16181c", "#e6e6e6", "#383c44")
    + "}"
)


@dataclass(frozen=True, slots=True)
class Curve:
    """A series' points, ascending in x. `style` is the number of its look; `faded` ones stand back."""

    label: str
    style: int
    points: tuple[tuple[float, Estimate], ...]
    faded: bool = False


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis with what it is called and the values that are marked on it."""

    name: str
    axis: Axis
    ticks: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """A plot of WIDTH x HEIGHT."""

    title: str
    description: str
    drawing: str

    def svg(self, identity: str) -> str:
        return svg(self.drawing, WIDTH, HEIGHT, self.title, self.description, identity)


def draw(
    title: str,
    description: str,
    curves: Sequence[Curve],
    horizontal: Scale,
    vertical: Scale,
    *,
    front: Sequence[tuple[float, float]] | None = None,
) -> Panel:
    """A plot of curves with their intervals.

    Args:
        title: stands above.
        description: for those who don't see it.
        curves: their points are joined and, where several share an x, set side by side.
        horizontal, vertical: the scales.
        front: corners of a step line, ascending in x; points are then neither joined nor moved aside.
    """
    parts = [_frame(title, horizontal, vertical)]
    if front is not None:
        parts.append(_steps(front, horizontal.axis, vertical.axis))
    apart = 0.0 if front is not None or len(curves) < 2 else min(5.0, 2 * (INSET - 5) / (len(curves) - 1))
    for number, curve in enumerate(curves):
        aside = (number - (len(curves) - 1) / 2) * apart
        parts.append(_curve(curve, horizontal.axis, vertical.axis, aside, joined=front is None))
    return Panel(title, description, "".join(parts))


def legend(numbers: Mapping[str, int], width: float) -> tuple[str, float]:
    """The labels of `numbers` beside their looks, in rows.

    Returns:
        The markup and its height.
    """
    parts: list[str] = []
    x, y = 10.0, 6.0
    for label, number in numbers.items():
        needed = KEY_WIDTH + 6 + 6.5 * len(label) + 18
        if x + needed > width and x > 10:
            x, y = 10.0, y + 20
        words = tag("text", text(label), x=KEY_WIDTH + 6, y=11, class_="ink")
        parts.append(tag("g", key(number), words, transform=f"translate({x:.0f} {y:.0f})"))
        x += needed
    return "".join(parts), y + 26


def key(number: int) -> str:
    """The look of a series: a short line with its marker, KEY_WIDTH x KEY_HEIGHT."""
    line = _line(f"M2 {KEY_HEIGHT / 2}H{KEY_WIDTH - 2}", number)
    return tag("g", line, _marker(KEY_WIDTH / 2, KEY_HEIGHT / 2, number), class_=_colour(number))


def svg(drawing: str, width: float, height: float, title: str, description: str, identity: str) -> str:
    """A picture that says what it shows; `identity` is its own on the page."""
    return tag(
        "svg",
        tag("title", text(title), id=f"{identity}-title"),
        tag("desc", text(description), id=f"{identity}-desc"),
        drawing,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        role="img",
        aria_labelledby=f"{identity}-title {identity}-desc",
        font_family="system-ui, sans-serif",
        font_size=11,
    )


def _frame(title: str, horizontal: Scale, vertical: Scale) -> str:
    heading = tag("tspan", text(title), font_weight="bold", font_size=12)
    unit = tag("tspan", text(vertical.name), dx=8, fill_opacity="0.75")
    parts = [tag("text", heading, unit, x=LEFT - 36, y=TOP - 18, class_="ink")]
    for value in vertical.ticks:
        y = vertical.axis.at(value)
        parts.append(tag("line", x1=LEFT, x2=RIGHT, y1=y, y2=y, class_="grid"))
        parts.append(tag("text", short_number(value), x=LEFT - 5, y=y + 4, text_anchor="end", class_="ink"))
    for value in horizontal.ticks:
        x = horizontal.axis.at(value)
        parts.append(tag("line", x1=x, x2=x, y1=BOTTOM, y2=BOTTOM + 4, class_="grid"))
        parts.append(tag("text", short_number(value), x=x, y=BOTTOM + 17, text_anchor="middle", class_="ink"))
    middle = (LEFT + RIGHT) / 2
    parts.append(tag("text", text(horizontal.name), x=middle, y=BOTTOM + 34, text_anchor="middle", class_="ink"))
    return "".join(parts)


def _curve(curve: Curve, horizontal: Axis, vertical: Axis, aside: float, *, joined: bool) -> str:
    places = [(horizontal.at(x) + aside, vertical.at(one.mean)) for x, one in curve.points]
    parts = []
    if joined and len(places) > 1:
        parts.append(_line("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places), curve.style))
    for (x, y), (value, one) in zip(places, curve.points, strict=True):
        low, high = vertical.at(one.low), vertical.at(one.high)
        said = f"{curve.label}, {short_number(value)}: {one.mean:,.1f} [{one.low:,.1f}, {one.high:,.1f}]"
        whisker = tag("path", d=f"M{x:.1f} {low:.1f}V{high:.1f}", stroke="currentColor", stroke_opacity="0.6")
        parts.append(tag("g", tag("title", text(said)), whisker, _marker(x, y, curve.style, hollow=curve.faded)))
    return tag("g", *parts, class_=_colour(curve.style))


def _steps(front: Sequence[tuple[float, float]], horizontal: Axis, vertical: Axis) -> str:
    """From each corner to the right at its height, up at the next; to the right edge after the last."""
    places = [(horizontal.at(x), vertical.at(y)) for x, y in front]
    path = "".join(f"H{x:.1f}V{y:.1f}" for x, y in places[1:])
    start = "" if not places else f"M{places[0][0]:.1f} {places[0][1]:.1f}{path}H{RIGHT:.1f}"
    return tag("path", d=start, fill="none", stroke_dasharray="3 3", stroke_opacity="0.7", class_="front")


def _line(path: str, number: int) -> str:
    dash = DASHES[number // (len(COLOURS_LIGHT) * len(MARKERS)) % len(DASHES)]
    return tag("path", d=path, fill="none", stroke="currentColor", stroke_width="1.7", stroke_dasharray=dash)


def _marker(x: float, y: float, number: int, *, hollow: bool = False) -> str:
    shape = MARKERS[(number + number // len(COLOURS_LIGHT)) % len(MARKERS)]
    place = f"translate({x:.1f} {y:.1f})"
    if hollow:
        return tag("path", d=shape, transform=place, stroke="currentColor", stroke_width="1.5", class_="ground")
    return tag("path", d=shape, transform=place, fill="currentColor")


def _colour(number: int) -> str:
    return f"c{number % len(COLOURS_LIGHT)}"
