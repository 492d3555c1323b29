"""Whose answer it is, under all the names that papers give it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pansophy.conflicts.outcomes import (
    Outcome,
    adherence,
    binary_context_utilisation,
    continuous_context_utilisation,
    outcome_of,
    reliance,
    robustness,
    shares,
)
from pansophy.errors import UsageError


def test_an_answer_is_memory_context_or_other() -> None:
    assert [outcome_of(answer, 1, 2) for answer in (1, 2, 3)] == [Outcome.MEMORY, Outcome.CONTEXT, Outcome.OTHER]
    with pytest.raises(UsageError, match="both say"):
        outcome_of(1, 2, 2)


@given(st.lists(st.sampled_from(Outcome), min_size=1, max_size=50))
def test_the_three_shares_sum_to_one(outcomes: list[Outcome]) -> None:
    told = shares(outcomes)
    assert told.memory.mean + told.context.mean + told.other.mean == pytest.approx(1)
    assert told.items == len(outcomes)
    assert told.memory.mean == outcomes.count(Outcome.MEMORY) / len(outcomes)


def test_reliance_counts_a_reply_that_says_both_for_both() -> None:
    told = reliance(
        ["It is Paris.", "Rome, not Paris", "Oslo", "rome"],
        [("Paris", "City of Light")] * 4,
        ["Rome", "Rome", "Rome", "Rome"],
    )
    assert (told.par_r, told.con_r, told.hit_rate) == (0.5, 0.5, 0.75)
    assert told.mr == 0.5
    assert reliance(["Oslo"], ["Paris"], ["Rome"]).mr is None


def test_context_utilisation_by_hand() -> None:
    assert continuous_context_utilisation(0.75, 0.5) == 0.5
    assert continuous_context_utilisation(0.25, 0.5) == -0.5
    assert continuous_context_utilisation(1.0, 1.0) == continuous_context_utilisation(0.0, 0.0) == 0
    assert (binary_context_utilisation(3, 3), binary_context_utilisation(3, 4)) == (1, 0)
    with pytest.raises(UsageError):
        continuous_context_utilisation(1.2, 0.5)


@given(st.floats(0, 1), st.floats(0, 1))
def test_context_utilisation_is_between_minus_one_and_one_and_has_the_sign_of_the_change(p: float, q: float) -> None:
    told = continuous_context_utilisation(p, q)
    assert -1 <= told <= 1
    assert (told > 0) == (p > q) or told == 0


def test_adherence_and_robustness_by_hand() -> None:
    assert adherence(["the answer is Rome", "Paris"], ["Rome", "Rome"]).mean == 0.5
    assert (
        robustness(["Paris", "I don't know", "Rome", "Rome"], ["Paris", None, "Paris", None], [0, 1, 0, 0]).mean == 0.5
    )


def test_columns_of_different_lengths_and_nothing_to_count_are_errors() -> None:
    for wrong in (lambda: reliance(["a"], [], ["b"]), lambda: adherence([], []), lambda: shares([])):
        with pytest.raises(UsageError):
            wrong()
