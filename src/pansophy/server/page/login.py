"""`/login`: a browser shows its key once, in a cookie that no script reads and no other site's page can use."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from pansophy.server.guard import COOKIE
from pansophy.server.keys import Keys

FORM = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Key · pansophy</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ color-scheme: light dark; font-family: system-ui, sans-serif }}
form {{ max-width: 24rem; margin: 20vh auto; padding: 1rem }}
input, button {{ font: inherit; width: 100%; padding: .5rem; margin: .3rem 0; box-sizing: border-box }}
p {{ color: #c0392b }}
</style></head>
<body><form method="post">
<label>Your key<input name="key" type="password" autocomplete="current-password" autofocus required></label>
<button>Go in</button>{said}
</form></body></html>"""


def router_of(keys: Keys) -> APIRouter:
    """The form, and what it is sent to."""
    router = APIRouter(include_in_schema=False)

    @router.get("/login")
    def form() -> HTMLResponse:
        return HTMLResponse(FORM.format(said=""))

    @router.post("/login")
    def enter(request: Request, key: Annotated[str, Form()]) -> Response:
        if keys.access(key.strip()) is None:
            return HTMLResponse(FORM.format(said='<p role="alert">There is no such key.</p>'), 401)
        response = RedirectResponse("/", 303)
        secure = request.url.scheme == "https"
        response.set_cookie(COOKIE, key.strip(), httponly=True, samesite="strict", secure=secure)
        return response

    return router
