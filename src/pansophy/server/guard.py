"""Stands before every request, whatever is mounted behind: who may ask, from where, how often, and how much at once.

- Without keys only this machine is served. Then a web page of somebody else could still have the browser send requests
  here, so the Host header must name this machine (DNS rebinding), and a request that changes something must not come
  from another origin (CSRF; there are no cookies).
- With keys, every request needs one, except for the service's health. A browser shows it in a cookie (`page/login.py`),
  and then requests must not come from another origin either.
- A body that is too large is refused while it arrives.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pansophy.server.failures import Refusal, response_to
from pansophy.server.keys import EVERYBODY, Access, Keys, RateLimiter
from pansophy.server.settings import MEGABYTE, ServerSettings, is_loopback

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
OPEN_PATHS = {"/health", "/health/live", "/health/ready", "/login"}
COOKIE = "pansophy_key"
ASSETS = "/_nicegui/"
"""The page's own files, of which one visit loads many: they don't count as requests."""
UPLOAD = re.compile(r"/api/v1/corpora/[^/]+/documents")
MULTIPART_ROOM = MEGABYTE
"""Bytes of an upload beside its files."""


class Guard:
    """ASGI middleware; puts what the client may do into the request's state as `access`."""

    def __init__(self, app: ASGIApp, settings: ServerSettings, keys: Keys | None) -> None:
        self._app = app
        self._settings = settings
        self._keys = keys
        self._rates = RateLimiter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            self._check_host(headers)
            access = self._access(scope, headers)
            if access.name is None or "authorization" not in headers:
                self._check_origin(scope, headers)
            if not scope["path"].startswith(ASSETS) and (wait := self._rates.wait(access)):
                raise Refusal(429, f"the key {access.name} has used up its requests", retry_after=wait)
            limited = self._limited(scope, headers, receive)
        except Refusal as refusal:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008, "reason": str(refusal.detail)[:120]})
            elif refusal.status_code == 401 and _is_visit(scope, headers):
                await RedirectResponse("/login", 303)(scope, receive, send)
            else:
                await response_to(refusal)(scope, receive, send)
            return
        scope.setdefault("state", {})["access"] = access
        await self._app(scope, limited, send)

    def _check_host(self, headers: Headers) -> None:
        if self._keys is not None:
            return
        host = urlsplit(f"//{headers.get('host', '')}").hostname or "" if _is_plain(headers.get("host", "")) else ""
        if not is_loopback(host) and host not in self._settings.allowed_hosts:
            raise Refusal(421, "this service answers only to the names of its own machine (Host header)")

    def _access(self, scope: Scope, headers: Headers) -> Access:
        if self._keys is None or scope["path"] in OPEN_PATHS:
            return EVERYBODY
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if "authorization" not in headers:
            scheme, key = "bearer", HTTPConnection(scope).cookies.get(COOKIE, "")
        access = self._keys.access(key.strip()) if scheme.lower() == "bearer" and key.strip() else None
        if access is None:
            raise Refusal(401, "a valid key is needed: Authorization: Bearer KEY")
        return access

    def _check_origin(self, scope: Scope, headers: Headers) -> None:
        """Requests that programs make say nothing of an origin; browsers always do where it is another one."""
        if scope["type"] == "http" and scope["method"] in SAFE_METHODS:
            return
        origin = headers.get("origin")
        if origin in self._settings.allowed_origins:
            return
        same = origin is None or origin.lower() in {f"{scheme}://{headers.get('host', '')}" for scheme in _SCHEMES}
        if not same or headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            raise Refusal(403, "a web page of another origin may not do this")

    def _limited(self, scope: Scope, headers: Headers, receive: Receive) -> Receive:
        """`receive` that refuses a body which is too large."""
        settings = self._settings
        upload = UPLOAD.fullmatch(scope["path"]) is not None
        most = settings.largest_upload + MULTIPART_ROOM if upload else settings.largest_request
        told = headers.get("content-length", "0")
        refusal = Refusal(413, f"the request is larger than the {most:,} bytes that this service takes")
        if not (told.isascii() and told.isdecimal()):
            raise Refusal(400, "the header Content-Length is no number")
        if int(told[:20]) > most:
            raise refusal
        got = 0

        async def limited() -> Message:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            if got > most:
                raise refusal
            return message

        return limited


_SCHEMES = ("http", "https")


def _is_visit(scope: Scope, headers: Headers) -> bool:
    """Whether somebody opens a page of this service in a browser."""
    has_page = getattr(scope["app"].state, "has_page", False) if "app" in scope else False
    return has_page and scope["method"] == "GET" and "text/html" in headers.get("accept", "")


def _is_plain(host: str) -> bool:
    """Whether a Host header is a name or an address with or without a port, and nothing more."""
    return re.fullmatch(r"[\w.-]+(:\d{1,5})?|\[[0-9a-fA-F:.]+\](:\d{1,5})?", host) is not None
