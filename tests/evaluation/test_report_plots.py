"""Plots hold for any numbers: values stand within the frame, ticks are few, round and ascending, nothing is NaN."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pansophy.evaluation.report import Estimate, frontier
from pansophy.evaluation.report.axes import (
    linear_axis,
    linear_ticks,
    log_axis,
    log_ticks,
    percent_axis,
    short_number,
    spaced,
)
from pansophy.evaluation.report.panels import (
    BOTTOM,
    COLOURS_DARK,
    COLOURS_LIGHT,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Curve,
    Scale,
    draw,
    key,
    legend,
)

positive = st.floats(1e-3, 1e9)
costs = st.lists(st.one_of(st.just(0.0), positive), min_size=1, max_size=12)


@settings(deadline=None)
@given(costs, st.sampled_from([(60.0, 310.0), (202.0, 42.0)]))
def test_a_logarithmic_axis_keeps_the_order_of_values_within_its_ends(
    values: list[float], ends: tuple[float, float]
) -> None:
    axis = log_axis(values, *ends)
    low, high = sorted(ends)
    places = [axis.at(value) for value in sorted(values)]
    assert all(low - 1e-6 <= place <= high + 1e-6 for place in places)
    assert places == sorted(places, reverse=ends[0] > ends[1])


def test_zero_has_a_place_of_its_own_on_a_logarithmic_axis() -> None:
    axis = log_axis([0, 1_000, 100_000], 0, 100)
    assert axis.at(0) == 0
    assert axis.at(1_000) == pytest.approx(15)
    assert axis.at(10_000) == pytest.approx(57.5)
    assert axis.at(100_000) == pytest.approx(100)


@pytest.mark.parametrize("values", [[5.0], [5.0, 5.0], [0.001]])
def test_a_single_value_stands_in_the_middle(values: list[float]) -> None:
    assert log_axis(values, 0, 100).at(values[0]) == pytest.approx(50)


@settings(deadline=None)
@given(costs)
def test_ticks_are_few_ascending_within_the_axis_and_told_apart(values: list[float]) -> None:
    axis = log_axis(values, 0, 250)
    ticks = log_ticks(axis, 6)
    assert 2 <= len(ticks) <= 6
    assert list(ticks) == sorted(set(ticks))
    assert all(tick == 0 or axis.low * 0.999 <= tick <= axis.high * 1.001 for tick in ticks)
    assert (0 in ticks) == (0 in values)
    assert len({short_number(tick) for tick in ticks}) == len(ticks)


def test_ticks_are_the_numbers_that_people_expect() -> None:
    assert log_ticks(log_axis([800, 1_100_000], 0, 250)) == (1e3, 1e4, 1e5, 1e6)
    assert log_ticks(log_axis([8, 120], 0, 250)) == (10, 20, 50, 100)
    assert log_ticks(log_axis([710, 790], 0, 250)) == pytest.approx((720, 740, 760, 780))


@settings(deadline=None)
@given(st.lists(positive, min_size=1, max_size=30, unique=True), st.floats(1, 200))
def test_labels_that_are_kept_do_not_overlap(values: list[float], least: float) -> None:
    axis = log_axis(values, 0, 250)
    kept = spaced(axis, sorted(values), least)
    assert kept[0] == min(values)
    assert all(axis.at(after) - axis.at(before) >= least for before, after in pairwise(kept))


@pytest.mark.parametrize(
    ("value", "said"), [(0, "0"), (0.25, "0.25"), (950, "950"), (32_000, "32k"), (131_072, "131.1k"), (1.5e6, "1.5M")]
)
def test_numbers_are_short(value: float, said: str) -> None:
    assert short_number(value) == said


def test_the_frontier_is_what_no_other_point_beats() -> None:
    #         cheap, poor  beaten      dear, good  as good but dearer
    points = [(1.0, 20.0), (5.0, 10.0), (9.0, 80.0), (10.0, 80.0), (4.0, 50.0)]
    assert frontier(points) == (0, 4, 2)
    assert frontier([(3.0, 50.0), (3.0, 50.0)]) == (0, 1)
    assert frontier([]) == ()


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9).map(float), st.integers(0, 9).map(float)), max_size=15))
def test_every_point_is_on_the_frontier_or_beaten_by_one_that_is(points: list[tuple[float, float]]) -> None:
    kept = set(frontier(points))

    def beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
        return one[0] <= other[0] and one[1] >= other[1] and one != other

    for position, point in enumerate(points):
        beaten = [at for at in kept if beats(points[at], point)]
        assert bool(beaten) == (position not in kept)


estimates = st.sampled_from([Estimate(0, 0, 0), Estimate(100, 100, 100), Estimate(37.5, 0, 100), Estimate(50, 49, 51)])
lengths = st.sampled_from([0.0, 1e3, 8e3, 1.3e5, 1e6])
curves = st.lists(st.dictionaries(lengths, estimates, min_size=1, max_size=4), min_size=1, max_size=9)


def drawn(points: list[dict[float, Estimate]], **options: object) -> ElementTree.Element:
    made = [Curve(f"<{number}> & co", number, tuple(sorted(one.items()))) for number, one in enumerate(points)]
    across = log_axis([x for one in points for x in one], LEFT + 16, RIGHT - 16)
    up = percent_axis(BOTTOM, TOP)
    front = [(0.0, 20.0), (1e6, 90.0)] if options.get("front") else None
    panel = draw(
        "a <b>", "about", made, Scale("x", across, log_ticks(across)), Scale("y", up, (0, 50, 100)), front=front
    )
    return ElementTree.fromstring(panel.svg("p1"))


def numbers(root: ElementTree.Element) -> list[float]:
    """The coordinates that are drawn at: positions of lines and texts, of markers, and of paths but for the shapes."""
    found: list[float] = []
    for element in root.iter():
        found += [float(element.attrib[name]) for name in ("x", "y", "x1", "x2", "y1", "y2") if name in element.attrib]
        if (place := element.get("transform")) is not None:
            found += map(float, re.findall(r"-?[\d.]+", place))
        elif (path := element.get("d")) is not None:
            found += map(float, re.findall(r"-?[\d.]+", path))
    return found


@settings(deadline=None)
@given(curves, st.booleans())
def test_a_panel_is_well_formed_and_draws_within_its_box(points: list[dict[float, Estimate]], front: bool) -> None:
    root = drawn(points, front=front)
    assert root.attrib["viewBox"] == f"0 0 {WIDTH} {HEIGHT}"
    assert all(math.isfinite(one) and 0 <= one <= max(WIDTH, HEIGHT) for one in numbers(root))
    svg = "{http://www.w3.org/2000/svg}"
    for marker in root.iter(f"{svg}path"):
        if "transform" in marker.attrib:
            x, y = map(float, re.findall(r"[\d.]+", marker.attrib["transform"]))
            assert LEFT <= x <= RIGHT
            assert TOP <= y <= BOTTOM
    titles = [title.text or "" for title in root.iter(f"{svg}title")]
    assert len(titles) == 1 + sum(map(len, points))  # of the plot and of every point
    assert titles[0] == "a <b>"


def test_a_higher_score_stands_higher_and_a_longer_text_to_the_right() -> None:
    root = drawn([{1e3: Estimate(10, 5, 20), 1e6: Estimate(90, 80, 95)}])
    places = [element.attrib["transform"] for element in root.iter() if "transform" in element.attrib]
    (x1, y1), (x2, y2) = (map(float, re.findall(r"[\d.]+", place)) for place in places)
    assert x1 < x2
    assert y1 > y2


def test_a_hundred_series_all_look_different() -> None:
    looks = {key(number) for number in range(100)}
    assert len(looks) == 100


@pytest.mark.parametrize(("colours", "ground"), [(COLOURS_LIGHT, "#ffffff"), (COLOURS_DARK, "#16181c")])
def test_the_colours_stand_out_from_their_ground(colours: tuple[str, ...], ground: str) -> None:
    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for colour in colours:
        lighter, darker = sorted((luminance(colour), luminance(ground)), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.0  # 3 is what the accessibility guidelines ask of graphics


def test_a_legend_wraps_within_its_width_and_counts_its_height() -> None:
    markup, height = legend({f"strategy number {number}": number for number in range(100)}, 680)
    places = re.findall(r'<g transform="translate\((\d+) (\d+)\)">', markup)
    assert len(places) == 100
    assert max(int(x) for x, _ in places) < 680
    assert max(int(y) for _, y in places) < height


@given(st.lists(st.floats(-1000, 1000), min_size=1, max_size=6))
def test_a_linear_axis_holds_zero_and_all_values_with_few_even_ticks(values: list[float]) -> None:
    axis = linear_axis(values, 0, 100)
    assert axis.low <= min(0.0, *values)
    assert axis.high >= max(0.0, *values)
    ticks = linear_ticks(axis)
    assert len(ticks) <= 6
    assert all(axis.low - 1e-6 <= tick <= axis.high + 1e-6 for tick in ticks)
    steps = [after - before for before, after in pairwise(ticks)]
    assert all(step == pytest.approx(steps[0]) for step in steps)
