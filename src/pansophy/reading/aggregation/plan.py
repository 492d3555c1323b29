"""The plan of an aggregation: which records are wanted, and how they become one result. Plain data that a model or a
user writes as JSON; nothing in it is ever executed.

Knows nothing of models and texts; `reduce.py` says what each reduction gives.
"""

from __future__ import annotations

from collections import Counter
from typing import Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pansophy.errors import UsageError
from pansophy.reading.aggregation.values import FieldType, read_value

Reduction: TypeAlias = Literal[
    "count",
    "count_distinct",
    "sum",
    "mean",
    "min",
    "max",
    "most_common",
    "least_common",
    "set",
    "first",
    "last",
    "chain",
]
FIELDLESS = ("count", "chain")
SINGLE = ("count", "count_distinct", "sum", "mean", "min", "max", "first", "last")
"""Reductions that give one value."""
NUMERIC = ("sum", "mean")
ORDINAL = ("min", "max")
COMMON = ("most_common", "least_common")
WORD = "word"
"""The one field of a word."""
RESERVED = ("quote", "kind")


class Strict(BaseModel):
    """A misspelt name is an error, not something to pass over."""

    model_config = ConfigDict(extra="forbid")


class RecordField(Strict):
    """A field of a record; `description` tells the readers what to write there, such as the unit of a number."""

    name: str
    type: FieldType = "string"
    description: str = ""


class RecordKind(Strict):
    """What counts as a record.

    With `source` "readers" agents read the text for what `description` says. With "words" no agent is asked: code
    counts the `words` (or phrases) named, or all words if none is; a record then has the one field "word".
    """

    name: str = "record"
    source: Literal["readers", "words"] = "readers"
    description: str = ""
    fields: list[RecordField] = []
    words: list[str] = Field(default=[], max_length=1000)

    @property
    def types(self) -> dict[str, FieldType]:
        """The type of each field."""
        if self.source == "words":
            return {WORD: "string"}
        return {field.name: field.type for field in self.fields}


class Join(Strict):
    """Records of the first kind are paired with those of the second wherever `left` (a field of the first) equals
    `right` (a field of the second)."""

    left: str
    right: str


class Condition(Strict):
    """Only records of which this is true count."""

    field: str
    is_: Literal["=", "!=", "<", "<=", ">", ">=", "contains"] = Field(alias="is")
    value: str | float | bool


class Chain(Strict):
    """Records are links from their field `source` to their field `target`; wanted is all that `start` leads to."""

    source: str
    target: str
    start: str


