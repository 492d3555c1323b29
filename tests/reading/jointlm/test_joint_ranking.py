"""Entities are ranked by words, by learnt weights and by a second stage; tables and notes count alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from tests.reading.jointlm.inns import dialogues, store, town

from pansophy.errors import UsageError
from pansophy.reading.jointlm import (
    Dialogue,
    Entity,
    HybridStore,
    JointRanker,
    Labelled,
    MatchRanker,
    TfidfRanker,
    Turn,
    VectorRanker,
    label,
    rebalance,
    success,
    unstructured,
)
from pansophy.reading.jointlm.ranking import BeliefQuery, WordIndex

KETTLE, HERON = ("cafe", "blue kettle"), ("inn", "the heron")


def trained() -> MatchRanker:
    moved, _ = rebalance(store(), dialogues(), 1)
    return MatchRanker.train(label(store(), dialogues(), moved), moved)


def test_cosines_are_those_of_tf_idf() -> None:
    index = WordIndex(["red fox", "red red hen", "owl"])
    assert index.cosines("red fox").tolist() == pytest.approx([1.0, 0.5067, 0.0], abs=1e-3)  # as scikit-learn's
    assert index.cosines("zebra").tolist() == [0.0, 0.0, 0.0]
    assert WordIndex(["a"]).cosines("a").tolist() == [0.0]


def test_words_find_the_entity_wherever_its_fact_stands() -> None:
    for made in (store(), unstructured(store())):
        assert TfidfRanker(made).rank(["pies south"])[0][0] == KETTLE
    assert TfidfRanker(store(), utterances=1).rank(["the heron", "It is cheap.", "pies, south"], 1)[0][0] == KETTLE


def test_equals_stand_in_the_stores_order_and_nothing_said_finds_nothing() -> None:
    for ranker in (TfidfRanker(store()), trained()):
        assert [key for key, _ in ranker.rank(["xyzzy"])] == [one.key for one in store().entities]
        assert len(ranker.rank(["pies"], 2)) == 2
        assert ranker.rank([]) == []


def test_what_is_learnt_on_one_store_holds_wherever_the_facts_stand() -> None:
    made, said = town(60)
    moved, _ = rebalance(made, said[:30])
    ranker = MatchRanker.train(label(made, said[:30], moved), moved)
    told = label(made, said[30:])
    found = [success(ranker.on(one), told, least=0.0) for one in (made, moved, unstructured(made))]
    assert max(found) - min(found) <= 0.03
    words = success(TfidfRanker(moved), told, least=0.0)
    assert min(found) >= words + 0.1
    by_belief = [success_of_belief(one, told) for one in (made, moved)]
    assert by_belief[0] >= by_belief[1] + 0.25


def success_of_belief(made: HybridStore, told: Sequence[Labelled]) -> float:
    first = [BeliefQuery(made).rank_belief(one.belief, 1) for one in told]
    return sum(bool(found) and found[0][0] in one.oracle for found, one in zip(first, told, strict=True)) / len(told)


def test_probabilities_lie_between_0_and_1() -> None:
    scores = [score for _, score in trained().rank(["Tell me about the Heron"])]
    assert 0 <= min(scores) < max(scores) <= 1


def test_learning_has_no_chance_in_it() -> None:
    assert trained().weights == trained().weights


def test_nothing_is_learnt_from_turns_without_right_or_wrong_entities() -> None:
    hopeless = [Dialogue("1", (Turn("west", "none", {"inn": {"area": "west"}}),))]
    for said in (hopeless, []):
        with pytest.raises(UsageError, match="right and with wrong entities"):
            MatchRanker.train(label(store(), said), store())


class Letters:
    """How often each letter stands in a text."""

    name, dimensions = "letters", 26

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        counts = np.array([[text.lower().count(chr(97 + place)) for place in range(26)] for text in texts], np.float32)
        return counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1e-9)


def test_an_entity_is_as_near_as_its_nearest_fact() -> None:
    ranker = VectorRanker(store(), Letters(), utterances=1)
    asked = "The Heron, Are dogs allowed? Dogs are welcome at the Heron."
    assert ranker.rank(["pies", asked], 1) == [(HERON, pytest.approx(1.0))]
    assert (
        VectorRanker(unstructured(store()), Letters()).rank(["Blue Kettle, What food? It serves pies."])[0][0] == KETTLE
    )
    assert ranker.rank([]) == VectorRanker(HybridStore({}), Letters()).rank(["pies"]) == []


class Likes:
    """Says yes to one domain."""

    identity = "likes"

    def __init__(self, domain: str) -> None:
        self.domain, self.read = domain, 0

    def yes(self, history: Sequence[str], entities: Sequence[Entity]) -> list[float]:
        self.read += len(entities)
        return [0.9 if one.domain == self.domain else 0.1 for one in entities]


def test_a_big_store_reaches_the_second_stage_in_part() -> None:
    rows = [{"name": f"inn {number}", "area": "north"} for number in range(10_000)]
    crowd = HybridStore({"inn": [*rows, {"name": "Heron", "area": "south"}], "bar": [{"name": "Heron Bar"}]})
    second = Likes("bar")
    found = JointRanker(TfidfRanker(crowd), second, keep=50).rank(["the heron in the south"])
    assert (len(found), second.read) == (50, 50)
    assert found[0] == (("bar", "heron bar"), 0.9)
    assert found[1][0] == ("inn", "heron")
    weighed = trained().on(crowd).rank(["is there anything at Heron Bar?"], 1)
    assert weighed[0][0] == ("bar", "heron bar")


def test_a_small_store_is_read_as_a_whole() -> None:
    second = Likes("cafe")
    found = JointRanker(TfidfRanker(store()), second, keep=8).rank(["hello"], 3)
    assert [key[0] for key, _ in found] == ["cafe"] * 3
    assert second.read == 8
    assert JointRanker(TfidfRanker(store()), second).rank([]) == []


def test_the_belief_finds_less_where_facts_have_moved() -> None:
    belief = {"inn": {"area": "south", "price range": "cheap"}}
    found = [key for key, _ in BeliefQuery(store()).rank_belief(belief)]
    assert found == [("inn", "mill guest house")]
    moved = [rebalance(store(), dialogues(), seed)[0] for seed in range(4)]
    assert any(BeliefQuery(one).rank_belief(belief) != [(found[0], 1.0)] for one in moved)
