"""What answers say of a year, and years of a timeline. Pure functions that know nothing of models or prompts."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from enum import StrEnum

THRESHOLD = 70.0  # the paper
"""Of rapidfuzz's token_set_ratio, 0..100, from which on two answers are the same."""

Match = Callable[[str, Sequence[str]], bool]
"""Whether an answer is one of the right ones."""


class YearCategory(StrEnum):
    """What a model knows of a fact at one stamp. The paper's tables put both partial ones together."""

    CORRECT = "correct"
    PARTIAL_1 = "partial_correct1"
    PARTIAL_2 = "partial_correct2"
    INCORRECT = "incorrect"


class TimelineCategory(StrEnum):
    """What a model knows of a fact over all its stamps."""

    KNOWN = "known"
    PARTIAL = "partial_known"
    CUT_OFF = "cut_off"
    UNKNOWN = "unknown"


def fuzzy(threshold: float = THRESHOLD) -> Match:
    """Matches when, but for case, the words that an answer shares with a right one are enough."""
    from rapidfuzz.fuzz import token_set_ratio

    def match(answer: str, gold: Sequence[str]) -> bool:
        return any(token_set_ratio(answer.lower(), one.lower()) >= threshold for one in gold)

    return match


def exact(answer: str, gold: Sequence[str]) -> bool:
    """Matches when the answer is a right one but for case and outer blanks."""
    return answer.strip().lower() in {one.strip().lower() for one in gold}


def says_true(answer: str, gold: Sequence[str]) -> bool:
    """Matches when the answer says that the statement is true."""
    return "true" in answer.lower()


def year_category(gold: Sequence[str], greedy: Sequence[str], sampled: Sequence[str], match: Match) -> YearCategory:
    """The category of a year.

    Args:
        gold: right answers.
        greedy: answers at temperature 0; none for replies that had no answer.
        sampled: answers drawn at a higher one.
        match: tells right answers.
    """
    right = [match(answer, gold) for answer in greedy]
    if any(right):
        return YearCategory.CORRECT if all(right) else YearCategory.PARTIAL_1
    return YearCategory.PARTIAL_2 if any(match(answer, gold) for answer in sampled) else YearCategory.INCORRECT


def timeline_category(years: Sequence[YearCategory]) -> TimelineCategory:
    """The category of a timeline; `years` are in order.

    Known is correct throughout, Unknown incorrect throughout. Cut-off is at least partly right up to a year and
    incorrect from then on, or the other way round. All else is Partial Known.

    Raises:
        ValueError: there are no years.
    """
    if not years:
        raise ValueError("a timeline without years has no category")
    if set(years) == {YearCategory.CORRECT}:
        return TimelineCategory.KNOWN
    if set(years) == {YearCategory.INCORRECT}:
        return TimelineCategory.UNKNOWN
    turns = sum(one != other for one, other in itertools.pairwise(year is YearCategory.INCORRECT for year in years))
    return TimelineCategory.CUT_OFF if turns == 1 else TimelineCategory.PARTIAL
