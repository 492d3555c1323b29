"""What a user names is found, read once, kept in step with its source; what can't be read is said."""

from __future__ import annotations

import io
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import formats
import pytest

from pansophy.corpus import Corpus
from pansophy.corpus import readers as readers_module
from pansophy.errors import SourceError, UsageError


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def shelf(tmp_path):
    """A folder with texts, and with all that should be passed over."""
    root = tmp_path / "shelf"
    for name in ("log2.txt", "log10.txt", "sub/oil.md", "sub/deep/wicks.rst"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"What {name} says of the lamp.")
    for name in (".git/config", ".hidden", "node_modules/x/readme.md", "__pycache__/a.txt", "lamp.png", "~$open.docx"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("not to be read")
    (root / "empty.txt").write_text("")
    return root


def ids(corpus):
    return [info.id for info in corpus.documents()]


def add(home, *sources, **options):
    corpus = Corpus.create("c", home=home)
    return corpus, corpus.add([str(source) for source in sources], **options)


def test_a_folder_is_read_deeply_in_natural_order(home, shelf):
    corpus, report = add(home, shelf)
    assert ids(corpus) == ["log2.txt", "log10.txt", "sub/oil.md", "sub/deep/wicks.rst"]
    assert report.failed == ()
    assert (report.documents, report.chunks, report.characters) == (4, 4, corpus.character_count)
    assert corpus.document("sub/oil.md").source == str(shelf / "sub" / "oil.md")


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.txt", ["log2.txt", "log10.txt"]),
        ("**/*.md", ["sub/oil.md"]),
        ("log?.txt", ["log2.txt"]),
        ("s*", ["oil.md", "deep/wicks.rst"]),
    ],
)
def test_a_glob_is_expanded(home, shelf, pattern, found):
    (shelf / "empty.txt").unlink()
    corpus, _ = add(home, shelf / pattern)
    assert ids(corpus) == found


def test_sources_come_in_the_order_given_and_only_once(home, shelf):
    corpus, report = add(home, shelf / "sub" / "oil.md", shelf / "log2.txt", shelf / "sub", shelf / "log2.txt")
    assert ids(corpus) == ["oil.md", "log2.txt", "deep/wicks.rst"]
    assert report.documents == 3


def test_equal_names_are_told_apart_by_their_folders(home, tmp_path):
    for folder in ("a/x", "b/x", "c"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "notes.txt").write_text(f"of {folder}")
    corpus, _ = add(home, *(tmp_path / folder / "notes.txt" for folder in ("a/x", "b/x", "c")))
    assert ids(corpus) == ["notes.txt", "x/notes.txt", "c/notes.txt"]
    assert corpus.document("x/notes.txt").text == "of b/x"


def test_unchanged_files_are_skipped_and_changed_ones_replaced(home, shelf):
    corpus, _ = add(home, shelf)
    report = corpus.add([shelf])
    assert (report.documents, len(report.unchanged)) == (0, 4)
    (shelf / "log2.txt").write_text("The lamp went out.")
    os.utime(shelf / "log10.txt", ns=(1, 1))  # touched, but the same
    assert corpus.stale() == ["log2.txt"]
    report = corpus.add([shelf])
    assert (report.added, len(report.unchanged)) == (("log2.txt",), 3)
    assert corpus.document("log2.txt").text == "The lamp went out."
    assert ids(corpus)[0] == "log2.txt"
    assert corpus.stale() == []
    assert [hit.chunk.text for hit in corpus.search("log2", 9)] == ["The lamp went out."]  # found by its title alone


def test_a_file_that_can_no_longer_be_read_keeps_its_old_text(home, shelf):
    corpus, _ = add(home, shelf)
    (shelf / "log2.txt").write_bytes(b"\x00\x01")
    report = corpus.add([shelf])
    assert [failure.source for failure in report.failed] == [str(shelf / "log2.txt")]
    assert corpus.document("log2.txt").text == "What log2.txt says of the lamp."


def test_vanished_sources_are_stale(home, shelf):
    corpus, _ = add(home, shelf)
    (shelf / "sub" / "oil.md").unlink()
    assert corpus.stale() == ["sub/oil.md"]


def test_one_unreadable_file_does_not_stop_the_others(home, shelf):
    (shelf / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    (shelf / "program").write_bytes(bytes(range(256)))
    corpus, report = add(home, shelf, shelf / "gone.txt")
    assert len(ids(corpus)) == 4
    reasons = " ".join(failure.reason for failure in report.failed)
    assert len(report.failed) == 3
    assert all(part in reasons for part in ("broken.pdf", "program is a binary file", "gone.txt does not exist"))


def test_a_file_that_breaks_in_the_middle_leaves_no_trace(home, tmp_path, monkeypatch):
    (tmp_path / "good.txt").write_text("The lamp was lit.")
    (tmp_path / "bad.txt").write_text("The storm came.")
    real = readers_module.read_file

    def read_file(path):
        for draft in real(path):
            if path.name == "bad.txt":
                draft.pieces = breaking(draft.pieces)
            yield draft

    def breaking(pieces):
        yield from pieces
        yield "More of it. " * 200_000
        raise SourceError("bad.txt broke off.")

    monkeypatch.setattr("pansophy.corpus.sources.read_file", read_file)
    corpus, report = add(home, tmp_path / "bad.txt", tmp_path / "good.txt")
    assert [failure.reason for failure in report.failed] == ["bad.txt broke off."]
    assert corpus.chunk_count == 1
    assert corpus.search("storm more", 5) == []
    assert corpus._store.chunks().count_rows() == 1


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("gone.txt", r"gone\.txt does not exist"),
        ("*.nothing", "no file matches"),
        ("hollow", "holds nothing that can be read"),
        ("empty.txt", "empty"),
        ("https://example.org/x", "--allow-urls"),
    ],
)
def test_when_nothing_can_be_read_the_reason_is_said_and_nothing_changes(home, tmp_path, monkeypatch, source, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hollow").mkdir()
    (tmp_path / "empty.txt").touch()
    corpus = Corpus.create("c", home=home)
    before = corpus.fingerprint
    with pytest.raises(SourceError, match=said):
        corpus.add([source])
    assert corpus.fingerprint == before
    with pytest.raises(SourceError, match=said):
        Corpus.from_sources([source], home=home)


def test_no_source_at_all_is_a_usage_error(home):
    with pytest.raises(UsageError, match="No source"):
        Corpus.from_sources([], home=home)
    with pytest.raises(UsageError, match="No source"):
        Corpus.create("c", home=home).add([])


def test_standard_input_is_a_source(home, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("Of oil, by hand. é".encode())))
    corpus, _ = add(home, "-")
    assert [corpus.document(name).text for name in ids(corpus)] == ["Of oil, by hand. é"]
    assert ids(corpus) == ["stdin"]
    assert corpus.stale() == []


