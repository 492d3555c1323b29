"""Re-balancing cuts as heavily as can be, moves what it says, and changes nothing else."""

from __future__ import annotations

import random
from itertools import combinations, product

import pytest
from tests.reading.jointlm.inns import dialogues, store

from pansophy.reading.jointlm import Dialogue, HybridStore, Turn, rebalance, unstructured
from pansophy.reading.jointlm.balance import UNKNOWN, max_cut, told_together


@pytest.mark.parametrize("size", [0, 1, 2, 3, 5, 8, 11, 14])
@pytest.mark.parametrize("seed", range(3))
def test_the_cut_of_a_small_graph_is_the_heaviest(size: int, seed: int) -> None:
    source = random.Random(100 * size + seed)
    vertices = [("s", str(number)) for number in range(size)]
    weights = {edge: source.randint(1, 9) for edge in combinations(vertices, 2) if source.random() < 0.5}
    heaviest = 0
    for sides in product((0, 1), repeat=max(size - 1, 0)):
        side = dict(zip(vertices, (0, *sides), strict=False))
        heaviest = max(heaviest, sum(weight for (a, b), weight in weights.items() if side[a] != side[b]))
    side_found, cut = max_cut(vertices, weights, seed=seed)
    assert cut == heaviest
    assert cut == sum(weight for (a, b), weight in weights.items() if (a in side_found) != (b in side_found))


def test_values_are_told_together_as_whole_phrases_once_an_utterance() -> None:
    pairs = [("area", "north"), ("food", "pies"), ("name", "north gate"), ("parking", "yes")]
    said = ["Pies? Yes, pies in the NORTH.", "magpies in the north", "The North Gate"]
    assert told_together(pairs, said) == {
        (("area", "north"), ("food", "pies")): 1,
        (("area", "north"), ("name", "north gate")): 1,
    }


@pytest.mark.parametrize("seed", range(6))
def test_every_moved_slot_is_an_added_document_and_names_stay(seed: int) -> None:
    before = store()
    after, report = rebalance(before, dialogues(), seed)
    assert report.cut > report.weight / 2
    assert sum(report.moved.values()) > 0
    lost = added = 0
    for old, new in zip(before.entities, after.entities, strict=True):
        assert (new.name, new.key) == (old.name, old.key)
        gone = {slot: value for slot, value in old.slots.items() if slot not in new.slots}
        assert new.slots == {slot: value for slot, value in old.slots.items() if slot not in gone}
        assert new.documents[: len(old.documents)] == old.documents
        told = new.documents[len(old.documents) :]
        assert {note.slot: str(gone[note.slot]) in note.body for note in told} == dict.fromkeys(gone, True)
        assert all((slot, str(value).lower()) in report.values for slot, value in gone.items())
        lost, added = lost + len(gone), added + len(told)
    assert lost == added == sum(report.moved.values())


def test_the_same_seed_moves_the_same_and_seeds_differ() -> None:
    made = [rebalance(store(), dialogues(), seed)[1].values for seed in (0, 0, 1, 2, 3, 4)]
    assert made[0] == made[1]
    assert len(set(made)) > 1


def test_without_dialogues_nothing_moves() -> None:
    for said in ([], [Dialogue("1", (Turn("hello"),))]):
        after, report = rebalance(store(), said)
        assert after.entities == store().entities
        assert (report.weight, report.share, report.moved) == (0, 0.0, {})


def test_all_but_names_can_be_moved() -> None:
    bare = unstructured(store())
    assert all(one.slots == {} for one in bare.entities)
    assert bare.averages() == {"inn": (1.0, pytest.approx(19 / 5)), "cafe": (1.0, 3.0)}
    told = {note.slot: note.body for note in bare["inn", "otter and oak"].documents}
    assert told["phone"] == "The phone number is 5550104."
    assert told["price range"] == "The price range is dear."
    assert told["parking"] == UNKNOWN


def test_lists_and_named_values_are_told_in_words() -> None:
    row = {"name": "Quay", "open": ["mon", "tue"], "price": {"one": 3, "two": 5}}
    told = [note.body for note in unstructured(HybridStore({"inn": [row]})).entities[0].documents]
    assert told == ["The open is mon, tue.", "The price is one 3, two 5."]
