"""A change happens whole or not at all, whoever dies, waits or runs out of space; what is removed is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import filelock
import pytest

from pansophy.corpus import Corpus, adding, store
from pansophy.corpus import corpus as corpus_module
from pansophy.errors import CorpusError, StoreError
from pansophy.types import Document


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


def document(name, text):
    return Document(id=name, title=name, text=text, source="", sha256="")


def filled(home, **texts):
    corpus = Corpus.create("c", home=home, chunk_tokens=40)
    corpus.add_documents(document(name, text) for name, text in (texts or {"old": "The lamp is lit."}).items())
    return corpus


def bytes_of(corpus):
    return b"".join(path.read_bytes() for path in corpus._store.folder.rglob("*") if path.is_file())


# ---- removing ----


def test_a_removed_document_leaves_no_trace_in_the_files(home):
    secret = "Xylograph" * 5 + " is the word that must go. "
    corpus = filled(home, keep="The lamp is lit.", go=secret * 50, other="Oil and wicks.")
    assert b"ylograph" in bytes_of(corpus)  # else the test below would prove nothing
    assert corpus.remove(["go"]) == 1
    for trace in (b"ylograph", b"xylograph", b"must go"):
        assert trace not in bytes_of(corpus)
    assert corpus.search("Xylograph word", 5) == []
    assert [info.id for info in corpus.documents()] == ["keep", "other"]
    assert [chunk.document for chunk in corpus.chunks()] == ["keep", "other"]
    assert [hit.chunk.document for hit in corpus.search("lamp", 5)] == ["keep"]


def test_the_last_document_can_be_removed_and_others_added(home):
    corpus = filled(home)
    corpus.remove(["old"])
    assert (corpus.chunk_count, corpus.search("lamp", 5)) == (0, [])
    corpus.add_documents([document("new", "Another lamp.")])
    assert corpus.search("lamp", 5)[0].chunk.document == "new"


def test_an_unknown_id_removes_nothing(home):
    corpus = filled(home)
    with pytest.raises(CorpusError, match="'sea'"):
        corpus.remove(["old", "sea"])
    assert [info.id for info in corpus.documents()] == ["old"]


# ---- dying in the middle ----

KILLED_WRITER = """
import os, signal, sys
from pathlib import Path
from pansophy.corpus import Corpus, adding, store
from pansophy.types import Document
home, stage = Path(sys.argv[1]), sys.argv[2]
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
if stage == "streaming":
    def documents():
        for number in range(2000):
            yield Document(f"d{number}", "", "storm " * 200, "", "")
            if number == 1500:
                die()
else:
    def documents():
        yield Document("new", "", "The storm broke the lamp.", "", "")
        yield Document("old", "", "Another old text of the storm.", "", "")
    if stage == "indexing":
        adding.refresh_index = die
    elif stage == "committing":
        store._settle = die
    elif stage == "cleaning":
        store._clean = die
