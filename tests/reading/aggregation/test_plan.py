"""Plans: what is a plan, and that everything else is refused with the place of the mistake."""

from __future__ import annotations

from typing import Any

import pytest

from pansophy.engine import schema_of
from pansophy.errors import UsageError
from pansophy.reading.aggregation.plan import Plan, read_plan

PAYMENT = {
    "name": "payment",
    "description": "a payment",
    "fields": [{"name": "payer"}, {"name": "amount", "type": "number"}, {"name": "day", "type": "date"}],
}
PERSON = {"name": "person", "description": "where somebody lives", "fields": [{"name": "who"}, {"name": "town"}]}
WORDS = {"name": "words", "source": "words"}
JOIN = {"left": "payer", "right": "who"}


def plan(*kinds: Any, **steps: Any) -> dict[str, Any]:
    return {"kinds": list(kinds or [PAYMENT]), "reduce": "count", **steps}


@pytest.mark.parametrize(
    "data",
    [
        plan(),
        plan(reduce="sum", field="amount", group_by="payer", order="descending", take=2),
        plan(reduce="set", field="payer", order="descending", order_by="amount", take=1),
        plan(reduce="max", field="day", where=[{"field": "amount", "is": ">=", "value": 3}]),
        plan(PAYMENT, PERSON, join=JOIN, group_by="town"),
        plan(WORDS, reduce="most_common", field="word", take=10),
        plan(PERSON, reduce="chain", chain={"source": "who", "target": "town", "start": "Ada"}),
    ],
)
def test_plans_of_every_shape_are_read(data: dict[str, Any]) -> None:
    assert read_plan(data).model_dump(by_alias=True, exclude_unset=True) == data


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("count", "the plan is wrong"),
        ({"kinds": [PAYMENT]}, "reduce: Field required"),
        ({"kinds": [], "reduce": "count"}, "kinds: "),
        (plan(redcue="sum"), "redcue: Extra inputs are not permitted"),
        (plan(reduce="median", field="amount"), "reduce: "),
        (plan(reduce="sum", field="payer"), "'sum' needs a field of numbers, but 'payer' is a string"),
        (plan(reduce="min", field="payer"), "'min' needs numbers or dates"),
        (plan(reduce="set", field="colour"), "there is no field 'colour', the records have payer, amount, day"),
        (plan(reduce="sum"), "there is no field ''"),
        (plan(group_by="town"), "group_by: there is no field 'town'"),
        (plan(where=[{"field": "payer", "is": "<", "value": "B"}]), "'payer' can't be compared by '<'"),
        (plan(where=[{"field": "amount", "is": "=", "value": "much"}]), "'much' is no number as 'amount' is"),
        (plan(where=[{"field": "amount", "is": "~", "value": 1}]), "where.0.is: "),
        (plan(order="descending"), "goes with order_by"),
        (plan(order_by="amount"), "goes with order_by"),
        (plan(group_by="payer", order="descending", order_by="amount"), "leave out order_by"),
        (plan(group_by="payer", reduce="set", field="day", order="descending"), "take another reduce"),
        (plan(reduce="most_common", field="payer", order="descending", order_by="day"), "an order of its own"),
        (plan(take=-1), "take: "),
        (plan(PAYMENT, PERSON), "two kinds of records need a join"),
        (plan(join=JOIN), "a join needs two kinds"),
        (plan(PAYMENT, PERSON, join={"left": "payer", "right": "amount"}), "'person' has no field 'amount'"),
        (plan(PAYMENT, PERSON, join={"left": "amount", "right": "who"}), "a number never equals a string"),
        (plan(PAYMENT, {**PERSON, "fields": [{"name": "payer"}]}, join=JOIN), "'payer' is given twice"),
        (plan({**PERSON, "fields": [{"name": "who"}, {"name": "who"}]}), "'who' is given twice"),
        (plan({**PERSON, "fields": [{"name": "quote"}]}), "'quote' is no name"),
        (plan({**PERSON, "fields": [{"name": "two words"}]}), "'two words' is no name"),
        (plan({**PERSON, "description": " "}), "'person' need a description"),
        (plan({**WORDS, "fields": [{"name": "who"}]}), "words have the one field 'word'"),
        (plan({**WORDS, "words": ["ox", " "]}), "one of the words of 'words' is empty"),
        (plan(WORDS, reduce="last", field="word"), "'last' can't be had"),
        (plan(reduce="chain"), "chain (source, target, start) goes with"),
        (plan(chain={"source": "payer", "target": "day", "start": "x"}), "chain (source, target, start) goes with"),
        (
            plan(reduce="chain", chain={"source": "amount", "target": "payer", "start": "x"}),
            "a start that its source field can have",
        ),
    ],
)
def test_what_is_no_plan_is_refused_with_its_place(data: Any, words: str) -> None:
    with pytest.raises(UsageError) as refusal:
        read_plan(data)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_the_schema_of_a_plan_needs_no_references() -> None:
    schema = schema_of(Plan)
    assert "$ref" not in str(schema)
    assert "is" in schema["properties"]["where"]["items"]["properties"]
    assert schema["required"] == list(Plan.model_fields)
