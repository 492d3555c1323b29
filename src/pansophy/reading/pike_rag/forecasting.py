"""Level 3: numbers that the chunks give at some time, in rows by whom they are about, carried on by a straight line.

The paper has the architecture alone (structuring, induction, forecasting); what stands here is ours. A row counts only
if its quote stands in its chunk and holds its number. The arithmetic is code, never the model.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from pansophy.engine import complete_as
from pansophy.errors import ModelError
from pansophy.models import ChatModel
from pansophy.reading.passages import NO_RATING, fits, quoted
from pansophy.reading.pike_rag.prompts import rows_prompt
from pansophy.reading.strategy import Session
from pansophy.types import Chunk, Evidence

LARGEST = 1e12
"""What is larger is no measurement, and its square could not be computed."""
_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)*")
_DECIMAL = re.compile(r"-?\d+(?:\.\d+)?")
_T = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23)
"""97.5 percentiles of Student's t for 1 to 10 degrees of freedom; beyond, 1.96 + 2.5 / degrees is as close."""


class Row(BaseModel):
    """What is measured, when (a year, a month's number), the number, and the sentence that says so."""

    what: str = ""
    when: str = ""
    value: str = ""
    quote: str = ""


class Rows(BaseModel):
    """All rows of a chunk."""

    rows: list[Row] = []


@dataclass(frozen=True, slots=True)
class Point:
    """A row that was checked."""

    what: str
    when: float
    value: float
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Forecast:
    """A value with its 95 % interval (None: too few numbers), and how it was made."""

    value: float
    low: float | None
    high: float | None
    method: str


def number_in(text: str) -> float | None:
    """The first number of a text. A comma before three digits parts thousands, and so do several points; any other
    comma is a decimal one."""
    match = _NUMBER.search(text)
    if match is None:
        return None
    digits = re.sub(r",(?=\d{3}(?!\d))", "", match[0])
    digits = digits.replace(".", "") if digits.count(".") > 1 else digits.replace(",", ".")
    decimal = _DECIMAL.match(digits)
    return float(decimal[0]) if decimal else None


def straight_line(points: Sequence[tuple[float, float]], at: float) -> Forecast:
    """Least squares through (when, value), carried on to `at`.

    Raises:
        ValueError: there are no points.
    """
    if not points:
        raise ValueError("a forecast takes at least one number")
    count = len(points)
    middle = statistics.fmean(when for when, _ in points)
    level = statistics.fmean(value for _, value in points)
    spread = sum((when - middle) ** 2 for when, _ in points)
    if not spread:
        return Forecast(level, None, None, "the mean, for want of a second time")
    slope = sum((when - middle) * (value - level) for when, value in points) / spread
    told = level + slope * (at - middle)
    freedom = count - 2
    if freedom < 1:
        return Forecast(told, None, None, "a straight line through 2 numbers")
    left = sum((value - level - slope * (when - middle)) ** 2 for when, value in points)
    error = math.sqrt(left / freedom * (1 + 1 / count + (at - middle) ** 2 / spread))
    reach = error * (_T[freedom - 1] if freedom <= len(_T) else 1.96 + 2.5 / freedom)
    return Forecast(told, told - reach, told + reach, f"a straight line through {count} numbers")


def target_of(question: str, times: Sequence[float]) -> float:
    """The time that a question asks for: the largest number in it that is later than all `times`, else the next one by
    their usual distance."""
    asked = [float(number) for number in re.findall(r"\d+", question)]
    later = [number for number in asked if number > max(times) and number < max(times) + 1000]
    gaps = [two - one for one, two in zip(sorted(set(times)), sorted(set(times))[1:], strict=False)]
    return max(later) if later else max(times) + (statistics.median(gaps) if gaps else 1)


async def read_points(session: Session, model: ChatModel, chunks: Sequence[Chunk], max_tokens: int) -> list[Point]:
    """The rows of all chunks that can be checked; a chunk that fails is put on record."""
    found: list[Point] = []
    for number, chunk in enumerate(chunks):
        messages = rows_prompt(session.question, chunk)
        if not await fits(model, [messages], max_tokens):
            session.warn("a chunk was too long for its numbers to be read")
            continue
        try:
            reply, _ = await complete_as(session.engine, model, messages, Rows, max_tokens=max_tokens)
        except ModelError as error:
            session.chunk_failed(number, (chunk,), error, 1)
            continue
        found += [point for row in (reply.rows if reply else ()) if (point := checked(row, chunk)) is not None]
    return list({(point.what.casefold(), point.when): point for point in reversed(found)}.values())[::-1]


def checked(row: Row, chunk: Chunk) -> Point | None:
    """The row as numbers, if its quote stands in the chunk and holds the value's digits."""
    when, value = number_in(row.when), number_in(row.value)
    if when is None or value is None or max(abs(when), abs(value)) > LARGEST or not row.what.strip():
        return None
    evidence = quoted(row.quote, [chunk], statement=f"{row.what}: {row.value}", rating=NO_RATING, cited=False)
    if evidence is None or value not in map(number_in, _NUMBER.findall(evidence.quote)):
        return None
    return Point(row.what.strip(), when, value, evidence)


def carried_on(question: str, points: Sequence[Point]) -> list[str]:
    """One line for each thing that is measured: its numbers, and what they come to."""
    groups: dict[str, list[Point]] = {}
    for point in points:
        groups.setdefault(point.what.casefold(), []).append(point)
    lines = []
    for group in groups.values():
        group.sort(key=lambda point: point.when)
        at = target_of(question, [point.when for point in group])
        told = straight_line([(point.when, point.value) for point in group], at)
        known = ", ".join(f"{point.when:g}: {point.value:g}" for point in group)
        reach = "" if told.low is None or told.high is None else f", 95 % from {told.low:.4g} to {told.high:.4g}"
        lines.append(f"{group[0].what} ({known}) comes to {told.value:.4g} at {at:g}{reach}, by {told.method}")
    return lines
