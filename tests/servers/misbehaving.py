"""A real HTTP server that speaks the OpenAI chat protocol and misbehaves on command. Standard library only.

    with MisbehavingServer([rate_limited(retry_after=1), ok("Paris")]) as server:
        ...  # server.base_url, server.requests

A behaviour is a `Reply`, a function of the request that returns one, or a list of these, used up in order, whose last
one repeats for ever. Chat requests are recorded in `server.requests`; every other page is 404 and is counted apart.
Run as a program it serves one fixed behaviour in a process of its own (see `main`).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

FOR_EVER = 3600.0


@dataclass(slots=True)
class Request:
    """One chat request that the server has received. `at` is the server's monotonic clock in seconds."""

    headers: Mapping[str, str]
    body: dict[str, Any]
    at: float
    number: int
    answered: bool = False
    abandoned: bool = False

    @property
    def prompt(self) -> str:
        """The contents of all messages."""
        return "\n".join(message["content"] for message in self.body["messages"])


@dataclass(frozen=True, slots=True)
class Reply:
    """What is sent, and how.

    `latency` seconds pass before the first byte; `drip` seconds between pieces of `drip_bytes`; after `reset_after`
    bytes of the body the connection is reset; with `flood` the body never ends.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    latency: float = 0.0
    drip: float | None = None
    drip_bytes: int = 1
    reset_after: int | None = None
    flood: bool = False


Behaviour = Reply | Callable[[Request], Reply]

# --- behaviours -------------------------------------------------------------------------------------------------------


def ok(
    text: str = "A fine reply.",
    *,
    latency: float = 0.0,
    finish_reason: str = "stop",
    usage: Mapping[str, Any] | None = None,
) -> Reply:
    """A reply as it should be. `usage` replaces the honest numbers of ten prompt and five completion tokens."""
    if usage is None:
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    data = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "fake",
        "choices": [{"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": text}}],
        "usage": usage,
    }
    return Reply(json.dumps(data).encode(), latency=latency)


def refusal(status: int, message: str, code: str | None = None, headers: Mapping[str, str] | None = None) -> Reply:
    """An error reply in the protocol's own form."""
    data = {"error": {"message": message, "type": "error", "code": code, "param": None}}
    return Reply(json.dumps(data).encode(), status=status, headers=headers or {})


def rate_limited(retry_after: float | None = None) -> Reply:
    return refusal(429, "Too many requests", headers={} if retry_after is None else {"Retry-After": f"{retry_after:g}"})


def wrong_key() -> Reply:
    return refusal(401, "Incorrect API key provided", "invalid_api_key")


def unknown_model() -> Reply:
    return refusal(404, "The model `fake` does not exist", "model_not_found")


def context_overflow() -> Reply:
    return refusal(400, "This model's maximum context length is 8192 tokens", "context_length_exceeded")


def failing(status: int = 500) -> Reply:
    return refusal(status, "Something broke")


def hang() -> Reply:
    """Accepts the request and never says a word."""
    return ok(latency=FOR_EVER)


def slow_drip(seconds: float = 0.05) -> Reply:
    """A good reply, one byte at a time."""
    return Reply(ok().body, drip=seconds)


def reset_mid_body() -> Reply:
    return Reply(ok().body, reset_after=20)


def empty() -> Reply:
    return ok("")


def cut(text: str = '{"statement": "half a sen') -> Reply:
    return ok(text, finish_reason="length")


def malformed() -> Reply:
    return Reply(b'{"choices": [{"message": {"content": "no end')


def html_page() -> Reply:
    page = b"<!DOCTYPE html><html><head><title>Bad gateway</title></head><body>Sorry</body></html>"
    return Reply(page, headers={"Content-Type": "text/html"})


def flood() -> Reply:
    """A reply without end, whatever `max_tokens` says."""
    return Reply(b'{"choices": [{"message": {"content": "', flood=True)


def prose() -> Reply:
    """Ignores the schema that was asked for."""
    return ok("I would rather tell you a story. Once upon a time there was no JSON at all.")


