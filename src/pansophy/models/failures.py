"""What can go wrong at an endpoint, as our errors: pure functions from a client library's exception to a `ModelError`.

Knows the wordings of OpenAI, vLLM, SGLang, llama.cpp, Ollama and LM Studio. Knows nothing of retrying: the errors' own
`retryable` says whether it can help.
"""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Mapping
from typing import Any

from pansophy.errors import (
    AuthenticationFailed,
    CallTimedOut,
    ContextOverflow,
    EndpointUnavailable,
    ModelError,
    RateLimited,
    RequestRefused,
    UnknownModel,
)

_OVERFLOW = re.compile(
    r"context_length_exceeded|exceed_context_size|maximum context length|max(imum)? model(?:'s)? (?:context )?len"
    r"|exceeds? (?:the )?(?:available |maximum |max |model'?s? )*context|longer than the model'?s? (?:maximum )?context"
    r"|context (?:length|window|size) (?:is )?(?:exceeded|of only)|context the overflows"
    r"|prompt is too long|prompt too long|input is too (?:long|large)|reduce the length of the (?:messages|prompt)"
    r"|input token count .{0,40}exceeds",
    re.IGNORECASE,
)
_NO_SUCH_MODEL = re.compile(
    r"model[_ ]not[_ ]found|model .{0,120}(?:not found|does not exist|doesn't exist|not available|is not loaded)"
    r"|(?:no|unknown|invalid) (?:such )?model|not a valid model|no models? loaded",
    re.IGNORECASE | re.DOTALL,
)
_OUT_OF_QUOTA = re.compile(
    r"insufficient_quota|exceeded your current quota|insufficient (?:balance|credits|funds)", re.I
)


class QuotaExhausted(RateLimited):
    """The account has no credit left: a 429 that waiting does not cure."""

    retryable = False


def from_status(
    status: int, body: str, headers: Mapping[str, str], *, endpoint: str, model: str, now: float | None = None
) -> ModelError:
    """The error for a reply of HTTP status `status` (400 or above) with `body`.

    Args:
        status: the HTTP status.
        body: the reply's text: JSON, plain text or an HTML page.
        headers: the reply's headers; `Retry-After` may be a number of seconds or an HTTP date.
        endpoint: the server's base URL, for the message.
        model: the model's name at the server.
        now: the current time in seconds since the epoch, for tests.
    """
    detail = describe_body(body)
    said = f"{endpoint} replied {status}: {detail}"
    if status in (401, 403) and not _NO_SUCH_MODEL.search(detail):
        return AuthenticationFailed(f"{said}. Check the API key (--api-key or OPENAI_API_KEY)")
    if _OVERFLOW.search(detail) or _OVERFLOW.search(body[:2000]):
        return ContextOverflow(f"the prompt does not fit the window of {model}: {said}")
    if status == 404 or (status in (400, 403, 422) and _NO_SUCH_MODEL.search(detail)):
        return UnknownModel(f"{endpoint} does not know {model!r} ({status}: {detail})")
    if status == 402 or (status == 429 and _OUT_OF_QUOTA.search(body)):
        return QuotaExhausted(f"{said}. The account's quota is used up: add credit or use another endpoint")
    wait = retry_after(headers, time.time() if now is None else now)
    if status == 429 or (status == 503 and wait is not None):
        return RateLimited(said, retry_after=wait)
    if status in (408, 504):
        return CallTimedOut(said, retry_after=wait)
    if status >= 500 or status in (409, 425):
        return EndpointUnavailable(said, retry_after=wait)
    return RequestRefused(said)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds to wait as the reply's headers say (never negative), None when they say nothing readable."""
    lowered = {name.lower(): value.strip() for name, value in headers.items()}
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(lowered[name]) * unit
        except (KeyError, ValueError):
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    try:
        return max(0.0, email.utils.parsedate_to_datetime(lowered["retry-after"]).timestamp() - now)
    except (KeyError, ValueError, OverflowError):
        return None


def describe_body(body: str, limit: int = 400) -> str:
    """What an error reply says, in one line: the message of a JSON error, an HTML page's title, or the text's start."""
    text = body.strip()
    if not text:
        return "(empty reply)"
    try:
        message = _message_of(json.loads(text))
    except ValueError:
        message = ""
    if not message and re.match(r"(?i)<(?:!doctype|html|head|\?xml)", text):
        title = re.search(r"(?is)<(title|h1)[^>]*>(.*?)</\1>", text)
        message = f"an HTML page{f' titled {title[2].strip()!r}' if title else ''} instead of JSON"
    line = " ".join((message or text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _message_of(data: Any) -> str:
    """The message of the error shapes in use: {"error": {"message"}}, {"error": "…"}, {"message"}, {"detail"}."""
    if isinstance(data, Mapping):
        error = data.get("error", data)
        if isinstance(error, Mapping):
            message = error.get("message") or error.get("detail") or error.get("code")
            return message if isinstance(message, str) else json.dumps(message or error, ensure_ascii=False)
        return str(error)
    return data if isinstance(data, str) else ""


def from_exception(error: Exception, *, endpoint: str, model: str) -> ModelError:
    """The error for an exception of `openai` or of the HTTP library under it.

    Exceptions that neither raises for a failed call are bugs: they come back as they are, by raising.
    """
    import openai

    if isinstance(error, openai.APIStatusError):
        response = error.response
        return from_status(response.status_code, response.text, response.headers, endpoint=endpoint, model=model)
    names = {base.__name__ for base in type(error).__mro__}
    cause = error.__cause__ or error
    if names & {"APITimeoutError", "TimeoutException"}:
        phase = "could not be reached" if "Connect" in type(cause).__name__ else "did not reply"
        return CallTimedOut(f"{endpoint} {phase} in time ({type(cause).__name__})")
    if names & {"APIConnectionError", "HTTPError", "StreamError", "InvalidURL", "UnsupportedProtocol"}:
        said = str(cause) or type(cause).__name__
        if "ConnectError" in {base.__name__ for base in type(cause).__mro__}:
            return EndpointUnavailable(f"{endpoint} can't be reached ({said}). Is the server running?")
        if names & {"InvalidURL", "UnsupportedProtocol"}:
            return RequestRefused(f"{endpoint} is not a usable address: {said}")
        return EndpointUnavailable(f"{endpoint} broke off its reply ({said})")
    if isinstance(error, ValueError):  # JSON that doesn't parse
        return EndpointUnavailable(f"{endpoint} sent a reply that is not JSON ({error})")
    if isinstance(error, openai.APIError):  # an error event in the middle of a stream
        return from_status(500, error.message, {}, endpoint=endpoint, model=model)
    if isinstance(error, openai.OpenAIError):
        return RequestRefused(f"{endpoint}: {error}")
    raise error
