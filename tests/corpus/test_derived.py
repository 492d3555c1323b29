"""What is made of a corpus stays with it, line by line, and goes with its documents."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pansophy import Corpus
from pansophy.corpus.derived import Derived, folder_of, forget
from pansophy.errors import StoreError

WAY = {"model": "m", "most": 3}


def test_records_are_there_again_in_another_process(tmp_path: Path) -> None:
    Derived(str(tmp_path), "atoms", WAY).add("k", "d", questions=["Who?"])
    assert Derived(str(tmp_path), "atoms", WAY).records == {"k": {"key": "k", "document": "d", "questions": ["Who?"]}}


def test_other_ways_are_kept_side_by_side_each_with_a_manifest(tmp_path: Path) -> None:
    one, other = Derived(str(tmp_path), "atoms", WAY), Derived(str(tmp_path), "atoms", {**WAY, "model": "n"})
    one.add("k", "d")
    assert not other.records
    assert json.loads(one.manifest.read_text("utf-8")) == {"kind": "atoms", "format": 1, **WAY}
    assert one.manifest != other.manifest


def test_what_a_killed_process_left_of_a_line_is_cut_off(tmp_path: Path) -> None:
    kept = Derived(str(tmp_path), "atoms", WAY)
    kept.add("k", "d")
    with kept.path.open("ab") as file:
        file.write(b'{"key": "l", "docu')
    again = Derived(str(tmp_path), "atoms", WAY)
    again.add("m", "d")
    assert list(Derived(str(tmp_path), "atoms", WAY).records) == ["k", "m"]


@pytest.mark.parametrize("line", ["{", "[1]", '{"key": "k"}'])
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    kept = Derived(str(tmp_path), "atoms", WAY)
    kept.path.write_text(line + "\n", "utf-8")
    with pytest.raises(StoreError, match="delete it, and it is made again"):
        Derived(str(tmp_path), "atoms", WAY)


def test_texts_that_are_gone_are_dropped(tmp_path: Path) -> None:
    kept = Derived(str(tmp_path), "atoms", WAY)
    for key in "abc":
        kept.add(key, "d")
    kept.keep({"a", "c", "x"})
    assert list(Derived(str(tmp_path), "atoms", WAY).records) == ["a", "c"]


def test_a_document_is_forgotten_and_so_is_what_nobody_knows_the_document_of(tmp_path: Path) -> None:
    kept = Derived(str(tmp_path), "atoms", WAY)
    for key, document in (("a", "one"), ("b", "two"), ("c", "")):
        kept.add(key, document)
    forget(str(tmp_path), ["one"])
    assert list(Derived(str(tmp_path), "atoms", WAY).records) == ["b"]
    assert b"one" not in kept.path.read_bytes()


def test_a_removed_document_takes_its_records_along_and_a_deleted_corpus_all(tmp_path: Path) -> None:
    corpus = Corpus.create("town", uri=str(tmp_path))
    corpus.add_documents(Corpus.from_texts({"a": "Ada lives here.", "b": "Bo lives there."}).document(n) for n in "ab")
    kept = Derived(corpus.location, "atoms", WAY)
    kept.add("k", "a", questions=["Where does Ada live?"])
    kept.add("l", "b")
    corpus.remove(["a"])
    assert list(Derived(corpus.location, "atoms", WAY).records) == ["l"]
    corpus.delete()
    assert not kept.path.exists()


def test_a_corpus_in_an_object_store_has_its_records_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANSOPHY_HOME", str(tmp_path))
    assert folder_of("s3://bucket/town").is_relative_to(tmp_path)
    assert folder_of("s3://bucket/town") != folder_of("s3://bucket/city")


@given(st.lists(st.tuples(st.text(max_size=5), st.text(min_size=1, max_size=5), st.text()), max_size=8))
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, added: list[tuple[str, str, str]]) -> None:
    folder = str(tmp_path_factory.mktemp("derived"))
    kept = Derived(folder, "atoms", WAY)
    for key, document, text in added:
        kept.add(key, document, text=text)
    assert Derived(folder, "atoms", WAY).records == kept.records
