"""OpenAI's API: `/v1/models` and `/v1/chat/completions`, so that any of its clients can read without a context limit.

`pansophy/CORPUS` answers from a stored corpus. `pansophy` reads what the request itself holds, files and messages that
are too long for the model; where there is nothing to read, the base model simply answers.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import StreamingResponse

from pansophy.errors import PansophyError, UnknownCorpus, UsageError
from pansophy.reading.chat import question_in, reading_of
from pansophy.server.attached import files_of, messages_of
from pansophy.server.failures import Refusal, body_of
from pansophy.server.keys import Access
from pansophy.server.openai_schemas import ChatCompletion, ChatRequest, Choice, MessageOut, Model, Models, UsageCounts
from pansophy.server.saying import Said, by_reading, fits, plainly
from pansophy.server.service import Service, TheAccess, TheService
from pansophy.server.streaming import MEDIA_TYPE, SIGN_OF_LIFE, stream, with_signs_of_life

router = APIRouter(prefix="/v1", tags=["openai"])
log = logging.getLogger("pansophy.server")
NAME = "pansophy"
STREAMED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The completion; with `stream`, its chunks as server-sent events.",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
    }
}


@router.get("/models", summary="The models of OpenAI's clients: one for each corpus, and one for texts in requests")
def list_models(service: TheService, access: TheAccess) -> Models:
    corpora = [info.name for info in service.shelf.infos() if access.may_use(info.name)]
    return Models(data=[Model(id=NAME), *(Model(id=f"{NAME}/{corpus}") for corpus in corpora)])


@router.get("/models/{model:path}", summary="One of these models")
def show_model(
    service: TheService, access: TheAccess, model: Annotated[str, Path(examples=["pansophy/letters"])]
) -> Model:
    _corpus_of(service, access, model)
    return Model(id=model)


@router.post("/chat/completions", summary="Answer a chat by reading", response_model=ChatCompletion, responses=STREAMED)
async def complete(
    request: Request, service: TheService, access: TheAccess, body: ChatRequest
) -> ChatCompletion | StreamingResponse:
    saying = await _saying(request, service, access, body)
    head: dict[str, Any] = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": body.model}
    if body.stream:
        return stream(_chunks(service, saying, head, bool(body.stream_options and body.stream_options.include_usage)))
    said = await _unless_gone(request, saying)
    message = MessageOut(content=said.content, annotations=list(said.annotations))
    choice = Choice(message=message, finish_reason=said.finish_reason)
    return ChatCompletion(**head, choices=[choice], usage=UsageCounts.of(said.usage), pansophy=said.about)


async def _saying(request: Request, service: Service, access: Access, body: ChatRequest) -> AsyncIterator[str | Said]:
    """What will be said, once it is clear that it can be asked for."""
    corpus = await asyncio.to_thread(_corpus_of, service, access, body.model)
    _refuse_what_is_not_done(body)
    messages, files = messages_of(body.messages), files_of(body.messages)
    if corpus is None and not files and await fits(service.model, messages, body):
        if not any(message.content.strip() for message in messages):
            raise UsageError("the chat is empty: there is nothing to answer")
        return plainly(service, messages, body)
    if corpus is not None and (files or question_in(messages[-1].content)[1]):
        raise Refusal(400, f"{body.model} reads its corpus alone: send texts and files to the model {NAME}")
    reading = reading_of(messages)
    return by_reading(service, reading, body, corpus=corpus, files=files, base_url=str(request.base_url))


def _corpus_of(service: Service, access: Access, model: str) -> str | None:
    """The corpus that a model's name stands for; None for the model that reads what a request holds."""
    if model == NAME:
        return None
    family, _, corpus = model.partition("/")
    try:
        if family != NAME or not access.may_use(corpus):
            raise UnknownCorpus
        service.shelf.open(corpus)
    except (UnknownCorpus, UsageError) as error:
        message = f"there is no model {model[:200]!r} here: GET /v1/models lists those there are"
        raise Refusal(404, message, code="model_not_found") from error
    return corpus


def _refuse_what_is_not_done(body: ChatRequest) -> None:
    if body.n not in (None, 1):
        raise Refusal(400, "n: only one choice can be had")
    if body.tools:
        raise Refusal(400, "tools: whoever reads here calls no tools")


async def _chunks(
    service: Service, saying: AsyncIterator[str | Said], head: dict[str, Any], include_usage: bool
) -> AsyncIterator[str]:
    """The chunks of a streamed completion, as OpenAI sends them."""

    def chunk(delta: dict[str, Any] | None, finish_reason: str | None = None, **more: Any) -> str:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish_reason}]
        data = {**head, "object": "chat.completion.chunk", "choices": choices, **more}
        return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"

    yield chunk({"role": "assistant", "content": ""})
    sent = 0
    try:
        async for piece in with_signs_of_life(saying, service.settings.heartbeat):
            if piece is None:
                yield SIGN_OF_LIFE
            elif isinstance(piece, str):
                sent += len(piece)
                yield chunk({"content": piece})
            else:
                if rest := piece.content[sent:]:
                    yield chunk({"content": rest})
                annotations = [annotation.model_dump() for annotation in piece.annotations]
                about = {} if piece.about is None else {"pansophy": piece.about.model_dump()}
                yield chunk({"annotations": annotations} if annotations else {}, piece.finish_reason, **about)
                if include_usage:
                    yield chunk(None, usage=UsageCounts.of(piece.usage).model_dump())
    except PansophyError as error:
        yield f"data: {json.dumps(body_of(error), ensure_ascii=False)}\n\n"
    except Exception as error:  # the response has begun: the stream itself must say that it failed
        log.exception("a chat ended by a mistake of ours")
        yield f"data: {json.dumps(body_of(error), ensure_ascii=False)}\n\n"
    yield "data: [DONE]\n\n"


async def _unless_gone(request: Request, saying: AsyncIterator[str | Said]) -> Said:
    """The whole reply; reading stops when the client goes away before it is there."""

    async def whole() -> Said:
        pieces = [piece async for piece in saying]
        assert isinstance(pieces[-1], Said)
        return pieces[-1]

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    work, leaving = asyncio.create_task(whole()), asyncio.create_task(gone())
    try:
        await asyncio.wait({work, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise Refusal(499, "the client has gone")
        return work.result()
    finally:
        for task in (work, leaving):
            task.cancel()
        await asyncio.gather(work, leaving, return_exceptions=True)
