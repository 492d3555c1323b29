"""The gold belief finds entities, the one that a turn is about is told, and the wrong ones are near."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.reading.jointlm.inns import dialogues, store

from pansophy.errors import SourceError
from pansophy.reading.jointlm import (
    Dialogue,
    HybridStore,
    Turn,
    read_dialogues,
    rebalance,
    unstructured,
    write_dialogues,
)
from pansophy.reading.jointlm.dialogues import last_turns
from pansophy.reading.jointlm.labels import best_entity, label, query
from pansophy.reading.jointlm.multiwoz import read_multiwoz, read_seknow


def names(domain: str, **slots: str) -> list[str]:
    return [
        name for _, name in query(store(), {domain: {slot.replace("_", " "): value for slot, value in slots.items()}})
    ]


def test_the_rows_that_meet_the_belief_are_found() -> None:
    assert names("inn", area="south") == ["mill guest house", "rosas rest"]
    assert names("inn", area="south", pricerange="Cheap", day="monday") == ["mill guest house"]
    assert names("inn", area="don't care", price_range="dear") == ["rosas rest", "otter and oak"]
    assert names("inn", area="west") == []
    assert names("taxi", leave="noon") == []


def test_names_are_met_in_their_variants() -> None:
    assert names("inn", name="heron") == ["the heron"]
    assert names("inn", name="otter and oak") == ["otter and oak"]
    assert names("inn", name="mill guest house") == ["mill guest house"]
    assert names("inn", name="rosas") == ["rosas rest"]
    assert names("cafe", name="blue") == ["blue kettle"]
    assert names("inn", name="the heron", area="south") == []
    twins = HybridStore({"inn": [{"name": "old mill"}, {"name": "old oak"}]})
    assert query(twins, {"inn": {"name": "old"}}) == ()


def test_a_row_without_the_slot_does_not_meet_it() -> None:
    inns = HybridStore({"inn": [{"name": "a", "area": "north"}, {"name": "b"}]})
    assert query(inns, {"inn": {"area": "north"}}) == (("inn", "a"),)
    assert len(query(unstructured(inns), {"inn": {"area": "north"}})) == 2


def test_the_entity_that_is_talked_of_is_the_only_right_one() -> None:
    oracle = [("inn", "mill guest house"), ("inn", "rosas rest")]
    assert best_entity(oracle, ["what about Mill Guesthouse?"], {"inn": {}}) == oracle[0]
    assert best_entity(oracle, ["mill guest hous it is"], {"inn": {}}) == oracle[0]
    assert best_entity(oracle, ["an inn, rosas rest house"], {"inn": {}}) == oracle[1]
    assert best_entity(oracle, ["mill guest house, or rather rosa's rest: rosas rest"], {"inn": {}}) == oracle[1]
    assert best_entity(oracle, ["anything"], {"inn": {}}) is None
    assert best_entity(oracle, ["mill guest house"], {"inn": {"name": "rosas"}}) is None
    assert best_entity(oracle[:1], ["hello"], {"inn": {"name": "mill"}}) == oracle[0]
    assert best_entity([], ["hello"], {}) is None


def test_turns_are_labelled_with_near_negatives() -> None:
    moved, _ = rebalance(store(), dialogues(), 1)
    for other in (None, moved):
        told = label(store(), dialogues(), other, smallest=5)
        assert [(one.dialogue, one.turn) for one in told] == [("0", 0), ("0", 1), ("1", 0), ("1", 1), ("2", 0)]
        for one in told:
            assert set(one.positives) <= set(one.oracle)
            assert not set(one.positives) & set(one.negatives)
            assert len({*one.positives, *one.negatives}) >= 5
        assert told[3].best == ("inn", "otter and oak")
        assert told[3].history[-1] == "What is the phone?"
        assert told[3].history[1] == "Otter & Oak is dear. Shall I book?"


def test_entities_whose_notes_mention_a_wanted_value_are_negatives() -> None:
    one = label(store(), [Dialogue("a", (Turn("north", "here", {"inn": {"area": "north"}}),))], smallest=0)[0]
    assert one.oracle == (("inn", "the heron"), ("inn", "otter and oak"))
    assert ("inn", "night barge") in one.negatives


def test_an_oracle_may_be_empty() -> None:
    (one,) = label(store(), [Dialogue("a", (Turn("west", "none", {"inn": {"area": "west"}}),))], smallest=3)
    assert (one.oracle, one.best, one.positives, len(one.negatives)) == ((), None, (), 3)


def test_dialogues_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    write_dialogues(dialogues(), tmp_path / "said.jsonl")
    assert read_dialogues(tmp_path / "said.jsonl") == dialogues()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no dialogues"),
        ('{"id": 1}', "line 1 has no turns"),
        ('{"turns": [{"system": "hello"}]}', "without the text of its user"),
        ('{"turns": [{"user": "hello", "belief": {"inn": 3}}]}', "a belief that isn't"),
    ],
)
def test_a_broken_dialogue_is_named_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "said.jsonl").write_text(text)
    with pytest.raises(SourceError, match=words):
        read_dialogues(tmp_path / "said.jsonl")


def test_the_last_turns_end_with_the_user() -> None:
    assert last_turns(("u1", "r1", "u2", "r2", "u3"), 2) == ("u2", "r2", "u3")
    assert last_turns(("u1",), 5) == ("u1",)
    assert last_turns((), 5) == ()
    assert last_turns(("u1",), 0) == ()


def test_the_papers_own_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "inn.json").write_text('[{"name": "A", "area": "north", "id": "1", "location": [1, 2]}]')
    (tmp_path / "faqs.json").write_text(
        '{"inn": {"0": {"name": "A", "docs": {"0": {"title": "t", "body": "b"}}}},'
        ' "taxi": {"*": {"name": null, "docs": {}}}}'
    )
    made = read_multiwoz({"inn": tmp_path / "inn.json"}, tmp_path / "faqs.json")
    assert made.averages() == {"inn": (2.0, 1.0)}
    (tmp_path / "said.txt").write_text(
        "======== dialogue 1 ========\nU:In the north\nGT:There is A: it's north.\nGTD:There is [name]\n"
        "GBF:inn {area = north, name = b, c, price range = cheap} cafe {}\nGDB:inn 1 match\nR:no\nU:Bye\nGT:Bye\nGBF:\n"
    )
    (read,) = read_seknow(tmp_path / "said.txt")
    belief = {"inn": {"area": "north", "name": "b, c", "price range": "cheap"}, "cafe": {}}
    assert read.turns == (Turn("In the north", "There is A: it's north.", belief), Turn("Bye", "Bye"))
    (tmp_path / "none.txt").write_text("hello")
    for fails in (lambda: read_seknow(tmp_path / "none.txt"), lambda: read_multiwoz({"inn": tmp_path / "faqs.json"})):
        with pytest.raises(SourceError):
            fails()
