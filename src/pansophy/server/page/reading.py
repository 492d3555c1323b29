"""`/read/CORPUS?document=ID&start=N&end=N`: a document at a span, which is marked and scrolled to."""

from __future__ import annotations

import asyncio

from nicegui import ui
from starlette.requests import Request

from pansophy.errors import PansophyError
from pansophy.server.failures import Refusal
from pansophy.server.keys import Access
from pansophy.server.page import markup
from pansophy.server.page.frame import access_of, failed, frame
from pansophy.server.service import Service, require
from pansophy.types import Span


def install(service: Service) -> None:
    """Declare the page."""

    @ui.page("/read/{corpus}", title="Document · pansophy", dark=None)
    async def read(request: Request, corpus: str, document: str = "", start: int = 0, end: int = 0) -> None:
        with frame(""):
            try:
                shown = await asyncio.to_thread(_text, service, access_of(request), corpus, document, start, end)
            except (PansophyError, Refusal) as error:
                failed(error)
                return
            text, offset, characters = shown
            ui.label(document).classes("text-lg").props("role=heading aria-level=2")
            whole = f"characters {offset:,} to {offset + len(text):,} of {characters:,}, in the corpus {corpus}"
            ui.label(whole).classes("cost")
            if offset:
                at = max(0, offset - markup.AROUND)
                ui.link("What comes before", markup.place_of(corpus, document, at, at))
            ui.html(markup.document(text, offset, start, end), sanitize=False).classes("w-full")
            if offset + len(text) < characters:
                at = offset + len(text)
                ui.link("What comes after", markup.place_of(corpus, document, at, at))


def _text(service: Service, access: Access, corpus: str, document: str, start: int, end: int) -> tuple[str, int, int]:
    """The text around a span, where it begins, and how long the document is."""
    opened = service.shelf.open(require(access, corpus))
    opened.chunk_range(document)  # is there such a document?
    characters = sum(info.characters for info in opened.documents() if info.id == document)
    low = max(0, min(start, characters) - markup.AROUND)
    high = min(characters, max(start, end) + markup.AROUND)
    return (opened.text(Span(document, low, high)) if high > low else ""), low, characters