def test_a_pdf_may_come_through_standard_input(home, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(formats.pdf())))
    corpus, _ = add(home, "-")
    assert formats.SENTENCE in corpus.document("stdin").text


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_read_once(home, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("Of oil, through a pipe.",))
    writer.start()
    corpus, _ = add(home, pipe)
    writer.join()
    assert corpus.document("pipe").text == "Of oil, through a pipe."


def test_the_language_reference_of_python_is_a_source(home):
    corpus, report = add(home, "python-docs:")
    assert report.documents == len(ids(corpus)) > 70
    found = corpus.document("python-docs:assert")
    assert (found.title, "AssertionError" in found.text) == ("assert", True)
    assert corpus.add(["python-docs:"]).documents == 0
    assert corpus.stale() == []


def test_json_lines_become_documents_of_their_file(home, tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"text": "Of oil."}\n{"text": "Of wicks."}\n')
    corpus, _ = add(home, path)
    assert ids(corpus) == ["log.jsonl:1", "log.jsonl:2"]
    path.write_text('{"text": "Of oil."}\n')
    assert corpus.stale() == ["log.jsonl:1", "log.jsonl:2"]
    corpus.add([path])
    assert ids(corpus) == ["log.jsonl:1"]


# ---- URLs ----


@pytest.fixture
def site():
    class Pages(BaseHTTPRequestHandler):
        def do_GET(self):
            body = formats.html() if self.path == "/keeper" else b""
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_url_is_fetched_when_allowed(home, site):
    corpus, report = add(home, f"{site}/keeper", f"{site}/gone", allow_urls=True)
    assert [info.title for info in corpus.documents()] == ["The Keeper"]
    assert formats.SENTENCE in corpus.document(ids(corpus)[0]).text
    assert "404" in report.failed[0].reason


# ---- the unnamed corpus of some sources ----


def test_sources_are_kept_in_step(home, shelf):
    corpus, report = Corpus.from_sources([shelf], home=home)
    assert report.documents == 4
    first = corpus.fingerprint
    corpus, report = Corpus.from_sources([str(shelf)], home=home)
    assert (report.documents, len(report.unchanged), corpus.fingerprint) == (0, 4, first)
    (shelf / "log2.txt").unlink()
    (shelf / "log1.txt").write_text("A new page.")
    (shelf / "log10.txt").write_text("Another end.")
    corpus, report = Corpus.from_sources([shelf], home=home)
    assert ids(corpus) == ["log1.txt", "log10.txt", "sub/oil.md", "sub/deep/wicks.rst"]
    assert (report.added, report.removed) == (("log1.txt", "log10.txt"), ("log2.txt",))
    assert "What log2" not in "".join(chunk.text for chunk in corpus.chunks())
    assert corpus.fingerprint != first


def test_nothing_is_read_again_when_nothing_changed(home, shelf, monkeypatch):
    Corpus.from_sources([shelf], home=home)

    def refuse(path):
        raise AssertionError(f"{path} was opened")

    monkeypatch.setattr("pansophy.corpus.sources.file_digest", refuse)
    monkeypatch.setattr("pansophy.corpus.sources.read_file", refuse)
    _, report = Corpus.from_sources([shelf], home=home)
    assert len(report.unchanged) == 4


def test_other_sources_are_another_corpus(home, shelf):
    one, _ = Corpus.from_sources([shelf / "log2.txt"], home=home)
    two, _ = Corpus.from_sources([shelf / "log10.txt"], home=home)
    assert one.location != two.location
    assert (ids(one), ids(two)) == (["log2.txt"], ["log10.txt"])


def test_sources_that_are_all_gone_are_an_error_and_not_an_empty_corpus(home, shelf):
    path = shelf / "log2.txt"
    Corpus.from_sources([path], home=home)
    path.unlink()
    with pytest.raises(SourceError, match=r"log2\.txt does not exist"):
        Corpus.from_sources([path], home=home)


def test_progress_is_told_of_each_source(home, shelf):
    steps = []
    add(home, shelf, progress=steps.append)
    assert [(step.source, step.done, step.total) for step in steps if step.stage == "reading"] == [
        ("log2.txt", 0, 4),
        ("log10.txt", 1, 4),
        ("sub/oil.md", 2, 4),
        ("sub/deep/wicks.rst", 3, 4),
    ]
    assert (steps[-1].stage, steps[-1].done) == ("indexing", 4)
