"""`/corpora`: which texts there are. `/corpora/NAME`: drag files in, open documents, delete."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import quote

from nicegui import events, ui
from starlette.requests import Request

from pansophy.corpus import Corpus, DocumentInfo
from pansophy.errors import PansophyError
from pansophy.server.failures import Refusal
from pansophy.server.page import markup
from pansophy.server.page.frame import access_of, failed, failures_told, frame
from pansophy.server.service import Service, require

MOST_DOCUMENTS = 200
"""Documents that are listed; a search finds the others."""
UPLOADED = """info => emit([info.xhr.status, info.xhr.responseText])"""


def install(service: Service) -> None:
    """Declare the pages."""

    @ui.page("/corpora", title="Corpora · pansophy", dark=None)
    async def corpora(request: Request) -> None:
        access = access_of(request)
        with frame("/corpora"):
            with ui.row().classes("w-full items-center"):
                name = ui.input("Name of a new corpus").classes("grow")

                async def create() -> None:
                    with failures_told():
                        wanted = (name.value or "").strip()
                        if not markup.CORPUS_NAME.fullmatch(wanted):
                            raise ValueError(
                                "A name is letters, digits, '.', '-' and '_', and begins with one of the first two."
                            )
                        await asyncio.to_thread(Corpus.create, require(access, wanted), exist_ok=False)
                        ui.navigate.to(f"/corpora/{quote(wanted)}")

                ui.button("Make it", on_click=create)
                name.on("keydown.enter", create)
            infos = await asyncio.to_thread(service.shelf.infos)
            for info in [info for info in infos if access.may_use(info.name)]:
                with ui.row().classes("row-line"):
                    ui.link(info.name, f"/corpora/{quote(info.name)}").classes("grow")
                    ui.label(f"{info.documents:,} documents, {info.characters:,} characters, {markup.size(info.size)}")

    @ui.page("/corpora/{name}", title="Corpus · pansophy", dark=None)
    async def corpus(request: Request, name: str) -> None:
        access = access_of(request)
        with frame("/corpora"):
            try:
                opened = await asyncio.to_thread(service.shelf.open, require(access, name))
                documents = await asyncio.to_thread(opened.documents)
            except (PansophyError, Refusal) as error:
                failed(error)
                return
            with ui.row().classes("w-full items-center"):
                ui.label(name).classes("text-lg grow").props("role=heading aria-level=2")
                if documents:
                    ui.link("Ask it", f"/?corpus={quote(name)}")
                ui.button("Delete", on_click=lambda: _delete(name)).props("outline color=negative")
            # the browser sends the files to the API itself, which checks and bounds them
            uploader = ui.element("q-uploader").props(
                f'url="/api/v1/corpora/{quote(name)}/documents" field-name=files batch multiple auto-upload flat '
                'bordered label="Drop files here, or choose them with +"'
            )
            said = ui.column().classes("w-full")
            uploader.on("uploaded", lambda event: _told(event, said), js_handler=UPLOADED)
            uploader.on("failed", lambda event: _told(event, said), js_handler=UPLOADED)
            _list(name, documents)

    def _told(event: events.GenericEventArguments, said: ui.column) -> None:
        """What came of an upload: the API's own words."""
        status, body = event.args
        with said:
            try:
                report = json.loads(body)
            except ValueError:
                ui.label(f"The upload failed ({status or 'the connection was lost'}).").classes("error").props(
                    "role=alert"
                )
                return
            if status >= 400:
                ui.label(report["error"]["message"]).classes("error").props("role=alert")
                return
            for unread in report["failed"]:
                ui.label(f"{unread['name']}: {unread['reason']}").classes("error").props("role=alert")
            same = f", {len(report['unchanged']):,} were there already" if report["unchanged"] else ""
            ui.label(f"{len(report['added']):,} files were added{same}.").props("role=status")
            ui.button("Show them", on_click=ui.navigate.reload).props("outline")

    def _list(name: str, documents: list[DocumentInfo]) -> None:
        for info in documents[:MOST_DOCUMENTS]:
            with ui.row().classes("row-line"):
                ui.link(info.title or info.id, markup.place_of(name, info.id, 0, 0)).classes("grow")
                language = f", {info.language}" if info.language else ""
                ui.label(f"{info.characters:,} characters{language}")
        if len(documents) > MOST_DOCUMENTS:
            ui.label(f"and {len(documents) - MOST_DOCUMENTS:,} more")

    async def _delete(name: str) -> None:
        with ui.dialog() as dialog, ui.card():
            ui.label(f"Delete the corpus {name} with all that is in it?")
            with ui.row():
                ui.button("Delete it", on_click=lambda: dialog.submit(True)).props("color=negative")
                ui.button("Keep it", on_click=lambda: dialog.submit(False)).props("outline autofocus")
        if await dialog:
            with failures_told():
                await asyncio.to_thread(lambda: service.shelf.take(name).delete())
                ui.navigate.to("/corpora")
