"""Records become one result, by exact code. Knows nothing of models, prompts and texts.

The steps are `join`, `where`, then either groups, each reduced and then ordered, or `order`, `take` and the reduction.
All orders are stable: what is equal stays in the order of the text. A record that lacks a value which a step needs is
left out of that step and counted in `Result.lacking`.
"""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, TypeVar

from pansophy.errors import UsageError
from pansophy.reading.aggregation.plan import COMMON, Chain, Condition, Join, Plan, RecordKind
from pansophy.reading.aggregation.records import Record
from pansophy.reading.aggregation.values import Value, key_of, read_value, shown

MOST_PAIRS = 1_000_000
"""Pairs of a join that are still made."""

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "contains": operator.contains,
}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Row:
    """The values of one group (`label`), or of all records (None), and the records that they rest on."""

    label: Value | None
    values: tuple[Value, ...]
    records: tuple[Record, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """`rows` in their order, one when nothing is grouped; "most_common" and "least_common" give a row with its count
    for each value. `lacking`: records left out for want of a value. `tied`: how many rows or records that were not
    taken are equal to the last one that was."""

    rows: tuple[Row, ...]
    lacking: int = 0
    tied: int = 0

    @property
    def records(self) -> tuple[Record, ...]:
        """The records that the result rests on, each once, in the order of the rows."""
        return tuple({id(record): record for row in self.rows for record in row.records}.values())

    @property
    def empty(self) -> bool:
        return not any(row.values for row in self.rows)


def text_of(result: Result, plan: Plan) -> str:
    """The result in plain text: a value, a list, or `label: value` for each group."""
    if plan.reduce in COMMON and not plan.group_by:
        return ", ".join(shown(row.label) for row in result.rows if row.label is not None)
    parts = []
    for row in result.rows:
        values = ", ".join(map(shown, row.values))
        parts.append(values if row.label is None else f"{shown(row.label)}: {values}")
    return "; ".join(parts)


def reduced(plan: Plan, records: Iterable[Record]) -> Result:
    """What the plan makes of the records, whose order doesn't matter.

    Raises:
        UsageError: the join would give more than `MOST_PAIRS` pairs.
    """
    steps = _Steps(plan)
    ordered = sorted(records, key=lambda record: record.position)
    if plan.join is not None:
        ordered = joined(ordered, plan.join, plan.kinds)
    for condition in plan.where:
        ordered = [record for record in steps.having(condition.field, ordered) if _meets(record, condition, plan)]
    if plan.group_by:
        rows = [
            Row(_value(group[0], plan.group_by), *steps.reduce(group)) for group in steps.groups(plan.group_by, ordered)
        ]
        rows = [row for row in rows if row.values]
        rows = steps.taken(rows, lambda row: key_of(row.values[0]), plan.take)
    elif plan.reduce in COMMON:
        rows = steps.common(ordered)
    else:
        if plan.order_by:
            ordered = steps.having(plan.order_by, ordered)
        ordered = steps.taken(ordered, lambda record: key_of(_value(record, plan.order_by)), plan.take)
        rows = [Row(None, *steps.reduce(ordered))]
    return Result(tuple(rows), len(steps.lacking), steps.tied)


def joined(records: Sequence[Record], join: Join, kinds: Sequence[RecordKind]) -> list[Record]:
    """The pairs of a record of the first kind and one of the second whose keys are equal, ordered by the first.

    Raises:
        UsageError: there would be more than `MOST_PAIRS`.
    """
    left = [record for record in records if record.kind == kinds[0].name and record.values[join.left] is not None]
    right: dict[Value, list[Record]] = {}
    for record in records:
        if record.kind == kinds[1].name and (value := record.values[join.right]) is not None:
            right.setdefault(key_of(value), []).append(record)
    matches = [(one, right.get(key_of(_value(one, join.left)), [])) for one in left]
    if (pairs := sum(len(others) for _, others in matches)) > MOST_PAIRS:
        raise UsageError(f"the join of {join.left!r} with {join.right!r} gives {pairs:,} pairs: take a narrower key")
    return [
        Record(
            one.kind, {**one.values, **other.values}, one.places + other.places, one.position, one.times * other.times
        )
        for one, others in matches
        for other in others
    ]


def reached(chain: Chain, links: Sequence[Record], start: Value) -> tuple[tuple[Value, ...], tuple[Record, ...]]:
    """All targets that links lead to from `start`, nearest first, and the links that reached them; never `start`."""
    outgoing: dict[Value, list[Record]] = {}
    for link in links:
        outgoing.setdefault(key_of(_value(link, chain.source)), []).append(link)
    seen = {key_of(start)}
    values: list[Value] = []
    used: list[Record] = []
    waiting = deque(seen)
    while waiting:
        for link in outgoing.get(waiting.popleft(), []):
            target = _value(link, chain.target)
            if (key := key_of(target)) not in seen:
                seen.add(key)
                waiting.append(key)
                values.append(target)
                used.append(link)
    return tuple(values), tuple(used)


@dataclass(slots=True)
class _Steps:
    """The steps of one reduction, and what they left out."""

    plan: Plan
    lacking: set[int] = field(default_factory=set)
    tied: int = 0

    def having(self, name: str, records: Iterable[Record]) -> list[Record]:
        """The records that have a value in this field."""
        kept = []
        for record in records:
            if record.values.get(name) is None:
                self.lacking.add(id(record))
            else:
                kept.append(record)
        return kept

    def groups(self, name: str, records: Iterable[Record]) -> list[list[Record]]:
        """The records by their value in this field, in the order in which the values first stand in the text."""
        found: dict[Value, list[Record]] = {}
        for record in self.having(name, records):
            found.setdefault(key_of(_value(record, name)), []).append(record)
        return list(found.values())

    def taken(self, items: list[T], key: Callable[[T], Any], take: int) -> list[T]:
        """The items in the plan's order, as many as are wanted."""
        order = self.plan.order
        if order != "text":
            items = sorted(items, key=key, reverse=order == "descending")
        kept = items[: take or None]
        if order != "text" and len(kept) < len(items):
            self.tied += sum(key(item) == key(kept[-1]) for item in items[len(kept) :])
        return kept

    def common(self, records: Iterable[Record]) -> list[Row]:
        """The most (or least) common values of the plan's field, with their counts."""
        name, take = self.plan.field, self.plan.take or 1
        rows = [
            Row(_value(group[0], name), (Fraction(sum(record.times for record in group)),), tuple(group))
            for group in self.groups(name, records)
        ]
        rows.sort(key=lambda row: row.values[0], reverse=self.plan.reduce == "most_common")
        self.tied += sum(row.values == rows[take - 1].values for row in rows[take:])
        return rows[:take]

    def reduce(self, records: Sequence[Record]) -> tuple[tuple[Value, ...], tuple[Record, ...]]:
        """The value or values of these records, and those that they rest on."""
        plan = self.plan
        if plan.reduce == "count":
            return (Fraction(sum(record.times for record in records)),), tuple(records)
        if plan.chain is not None:
            links = self.having(plan.chain.source, self.having(plan.chain.target, records))
            start = read_value(plan.chain.start, plan.types[plan.chain.source])
            assert start is not None  # a plan without is refused
            return reached(plan.chain, links, start)
        having = self.having(plan.field, records)
        if plan.reduce in COMMON:
            rows = self.common(having)
            return tuple(row.label for row in rows if row.label is not None), _records(rows)
        return _reduced_values(plan.reduce, plan.field, having)


def _reduced_values(
    reduction: str, name: str, records: Sequence[Record]
) -> tuple[tuple[Value, ...], tuple[Record, ...]]:
    values = [_value(record, name) for record in records]
    distinct: dict[Value, Value] = {}
    for value in values:
        distinct.setdefault(key_of(value), value)
    match reduction:
        case "set":
            return tuple(distinct.values()), tuple(records)
        case "count_distinct":
            return (Fraction(len(distinct)),), tuple(records)
        case "sum":
            return (_total(values, records),), tuple(records)
    if not records:
        return (), ()
    match reduction:
        case "mean":
            return (_total(values, records) / sum(record.times for record in records),), tuple(records)
        case "first":
            return (values[0],), (records[0],)
        case "last":
            return (values[-1],), (records[-1],)
    extreme = sorted(distinct)[0 if reduction == "min" else -1]  # of one type
    return (extreme,), tuple(record for record, value in zip(records, values, strict=True) if value == extreme)


def _total(values: Sequence[Value], records: Sequence[Record]) -> Fraction:
    return sum((Fraction(value) * record.times for value, record in zip(values, records, strict=True)), Fraction())


def _value(record: Record, name: str) -> Value:
    """The value of a record that has one."""
    value = record.values[name]
    assert value is not None
    return value


def _records(rows: Iterable[Row]) -> tuple[Record, ...]:
    return tuple(record for row in rows for record in row.records)


def _meets(record: Record, condition: Condition, plan: Plan) -> bool:
    wanted = read_value(condition.value, plan.types[condition.field])
    assert wanted is not None  # a plan without is refused
    return _COMPARE[condition.is_](key_of(_value(record, condition.field)), key_of(wanted))
