"""Metrics count as the paper's code does."""

from __future__ import annotations

import pytest
from tests.reading.jointlm.inns import store

from pansophy.reading.jointlm import HybridStore
from pansophy.reading.jointlm.metrics import SlotFinder, bleu, copied, hit, slot_score


def test_a_hit_is_among_the_first_k() -> None:
    ranked = [("inn", "a"), ("inn", "b")]
    assert hit(ranked, {("inn", "b")}, 1) == 0.0
    assert hit(ranked, {("inn", "b")}, 5) == 1.0
    assert hit([], {("inn", "b")}, 5) == 0.0


def test_bleu_is_that_of_plain_words() -> None:
    assert bleu("It's the Heron!", "it s heron") == 0.0  # no run of four words
    assert bleu("It is in the north of town.", "it is in north, of a town") == pytest.approx(1.0)
    assert bleu("north of town", "it is north of town", 1) == pytest.approx(0.5134, abs=1e-4)  # short: exp(1 - 5/3)
    assert bleu("north north of town", "north of town", 2) == pytest.approx((3 / 4 * 2 / 3) ** 0.5)
    assert bleu("", "north", 1) == 0.0
    assert bleu("north", "", 1) == 0.0


def test_values_are_found_exactly_first_then_nearly() -> None:
    find = SlotFinder(store())
    assert find("Mill Guest House is cheaply priced, in the SOUTH: 5550102.") == {
        ("name", "mill guesthouse"),
        ("price range", "cheap"),
        ("area", "south"),
        ("phone", "5550102"),
    }
    assert find("Pepper Courts serves soupe") == {("name", "pepper court")}
    assert find("yes, parking? yes") == frozenset()
    assert find("") == frozenset()


def test_what_is_found_is_masked_for_shorter_values() -> None:
    find = SlotFinder(HybridStore({"inn": [{"name": "north gate", "area": "north", "stars": "4"}]}))
    assert find("the north gate") == {("name", "north gate")}
    assert find("north gate, north") == {("name", "north gate"), ("area", "north")}
    assert find("4 stars, 4 rooms") == {("stars", "4")}


def test_only_the_slots_that_are_asked_for_are_searched() -> None:
    find = SlotFinder(store(), {"cafe": ["food"]})
    assert find("pies at Blue Kettle, 5550201") == {("food", "pies")}


def test_scores_are_micro_averages_over_turns_with_a_gold_value() -> None:
    one, other = ("area", "north"), ("area", "south")
    score = slot_score([({one, other}, {one}), ({one}, {one, other}), ({one}, set()), (set(), {other})])
    assert (score.precision, score.recall, score.turns) == (2 / 3, 2 / 4, 3)
    assert score.f1 == pytest.approx(4 / 7)
    assert slot_score([]).f1 == 0.0


def test_copies_are_the_entitys_own_values() -> None:
    heron = store()["inn", "the heron"]
    assert copied({("area", "north"), ("phone", "5550102"), ("name", "the heron")}, heron) == 2
