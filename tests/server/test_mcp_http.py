"""The MCP server as a part of another web service, and as a browser may come upon it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from mcp import Client
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from tests.server.mcp_client import served

from pansophy import ScriptedModel
from pansophy.server.mcp import Offer, http_app

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
HEADERS = {"Accept": "application/json, text/event-stream"}


class Watched(ScriptedModel):
    """Takes note of being closed."""

    closed = False

    async def aclose(self) -> None:
        self.closed = True


def service_with(mcp: Starlette) -> Starlette:
    """A web service of its own that takes the MCP server in."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with mcp.router.lifespan_context(mcp):
            yield

    async def hello(_: object) -> PlainTextResponse:
        return PlainTextResponse("hello")

    return Starlette(routes=[Route("/hello", hello), *mcp.routes], lifespan=lifespan)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANSOPHY_HOME", str(tmp_path))


async def test_another_service_takes_the_server_in() -> None:
    service = service_with(http_app(Offer(ScriptedModel([]))))
    async with served(service) as address, httpx.AsyncClient() as browser, Client(f"{address}/mcp") as client:
        assert (await browser.get(f"{address}/hello")).text == "hello"
        assert (await client.call_tool("list_corpora", {})).structured_content == {"corpora": []}


async def test_a_model_that_was_given_as_an_object_stays_open() -> None:
    model = Watched([])
    async with served(http_app(Offer(model))) as address, Client(f"{address}/mcp") as client:
        await client.list_tools()
    assert not model.closed


@pytest.mark.parametrize("header", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}])
async def test_a_page_from_elsewhere_is_refused(header: dict[str, str]) -> None:
    async with served(http_app(Offer(ScriptedModel([])))) as address, httpx.AsyncClient() as browser:
        reply = await browser.post(f"{address}/mcp", json=PING, headers={**HEADERS, **header})
    assert reply.status_code in (403, 421)


async def test_a_name_that_the_service_says_is_its_own_is_served() -> None:
    app = http_app(Offer(ScriptedModel([])), hosts=["texts.example"])
    async with served(app) as address, httpx.AsyncClient() as browser:
        hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
        request = {**PING, "method": "initialize", "params": hello}
        reply = await browser.post(f"{address}/mcp", json=request, headers={**HEADERS, "Host": "texts.example"})
    assert reply.status_code == 200
    assert '"name":"pansophy"' in reply.text