class Plan(Strict):
    """Records, and how they are reduced: first `join`, then `where`, then `order` and `take`, then `reduce`.

    With `group_by` each group is reduced by itself, and `order` and `take` are about the groups and their values. With
    "most_common" and "least_common" `take` says how many values are wanted (0: one). Otherwise 0 takes all.
    """

    kinds: list[RecordKind] = Field(min_length=1, max_length=2)
    join: Join | None = None
    where: list[Condition] = []
    group_by: str = ""
    reduce: Reduction
    field: str = ""
    chain: Chain | None = None
    order: Literal["text", "ascending", "descending"] = "text"
    order_by: str = ""
    take: int = Field(default=0, ge=0)

    @property
    def types(self) -> dict[str, FieldType]:
        """The type of each field of a record, of both kinds when they are joined."""
        return {name: type_ for kind in self.kinds for name, type_ in kind.types.items()}

    @property
    def read(self) -> list[RecordKind]:
        """The kinds that agents have to read the text for."""
        return [kind for kind in self.kinds if kind.source == "readers"]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self._check_kinds()
        self._check_join()
        for condition in self.where:
            self._check_condition(condition)
        self._check_reduction()
        self._check_order()
        return self

    def _check_kinds(self) -> None:
        names = [kind.name for kind in self.kinds] + [name for kind in self.kinds for name in kind.types]
        for kind in self.kinds:
            if kind.source == "readers" and not kind.description.strip():
                raise ValueError(f"the records {kind.name!r} need a description of what counts as one")
            if kind.source == "words" and kind.fields:
                raise ValueError(f"words have the one field {WORD!r}: leave out the fields of {kind.name!r}")
            if any(not word.strip() for word in kind.words):
                raise ValueError(f"one of the words of {kind.name!r} is empty")
            listed = [field.name for field in kind.fields]
            names += [name for name, times in Counter(listed).items() for _ in range(times - 1)]
        for name, times in Counter(names).items():
            if not name.isidentifier() or name in RESERVED:
                raise ValueError(f"{name!r} is no name: take letters, digits and _, and none of {', '.join(RESERVED)}")
            if times > 1:
                raise ValueError(f"the name {name!r} is given twice: kinds and fields need names of their own")

    def _check_join(self) -> None:
        if self.join is None:
            if len(self.kinds) == 2:
                raise ValueError("two kinds of records need a join")
            return
        if len(self.kinds) != 2:
            raise ValueError("a join needs two kinds of records")
        types = []
        for side, name, kind in zip(("left", "right"), (self.join.left, self.join.right), self.kinds, strict=True):
            if name not in kind.types:
                raise ValueError(f"join.{side}: {kind.name!r} has no field {name!r}")
            types.append(kind.types[name])
        if types[0] != types[1]:
            raise ValueError(f"join: a {types[0]} never equals a {types[1]}")

    def _check_condition(self, condition: Condition) -> None:
        type_ = self._type_of("where", condition.field)
        allowed = {"string": ("=", "!=", "contains"), "boolean": ("=", "!=")}.get(
            type_, ("=", "!=", "<", "<=", ">", ">=")
        )
        if condition.is_ not in allowed:
            raise ValueError(f"where: the {type_} {condition.field!r} can't be compared by {condition.is_!r}")
        if read_value(condition.value, type_) is None:
            raise ValueError(f"where: {condition.value!r} is no {type_} as {condition.field!r} is")

    def _check_reduction(self) -> None:
        if (self.chain is None) != (self.reduce != "chain"):
            raise ValueError("chain (source, target, start) goes with reduce 'chain', and only with it")
        if self.chain is not None:
            for name in (self.chain.source, self.chain.target):
                self._type_of("chain", name)
            if self.group_by or read_value(self.chain.start, self.types[self.chain.source]) is None:
                raise ValueError("a chain needs a start that its source field can have, and no group_by")
        if self.group_by:
            self._type_of("group_by", self.group_by)
        if self.reduce in FIELDLESS:
            return
        type_ = self._type_of(f"reduce {self.reduce!r}", self.field)
        if self.reduce in NUMERIC and type_ != "number":
            raise ValueError(f"reduce {self.reduce!r} needs a field of numbers, but {self.field!r} is a {type_}")
        if self.reduce in ORDINAL and type_ not in ("number", "date"):
            raise ValueError(f"reduce {self.reduce!r} needs numbers or dates, but {self.field!r} is a {type_}")
        if self.reduce in ("first", "last") and any(kind.source == "words" for kind in self.kinds):
            raise ValueError(f"words are counted, not kept one by one: reduce {self.reduce!r} can't be had of them")

    def _check_order(self) -> None:
        if self.reduce == "chain" or (self.reduce in COMMON and not self.group_by):
            if self.order != "text" or self.order_by:
                raise ValueError(f"reduce {self.reduce!r} has an order of its own: leave out order and order_by")
        elif self.group_by:
            if self.order_by or (self.order != "text" and self.reduce not in SINGLE):
                raise ValueError("groups are ordered by the one value of each: leave out order_by, take another reduce")
        elif (self.order == "text") == bool(self.order_by):
            raise ValueError("order 'ascending' or 'descending' goes with order_by, and 'text' without")
        if self.order_by:
            self._type_of("order_by", self.order_by)

    def _type_of(self, where: str, name: str) -> FieldType:
        if name not in self.types:
            there = ", ".join(self.types) or "no fields"
            raise ValueError(f"{where}: there is no field {name!r}, the records have {there}")
        return self.types[name]


def read_plan(data: object) -> Plan:
    """The plan that JSON data describes.

    Raises:
        UsageError: it describes none; names the first thing that is wrong and where.
    """
    try:
        return Plan.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"the plan is wrong: {place + ': ' if place else ''}{message}") from error
