"""Records: a quote that stands in the text, each occurrence once; words counted as they stand."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pansophy.reading.aggregation.plan import Plan, RecordKind, read_plan
from pansophy.reading.aggregation.records import Record, records_of, word_records
from pansophy.types import Chunk

PLAN = read_plan(
    {
        "kinds": [
            {
                "name": "payment",
                "description": "a payment",
                "fields": [{"name": "payer"}, {"name": "amount", "type": "number"}],
            }
        ],
        "reduce": "count",
    }
)


def piece(text: str, document: str = "log", start: int = 0) -> Chunk:
    return Chunk(document, start, start + len(text), text, 0)


def found(*items: dict[str, Any], text: str, start: int = 0, plan: Plan = PLAN) -> tuple[list[Record], int]:
    return records_of(items, [piece(text, start=start)], plan, {"log": 0})


def paid(payer: str, amount: Any, quote: str) -> dict[str, Any]:
    return {"payer": payer, "amount": amount, "quote": quote}


def test_a_record_stands_where_its_quote_does() -> None:
    (record,), left_out = found(paid("Ada", "3", "ada paid  3"), text="At noon Ada paid 3 crowns.", start=100)
    (place,) = record.places
    assert (place.document, place.start, place.end, place.quote) == ("log", 108, 118, "Ada paid 3")
    assert (record.position, record.statement, left_out) == ((0, 108), "payer: Ada, amount: 3", 0)


@pytest.mark.parametrize("quote", ["Ida paid 4 crowns to the ferryman", "", "...", "Ada paid 30"])
def test_a_record_whose_quote_does_not_stand_there_is_left_out(quote: str) -> None:
    assert found(paid("Ada", 3, quote), text="At noon Ada paid 3 crowns.") == ([], 1)


def test_the_same_record_of_the_same_words_is_counted_once() -> None:
    items = [paid("Ada", 3, "Ada paid 3 crowns"), paid("ADA", 3.0, "At noon Ada paid 3")]
    records, left_out = found(*items, text="At noon Ada paid 3 crowns.")
    assert (len(records), left_out) == (1, 0)


def test_two_records_may_rest_on_the_same_words() -> None:
    items = [paid("Ada", 3, "Ada and Ben paid 3 each"), paid("Ben", 3, "Ada and Ben paid 3 each")]
    records, _ = found(*items, text="Ada and Ben paid 3 each.")
    assert [record.values["payer"] for record in records] == ["Ada", "Ben"]


def test_a_quote_given_as_often_as_it_stands_there_is_a_record_each_time() -> None:
    text = "Ada paid 3. Ben paid 5. Ada paid 30. Ada paid 3. Ada paid 3.5."
    records, left_out = found(*[paid("Ada", 3, "Ada paid 3")] * 4, text=text)
    assert [text[record.places[0].start :][:11] for record in records] == ["Ada paid 3."] * 2
    assert [record.places[0].start for record in records] == [0, 37]
    assert left_out == 0


def test_a_quote_too_short_to_be_looked_for_loosely_is_found_as_a_whole_word() -> None:
    items = [paid("ox", None, "ox"), paid("ox", None, "fo")]
    records, left_out = found(*items, text="fox\nox\nfoal")
    assert [(record.places[0].start, record.places[0].quote) for record in records] == [(4, "ox")]
    assert left_out == 1


def test_what_can_not_be_read_as_its_type_is_not_known() -> None:
    (record,), _ = found(paid("", "a lot", "Ada paid a lot"), text="Ada paid a lot.")
    assert record.values == {"payer": None, "amount": None}
    assert record.statement == "payment"


def test_with_two_kinds_a_record_says_which_it_is() -> None:
    other = {"name": "home", "description": "where one lives", "fields": [{"name": "who"}, {"name": "town"}]}
    both = read_plan(
        {
            "kinds": [PLAN.kinds[0].model_dump(), other],
            "join": {"left": "payer", "right": "who"},
            "reduce": "count",
        }
    )
    items = [
        {"kind": "home", "who": "Ada", "town": "Rill", "quote": "Ada of Rill"},
        {"kind": "payment", **paid("Ada", 3, "paid 3 crowns")},
        {"kind": "ship", "quote": "Ada of Rill"},
        {"quote": "Ada of Rill"},
    ]
    records, left_out = found(*items, text="Ada of Rill paid 3 crowns.", plan=both)
    assert ([record.kind for record in records], left_out) == (["home", "payment"], 2)


# --- words ------------------------------------------------------------------------------------------------------------


def counted(*texts: str, words: tuple[str, ...] = ()) -> dict[Any, int]:
    kind = RecordKind(name="w", source="words", words=list(words))
    records = word_records(kind, [(f"d{n}", text) for n, text in enumerate(texts)])
    for record in records:
        (place,) = record.places
        assert texts[int(place.document[1:])][place.start : place.end] == place.quote
    return {record.values["word"]: record.times for record in records}


def test_words_are_counted_over_all_documents_whatever_their_case() -> None:
    assert counted("The ox. 3 oxen, the ox's", "THE well-kept ox") == {
        "The": 3,
        "ox": 2,
        "oxen": 1,
        "ox's": 1,
        "well-kept": 1,
    }


def test_chinese_characters_count_one_by_one() -> None:
    assert counted("猫和狗，猫 cat") == {"猫": 2, "和": 1, "狗": 1, "cat": 1}


def test_named_words_and_phrases_are_counted_whole_and_everything_in_them_is_literal() -> None:
    text = "Sea. The sea wall; seaward, c++ and C++. The\nsea  wall! .* 3.5 and 13"
    assert counted(text, words=("sea", "sea wall", "C++", ".*", "3", "13")) == {
        "Sea": 1,
        "sea wall": 2,
        "c++": 2,
        ".*": 1,
        "13": 1,
    }
    assert counted("小猫和大猫，Python很好", words=("猫", "python")) == {"猫": 2, "Python": 1}


@settings(deadline=None)
@given(st.lists(st.sampled_from(["ox", "Ox", "cow", "calf", "bull"]), max_size=40))
def test_counts_are_those_of_a_plain_count(words: list[str]) -> None:
    counts = counted(" ".join(words))
    assert {str(word).lower(): times for word, times in counts.items()} == Counter(word.lower() for word in words)
