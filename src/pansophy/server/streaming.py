"""Server-sent events: how a stream looks, and how it stays alive while nothing happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

from fastapi.responses import StreamingResponse

from pansophy.errors import UnknownRun
from pansophy.server.service import Service

MEDIA_TYPE = "text/event-stream"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
SIGN_OF_LIFE = ": still reading\n\n"
Item = TypeVar("Item")


def stream(pieces: AsyncIterator[str]) -> StreamingResponse:
    """A response that sends `pieces` (each a whole event) as they come."""
    return StreamingResponse(pieces, media_type=MEDIA_TYPE, headers=HEADERS)


def event_stream(service: Service, job_id: str, after: int) -> StreamingResponse:
    """The events of a job with numbers above `after`."""

    async def pieces() -> AsyncIterator[str]:
        with service.metrics.streams.track_inprogress():
            try:
                async for event in with_signs_of_life(service.feed.follow(job_id, after), service.settings.heartbeat):
                    yield SIGN_OF_LIFE if event is None else f"id: {event.number}\ndata: {event.text}\n\n"
            except UnknownRun:  # it was deleted while it was followed
                return

    return stream(pieces())


async def with_signs_of_life(items: AsyncIterator[Item], seconds: float) -> AsyncIterator[Item | None]:
    """`items`, and None whenever there was none for so many seconds."""
    waiting: asyncio.Task[Item] | None = None
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(anext(items))
            done, _ = await asyncio.wait({waiting}, timeout=seconds)
            if not done:
                yield None
                continue
            try:
                item = waiting.result()
            except StopAsyncIteration:
                return
            waiting = None
            yield item
    finally:
        if waiting is not None:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        await items.aclose()  # type: ignore[attr-defined]
