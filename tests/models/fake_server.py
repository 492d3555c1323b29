"""A real HTTP server in a thread whose replies a test writes down: what known servers say, and nonsense."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = Mapping[str, Any] | list[Any] | str | bytes
Answer = tuple[int, Body] | tuple[int, Body, Mapping[str, str]]
Page = Answer | Callable[[dict[str, Any]], Answer]


def completion(text: str = "Paris", **changes: Any) -> dict[str, Any]:
    """A chat completion as OpenAI sends it."""
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15},
        **changes,
    }


def error(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


def models(*names: str, **more: Any) -> dict[str, Any]:
    return {"object": "list", "data": [{"id": name, "object": "model", **more} for name in names]}


class FakeServer:
    """Serves `pages` ("GET /v1/models" -> answer or function of the request's JSON); others are 404.

    `requests` lists (method and path, JSON body, headers) in the order of arrival. A body of bytes with the header
    `Content-Length` wrong is sent as it is, so that replies can be cut.
    """

    def __init__(self, pages: Mapping[str, Page]) -> None:
        self.pages = dict(pages)
        self.requests: list[tuple[str, dict[str, Any], Mapping[str, str]]] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(size)) if size else {}
                key = f"{self.command} {self.path}"
                fake.requests.append((key, body, {name.lower(): value for name, value in self.headers.items()}))
                page = fake.pages.get(key, (404, "not found"))
                status, reply, *headers = page(body) if callable(page) else page
                raw = reply if isinstance(reply, bytes) else _raw(reply)
                sent = {"Content-Type": "application/json", "Content-Length": str(len(raw)), **dict(*headers)}
                self.send_response(status)
                for name, value in sent.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(raw)
                if int(sent["Content-Length"]) != len(raw):
                    self.close_connection = True

            do_GET = do_POST = _serve  # noqa: N815 - names that the base class looks for

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign] # clients break off on purpose
        self.root = f"http://127.0.0.1:{self._server.server_port}"
        self.base_url = f"{self.root}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> FakeServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def bodies(self, key: str = "POST /v1/chat/completions") -> list[dict[str, Any]]:
        return [body for page, body, _ in self.requests if page == key]


def _raw(reply: Any) -> bytes:
    return (reply if isinstance(reply, str) else json.dumps(reply)).encode()
