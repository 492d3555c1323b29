"""Values on lines of pixels: scales and the ticks along them. Knows nothing of what is drawn."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

ZERO_SHARE = 0.15
"""How far from the axis' start a logarithmic scale begins when it has a place for zero before it."""

_MANTISSAS = ((1, 2, 5), (1, 3), (1,))


@dataclass(frozen=True, slots=True)
class Axis:
    """Maps values from `low` to `high` to pixels from `start` to `end`; what lies outside goes to the nearer end.

    `logarithmic` needs 0 < low; `zero` keeps a place for values of 0 before its scale.
    """

    start: float
    end: float
    low: float
    high: float
    logarithmic: bool = False
    zero: bool = False

    def at(self, value: float) -> float:
        """The pixel of a value."""
        first = self.start + (self.end - self.start) * ZERO_SHARE if self.zero else self.start
        if self.logarithmic:
            if value <= 0:
                return self.start
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return first + min(max(share, 0.0), 1.0) * (self.end - first)


def percent_axis(start: float, end: float) -> Axis:
    """0 to 100."""
    return Axis(start, end, 0.0, 100.0)


def log_axis(values: Iterable[float], start: float, end: float) -> Axis:
    """A logarithmic axis that just holds `values` (0 or more); a single value stands in its middle."""
    given = list(values)
    positive = [value for value in given if value > 0]
    low, high = (min(positive), max(positive)) if positive else (1.0, 10.0)
    if high / low < 1.001:
        low, high = low / math.sqrt(10), high * math.sqrt(10)
    return Axis(start, end, low, high, logarithmic=True, zero=len(positive) < len(given))


def log_ticks(axis: Axis, most: int = 6) -> tuple[float, ...]:
    """Two to `most` round values along a logarithmic axis (and 0 where it has a place): 1, 2, 5 of each power of ten,
    fewer where there are many powers, evenly spaced ones where there is hardly one."""
    room = most - axis.zero
    powers = range(math.floor(math.log10(axis.low)), math.ceil(math.log10(axis.high)) + 1)
    found: list[float] = []
    for mantissas in _MANTISSAS:
        found = _within(axis, [mantissa * 10.0**power for power in powers for mantissa in mantissas])
        if len(found) <= room:
            break
    if len(found) > room:
        found = found[:: math.ceil(len(found) / room)]
    if len(found) < 2:
        found = _even(axis, room)
    return (0.0, *found) if axis.zero else tuple(found)


def linear_axis(values: Iterable[float], start: float, end: float) -> Axis:
    """An axis from 0, or the least of `values` where that is less, to their largest."""
    given = [0.0, *values]
    low, high = min(given), max(given)
    return Axis(start, end, low, high if high - low > 1e-9 else low + 1.0)


def linear_ticks(axis: Axis, most: int = 6) -> tuple[float, ...]:
    """At most so many round values, evenly spaced along a linear axis."""
    return tuple(_even(axis, most))


def spaced(axis: Axis, values: Sequence[float], least: float) -> tuple[float, ...]:
    """Those of the ascending `values` that stand at least `least` pixels after the one before."""
    kept: list[float] = []
    for value in values:
        if not kept or abs(axis.at(value) - axis.at(kept[-1])) >= least:
            kept.append(value)
    return tuple(kept)


def short_number(value: float) -> str:
    """Four digits at most: 0.25, 950, 32k, 1.5M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{letter}"
    return f"{value:.4g}"


def _within(axis: Axis, values: Iterable[float]) -> list[float]:
    return [value for value in values if axis.low * (1 - 1e-9) <= value <= axis.high * (1 + 1e-9)]


def _even(axis: Axis, room: int) -> list[float]:
    """Multiples of the smallest round step that gives at most `room` of them."""
    power = 10.0 ** math.floor(math.log10(axis.high - axis.low) - 1)
    for step in (factor * power for factor in (1, 2, 5, 10, 20, 50)):
        first = math.ceil(axis.low / step - 1e-9)
        found = [step * number for number in range(first, math.floor(axis.high / step + 1e-9) + 1)]
        if len(found) <= room:
            break
    return found
