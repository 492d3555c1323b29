"""Which answers are one claim, and which claim a rule chooses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pansophy.reading.answers import same_claim, says
from pansophy.reading.ledger.claims import Telling, by_date, by_majority, by_rating, grouped
from pansophy.types import Claim, Evidence


def evidence(document: str, rating: float = 50.0, start: int = 0) -> Evidence:
    return Evidence(document, start, start + 5, "quote", "", rating, 1)


def claim(answer: str, *told: tuple[str, float, str]) -> Claim:
    """A claim that documents tell: (document, rating, date)."""
    return Claim(answer, tuple(evidence(name, rating) for name, rating, _ in told), tuple(date for _, _, date in told))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada Berg", "ada berg."),
        ("the mayor Ada Berg", "Ada Berg"),
        ("Paris", "Paris, France"),
        ("1912", "March 1912"),
        ("李明", "李明。"),
        ("the Heron", "Heron"),
    ],
)
def test_answers_that_say_the_same(one: str, other: str) -> None:
    assert same_claim(one, other)
    assert same_claim(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada Berg", "Bo Lind"),
        ("Ada Berg", "Ada Lind"),
        ("guilty", "not guilty"),
        ("yes", "no"),
        ("15", "15 of 20"),
        ("15", "15 million"),
        ("art", "start"),
        ("", "Ada"),
        ("", ""),
        ("1912", "1913"),
    ],
)
def test_answers_that_do_not(one: str, other: str) -> None:
    assert not same_claim(one, other)
    assert not same_claim(other, one)


@given(st.lists(st.sampled_from(["Ada Berg", "ada berg", "Bo Lind", "the keeper Bo Lind", "", "1912"]), max_size=8))
def test_every_telling_with_an_answer_is_in_one_claim(answers: list[str]) -> None:
    tellings = [Telling(answer, evidence("d", start=10 * number)) for number, answer in enumerate(answers)]
    claims = grouped(tellings)
    held = [item for one in claims for item in one.evidence]
    assert sorted(item.start for item in held) == [t.evidence.start for t in tellings if t.answer]
    assert all(len(one.dates) == len(one.evidence) for one in claims)
    assert all(not same_claim(a.answer, b.answer) for a in claims for b in claims if a is not b)


def test_memory_joins_the_claim_that_it_makes() -> None:
    tellings = [Telling("Ada Berg", evidence("a")), Telling("Bo Lind", evidence("b"))]
    assert [one.remembered for one in grouped(tellings, remembered="bo lind")] == [False, True]
    alone = grouped(tellings, remembered="Cy Holm")
    assert [(one.answer, bool(one.evidence)) for one in alone] == [
        ("Ada Berg", True),
        ("Bo Lind", True),
        ("Cy Holm", False),
    ]


def test_a_longer_answer_says_a_claim_only_in_whole_words() -> None:
    assert says("It was Ada Berg, and later Bo.", "Ada Berg")
    assert not says("It was Adam Berg.", "Ada")
    assert not says("anything", "")


def test_majority_counts_documents_and_not_passages() -> None:
    loud = Claim("A", (evidence("a", start=0), evidence("a", start=9), evidence("a", start=18)), ("", "", ""))
    ruling = by_majority([loud, claim("B", ("b", 50, ""), ("c", 50, ""))])
    assert ruling.settled == 1
    assert "2 to 1" in ruling.reason


def test_majority_counts_passages_where_there_is_one_document() -> None:
    claims = [claim("A", ("a", 50, "")), Claim("B", (evidence("a", start=9), evidence("a", start=18)), ("", ""))]
    assert by_majority(claims).settled == 1


def test_a_tie_settles_nothing() -> None:
    claims = [claim("A", ("a", 70, "2020")), claim("B", ("b", 70, "2020-05"))]
    for rule in (by_majority, by_rating, by_date):
        assert rule(claims).settled is None


def test_the_best_rated_finding_wins() -> None:
    assert by_rating([claim("A", ("a", 40, ""), ("b", 60, "")), claim("B", ("c", 61, ""))]).settled == 1


@pytest.mark.parametrize(
    ("one", "other", "winner"),
    [
        ("2019-03-01", "2020-01-01", 1),
        ("2020-05", "2020-04-30", 0),
        ("2020", "2020-04-30", None),
        ("2021", "2020-12-31", 0),
        ("", "1999", 1),
        ("", "", None),
    ],
)
def test_the_newest_source_wins_as_far_as_dates_are_told(one: str, other: str, winner: int | None) -> None:
    ruling = by_date([claim("A", ("a", 50, one)), claim("B", ("b", 50, other))])
    assert ruling.settled == winner
    if "" in (one, other) and winner is not None:
        assert "no dated source" in ruling.reason
