"""Values: what counts as a string, a number, a date, a truth; what is the same; how it is shown."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pansophy.reading.aggregation.values import FieldType, key_of, read_value, shown


@pytest.mark.parametrize(
    ("raw", "type_", "value"),
    [
        ("  Ada \n Holm ", "string", "Ada Holm"),
        (7, "string", "7"),
        ("1,234,567.50", "number", Fraction("1234567.5")),
        ("£30", "number", Fraction(30)),
        ("−4", "number", Fraction(-4)),
        ("１２", "number", Fraction(12)),
        (0.1, "number", Fraction(1, 10)),
        ("2021-03-05", "date", "2021-03-05"),
        ("2021/3/5", "date", "2021-03-05"),
        ("2021年3月5日", "date", "2021-03-05"),
        ("2021-03-05T10:00:00", "date", "2021-03-05"),
        ("1871", "date", "1871"),
        (1871, "date", "1871"),
        ("Yes", "boolean", True),
        (False, "boolean", False),
        ("是", "boolean", True),
    ],
)
def test_what_is_written_is_read(raw: Any, type_: FieldType, value: Any) -> None:
    assert read_value(raw, type_) == value


@pytest.mark.parametrize(
    ("raw", "type_"),
    [
        (None, "string"),
        ("  ", "string"),
        ("a few", "number"),
        ("3 or 4", "number"),
        ("1.2 million", "number"),
        ("3万", "number"),
        (True, "number"),
        (float("nan"), "number"),
        ("9" * 200, "number"),
        ([1], "number"),
        ("2021-13-01", "date"),
        ("2021-02-30", "date"),
        ("in spring", "date"),
        ("perhaps", "boolean"),
    ],
)
def test_what_means_something_else_is_no_value(raw: Any, type_: FieldType) -> None:
    assert read_value(raw, type_) is None


def test_case_white_space_and_width_make_no_difference() -> None:
    assert key_of("ADA  Holm") == key_of("ada holm") == key_of("Ａda Holm")
    assert key_of("Ada") != key_of("Ida")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(12), "12"),
        (Fraction(1, 8), "0.125"),
        (Fraction(-5, 2), "-2.5"),
        (Fraction(2, 3), "0.6667"),
        (Fraction(-1, 100_000_000_003), "0"),
        (Fraction(100, 3) + 1000, "1033.3333"),
        (True, "yes"),
        ("Ada", "Ada"),
    ],
)
def test_values_are_shown_as_people_write_them(value: Any, text: str) -> None:
    assert shown(value) == text


@settings(deadline=None)
@given(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9))
def test_a_decimal_number_is_shown_exactly(number: Any) -> None:
    assert Fraction(shown(Fraction(number))) == Fraction(number)
    assert read_value(shown(Fraction(number)), "number") == Fraction(number)
