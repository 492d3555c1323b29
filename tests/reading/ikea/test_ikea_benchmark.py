"""The measuring of what a reward teaches: what is learnt, what is summed up, which thresholds are met."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pansophy.errors import UsageError
from pansophy.reading.ikea.benchmark import (
    ARMS,
    BOTH,
    EASY,
    EXACT_MATCH,
    HARD,
    IKEA,
    MEAN_ALONE,
    SHARES,
    LearnerSettings,
    Measured,
    boundary,
    measure,
    search_rates,
)
from pansophy.reading.ikea.reward import EXACT_MATCH_ONLY, IkeaReward
from pansophy.reading.ikea.switching import Question, learn

COMMITTED = Path(__file__).parents[3] / "benchmarks" / "results" / "ikea" / "switching.json"
SMALL = LearnerSettings(questions=3, steps=60, group=8, seeds=2)


def test_rates_are_those_that_each_seed_learns_under_the_arm() -> None:
    questions = [Question(0.9)] * 3
    told = {
        arm: [learn(questions, reward, steps=60, group=8, by_deviation=by, seed=seed) for seed in (0, 1)]
        for arm, reward, by in (
            (IKEA, IkeaReward(), True),
            (MEAN_ALONE, IkeaReward(), False),
            (EXACT_MATCH, EXACT_MATCH_ONLY, True),
        )
    }
    found = {arm: search_rates(0.9, arm, SMALL) for arm in ARMS}
    assert found == {arm: [one.search_rate(questions) for one in choosers] for arm, choosers in told.items()}
    assert max(found[IKEA]) < 0.5 < min(found[EXACT_MATCH])


def test_the_committed_rates_are_learnt_again() -> None:
    committed = json.loads(COMMITTED.read_text("utf-8"))
    settings = LearnerSettings(seeds=1)
    place = SHARES.index(0.75)
    assert committed["shares_of_right_memories"] == list(SHARES)
    (rate,) = search_rates(0.75, IKEA, settings)
    assert rate == pytest.approx(committed["search_rates"][IKEA][place][0], abs=0.02)


def test_at_the_boundary_easy_questions_alone_unlearn_searching() -> None:
    found = boundary(0, LearnerSettings(questions=6, steps=60, group=8, seeds=1))
    assert list(found) == [BOTH, EASY, HARD, "easy and hard, exact match alone"]
    assert found[EASY]["search rate, unknown"] < 0.3
    assert found[EASY]["exact match, unknown"] == pytest.approx(found[EASY]["search rate, unknown"])
    assert found[HARD]["search rate, known"] > 0.7
    assert found[BOTH]["search rate, unknown"] > found[BOTH]["search rate, half known"]
    assert found[BOTH]["search rate, half known"] > found[BOTH]["search rate, known"]


def test_all_is_measured_and_progress_is_told() -> None:
    told: list[tuple[int, int, str]] = []
    settings = LearnerSettings(questions=2, steps=2, group=2, seeds=2)
    measured = measure(settings, lambda done, total, said: told.append((done, total, said)))
    assert list(measured.rates) == list(ARMS)
    assert all(len(rates) == len(SHARES) and {len(one) for one in rates} == {2} for rates in measured.rates.values())
    assert measured.rates[MEAN_ALONE][3] == search_rates(SHARES[3], MEAN_ALONE, settings)
    seeds = [boundary(seed, settings)[BOTH]["search rate, known"] for seed in (0, 1)]
    assert measured.boundary[BOTH]["search rate, known"] == pytest.approx(sum(seeds) / 2, abs=1e-4)
    assert told[-1][:2] == (74, 74)  # (3 arms of 11 shares and 4 boundaries) of 2 seeds
    assert [done for done, _, _ in told] == [*range(2, 67, 2), 70, 74]
    assert told[0][2].startswith("ikea: memory right at 0.00, searches 0.")


def ideal() -> Measured:
    """Rates and a boundary that meet every threshold."""
    rates = {arm: [[1.0, 0.9]] * 5 + [[0.7, 0.7], [0.3, 0.3]] + [[0.0, 0.1]] * 4 for arm in (IKEA, MEAN_ALONE)}
    rates[EXACT_MATCH] = [[0.9, 0.9]] * 11
    both = {"search rate, known": 0.1, "search rate, unknown": 0.9, "exact match, unknown": 0.9}
    return Measured(rates, {BOTH: both, EASY: {"exact match, unknown": 0.6}})


def test_means_and_the_switch_are_computed_of_the_rates() -> None:
    measured = ideal()
    assert measured.means[IKEA][0] == pytest.approx(0.95)
    assert measured.switch == {IKEA: pytest.approx(0.825), MEAN_ALONE: pytest.approx(0.825), EXACT_MATCH: None}
    told = json.loads(json.dumps(measured.to_dict()))
    assert set(told) <= set(json.loads(COMMITTED.read_text("utf-8")))
    assert told["switch_in_expectation"] == 0.875
    assert told["search_rates"][IKEA][0] == [1.0, 0.9]


def test_each_threshold_can_be_missed() -> None:
    assert all(ideal().checks().values())
    changes = {
        "search rate <= .1 where memory is always right": (IKEA, 1.0, 0.11),
        "search rate >= .9 where it never is": (IKEA, 0.0, 0.89),
        "search rate <= .15 at .9": (IKEA, 0.9, 0.16),
        "exact match alone keeps searching at .9 (>= .8)": (EXACT_MATCH, 0.9, 0.79),
    }
    for name, (arm, share, rate) in changes.items():
        measured = ideal()
        rates = {one: [list(seeds) for seeds in told] for one, told in measured.rates.items()}
        rates[arm][SHARES.index(share)] = [rate, rate]
        assert [key for key, met in Measured(rates, measured.boundary).checks().items() if not met] == [name]
    for name, told, key, value in (
        ("both kinds: known <= .1, unknown >= .9", BOTH, "search rate, known", 0.11),
        ("both kinds: known <= .1, unknown >= .9", BOTH, "search rate, unknown", 0.89),
        ("only easy loses >= 30 points of exact match on unknown", EASY, "exact match, unknown", 0.61),
    ):
        measured = ideal()
        found = {**measured.boundary, told: {**measured.boundary[told], key: value}}
        assert [key for key, met in Measured(measured.rates, found).checks().items() if not met] == [name]
    late = {**ideal().rates, IKEA: [[0.95, 0.95]] * 8 + [[0.1, 0.1]] * 3}  # passes one half at .89
    assert [key for key, met in Measured(late, ideal().boundary).checks().items() if not met] == [
        "search rate passes .5 between .70 and .88"
    ]


@pytest.mark.parametrize("wrong", [{"questions": 0}, {"steps": 0}, {"group": 1}, {"seeds": 0}])
def test_impossible_settings_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="at least"):
        LearnerSettings(**wrong)


def test_an_unknown_arm_is_refused() -> None:
    with pytest.raises(UsageError, match="no arm 'chance'; there are ikea, ikea, mean alone"):
        search_rates(0.5, "chance", SMALL)
