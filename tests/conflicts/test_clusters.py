"""Answers that say the same are grouped: disjointly, or as the official code does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pansophy.conflicts.clusters import bidirectional, official
from pansophy.conflicts.entailment import CosineEntailment, same_answer
from pansophy.errors import UsageError

ANSWERS = st.lists(st.sampled_from(["Paris", "paris.", "the Paris", "Lyon", "", " "]), max_size=10)


def linked(*links: str):  # type: ignore[no-untyped-def]
    """Entailment both ways between the letters of each pair."""
    pairs = {frozenset(link) for link in links}
    return lambda one, other: one == other or frozenset(one + other) in pairs


@given(ANSWERS)
def test_bidirectional_clusters_have_every_answer_once_and_agree_within(answers: list[str]) -> None:
    clusters = bidirectional(answers, same_answer)
    assert sorted(position for cluster in clusters for position in cluster) == list(range(len(answers)))
    for cluster in clusters:
        assert all(same_answer(answers[cluster[0]], answers[position]) for position in cluster)


@given(ANSWERS)
def test_of_a_transitive_relation_both_groupings_make_the_same(answers: list[str]) -> None:
    assert set(official(answers, same_answer)) == set(bidirectional(answers, same_answer))


def test_official_clusters_overlap_and_look_only_at_the_member_before() -> None:
    assert set(official("abc", linked("ab", "bc"))) == {(0, 1), (1, 2)}
    # from a: b joins; c says the same as a, but not as b, the member before it, and stays out
    assert set(official("abc", linked("ab", "ac"))) == {(0, 1), (0, 2)}
    # from b: a joins, then d, which says the same as a; that d and b don't agree with c's cluster is never looked at
    assert (0, 1, 3) in official("abcd", linked("ab", "ad", "bd", "cd"))


def test_entailment_in_one_direction_is_not_enough() -> None:
    def shorter_entails_longer(premise: str, hypothesis: str) -> bool:
        return premise in hypothesis

    assert bidirectional(["city", "city of light"], shorter_entails_longer) == ((0,), (1,))


def test_no_pair_is_compared_twice() -> None:
    compared: list[tuple[str, str]] = []

    def entails(premise: str, hypothesis: str) -> bool:
        compared.append((premise, hypothesis))
        return True

    official(["a", "b", "c", "a", "b"], entails)
    assert len(compared) == len(set(compared)) <= 9


class _Directions:
    """Vectors in a plane, by angle in degrees."""

    name, dimensions = "directions", 2

    def embed(self, texts):  # type: ignore[no-untyped-def]
        angles = np.radians([float(text) for text in texts])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_answers_within_the_angle_entail_each_other() -> None:
    entails = CosineEntailment(_Directions(), threshold=0.85)  # 31.8 degrees
    assert entails("0", "31")
    assert not entails("0", "33")
    assert entails("", " ")
    assert not entails("0", "")
    with pytest.raises(UsageError, match="threshold"):
        CosineEntailment(_Directions(), threshold=85)


def test_an_answer_of_which_normalising_leaves_nothing_is_itself() -> None:
    assert same_answer("The", "the")
    assert not same_answer("The", "?")
    assert not same_answer("The", "")
