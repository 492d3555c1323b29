"""The categories of years and timelines, against a second writing of their definitions."""

from __future__ import annotations

import itertools
import random

import pytest
from rapidfuzz.fuzz import token_set_ratio

from pansophy.reading.chroknowledge import (
    TimelineCategory,
    YearCategory,
    exact,
    fuzzy,
    timeline_category,
    year_category,
)
from pansophy.reading.chroknowledge.categories import Match, says_true

NAMES = ["Orbit Mills", "orbit mills ltd", "Tin & Sons", "Sons of Tin", "Quarry Bank", "Bank", "", "Harbour", "harbor"]
C, P1, P2, X = YearCategory.CORRECT, YearCategory.PARTIAL_1, YearCategory.PARTIAL_2, YearCategory.INCORRECT


def slow_year(gold: list[str], greedy: list[str], sampled: list[str], how: str) -> str:
    """The paper's table of a year, written from its definition."""

    def right(answer: str) -> bool:
        for one in gold:
            if how == "exact" and answer.strip().lower() == one.strip().lower():
                return True
            if how == "fuzzy" and token_set_ratio(answer.lower(), one.lower()) >= 70:
                return True
        return False

    greedy_right = [answer for answer in greedy if right(answer)]
    sampled_right = [answer for answer in sampled if right(answer)]
    if len(greedy) > 0 and len(greedy_right) == len(greedy):
        return "correct"
    if len(greedy_right) > 0:
        return "partial_correct1"
    if len(sampled_right) > 0:
        return "partial_correct2"
    return "incorrect"


def slow_timeline(years: list[str]) -> str:
    """The paper's table of a timeline, by trying every place where it might be cut."""
    if all(year == "correct" for year in years):
        return "known"
    if all(year == "incorrect" for year in years):
        return "unknown"
    for cut in range(1, len(years)):
        head, tail = years[:cut], years[cut:]
        for known, unknown in ((head, tail), (tail, head)):
            if all(year != "incorrect" for year in known) and all(year == "incorrect" for year in unknown):
                return "cut_off"
    return "partial_known"


@pytest.mark.parametrize(("how", "match"), [("exact", exact), ("fuzzy", fuzzy())])
def test_categories_of_ten_thousand_random_answer_sets(how: str, match: Match) -> None:
    source = random.Random(2410)
    met: set[str] = set()
    for _ in range(10_000):
        years = []
        for _ in range(source.randint(1, 6)):
            gold = source.sample(NAMES, source.randint(1, 2))
            # of few names or of many, so that every category is met
            names = source.choice([NAMES, NAMES[:2], gold])
            greedy, sampled = (source.choices(names, k=source.randint(0, 5)) for _ in range(2))
            years.append(year_category(gold, greedy, sampled, match))
            assert years[-1] == slow_year(gold, greedy, sampled, how)
        found = timeline_category(years)
        assert found == slow_timeline([str(year) for year in years])
        met.update((found, *years))
    assert met == {*YearCategory, *TimelineCategory}


def test_every_timeline_of_up_to_six_years() -> None:
    for length in range(1, 7):
        for years in itertools.product(YearCategory, repeat=length):
            assert timeline_category(years) == slow_timeline([str(year) for year in years])


@pytest.mark.parametrize(
    ("greedy", "sampled", "category"),
    [
        (["Orbit Mills"] * 5, [], C),
        (["Orbit Mills", "Harbour"], ["Orbit Mills"], P1),
        (["Harbour"], ["Bank", "orbit mills"], P2),
        ([], ["orbit mills"], P2),  # no greedy answer at all
        ([], [], X),
        (["Harbour"], ["Bank"], X),
        ([""], [""], X),
    ],
)
def test_years_by_hand(greedy: list[str], sampled: list[str], category: YearCategory) -> None:
    assert year_category(["Orbit Mills"], greedy, sampled, fuzzy()) is category


@pytest.mark.parametrize(
    ("years", "category"),
    [
        ([C, C, C], TimelineCategory.KNOWN),
        ([C], TimelineCategory.KNOWN),
        ([X], TimelineCategory.UNKNOWN),
        ([P1], TimelineCategory.PARTIAL),
        ([P1, P2], TimelineCategory.PARTIAL),  # nothing incorrect, not all correct
        ([C, P2, X, X], TimelineCategory.CUT_OFF),
        ([X, X, P1, C], TimelineCategory.CUT_OFF),
        ([X, C, X], TimelineCategory.PARTIAL),  # up, then down
        ([C, X, C], TimelineCategory.PARTIAL),
    ],
)
def test_timelines_by_hand(years: list[YearCategory], category: TimelineCategory) -> None:
    assert timeline_category(years) is category


def test_a_timeline_has_years() -> None:
    with pytest.raises(ValueError, match="without years"):
        timeline_category([])


def test_any_of_several_right_answers_will_do_and_the_threshold_decides_how_near() -> None:
    assert fuzzy()("TIN AND SONS", ["Orbit Mills", "Tin & Sons"])
    assert not fuzzy(100)("Tin and Sin", ["Tin & Sons"])
    assert says_true("It is True.", ["Bath"])
    assert not says_true("false", ["Bath"])
