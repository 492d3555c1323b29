"""The application: routers, guards, and what is started and stopped with it.

Other ways in (a page, MCP) are put beside the API by `mount`, and reach what it uses by `service_of`. They stand behind
the same guards as the API: keys, hosts, origins, sizes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

import pansophy
from pansophy.errors import UsageError
from pansophy.server import chat, corpora, failures, health, models, questions
from pansophy.server.guard import Guard
from pansophy.server.keys import Keys
from pansophy.server.mcp import Desk, Offer, add_to
from pansophy.server.mcp.arguments import AskArguments
from pansophy.server.mcp.offer import Emit
from pansophy.server.observing import Observer
from pansophy.server.schemas import Failure
from pansophy.server.service import Service
from pansophy.server.settings import ServerSettings
from pansophy.types import Answer

DESCRIPTION = """\
Answers questions from any amount of text, with checked citations.

Put texts into a *corpus*, ask a *question*, follow its *events*. Or point an OpenAI client at `/v1`: the model
`pansophy/CORPUS` answers from a corpus, `pansophy` reads whatever the request holds. Every failure has the one form
that OpenAI's clients understand. Where the service has keys, send `Authorization: Bearer KEY`.
"""


def create_app(settings: ServerSettings = ServerSettings()) -> FastAPI:  # noqa: B008 - frozen
    """The service as an ASGI application.

    Raises:
        UsageError: it would be reached from other machines without keys, or the key file is of no use.
        StoreError, UnknownModel: as `Service`.
    """
    if settings.key_file is None and not settings.is_local:
        raise UsageError(
            f"{settings.host} is reached from other machines, and then clients need keys: make one with "
            "pansophy serve --new-key NAME --api-key-file FILE, and give --api-key-file FILE"
        )
    keys = None if settings.key_file is None else Keys(settings.key_file)
    service = Service(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        try:
            async with mcp:
                yield
        finally:
            await service.stop()

    app = FastAPI(
        title="pansophy",
        version=pansophy.__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # its page fetches scripts from elsewhere
        redoc_url=None,
        responses={"default": {"model": Failure, "description": "What went wrong, and what to do"}},
        form_limits={"max_files": settings.most_files, "max_fields": 10},
    )
    app.state.service = service
    app.state.keys = keys
    failures.install(app)
    for router in (corpora.router, questions.router, models.router, chat.router, health.router):
        app.include_router(router)

    offer = Offer(strategy=settings.strategy, shelf=service.shelf)

    async def answer_by_mcp(asked: AskArguments, emit: Emit) -> Answer:
        return await service.read(
            asked.question,
            asked.corpus,
            way="mcp",
            strategy=offer.strategy_of(asked),
            settings=asked.settings,
            limits=asked.limits.as_limits(),
            fresh=asked.fresh,
            emit=emit,
        )

    mcp = add_to(app, Desk(offer, answer_by_mcp))
    app.add_middleware(Guard, settings=settings, keys=keys)
    if settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=settings.allowed_origins, allow_methods=["*"], allow_headers=["*"]
        )
    app.add_middleware(Observer, metrics=service.metrics)
    _describe_keys(app)
    return app


def service_of(app: FastAPI) -> Service:
    """What the application's requests share: its models, corpora, jobs and events."""
    service: Service = app.state.service
    return service


def mount(app: FastAPI, path: str, other: ASGIApp) -> None:
    """Put another ASGI application beside the API, under `path`, behind the same guards.

    Its requests find what they may do in `scope["state"]["access"]` (an `Access`). Its own lifespan isn't run.
    """
    app.mount(path, other)


def _describe_keys(app: FastAPI) -> None:
    """Say in the OpenAPI description how a key is shown; checking it is the guard's."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        schema = plain()
        schemes = schema.setdefault("components", {}).setdefault("securitySchemes", {})
        schemes["key"] = {"type": "http", "scheme": "bearer", "description": "Only where the service has keys."}
        schema["security"] = [{"key": []}, {}]
        return schema

    app.openapi = described  # type: ignore[method-assign]
