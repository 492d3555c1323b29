"""What a run may take."""

from __future__ import annotations

from dataclasses import fields

from hypothesis import given
from hypothesis import strategies as st

from pansophy.engine import Limits

NUMBERS = st.none() | st.integers(1, 100)
LIMITS = st.builds(
    Limits, concurrency=NUMBERS, call_timeout=NUMBERS, deadline=NUMBERS, max_calls=NUMBERS, max_tokens=NUMBERS,
    max_cost=NUMBERS,
)  # fmt: skip


@given(LIMITS, LIMITS)
def test_within_others_no_limit_is_looser_than_either(mine: Limits, most: Limits) -> None:
    both = mine.within(most)
    for name in (field.name for field in fields(Limits)):
        given = [value for value in (getattr(mine, name), getattr(most, name)) if value is not None]
        assert getattr(both, name) == min(given, default=None)


@given(LIMITS)
def test_no_limits_change_nothing(mine: Limits) -> None:
    assert mine.within(Limits()) == mine
