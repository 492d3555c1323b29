"""What all pages have in common: the head, the look, and how a page says what went wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nicegui import ui
from starlette.exceptions import HTTPException
from starlette.requests import Request

from pansophy.errors import PansophyError
from pansophy.server.failures import message_of
from pansophy.server.keys import EVERYBODY, Access

PAGES = {"/": "Ask", "/corpora": "Corpora", "/questions": "Questions", "/models": "Models"}
STYLE = Path(__file__).with_name("style.css")


def access_of(request: Request) -> Access:
    """What whoever opens the page may do."""
    access: Access = getattr(request.state, "access", EVERYBODY)
    return access


@contextmanager
def frame(current: str) -> Iterator[None]:
    """The head with the links to all pages, of which `current` is the address of this one; the block fills the rest."""
    ui.add_css(STYLE)
    ui.colors(primary="#2f6f5e")
    with ui.element("header").classes("w-full"), ui.element("nav").classes("page-head flex"):
        ui.link("pansophy", "/")
        for address, name in PAGES.items():
            link = ui.link(name, address)
            if address == current:
                link.props("aria-current=page")
    with ui.element("div").classes("page-body"):
        yield


@contextmanager
def failures_told() -> Iterator[None]:
    """Show an error that a user can do something about, instead of raising it."""
    try:
        yield
    except (PansophyError, HTTPException, ValueError) as error:
        ui.notify(_words(error), type="negative", multi_line=True, close_button="OK", timeout=0)


def failed(error: Exception) -> None:
    """Say on the page why it can't show what it should."""
    ui.label(_words(error)).classes("error").props("role=alert")


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, ValueError) else message_of(error)
