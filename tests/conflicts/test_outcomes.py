"""Whose word an answer follows, and the rates made of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pansophy.conflicts.outcomes import (
    Outcome,
    Trial,
    adherence,
    answer_rates,
    binary_utilisation,
    continuous_utilisation,
    refuses,
    reliance_rates,
    robustness,
    token_rates,
)
from pansophy.evaluation.metrics import contains
from pansophy.evaluation.report import bootstrap_ratio

PROBABILITY = st.floats(0, 1)


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        ("It is Paris.", Outcome.MEMORY),
        ("Lyon, says the text", Outcome.CONTEXT),
        ("Rome", Outcome.OTHER),
        ("Paris, though the text says Lyon", Outcome.MEMORY),
        ("", Outcome.OTHER),
    ],
)
def test_a_reply_follows_memory_before_the_context(reply: str, outcome: Outcome) -> None:
    assert Trial(reply, "Paris", ("Lyon", "Lugdunum")).outcome() is outcome


def test_what_counts_as_saying_so_can_be_chosen() -> None:
    trial = Trial("a partial answer", "art", "none")
    assert trial.outcome() is Outcome.MEMORY
    assert trial.outcome(contains) is Outcome.OTHER


def test_first_tokens_are_compared_whole() -> None:
    rates = token_rates([Trial(reply, "Par", "Ly") for reply in (" Par", "Ly", "Paris", "Ro")])
    assert (rates.rm.mean, rates.rc.mean) == (0.25, 0.25)


def test_a_reply_that_says_both_counts_for_both() -> None:
    rates = reliance_rates([Trial(reply, "Paris", "Lyon") for reply in ("Paris or Lyon", "Lyon", "Lyon", "Rome")])
    assert (rates.con_r.mean, rates.par_r.mean, rates.hit.mean) == (0.75, 0.25, 0.75)
    assert rates.mr.mean == pytest.approx(0.25)


@given(st.lists(st.sampled_from(Outcome), min_size=1, max_size=30))
def test_the_three_answer_rates_add_up_to_one(outcomes: list[Outcome]) -> None:
    rates = answer_rates(outcomes)
    assert rates.oar.mean + rates.car.mean + rates.iar.mean == pytest.approx(1)
    assert rates.oar.mean == outcomes.count(Outcome.MEMORY) / len(outcomes)
    assert rates.car.mean == outcomes.count(Outcome.CONTEXT) / len(outcomes)


def test_the_expected_token_is_the_contexts_only_where_it_is_relevant() -> None:
    trials = [Trial(reply, "Par", "Ly", relevant) for reply in ("Par", "Ly") for relevant in (True, False)]
    assert [binary_utilisation([trial]).mean for trial in trials] == [0, 1, 1, 0]


@given(PROBABILITY, PROBABILITY)
def test_utilisation_has_the_sign_of_the_change_and_is_whole_at_the_ends(after: float, before: float) -> None:
    found = continuous_utilisation(after, before)
    assert -1 <= found <= 1
    assert (found > 0) == (after > before) or after == before
    assert continuous_utilisation(1.0, before) == (1 if before < 1 else 0)
    assert continuous_utilisation(0.0, before) == (-1 if before > 0 else 0)


def test_utilisation_is_the_share_of_the_possible_way() -> None:
    assert continuous_utilisation(0.6, 0.2) == pytest.approx(0.5)
    assert continuous_utilisation(0.3, 0.4) == pytest.approx(-0.25)
    with pytest.raises(ValueError, match=r"0\.\.1"):
        continuous_utilisation(1.2, 0.5)


def test_adherence_looks_at_relevant_contexts_and_robustness_at_the_others() -> None:
    trials = [
        Trial("Lyon", "Paris", "Lyon"),
        Trial("Paris", "Paris", "Lyon"),
        Trial("Paris", "Paris", "Lyon", relevant=False),
        Trial("Lyon", "Paris", "Lyon", relevant=False),
        Trial("I don’t know that.", "", "Lyon", relevant=False),
        Trial("Lyon", "", "Lyon", relevant=False),
    ]
    assert adherence(trials).mean == 0.5
    assert robustness(trials).mean == 0.5
    assert not refuses("Nobody knows better than Paris")


@given(st.lists(st.tuples(st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 1.0])), min_size=1, max_size=20))
def test_a_ratio_is_that_of_the_sums_and_its_interval_keeps_to_what_can_be(pairs: list[tuple[float, float]]) -> None:
    parts = [part for part, _ in pairs]
    wholes = [part + rest for part, rest in pairs]
    found = bootstrap_ratio(parts, wholes, resamples=200)
    assert 0 <= found.low <= found.high <= 1
    assert found.mean == pytest.approx(sum(parts) / sum(wholes) if sum(wholes) else 0)
    if not any(parts) or parts == wholes:
        assert found.low == found.mean == found.high
