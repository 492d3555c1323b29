"""What an endpoint's reply says: its body, whole or as a stream of events, as plain values or a clear error.

Knows nothing of connections: text in, `Reply` out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pansophy.errors import EndpointUnavailable, ModelError, RequestRefused
from pansophy.models.failures import describe_body, from_status
from pansophy.types import TokenLogprob


@dataclass(frozen=True, slots=True)
class Reply:
    """A completion as the endpoint tells it; token counts are None where it doesn't."""

    text: str
    finish_reason: str
    prompt_tokens: int | None
    cached_tokens: int
    completion_tokens: int | None
    logprobs: tuple[TokenLogprob, ...] | None


_STREAM = re.compile(r"\s*(?:data|event|error|id|retry)?:")
"""How a stream of events begins. A comment (a line that begins with a colon) keeps the connection alive: llama.cpp
sends one for every 30 s that it takes to read the prompt."""


def read_reply(body: str, *, endpoint: str, model: str) -> Reply:
    """The completion in the body of a reply with status 200: a JSON object, or the events of a stream.

    Raises:
        EndpointUnavailable: not JSON, cut, or without a choice.
        RequestRefused: the endpoint's filter held the reply back.
        ModelError: an error wrapped in the reply.
    """
    try:
        data = _assembled(body) if _STREAM.match(body) else json.loads(body)
    except ValueError:
        raise EndpointUnavailable(
            f"{endpoint} sent a reply that is not JSON or was cut: {describe_body(body, 200)}"
        ) from None
    if isinstance(data, dict) and data.get("error") and not data.get("choices"):
        raise _error_in(data, endpoint, model)
    try:
        choice = data["choices"][0]
        message = choice["message"]
        text, refusal = message.get("content") or "", message.get("refusal")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise EndpointUnavailable(f"{endpoint} sent a reply without choices: {describe_body(body, 200)}") from None
    if not isinstance(text, str):
        raise EndpointUnavailable(f"{endpoint} sent a reply whose content is not text: {text!r:.200}")
    reason = choice.get("finish_reason") or "stop"
    if not text and (refusal or reason == "content_filter"):
        raise RequestRefused(f"{model} refused to reply: {refusal or 'its content filter held the reply back'}")
    usage, timings = data.get("usage") or {}, data.get("timings") or {}
    details = usage.get("prompt_tokens_details") or {}
    return Reply(
        text,
        "length" if reason == "length" else "stop",
        usage.get("prompt_tokens"),
        details.get("cached_tokens") or timings.get("cache_n") or usage.get("prompt_cache_hit_tokens") or 0,
        usage.get("completion_tokens"),
        _logprobs(choice),
    )


def _assembled(stream: str) -> dict[str, Any]:
    """A stream's events as the one object that the endpoint would have sent whole.

    Raises:
        ValueError: an event is not JSON, or the stream ends before the reply does.
    """
    data: dict[str, Any] = {}
    text: list[str] = []
    logprobs: list[Any] = []
    reason = None
    for event in _events(stream):
        if event.get("error"):
            return event
        data.update({key: event[key] for key in ("usage", "timings") if event.get(key)})
        for choice in event.get("choices") or ():
            text.append((choice.get("delta") or {}).get("content") or "")
            logprobs += (choice.get("logprobs") or {}).get("content") or ()
            reason = choice.get("finish_reason") or reason
    if reason is None:
        raise ValueError("the stream ends without a finish reason")
    choice = {"finish_reason": reason, "message": {"content": "".join(text)}, "logprobs": {"content": logprobs}}
    return {**data, "choices": [choice]}


def _events(stream: str) -> Iterator[dict[str, Any]]:
    for line in stream.split("\n"):  # not splitlines: it also parts JSON strings that hold a Unicode line separator
        name, _, value = line.partition(":")
        if name not in ("data", "error") or value.strip() == "[DONE]":
            continue
        event = json.loads(value)
        if not isinstance(event, dict):
            raise ValueError("an event is not an object")
        yield {"error": event} if name == "error" else event


def _error_in(data: Mapping[str, Any], endpoint: str, model: str) -> ModelError:
    """The error that some gateways, and streams, wrap in a reply with status 200."""
    error = data["error"]
    code = error.get("code") if isinstance(error, Mapping) else None
    status = code if isinstance(code, int) and 400 <= code < 600 else 500
    return from_status(status, json.dumps({"error": error}), {}, endpoint=endpoint, model=model)


def _logprobs(choice: Mapping[str, Any]) -> tuple[TokenLogprob, ...] | None:
    content = (choice.get("logprobs") or {}).get("content")
    if not content:
        return None
    return tuple(
        TokenLogprob(
            item["token"],
            float(item["logprob"]),
            tuple((top["token"], float(top["logprob"])) for top in item.get("top_logprobs") or ()),
        )
        for item in content
    )
