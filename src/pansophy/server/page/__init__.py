"""The page: corpora, questions and answers in a browser. It asks nothing of any other machine.

`story.py` folds a question's events, `markup.py` turns that into HTML, and each of the other modules is one page. What
a page does goes through the same functions as the API. NiceGUI has one application a process: so has the page.
"""

from __future__ import annotations

from fastapi import FastAPI
from nicegui import ui
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pansophy.server.keys import Keys
from pansophy.server.page import asking, corpora, login, models, questions, reading
from pansophy.server.service import Service

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self' ws: wss:; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'self'"
)
"""What a browser may load: nothing from elsewhere. Vue compiles its templates in the browser, hence 'unsafe-eval'."""


def add_page(app: FastAPI, service: Service, keys: Keys | None = None) -> None:
    """Put the page beside the API of an application that hasn't been started yet.

    Args:
        app: the application; its other routes come first.
        service: what its requests share.
        keys: those that clients need; None where they need none.
    """
    for page in (asking, corpora, questions, reading, models):
        page.install(service)
    if keys is not None:
        app.include_router(login.router_of(keys))
    app.state.has_page = True
    app.add_middleware(_Policy)
    ui.run_with(app, title="pansophy", dark=None, tailwind=False, show_welcome_message=False)


class _Policy:
    """Tells browsers what the page may load."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    headers["Content-Security-Policy"] = POLICY
            await send(message)

        await self._app(scope, receive, sent)
