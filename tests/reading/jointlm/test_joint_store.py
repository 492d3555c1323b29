"""Stores join tables and notes by name, and keep every kind of value."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.reading.jointlm.inns import store

from pansophy.errors import SourceError, UsageError
from pansophy.reading.jointlm import HybridStore


def test_rows_and_notes_meet_under_one_name_whatever_its_case_and_spelling() -> None:
    inns = store()
    assert len(inns) == 8
    heron, mill = inns["inn", "the heron"], inns["inn", "mill guest house"]
    assert (heron.name, len(heron.slots), len(heron.documents)) == ("The Heron", 4, 1)
    assert mill.name == "Mill Guesthouse"
    assert mill.documents[0].body == "Breakfast is served until ten."
    assert inns["inn", "otter and oak"].slots["phone"] == "5550104"


def test_an_entity_may_be_in_one_source_only() -> None:
    inns = store()
    assert inns["inn", "night barge"].slots == {}
    assert inns["cafe", "salt yard"].documents == ()
    assert inns.averages() == {"inn": (pytest.approx(21 / 5), 3 / 5), "cafe": (4.0, 0.0)}


def test_the_text_has_every_fact_behind_its_marker() -> None:
    row = {"name": "Quay", "open": ["mon", "tue"], "price": {"one": 3, "two": 5}, "dogs": True, "phone": None}
    made = HybridStore({"inn": [row]}, {"inn": {"quay": [{"title": "Is it old?", "body": "Very."}]}})
    (entity,) = made.entities
    assert entity.text() == (
        "<struct> <slot> name <val> Quay <slot> open <val> <item> mon <item> tue "
        "<slot> price <val> <key> one <part> 3 <key> two <part> 5 <slot> dogs <val> yes <unstruct> <doc> Very."
    )
    assert entity.text(titles=True).endswith("<doc> Is it old? Very.")


def test_a_store_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    row = {"name": "Quay", "open": ["mon", "tue"], "price": {"one": 3}}
    for made in (store(), HybridStore({"inn": [row]})):
        made.write(tmp_path / "store.jsonl")
        assert HybridStore.read(tmp_path / "store.jsonl").entities == made.entities


@pytest.mark.parametrize(
    ("tables", "notes", "words"),
    [
        ({"inn": [{"area": "north"}]}, {}, "row 1 of 'inn' has no 'name'"),
        ({"inn": [{"name": "A B"}, {"name": "a  b"}]}, {}, "two rows of 'inn'"),
        ({"inn": [{"name": "A", "area": object()}]}, {}, "'area' in row 1 of 'inn' must be text"),
        ({}, {"inn": {"A": [{"title": "t"}]}}, "a document of 'A' of 'inn' needs a body"),
    ],
)
def test_what_is_no_entity_is_refused(tables: dict, notes: dict, words: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(UsageError, match=words):
        HybridStore(tables, notes)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 1 is no JSON"),
        ("[]", "line 1 is no object"),
        ('{"name": "A"}', "line 1 is no entity"),
        (None, "can't be"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path: Path, line: str | None, words: str) -> None:
    path = tmp_path / "store.jsonl"
    if line is not None:
        path.write_text(line)
    with pytest.raises(SourceError, match=words):
        HybridStore.read(path)
