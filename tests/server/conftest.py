"""A service with a scripted model, in this process or behind a real port."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from tests.runs.postgres import find_binaries, running_postgres
from tests.server.reader import reader

from pansophy.server import ServerSettings, create_app

LOCAL = "http://127.0.0.1:8765"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("PANSOPHY_HOME", str(tmp_path / "home"))
    for name in ("PANSOPHY_DATABASE", "OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed (on Debian and Ubuntu: apt install postgresql)")
    with running_postgres(binaries) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/runs.sqlite"
    return request.getfixturevalue("postgres_url")


def service(**settings: Any) -> FastAPI:
    """The application with a scripted model that finds what the question asks for."""
    return create_app(ServerSettings(**{"model": reader(), "strategy": "extagents", **settings}))


@pytest.fixture
def app() -> FastAPI:
    return service()


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Requests straight into the application, with its jobs being worked off."""
    async with running(app), at(app) as client:
        yield client


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[None]:
    """The application's lifespan, begun and ended in one task as a server does it: a fixture ends in another one."""
    ready, over = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        try:
            async with app.router.lifespan_context(app):
                ready.set()
                await over.wait()
        finally:
            ready.set()

    living = asyncio.create_task(live())
    await ready.wait()
    try:
        yield
    finally:
        over.set()
        await living


def at(app: FastAPI, **options: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=LOCAL, timeout=30, **options)


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The application behind a free port of this machine; yields its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, http="h11", log_level="warning", timeout_graceful_shutdown=2))
        ready = threading.Event()
        startup = server.startup

        async def started(*arguments: Any, **options: Any) -> None:
            await startup(*arguments, **options)
            ready.set()

        server.startup = started  # type: ignore[method-assign]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        assert ready.wait(30)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)


Upload = Callable[..., Any]


async def fill(client: httpx.AsyncClient, corpus: str = "houses", **texts: str) -> None:
    """A corpus with these texts, or with a few houses."""
    texts = texts or {f"house-{number}.txt": HOUSE.format(number=number) for number in range(3)}
    made = await client.post("/api/v1/corpora", json={"name": corpus})
    assert made.status_code == 201, made.text
    files = [("files", (name, text.encode())) for name, text in texts.items()]
    added = await client.post(f"/api/v1/corpora/{corpus}/documents", files=files)
    assert added.status_code == 201, added.text


HOUSE = "House {number}: lamp {number} hangs in the hall, and a clock stands beside it."
