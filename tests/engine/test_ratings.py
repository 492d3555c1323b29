"""Ratings as models write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from pansophy.engine import Rating, parse_rating


@pytest.mark.parametrize(
    ("written", "rating"),
    [
        ("85", 85),
        ("85/100", 85),
        ("85 / 100", 85),
        ("8/10", 80),
        ("4/5", 80),
        ("(85)", 85),
        ("[[85]]", 85),
        ("Score: 85", 85),
        ("score = 8.5", 8.5),
        ("Rating: **90**/100", 90),
        ("**85**", 85),
        ("8.5", 8.5),
        ("8,5", 8.5),
        ("85%", 85),
        ("85 %", 85),
        ("85.", 85),
        ("８５", 85),
        ("８５／１００", 85),
        ("85分", 85),
        ("评分：85分", 85),
        ("评分：８５", 85),
        ("满分100分，得85分", 85),
        ("85 out of 100", 85),
        ("I rate this 7 of 10.", 70),
        ("Out of 100, I give it 85", 85),
        ("85 sur 100", 85),
        ("٨٥", 85),
        ("Bewertung: 85 von 100", 85),
        ("Chunk 3 answers the question (85)", 85),
        ("85 - because chapters 3 and 4 say so", 85),
        ("The score is 85, because chapters 3 and 4 say so", 85),
        ("120", 100),
        ("-5", 0),
        ("0", 0),
        ("9" * 400, 100),
        (85, 85),
        (8.5, 8.5),
        (1e9, 100),
        (float("-inf"), 0),
    ],
)
def test_a_rating_is_read_however_it_is_written(written, rating):
    assert parse_rating(written) == pytest.approx(rating)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "none",
        "Score: N/A",
        "5/0",
        "gpt4",
        "B12",
        None,
        True,
        False,
        [85],
        float("nan"),
        "neither 3 nor 4 of them say",
    ],
)
def test_no_rating_is_made_up(written):
    assert parse_rating(written) is None


@given(st.text() | st.floats() | st.integers())
def test_whatever_comes_is_a_rating_in_range_or_none(value):
    rating = parse_rating(value)
    assert rating is None or 0 <= rating <= 100


@given(st.floats(0, 100).map(lambda number: round(number, 2)))
def test_a_number_in_range_stays_what_it_is(number):
    assert parse_rating(number) == number
    assert parse_rating(f"{number:.2f}") == number
    assert parse_rating(f"Score: {number:.2f}/100") == pytest.approx(number)


def test_the_field_type_takes_what_can_be_read_and_refuses_the_rest():
    class Reply(BaseModel):
        rating: Rating

    assert Reply(rating="85/100").rating == 85
    assert Reply(rating=250).rating == 100
    with pytest.raises(ValidationError):
        Reply(rating="high")
    assert Reply.model_json_schema()["properties"]["rating"] == {
        "title": "Rating",
        "type": "number",
        "minimum": 0,
        "maximum": 100,
    }
