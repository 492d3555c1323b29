"""What went wrong, as HTTP says it: the status, and a body in the form that OpenAI's clients understand.

All of the service speaks of failures in this one form. Messages are those of our own errors, which carry no secrets;
anything that was not foreseen is told to the log alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from pansophy import errors
from pansophy.runs.secrets import without_environment_key


@dataclass(frozen=True, slots=True)
class Kind:
    """The status of a failure, and OpenAI's words for it."""

    status: int
    type: str
    code: str


INVALID = "invalid_request_error"
INTERNAL = Kind(500, "server_error", "internal_error")

# The first class that an error is an instance of counts.
KINDS: tuple[tuple[type[Exception], Kind], ...] = (
    (errors.UnknownCorpus, Kind(404, INVALID, "corpus_not_found")),
    (errors.UnknownDocument, Kind(404, INVALID, "document_not_found")),
    (errors.UnknownRun, Kind(404, INVALID, "question_not_found")),
    (errors.UsageError, Kind(400, INVALID, "invalid_request")),
    (errors.SourceError, Kind(422, INVALID, "unreadable_source")),
    (errors.CorpusError, Kind(409, INVALID, "corpus_conflict")),
    (errors.RunError, Kind(409, INVALID, "question_conflict")),
    (errors.StoreError, Kind(503, "server_error", "store_unavailable")),
    (errors.ContextOverflow, Kind(400, INVALID, "context_length_exceeded")),
    (errors.UnknownModel, Kind(502, "server_error", "model_not_available")),
    (errors.AuthenticationFailed, Kind(502, "server_error", "model_refused_key")),
    (errors.RequestRefused, Kind(502, "server_error", "model_refused_request")),
    (errors.RateLimited, Kind(503, "server_error", "model_overloaded")),
    (errors.CallTimedOut, Kind(504, "server_error", "model_timed_out")),
    (errors.ModelError, Kind(502, "server_error", "model_failed")),
    (errors.RunFailed, Kind(502, "server_error", "question_failed")),
    (errors.BudgetExceeded, Kind(504, "server_error", "limit_reached")),
    (errors.PansophyError, INTERNAL),
)

OF_STATUS = {
    400: Kind(400, INVALID, "invalid_request"),
    401: Kind(401, "authentication_error", "invalid_api_key"),
    403: Kind(403, "permission_error", "forbidden"),
    404: Kind(404, INVALID, "not_found"),
    405: Kind(405, INVALID, "method_not_allowed"),
    413: Kind(413, INVALID, "too_large"),
    421: Kind(421, INVALID, "wrong_host"),
    422: Kind(422, INVALID, "invalid_request"),
    429: Kind(429, "rate_limit_error", "rate_limit_exceeded"),
}


class Refusal(HTTPException):
    """A request that this service refuses for a reason that only HTTP knows of; `code` tells programs more."""

    def __init__(self, status: int, message: str, *, code: str | None = None, retry_after: float | None = None) -> None:
        self.code = code
        headers = {} if retry_after is None else {"Retry-After": str(max(1, round(retry_after + 0.5)))}
        super().__init__(status, message, headers)


def kind_of(error: Exception) -> Kind:
    """How HTTP calls this error."""
    if isinstance(error, HTTPException):
        kind = OF_STATUS.get(error.status_code) or Kind(error.status_code, INVALID, "refused")
        return replace(kind, code=getattr(error, "code", None) or kind.code)
    return next((kind for known, kind in KINDS if isinstance(error, known)), INTERNAL)


def message_of(error: Exception) -> str:
    """What the client is told."""
    if isinstance(error, HTTPException):
        return str(error.detail)
    if isinstance(error, errors.PansophyError):
        return without_environment_key(str(error))
    return "an internal error: the service's log has it under this request's id"


def body_of(error: Exception, *, param: str | None = None) -> dict[str, Any]:
    """The failure as OpenAI's clients expect it."""
    kind = kind_of(error)
    return {"error": {"message": message_of(error), "type": kind.type, "param": param, "code": kind.code}}


def response_to(error: Exception, *, param: str | None = None) -> JSONResponse:
    """The whole response to an error."""
    headers = dict(getattr(error, "headers", None) or {})
    if kind_of(error).status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        headers.setdefault("Retry-After", str(max(1, round(retry_after))))
    return JSONResponse(body_of(error, param=param), kind_of(error).status, headers)


def install(app: FastAPI) -> None:
    """Have every error of the application answered so."""

    async def answer(_: Request, error: Exception) -> JSONResponse:
        return response_to(error)

    async def explain(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if part != "body")
        refusal = Refusal(422, f"{place}: {first['msg']}" if place else str(first["msg"]))
        return response_to(refusal, param=place or None)

    app.add_exception_handler(HTTPException, answer)
    app.add_exception_handler(errors.PansophyError, answer)
    app.add_exception_handler(RequestValidationError, explain)