Corpus.open("c", home=home).add_documents(documents())
"""


@pytest.mark.parametrize("stage", ["streaming", "indexing", "committing", "cleaning"])
def test_a_writer_killed_at_any_moment_leaves_the_old_corpus_or_the_new(home, stage):
    corpus = filled(home)
    killed = subprocess.run([sys.executable, "-c", KILLED_WRITER, str(home), stage], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    for reader in (corpus, Corpus.open("c", home=home)):
        texts = {info.id: reader.document(info.id).text for info in reader.documents()}
        if stage == "cleaning" and reader is not corpus:  # the commit was made: all that is missing is the cleaning
            assert texts == {"new": "The storm broke the lamp.", "old": "Another old text of the storm."}
        else:
            assert texts == {"old": "The lamp is lit."}
            assert reader.search("storm", 5) == []
        assert [hit.chunk.document for hit in reader.search("lamp", 5)][:1] in (["old"], ["new"])
    corpus.add_documents([document("next", "A third lamp.")])
    assert corpus._store.chunks().count_rows() == corpus.chunk_count
    assert "next" in {hit.chunk.document for hit in corpus.search("lamp", 5)}


def test_a_corpus_whose_making_was_killed_can_be_made_again(home, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(store, "_document_table", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            Corpus.create("c", home=home)
    with pytest.raises(CorpusError, match="no corpus"):
        Corpus.open("c", home=home)
    assert filled(home).chunk_count == 1


def test_an_interrupted_add_leaves_the_old_corpus(home):
    corpus = filled(home)

    def documents():
        yield document("new", "storm " * 50_000)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        corpus.add_documents(documents())
    corpus.refresh()
    assert [info.id for info in corpus.documents()] == ["old"]
    assert corpus.add_documents([document("new", "calm")]).added == ("new",)
    assert corpus.search("storm", 5) == []


# ---- two at once ----


def test_a_second_writer_waits_and_then_says_who_is_in_the_way(home, monkeypatch):
    corpus = filled(home)
    monkeypatch.setattr(corpus_module, "LOCK_SECONDS", 0.05)
    with (
        filelock.FileLock(corpus._store.folder / store.LOCK_FILE),
        pytest.raises(CorpusError, match="being changed by another process"),
    ):
        corpus.add_documents([document("new", "text")])
    assert corpus.add_documents([document("new", "text")]).documents == 1


TWO_WRITERS = """
import sys
from pathlib import Path
from pansophy.corpus import Corpus
from pansophy.types import Document
corpus = Corpus.open("c", home=Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for number in range(4):
    corpus.add_documents([Document(f"{sys.argv[2]}{number}", "", f"The lamp of {sys.argv[2]}.", "", "")])
"""


def test_two_processes_that_add_at_once_lose_nothing(home):
    filled(home)
    command = [sys.executable, "-c", TWO_WRITERS, str(home)]
    writers = [
        subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for name in "ab"
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    corpus = Corpus.open("c", home=home)
    names = {info.id for info in corpus.documents()}
    assert names == {"old", *(f"{name}{number}" for name in "ab" for number in range(4))}
    assert {hit.chunk.document for hit in corpus.search("lamp", 20)} == names


def test_a_reader_keeps_its_view_while_another_adds(home):
    filled(home)
    reader, writer = Corpus.open("c", home=home), Corpus.open("c", home=home)
    writer.add_documents([document("new", "A second lamp."), document("old", "The lamp is out.")])
    assert [chunk.text for chunk in reader.chunks()] == ["The lamp is lit."]
    assert [hit.chunk.document for hit in reader.search("lamp", 5)] == ["old"]
    reader.refresh()
    assert {chunk.text for chunk in reader.chunks()} == {"A second lamp.", "The lamp is out."}


def test_a_reader_of_what_another_removed_is_told(home):
    filled(home, a="The lamp is lit.", b="Of oil.")
    reader, writer = Corpus.open("c", home=home), Corpus.open("c", home=home)
    writer.remove(["a"])
    with pytest.raises((CorpusError, StoreError), match=r"(?i)open it again|can't be used"):
        list(reader.chunks())
    reader.refresh()
    assert [chunk.document for chunk in reader.chunks()] == ["b"]


# ---- disk ----


def test_a_full_disk_is_said_and_leaves_the_old_corpus(home, monkeypatch):
    corpus = filled(home)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(adding, "refresh_index", full)
        with pytest.raises(StoreError, match="No space is left"):
            corpus.add_documents([document("new", "storm")])
    corpus.refresh()
    assert [info.id for info in corpus.documents()] == ["old"]


def test_a_really_full_disk_is_recognised(tmp_path):
    script = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from pansophy.corpus import Corpus\n"
        "from pansophy.errors import StoreError\n"
        "from pansophy.types import Document\n"
        "corpus = Corpus.create('c', home=Path(sys.argv[1]))\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))\n"
        "text = ' '.join(str(n * 7919 % 100_003) for n in range(60_000))\n"
        "try:\n    corpus.add_documents([Document('a', '', text, '', '')])\n"
        "except StoreError as error:\n    print(error)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "corpus.refresh()\nprint(len(corpus), corpus.add_documents([Document('a', '', text, '', '')]).documents)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    said, counts = done.stdout.splitlines()
    assert "can't be used" in said or "can't be written" in said
    assert counts == "0 1"


def test_a_home_that_is_a_file_is_said(tmp_path):
    (tmp_path / "home").write_text("not a folder")
    with pytest.raises(StoreError, match="home"):
        Corpus.create("c", home=tmp_path / "home")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_home_is_said(tmp_path):
    (tmp_path / "home").mkdir(mode=0o500)
    with pytest.raises(StoreError, match="PANSOPHY_HOME"):
        Corpus.create("c", home=tmp_path / "home")


def test_a_corpus_of_another_format_is_refused(home, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(store, "FORMAT", 99)
        patch.setattr(store.State.__init__, "__defaults__", (1, 0, False, False, None, 0, 99))
        Corpus.create("c", home=home)
    with pytest.raises(CorpusError, match="format 99"):
        Corpus.open("c", home=home)


def test_many_small_additions_keep_the_store_small_and_searchable(home):
    corpus = filled(home)
    for number in range(12):
        corpus.add_documents([document(f"d{number}", f"Entry {number} about the lamp of station{number}.")])
    assert corpus.search("station7", 1)[0].chunk.document == "d7"
    assert len(corpus.search("lamp", 50)) == 13
    begun = time.perf_counter()
    corpus.search("lamp", 5)
    assert time.perf_counter() - begun < 2
