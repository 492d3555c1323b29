"""Where the reward teaches to stop searching: in closed form, and in what a small learner comes to."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pansophy.errors import UsageError
from pansophy.reading.ikea.reward import EXACT_MATCH_ONLY, IkeaReward
from pansophy.reading.ikea.switching import Chooser, Question, crossing, learn, pay, search_pays

STEPS = 160


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_search_pays_where_its_expected_reward_is_higher(known: float, found: float) -> None:
    gain = search_pays(IkeaReward(), known, found)
    assert gain == pytest.approx(1.4 * found + 0.05 * (1 - found) - 1.6 * known)
    assert (search_pays(IkeaReward(), known) > 0) == (known < 0.875)
    assert search_pays(EXACT_MATCH_ONLY, known, found) == pytest.approx(found - known)


def test_episodes_of_the_environment_earn_the_table() -> None:
    assert pay(IkeaReward()).flatten().tolist() == pytest.approx([0.0, 1.6, 0.05, 1.4])
    assert pay(EXACT_MATCH_ONLY).flatten().tolist() == [0.0, 1.0, 0.0, 1.0]


def rate(known: float, reward: IkeaReward, *, by_deviation: bool = True) -> float:
    questions = [Question(known)] * 6
    return learn(questions, reward, steps=STEPS, by_deviation=by_deviation).search_rate(questions)


def test_the_search_rate_falls_through_one_half_between_70_and_88_hundredths() -> None:
    shares = [0.0, 0.5, 0.7, 0.88, 0.9, 1.0]
    rates = [rate(share, IkeaReward()) for share in shares]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] >= 0.9
    assert rates[-1] <= 0.1
    assert rates[4] <= 0.15
    found = crossing(shares, rates)
    assert found is not None
    assert 0.7 <= found <= 0.88


def test_the_outcome_alone_keeps_the_agent_searching_for_what_it_nearly_always_knows() -> None:
    assert rate(0.9, EXACT_MATCH_ONLY) >= 0.8


def test_without_the_deviation_the_switch_is_where_the_expectation_says() -> None:
    assert rate(0.8, IkeaReward(), by_deviation=False) >= 0.9 > 0.6 > rate(0.8, IkeaReward())
    assert rate(0.92, IkeaReward(), by_deviation=False) <= 0.1


def material(seed: int = 0) -> tuple[list[Question], list[Question]]:
    """40 known and 40 unknown questions; familiarity tells one from the other only roughly."""
    chance = random.Random(seed)
    return (
        [Question(1.0, chance.gauss(0.75, 0.1)) for _ in range(40)],
        [Question(0.0, chance.gauss(0.25, 0.1)) for _ in range(40)],
    )


def test_both_kinds_of_questions_teach_the_boundary_and_easy_ones_alone_lose_the_hard() -> None:
    known, unknown = material()
    both = learn([*known[:8], *unknown[:8]], IkeaReward(), steps=300)
    assert both.search_rate(known) <= 0.1
    assert both.search_rate(unknown) >= 0.9
    alone = learn(known[:8], IkeaReward(), steps=STEPS)
    assert alone.search_rate(known) <= 0.1
    assert both.exact_match(unknown) - alone.exact_match(unknown) >= 0.3


def test_a_chooser_is_a_logistic_function() -> None:
    chooser, questions = Chooser(1.0, -2.0), [Question(1.0, 0.5), Question(0.0, 0.5, found=0.5)]
    assert chooser.search_rate(questions) == 0.5
    assert chooser.exact_match(questions) == pytest.approx((1.0 + 0.25) / 2)


@pytest.mark.parametrize(
    ("rates", "found"), [([0.9, 0.6, 0.4], 1.5), ([0.9, 0.5, 0.1], 1.0), ([0.9, 0.8, 0.7], None), ([0.1, 0.9], None)]
)
def test_a_crossing_is_found_between_two_rates(rates: list[float], found: float | None) -> None:
    assert crossing([0, 1, 2][: len(rates)], rates) == (None if found is None else pytest.approx(found))


def test_without_questions_nothing_is_learnt() -> None:
    with pytest.raises(UsageError, match="no questions"):
        learn([], IkeaReward())
