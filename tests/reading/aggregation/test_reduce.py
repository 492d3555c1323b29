"""Reducing: each step against plain Python, on random records."""

from __future__ import annotations

import random
import statistics
from collections import Counter, defaultdict
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pansophy.errors import UsageError
from pansophy.reading.aggregation import reduce as reduce_module
from pansophy.reading.aggregation.plan import Plan, read_plan
from pansophy.reading.aggregation.records import Place, Record
from pansophy.reading.aggregation.reduce import Result, reduced, text_of

PAYMENT = {
    "name": "payment",
    "description": "a payment",
    "fields": [{"name": "payer"}, {"name": "amount", "type": "number"}],
}
HOME = {"name": "home", "description": "where one lives", "fields": [{"name": "who"}, {"name": "town"}]}
LINK = {"name": "link", "description": "a link", "fields": [{"name": "source"}, {"name": "target"}]}


def plan(*kinds: Any, **steps: Any) -> Plan:
    return read_plan({"kinds": list(kinds or [PAYMENT]), "reduce": "count", **steps})


def record(number: int, kind: str = "payment", times: int = 1, **values: Any) -> Record:
    exact = {name: Fraction(value) if isinstance(value, int) else value for name, value in values.items()}
    return Record(kind, exact, (Place("d", number, number + 1, "x"),), (0, number), times)


def payments(entries: list[tuple[str, int]]) -> list[Record]:
    return [record(number, payer=payer, amount=amount) for number, (payer, amount) in enumerate(entries)]


def values(result: Result) -> list[Any]:
    (row,) = result.rows
    return list(row.values)


entries = st.lists(st.tuples(st.sampled_from(["Ada", "Ben", "Cid", "Dot"]), st.integers(-5, 20)), max_size=25)
filled = entries.filter(bool)


@settings(deadline=None)
@given(entries)
def test_counts_sums_and_sets(found: list[tuple[str, int]]) -> None:
    records = payments(found)
    amounts = [amount for _, amount in found]
    assert values(reduced(plan(), records)) == [len(found)]
    assert values(reduced(plan(reduce="sum", field="amount"), records)) == [sum(amounts)]
    assert values(reduced(plan(reduce="count_distinct", field="payer"), records)) == [len({p for p, _ in found})]
    assert values(reduced(plan(reduce="set", field="payer"), records)) == list(dict.fromkeys(p for p, _ in found))


@settings(deadline=None)
@given(filled)
def test_means_and_extremes_and_ends(found: list[tuple[str, int]]) -> None:
    records = payments(found)
    amounts = [Fraction(amount) for _, amount in found]

    def of(reduction: str) -> list[Any]:
        return values(reduced(plan(reduce=reduction, field="amount"), records))

    assert of("mean") == [statistics.mean(amounts)]
    assert (of("min"), of("max")) == ([min(amounts)], [max(amounts)])
    assert (of("first"), of("last")) == ([amounts[0]], [amounts[-1]])


@pytest.mark.parametrize("reduction", ["mean", "min", "max", "first", "last"])
def test_of_no_records_there_is_no_such_value(reduction: str) -> None:
    assert reduced(plan(reduce=reduction, field="amount"), []).empty


@settings(deadline=None)
@given(entries, st.integers(0, 6))
def test_the_most_common_are_those_of_a_counter(found: list[tuple[str, int]], take: int) -> None:
    most = reduced(plan(reduce="most_common", field="payer", take=take), payments(found))
    assert [(row.label, row.values[0]) for row in most.rows] == Counter(p for p, _ in found).most_common(take or 1)
    least = reduced(plan(reduce="least_common", field="payer", take=take), payments(found))
    counts = sorted(Counter(p for p, _ in found).values())
    assert [row.values[0] for row in least.rows] == counts[: take or 1]
    assert least.tied == sum(count == counts[(take or 1) - 1] for count in counts[take or 1 :])


@settings(deadline=None)
@given(entries, st.integers(0, 5), st.sampled_from(["text", "ascending", "descending"]))
def test_groups_are_reduced_by_themselves_then_ordered_and_taken(
    found: list[tuple[str, int]], take: int, order: str
) -> None:
    sums: dict[str, int] = defaultdict(int)
    for payer, amount in found:
        sums[payer] += amount
    expected = list(sums.items())
    if order != "text":
        expected.sort(key=lambda item: item[1], reverse=order == "descending")
    grouped = plan(reduce="sum", field="amount", group_by="payer", order=order, take=take)
    rows = reduced(grouped, payments(found)).rows
    assert [(row.label, row.values[0]) for row in rows] == expected[: take or None]


@settings(deadline=None)
@given(entries, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), st.integers(-5, 20))
def test_conditions_are_those_of_python(found: list[tuple[str, int]], comparison: str, bound: int) -> None:
    holds = {
        "=": lambda a: a == bound,
        "!=": lambda a: a != bound,
        "<": lambda a: a < bound,
        "<=": lambda a: a <= bound,
        ">": lambda a: a > bound,
        ">=": lambda a: a >= bound,
    }[comparison]
    filtered = plan(where=[{"field": "amount", "is": comparison, "value": bound}])
    assert values(reduced(filtered, payments(found))) == [sum(holds(amount) for _, amount in found)]


