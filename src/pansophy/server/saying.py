"""What a chat is answered with: by reading, or plainly by the base model. Knows nothing of how it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from pansophy.corpus import Corpus, IsolatedReader
from pansophy.engine import Engine, Limits
from pansophy.models import ChatModel, prepare
from pansophy.reading.chat import Reading, conversation_of, standing_alone
from pansophy.server.citing import cited, passing_url, span_url
from pansophy.server.openai_schemas import About, Annotation, ChatRequest
from pansophy.server.service import Service
from pansophy.server.uploads import add_uploads
from pansophy.tokens import estimate_tokens
from pansophy.types import ChatMessage, Usage, Verdict

REPLY_TOKENS = 1024
"""The most tokens of a base model's reply to a request that doesn't say."""
SURELY_LONG = 4
"""A chat of so many times the window, by estimate, is too long without counting."""


@dataclass(frozen=True, slots=True)
class Said:
    """A whole reply."""

    content: str
    usage: Usage
    finish_reason: str = "stop"
    annotations: tuple[Annotation, ...] = ()
    about: About | None = None


def reply_tokens(body: ChatRequest, window: int) -> int:
    """The most tokens that the base model's reply may have."""
    return body.max_completion_tokens or body.max_tokens or min(REPLY_TOKENS, window // 4)


async def fits(model: ChatModel, messages: Sequence[ChatMessage], body: ChatRequest) -> bool:
    """Whether the base model can be given the chat as it is."""
    await prepare(model)
    if sum(estimate_tokens(message.content) for message in messages) > SURELY_LONG * model.window:
        return False
    return await model.count_prompt(messages) + reply_tokens(body, model.window) <= model.window


async def plainly(service: Service, messages: Sequence[ChatMessage], body: ChatRequest) -> AsyncIterator[str | Said]:
    """The base model's own reply: in pieces where that is asked for and its tokens can be counted, then whole."""
    model, most = service.model, reply_tokens(body, service.model.window)
    temperature, stop = body.temperature or 0.0, [body.stop] if isinstance(body.stop, str) else body.stop or []
    async with service.at_once:
        if body.stream and model.counts_exactly:
            pieces = []
            async for piece in model.stream(
                messages, max_tokens=most, temperature=temperature, seed=body.seed or 0, stop=stop
            ):
                pieces.append(piece)
                yield piece
            text = "".join(pieces)
            prompt, completion = await model.count_prompt(messages), await model.count_tokens(text)
            usage, reason = Usage(1, prompt, 0, completion), "length" if completion >= most else "stop"
        else:
            engine = Engine(Limits())
            reply = await engine.complete(
                model, messages, max_tokens=most, temperature=temperature, seed=body.seed or 0
            )
            text, reason, usage = reply.text, reply.finish_reason, engine.usage
            if ends := [text.index(mark) for mark in stop if mark and mark in text]:
                text, reason = text[: min(ends)], "stop"
    service.metrics.answered("plain", "answered", usage)
    yield Said(text, usage, reason)


async def by_reading(
    service: Service,
    reading: Reading,
    body: ChatRequest,
    *,
    corpus: str | None,
    files: Sequence[tuple[str | None, BinaryIO]],
    base_url: str,
) -> AsyncIterator[str | Said]:
    """The answer from the corpus, or from what the request holds."""
    question, spent = await standing_alone(service.model, reading)
    warnings: list[str] = []
    texts: Corpus | str
    if corpus is not None:
        texts, url = corpus, span_url(base_url, corpus)
    else:
        texts, warnings = await asyncio.to_thread(_open, reading, files, service.reader)
        url = passing_url
    keep = body.store is not False
    answer = await service.read(question, texts, way="chat", strategy=service.settings.strategy, keep=keep)
    content, annotations = cited(answer, url)
    about = About(verdict=str(answer.verdict), run=answer.run_id, warnings=[*warnings, *answer.warnings])
    reason = "length" if answer.verdict is Verdict.OUT_OF_BUDGET else "stop"
    yield Said(content, answer.usage + spent, reason, tuple(annotations), about)


def _open(
    reading: Reading, files: Sequence[tuple[str | None, BinaryIO]], reader: IsolatedReader
) -> tuple[Corpus, list[str]]:
    """A corpus of what came with the request, gone when it is answered; and what of it can't be read."""
    texts = dict(reading.texts)
    if not texts and not files:  # many short turns
        texts["conversation"] = conversation_of(reading.before)
    corpus = Corpus.from_texts(texts)
    if not files:
        return corpus, []
    report, refused = add_uploads(corpus, files, reader)
    reasons = [f"{item.name}: {item.reason}" for item in refused]
    return corpus, reasons + [item.reason for item in report.failed]
