"""MCP at /mcp of the service: behind its keys, with its corpora, models and runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from tests.server.conftest import HOUSE, service
from tests.server.mcp_client import served
from tests.server.reader import QUESTION, SENTENCE, replying
from tests.servers import misbehaving as m

from pansophy import Corpus, Verdict
from pansophy.engine import Limits
from pansophy.reading.ask import resume
from pansophy.server import service_of
from pansophy.server.keys import new_key
from pansophy.server.mcp.resources import uri_of
from pansophy.types import ChatMessage

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
HEADERS = {"Accept": "application/json, text/event-stream"}


@pytest.fixture
def corpora(home: Path) -> None:
    houses = {f"house-{number}": HOUSE.format(number=number) for number in range(3)}
    for name, texts in {"houses": houses, "secret": {"safe": "The safe opens with the word Rumpelstiltskin."}}.items():
        made = Corpus.create(name, home=home)
        made.add_documents(Corpus.from_texts(texts).document(title) for title in texts)


@asynccontextmanager
async def client_with(address: str, key: str) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}) as http,
        Client(streamable_http_client(f"{address}/mcp", http_client=http)) as client,
    ):
        yield client


@pytest.mark.usefixtures("corpora")
async def test_a_question_is_answered_by_the_services_model_and_kept_with_its_runs() -> None:
    app = service()
    told: list[str | None] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        told.append(message)

    async with served(app) as address, Client(f"{address}/mcp") as client:
        asked = {"corpus": "houses", "question": QUESTION}
        result = await client.call_tool("ask", asked, progress_callback=hear)
        assert result.structured_content is not None
        assert result.structured_content["verdict"] == "answered"
        assert result.structured_content["citations"][0]["quote"] == SENTENCE
        (run,) = service_of(app).runs.list()
        assert (run.question, run.id) == (QUESTION, result.structured_content["run_id"])
        async with httpx.AsyncClient() as browser:
            counted = (await browser.get(f"{address}/metrics")).text
    assert any(message and "chunk" in message for message in told)
    assert 'way="mcp"' in counted


@pytest.mark.usefixtures("corpora")
async def test_a_question_is_read_as_the_service_reads_where_it_does_not_say_how() -> None:
    app = service(strategy="top_k")
    async with served(app) as address, Client(f"{address}/mcp") as client:
        for strategy in (None, "map_reduce"):
            await client.call_tool("ask", {"corpus": "houses", "question": QUESTION, "strategy": strategy})
        assert {run.strategy for run in service_of(app).runs.list()} == {"top_k", "map_reduce"}


@pytest.mark.usefixtures("corpora")
async def test_no_question_takes_more_than_the_service_allows_whichever_way_it_comes_in() -> None:
    app = service(most=Limits(max_calls=1))
    asked = {"corpus": "houses", "question": QUESTION, "limits": {"max_calls": 500}, "fresh": True}
    chat = {"model": "pansophy/houses", "messages": [{"role": "user", "content": f"Tell me: {QUESTION}"}]}
    async with served(app) as address, httpx.AsyncClient(base_url=address) as http, Client(f"{address}/mcp") as client:
        assert not (await client.call_tool("ask", asked)).is_error
        question = (await http.post("/api/v1/questions", json=asked)).json()["id"]
        await http.get(f"/api/v1/questions/{question}/events")
        await http.post("/v1/chat/completions", json=chat)
        verdicts = [(run.verdict, run.completions) for run in service_of(app).runs.list()]
    assert verdicts == [(Verdict.OUT_OF_BUDGET, 1)] * 3


@pytest.mark.usefixtures("corpora")
@pytest.mark.parametrize("way", ["mcp", "rest"])
async def test_a_run_is_gone_on_with_from_the_command_line(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "test")

    def lamp(request: m.Request) -> m.Reply:
        return m.ok(replying([ChatMessage(said["role"], said["content"]) for said in request.body["messages"]]))

    with m.MisbehavingServer(lamp) as endpoint:
        app = service(model="fake", base_url=endpoint.base_url, window=4096)
        asked = {"corpus": "houses", "question": QUESTION, "limits": {"max_calls": 1}}
        async with served(app) as address, httpx.AsyncClient(base_url=address) as http:
            if way == "mcp":
                async with Client(f"{address}/mcp") as client:
                    told = (await client.call_tool("ask", asked)).structured_content
                    assert told is not None
                    assert told["verdict"] == "out_of_budget"
            else:
                question = (await http.post("/api/v1/questions", json=asked)).json()["id"]
                await http.get(f"/api/v1/questions/{question}/events")
            (run,) = service_of(app).runs.list()
        before = len(endpoint.requests)
        answer = await resume(run.id)
        assert (answer.text, str(answer.verdict)) == ("lamp 2", "answered")
        prompts = [request.prompt for request in endpoint.requests]
        assert not set(prompts[:before]) & set(prompts[before:])


@pytest.mark.usefixtures("corpora")
async def test_a_key_for_some_corpora_sees_no_others_whatever_it_asks_for(tmp_path: Path) -> None:
    key_file = tmp_path / "keys.txt"
    some, every = new_key(key_file, "anna", corpora=["houses", "nowhere"]), new_key(key_file, "ben")
    async with served(service(key_file=key_file)) as address:
        async with client_with(address, some) as client:
            listed = await client.call_tool("list_corpora", {})
            assert listed.structured_content is not None
            assert [one["name"] for one in listed.structured_content["corpora"]] == ["houses"]
            assert all(str(one.uri).startswith("corpus://houses/") for one in (await client.list_resources()).resources)
            for tool, arguments in {
                "ask": {"question": "What opens the safe?"},
                "search": {"query": "safe"},
                "read_span": {"document": "safe", "start": 0, "end": 9},
            }.items():
                refused = await client.call_tool(tool, {"corpus": "secret", **arguments})
                missing = await client.call_tool(tool, {"corpus": "nowhere-else", **arguments})
                gone = await client.call_tool(tool, {"corpus": "nowhere", **arguments})
                assert refused.is_error
                assert str(gone.content) == str(missing.content).replace("nowhere-else", "nowhere")
                assert "no corpus named 'secret'" in str(refused.content)
                assert str(refused.content).replace("secret", "nowhere-else") == str(missing.content)
            with pytest.raises(MCPError, match="no corpus named 'secret'"):
                await client.read_resource(uri_of("secret", "safe"))
        async with client_with(address, every) as client:
            found = await client.call_tool("search", {"corpus": "secret", "query": "safe"})
            assert not found.is_error


async def test_a_session_is_no_key(tmp_path: Path) -> None:
    key_file = tmp_path / "keys.txt"
    key = new_key(key_file, "anna", corpora=["houses"])
    async with served(service(key_file=key_file)) as address, httpx.AsyncClient(headers=HEADERS) as browser:
        hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
        begin = {**PING, "method": "initialize", "params": hello}
        refused = await browser.post(f"{address}/mcp", json=begin)
        assert refused.status_code == 401
        bearer = {"Authorization": f"Bearer {key}"}
        begun = await browser.post(f"{address}/mcp", json=begin, headers=bearer)
        assert begun.status_code == 200
        session = {"Mcp-Session-Id": begun.headers["mcp-session-id"]}
        assert (await browser.post(f"{address}/mcp", json=PING, headers=session)).status_code == 401
        assert (await browser.post(f"{address}/mcp", json=PING, headers=session | bearer)).status_code == 200


@pytest.mark.parametrize("header", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}])
async def test_a_page_from_elsewhere_is_refused(header: dict[str, str]) -> None:
    async with served(service()) as address, httpx.AsyncClient() as browser:
        reply = await browser.post(f"{address}/mcp", json=PING, headers={**HEADERS, **header})
    assert reply.status_code in (403, 421)