@settings(deadline=None)
@given(filled, st.integers(1, 5))
def test_records_are_ordered_before_they_are_taken(found: list[tuple[str, int]], take: int) -> None:
    top = plan(reduce="set", field="payer", order="descending", order_by="amount", take=take)
    best = sorted(found, key=lambda item: -item[1])
    result = reduced(top, payments(found))
    assert values(result) == list(dict.fromkeys(payer for payer, _ in best[:take]))
    assert result.tied == sum(amount == best[take - 1][1] for _, amount in best[take:])


@settings(deadline=None)
@given(entries, st.randoms(use_true_random=False))
def test_the_order_in_which_records_come_in_makes_no_difference(
    found: list[tuple[str, int]], chance: random.Random
) -> None:
    records = payments(found)
    shuffled = records.copy()
    chance.shuffle(shuffled)
    for steps in ({"reduce": "last", "field": "payer"}, {"reduce": "set", "field": "payer"}, {"group_by": "payer"}):
        assert reduced(plan(**steps), shuffled) == reduced(plan(**steps), records)


@settings(deadline=None)
@given(entries, st.lists(st.tuples(st.sampled_from(["ada", "BEN", "Eve"]), st.sampled_from(["Rill", "Ost"]))))
def test_a_join_pairs_equal_keys(found: list[tuple[str, int]], homes: list[tuple[str, str]]) -> None:
    records = payments(found) + [record(100 + n, "home", who=who, town=town) for n, (who, town) in enumerate(homes)]
    sums: dict[str, int] = defaultdict(int)
    for payer, amount in found:
        for who, town in homes:
            if who.lower() == payer.lower():
                sums[town] += amount
    both = plan(PAYMENT, HOME, join={"left": "payer", "right": "who"}, group_by="town", reduce="sum", field="amount")
    assert {row.label: row.values[0] for row in reduced(both, records).rows} == sums


links = st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef")), max_size=15)


@settings(deadline=None)
@given(links)
def test_a_chain_reaches_what_repeated_steps_reach(found: list[tuple[str, str]]) -> None:
    reached = {"a"}
    for _ in range(6):
        reached |= {target for source, target in found if source in reached}
    chain = plan(LINK, reduce="chain", chain={"source": "source", "target": "target", "start": "A"})
    records = [record(n, "link", source=source, target=target) for n, (source, target) in enumerate(found)]
    result = reduced(chain, records)
    assert sorted(values(result)) == sorted(reached - {"a"})
    assert len(result.records) == len(reached) - 1


def test_case_and_white_space_do_not_make_another_group_and_the_first_spelling_is_shown() -> None:
    records = payments([("Ada Holm", 1), ("ADA  holm", 2)])
    result = reduced(plan(group_by="payer", reduce="sum", field="amount"), records)
    assert text_of(result, plan(group_by="payer", reduce="sum", field="amount")) == "Ada Holm: 3"


def test_records_without_the_value_are_left_out_and_counted() -> None:
    records = [*payments([("Ada", 1), ("Ben", 2)]), record(9, payer="Cid", amount=None)]
    summed = reduced(plan(reduce="sum", field="amount"), records)
    assert (values(summed), summed.lacking) == ([3], 1)
    filtered = reduced(plan(where=[{"field": "amount", "is": "!=", "value": 1}]), records)
    assert (values(filtered), filtered.lacking) == ([1], 1)
    assert (values(reduced(plan(), records)), reduced(plan(), records).lacking) == ([3], 0)


def test_what_stands_more_than_once_counts_so_often() -> None:
    words = plan({"name": "w", "source": "words"}, reduce="most_common", field="word", take=2)
    records = [record(0, "w", 3, word="ox"), record(1, "w", 1, word="cow"), record(2, "w", 7, word="calf")]
    result = reduced(words, records)
    assert text_of(result, words) == "calf, ox"
    assert [row.values[0] for row in result.rows] == [7, 3]
    assert values(reduced(plan({"name": "w", "source": "words"}), records)) == [11]


def test_an_extreme_rests_on_the_records_that_have_it() -> None:
    records = payments([("Ada", 1), ("Ben", 9), ("Cid", 9)])
    result = reduced(plan(reduce="max", field="amount"), records)
    assert [one.values["payer"] for one in result.records] == ["Ben", "Cid"]


def test_a_contained_string_is_found_whatever_its_case() -> None:
    records = payments([("her Sister Ida", 1), ("Ben", 9)])
    assert values(reduced(plan(where=[{"field": "payer", "is": "contains", "value": "sister"}]), records)) == [1]


def test_a_join_of_everything_with_everything_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reduce_module, "MOST_PAIRS", 5)
    records = payments([("Ada", 1)] * 3) + [record(100 + n, "home", who="Ada", town="Rill") for n in range(2)]
    both = plan(PAYMENT, HOME, join={"left": "payer", "right": "who"})
    with pytest.raises(UsageError, match="gives 6 pairs"):
        reduced(both, records)
