"""`pansophy corpus` as a user types it."""

from __future__ import annotations

import io
import json
import sys

import pytest

from pansophy.cli.main import main
from pansophy.corpus import Corpus


@pytest.fixture
def pansophy(tmp_path, monkeypatch, capsys):
    """Runs a command line; gives its exit code and what it printed."""
    monkeypatch.setenv("PANSOPHY_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    def run(*words):
        with pytest.raises(SystemExit) as stop:
            main(["corpus", *words])
        out, err = capsys.readouterr()
        return stop.value.code, out, err

    return run


@pytest.fixture
def notes(tmp_path):
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "lamp.md").write_text("# The Lamp\n\nAnna lit it in March. [sic]")
    (folder / "boat.txt").write_text("The Petrel sank.")
    return folder


def test_texts_are_added_listed_shown_and_searched(pansophy, notes):
    code, out, err = pansophy("add", "log", "notes")
    assert (code, err) == (0, "")
    assert out.startswith("log: 2 added (")
    assert "2 unchanged" in pansophy("add", "log", "notes")[1]
    assert "log" in pansophy("list")[1]
    code, out, _ = pansophy("show", "log")
    assert code == 0
    assert all(part in out for part in ("lamp.md", "The Lamp", "boat.txt", "2 documents, 2 chunks"))
    code, out, _ = pansophy("search", "log", "who lit the lamp?", "-n", "1")
    assert "lamp.md 0-" in out
    assert "Anna lit it in March. [sic]" in out


def test_json_can_be_piped(pansophy, notes):
    pansophy("add", "log", "notes")
    assert json.loads(pansophy("list", "--json")[1])[0]["documents"] == 2
    shown = json.loads(pansophy("show", "log", "--json")[1])
    assert [item["id"] for item in shown["list"]] == ["boat.txt", "lamp.md"]
    assert shown["fingerprint"] == Corpus.open("log").fingerprint
    [hit] = json.loads(pansophy("search", "log", "Petrel", "--json")[1])
    assert (hit["document"], hit["text"], hit["start"], hit["end"]) == ("boat.txt", "The Petrel sank.", 0, 16)
    assert json.loads(pansophy("search", "log", "xylophone", "--json")[1]) == []


def test_changed_documents_are_pointed_out(pansophy, notes):
    pansophy("add", "log", "notes")
    (notes / "boat.txt").write_text("The Petrel was saved.")
    _, out, err = pansophy("show", "log")
    assert "changed" in out
    assert "1 changed or vanished" in err


def test_what_could_not_be_read_is_said_and_the_rest_added(pansophy, notes):
    (notes / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    code, out, err = pansophy("add", "log", "notes")
    assert code == 0
    assert "2 added, 1 could not be read" in out
    assert "broken.pdf can't be read as PDF" in err


def test_a_corpus_that_got_nothing_is_not_left_behind(pansophy):
    code, out, err = pansophy("add", "log", "gone.txt")
    assert (code, out) == (1, "")
    assert err == "pansophy: Nothing could be read: gone.txt does not exist.\n"
    assert json.loads(pansophy("list", "--json")[1]) == []


def test_standard_input_is_added(pansophy, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"Of oil and wicks.")))
    assert pansophy("add", "log", "-")[0] == 0
    assert Corpus.open("log").document("stdin").text == "Of oil and wicks."


def test_documents_are_removed_and_the_corpus_deleted(pansophy, notes, tmp_path, monkeypatch):
    pansophy("add", "log", "notes")
    assert pansophy("remove", "log", "boat.txt")[1] == "Removed 1 document.\n"
    assert pansophy("remove", "log", "boat.txt")[0] == 1
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    assert pansophy("delete", "log")[0] != 0
    assert (tmp_path / "home" / "corpora" / "log").exists()
    assert pansophy("delete", "log", "--yes")[0] == 0
    assert not (tmp_path / "home" / "corpora" / "log").exists()


def test_an_unknown_corpus_is_one_line(pansophy):
    code, _, err = pansophy("show", "papers")
    assert code == 1
    assert err.startswith("pansophy: There is no corpus named 'papers'.")
    assert err.count("\n") == 1


def test_another_place_can_be_named(pansophy, notes, tmp_path):
    assert pansophy("add", "log", "notes", "--uri", str(tmp_path / "else"))[0] == 0
    assert "2 documents" in pansophy("show", "log", "--uri", str(tmp_path / "else"))[1]
    assert pansophy("show", "log")[0] == 1
