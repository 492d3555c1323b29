"""Corpora that are kept open, and files that are added under names of their own."""

from __future__ import annotations

import pytest

from pansophy import Corpus
from pansophy.corpus import Shelf
from pansophy.errors import SourceError, UnknownCorpus


@pytest.fixture
def shelf(tmp_path) -> Shelf:
    return Shelf(tmp_path, most_open=2)


def write(folder, name: str, text: str):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_corpus_is_kept_open_until_somebody_changes_it(shelf, tmp_path):
    corpus = Corpus.create("letters", home=tmp_path)
    opened = shelf.open("letters")
    assert shelf.open("letters") is opened
    corpus.add_files({"a.txt": write(tmp_path, "0", "one")})
    assert [info.id for info in shelf.open("letters").documents()] == ["a.txt"]
    assert shelf.info("letters").documents == 1
    corpus.delete()
    assert shelf.infos() == []


def test_a_corpus_that_there_is_not_is_refused_without_naming_those_there_are(shelf, tmp_path):
    Corpus.create("secret", home=tmp_path)
    for open_it in (shelf.open, shelf.take, shelf.info):
        with pytest.raises(UnknownCorpus, match=r"^There is no corpus named 'letters'\.$"):
            open_it("letters")


def test_no_more_corpora_are_kept_open_than_allowed(shelf, tmp_path):
    for name in ("a", "b", "c"):
        Corpus.create(name, home=tmp_path)
    first = shelf.open("a")
    assert [info.name for info in shelf.infos()] == ["a", "b", "c"]
    assert shelf.open("a") is not first


def test_files_are_known_by_the_names_that_they_are_given(tmp_path):
    corpus = Corpus.create("letters", home=tmp_path)
    one, other = write(tmp_path, "0", "# Storm\n\nThe lamp went out."), write(tmp_path, "1", "All was well.")
    corpus.add_files({"1887/march.md": one, "1887/april.txt": other})
    one.unlink()
    titles = {info.id: info.title for info in corpus.documents()}
    assert titles == {"1887/march.md": "Storm", "1887/april.txt": "april"}
    assert corpus.stale() == []
    report = corpus.add_files({"1887/april.txt": write(tmp_path, "7", "All was lost.")})
    assert report.added == ("1887/april.txt",)
    assert corpus.document("1887/april.txt").text == "All was lost."


def test_a_file_is_called_by_its_name_when_it_can_not_be_read(tmp_path):
    corpus = Corpus.create("letters", home=tmp_path)
    with pytest.raises(SourceError, match=r"Nothing could be read: march.txt is empty") as caught:
        corpus.add_files({"march.txt": write(tmp_path, "0", "")})
    assert str(tmp_path) not in str(caught.value)
