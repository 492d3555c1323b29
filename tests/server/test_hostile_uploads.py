"""Uploads that are broken, or made to do harm, do none; and what is sound beside them is read."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import httpx
import pytest
from openpyxl import Workbook
from tests.corpus import formats
from tests.server import hostile
from tests.server.conftest import at, served, service

from pansophy.corpus import IsolatedReader
from pansophy.errors import SourceError, UsageError
from pansophy.server.uploads import document_name

SOUND = "The sound file says that Ida keeps the lamp."


@pytest.fixture(scope="module")
def leak(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("private") / "private.txt"
    path.write_text(hostile.LEAK)
    return path


def outside(home: Path) -> set[str]:
    """All files near the service's home that don't belong to it."""
    return {str(path) for path in home.parent.rglob("*") if home not in path.parents and path.is_file()}


async def test_no_broken_or_malicious_file_brings_the_service_down_or_gets_more_than_a_refusal(home, leak):
    files = hostile.everything(str(leak))
    assert len(files) >= 200
    before, app = outside(home), service()
    async with app.router.lifespan_context(app), at(app) as client:
        await client.post("/api/v1/corpora", json={"name": "mixed"})
        uploads = [("files", (name, data)) for name, data in [*files.items(), ("sound.txt", SOUND.encode())]]
        added = await client.post("/api/v1/corpora/mixed/documents", files=uploads, timeout=300)
        assert added.status_code == 201, added.text[:1000]
        report = added.json()
        failed = {item["name"]: item["reason"] for item in report["failed"]}
        listed = (await client.get("/api/v1/corpora/mixed/documents")).json()["documents"]
        texts = {}
        for document in listed:
            told = await client.get("/api/v1/corpora/mixed/text", params={"document": document["id"]})
            assert told.headers["Content-Type"] == "application/json"
            texts[document["id"]] = told.json()["text"]
        found = await client.get("/api/v1/corpora/mixed/search", params={"query": "Who keeps the lamp?"})
    assert texts["sound.txt"] == SOUND
    assert any(hit["document"] == "sound.txt" for hit in found.json()["hits"])
    read = {name.partition(":")[0] for name in texts}
    assert files.keys() <= read | failed.keys()
    for kind in ("bomb", "liar", "overlapping", "many-entries", "method-12", "method-14"):
        for ending in hostile.ZIPPED:
            assert "refused" in failed[f"{kind}.{ending}"] or "damaged" in failed[f"{kind}.{ending}"]
    for name in ("empty.docx", "noise.pdf", "a.exe", "a-elf.txt", "a.png", "old.doc", "white.txt", "nul.txt"):
        assert name in failed
    assert hostile.LEAK not in "".join(texts.values())
    assert "<script>" not in texts["script.html"]
    assert not any("pansophy-upload-" in reason or str(home) in reason for reason in failed.values())
    assert outside(home) == before


@pytest.mark.parametrize("name", hostile.NAMES)
def test_no_name_leads_out_of_its_corpus(name):
    with pytest.raises(UsageError, match="name"):
        document_name(name)


@pytest.mark.parametrize(
    "name", ["a.txt", "letters/march 1887.txt", "./a.txt", "日記/一.md", "a..b.txt", ".hidden/x.txt"]
)
def test_an_honest_name_is_kept(name):
    assert document_name(name) == name.removeprefix("./")


async def test_names_that_lead_elsewhere_are_refused_one_by_one(home):
    before = outside(home)
    async with at(service()) as client:
        await client.post("/api/v1/corpora", json={"name": "mixed"})
        names = ["../up.txt", "/etc/up.txt", "..\\up.txt", "sound.txt", "sound.txt"]
        uploads = [("files", (name, SOUND.encode())) for name in names]
        report = (await client.post("/api/v1/corpora/mixed/documents", files=uploads)).json()
        assert report["added"] == ["sound.txt"]
        assert [item["name"] for item in report["failed"]] == names[:3] + names[-1:]
        alone = await client.post("/api/v1/corpora/mixed/documents", files=uploads[:2])
        assert (alone.status_code, alone.json()["error"]["code"]) == (422, "unreadable_source")
    assert outside(home) == before


@pytest.mark.parametrize("corpus", ["%2e%2e%2fx", "%2e%2e", "a%2fb", ".sources", "%00", "a" * 101, "con\n"])
async def test_no_corpus_name_becomes_a_path(home, corpus):
    async with at(service()) as client:
        assert (await client.post("/api/v1/corpora", json={"name": corpus})).status_code == 422
        assert (await client.get(f"/api/v1/corpora/{corpus.strip()}/documents")).status_code in (404, 422)
        assert (await client.get(f"/v1/models/pansophy/{corpus.strip()}")).status_code == 404
    assert not (home / "corpora").exists() or list((home / "corpora").iterdir()) == []


async def test_a_file_that_takes_too_long_is_given_up_and_the_next_one_is_read(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(formats.docx())
    hasty, patient = IsolatedReader(seconds=0.0), IsolatedReader()
    with pytest.raises(SourceError, match="more time or memory"):
        next(hasty.read(path, "a.docx"))
    assert "".join(next(patient.read(path, "a.docx")).pieces) == formats.SENTENCE
    hasty.close()
    patient.close()


def test_a_file_that_takes_too_much_memory_is_given_up(tmp_path):
    book, data = Workbook(), io.BytesIO()
    book.active["A1"], book.active["XFD1048576"] = "first", "last"  # seventeen thousand million cells between them
    book.save(data)
    path = tmp_path / "file"
    path.write_bytes(data.getvalue())
    assert len(data.getvalue()) < 10_000
    reader = IsolatedReader(megabytes=600)
    with pytest.raises(SourceError):
        next(reader.read(path, "sheet.xlsx"))
    reader.close()


async def test_addresses_in_requests_are_never_fetched():
    async with at(service()) as client:
        await client.post("/api/v1/corpora", json={"name": "mixed"})
        link = [("files", ("link.txt", b"http://127.0.0.1:9/secret"))]
        await client.post("/api/v1/corpora/mixed/documents", files=link)
        text = await client.get("/api/v1/corpora/mixed/text", params={"document": "link.txt"})
        assert text.json()["text"] == "http://127.0.0.1:9/secret"
        part = {"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/x.png"}}
        chat = {"model": "pansophy", "messages": [{"role": "user", "content": [part]}]}
        assert (await client.post("/v1/chat/completions", json=chat)).status_code == 400


async def test_huge_headers_and_odd_methods_are_refused():
    with served(service()) as url:
        async with httpx.AsyncClient(timeout=30) as client:
            with contextlib.suppress(httpx.TransportError):  # refused before all of it was sent
                assert (await client.get(url, headers={"X-Huge": "x" * 200_000})).status_code in (400, 431)
            assert (await client.request("BREW", f"{url}/v1/models")).status_code == 405
            assert (await client.get(f"{url}/v1/models")).status_code == 200