def wrong_usage(prompt_tokens: int = -7, completion_tokens: int = 10**12) -> Reply:
    return ok(usage={"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens, "total_tokens": 3})


def rambling(request: Request) -> Reply:
    """A model that never finds an end and is cut by `max_tokens`, one word a token."""
    words = int(request.body.get("max_tokens") or request.body.get("max_completion_tokens") or 0)
    usage = {"prompt_tokens": 10, "completion_tokens": words, "total_tokens": words + 10}
    return ok("and " * words, finish_reason="length", usage=usage)


def echo(request: Request) -> Reply:
    """Replies with the last message, so that every prompt has its own reply."""
    return ok(request.body["messages"][-1]["content"])


def fitting(request: Request) -> Reply:
    """Follows whatever JSON schema was asked for, if any; its texts quote the middle of the prompt."""
    schema = (request.body.get("response_format") or {}).get("json_schema", {}).get("schema")
    return ok() if schema is None else ok(json.dumps(_instance(schema, request.prompt)))


def _instance(schema: Mapping[str, Any], prompt: str) -> Any:
    if "anyOf" in schema:
        return _instance(schema["anyOf"][0], prompt)
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            return {name: _instance(field, prompt) for name, field in schema.get("properties", {}).items()}
        case "array":
            return [_instance(schema["items"], prompt)]
        case "boolean":
            return True
        case "integer" | "number":
            return schema.get("maximum", 1)
        case _:
            return prompt[len(prompt) // 2 :][:60]


def times(count: int, behaviour: Behaviour, then: Behaviour) -> list[Behaviour]:
    """`behaviour` for the first `count` requests, `then` for all others."""
    return [behaviour] * count + [then]


# --- the server -------------------------------------------------------------------------------------------------------


class MisbehavingServer:
    """Serves in a thread of its own from `__enter__` to `__exit__`; see the module's docstring.

    `behaviour` may be replaced while it serves. `open_requests` is how many chat requests are open now,
    `most_at_once` the most that ever were.
    """

    def __init__(self, behaviour: Behaviour | Sequence[Behaviour], *, keep: bool = True) -> None:
        self.requests: list[Request] = []
        self.other_requests: list[str] = []
        self.most_at_once = 0
        self.base_url = ""
        self._keep = keep
        self._count = 0
        self.open_requests = 0
        self._started = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._connections: set[asyncio.Task[None]] = set()
        self._script: list[Behaviour] = []
        self.behaviour = behaviour

    @property
    def behaviour(self) -> Sequence[Behaviour]:
        return tuple(self._script)

    @behaviour.setter
    def behaviour(self, behaviour: Behaviour | Sequence[Behaviour]) -> None:
        self._script = list(behaviour) if isinstance(behaviour, Sequence) else [behaviour]

    def __enter__(self) -> MisbehavingServer:
        self._thread.start()
        if not self._started.wait(10):
            raise RuntimeError("the server did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._run())

    async def _run(self) -> None:
        self._stopped = asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=1024)
        self.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        self._started.set()
        await self._stopped.wait()
        server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while await self._serve_one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client or the test has gone: nobody is left to serve
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve one request. Returns whether the connection goes on."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        content = await reader.readexactly(int(headers.get("content-length") or 0))
        method, path, _ = head[0].split(" ", 2)
        if (method, path) != ("POST", "/v1/chat/completions"):
            self.other_requests.append(f"{method} {path}")
            return await _send(writer, refusal(404, f"There is no page {path} here"))
        request = Request(headers, json.loads(content), time.monotonic(), self._count)
        self._count += 1
        if self._keep:
            self.requests.append(request)
        self.open_requests += 1
        self.most_at_once = max(self.most_at_once, self.open_requests)
        try:
            return await self._answer(request, reader, writer)
        finally:
            self.open_requests -= 1

    async def _answer(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        behaviour = self._script[0] if len(self._script) == 1 else self._script.pop(0)
        reply = behaviour(request) if callable(behaviour) else behaviour
        if reply.latency and await _client_left(reader, reply.latency):
            request.abandoned = True
            return False
        try:
            going_on = await _send(writer, reply)
        except ConnectionError:
            request.abandoned = True
            raise
        request.answered = True
        return going_on


async def _client_left(reader: asyncio.StreamReader, seconds: float) -> bool:
    """Wait; return early with True when the client closes its side (it sends nothing while it waits)."""
    try:
        return await asyncio.wait_for(reader.read(1), seconds) == b""
    except TimeoutError:
        return False


async def _send(writer: asyncio.StreamWriter, reply: Reply) -> bool:
    headers = {"Content-Type": "application/json", **reply.headers}
    headers |= {"Transfer-Encoding": "chunked"} if reply.flood else {"Content-Length": str(len(reply.body))}
    lines = [f"HTTP/1.1 {reply.status} Whatever", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    head = "\r\n".join(lines).encode("latin-1")
    if reply.flood:
        writer.write(head + _chunk(reply.body))
        while True:
            writer.write(_chunk(b"and on " * 100))
            await writer.drain()
            await asyncio.sleep(0.002)
    if reply.reset_after is not None:
        connection: socket.socket = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close by RST
        writer.write(head + reply.body[: reply.reset_after])
        await writer.drain()
        return False
    if reply.drip is None:
        writer.write(head + reply.body)
        await writer.drain()
        return True
    writer.write(head)
    for start in range(0, len(reply.body), reply.drip_bytes):
        await asyncio.sleep(reply.drip)
        writer.write(reply.body[start : start + reply.drip_bytes])
        await writer.drain()
    return True


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def main() -> None:
    """Serve `ok` replies of fixed latency; print the base URL, then serve until standard input closes."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each reply")
    parser.add_argument("--text", default="A fine reply.", help="what every reply says")
    parser.add_argument("--fitting", action="store_true", help="reply by the schema that is asked for instead")
    arguments = parser.parse_args()

    def behaviour(request: Request) -> Reply:
        reply = fitting(request) if arguments.fitting else ok(arguments.text)
        return replace(reply, latency=arguments.latency)

    with MisbehavingServer(behaviour, keep=False) as server:
        print(server.base_url, flush=True)  # noqa: T201
        with contextlib.suppress(EOFError, KeyboardInterrupt):
            input()
        print(json.dumps({"requests": server._count, "most_at_once": server.most_at_once}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
