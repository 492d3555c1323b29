"""Errors that pansophy raises: each says what was wrong, what was expected and what to do.

The CLI prints their message as one line and exits with their `exit_code`; `--debug` prints the traceback.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pansophy.types import Answer


class PansophyError(Exception):
    """Base of every error that pansophy raises on purpose."""

    exit_code: int = 1


class UsageError(PansophyError):
    """The call itself is wrong: an empty question, an option out of range, a name that doesn't exist."""

    exit_code = 2


class SourceError(PansophyError):
    """A source can't be read: missing, empty, binary, damaged, of an unknown kind."""


class CorpusError(PansophyError):
    """A corpus can't be used: unknown, empty, locked, damaged."""


class UnknownCorpus(CorpusError):
    """There is no corpus of this name."""


class UnknownDocument(CorpusError):
    """The corpus has no document of this id."""


class StoreError(PansophyError):
    """Something can't be written or read back: disk full, read-only home, database unreachable."""


class RunError(PansophyError):
    """A run can't be continued: unknown id, other settings than it was started with."""


class UnknownRun(RunError):
    """There is no run, or no job, of this id."""


class LeaseLost(RunError):
    """Another worker has taken the job over: whoever had it before must let go of it."""


class ModelError(PansophyError):
    """A model did not give a usable completion.

    `retryable` tells the engine's one retry policy whether trying the same call again can help;
    `retry_after` is the number of seconds that the endpoint asked to wait, if it did.
    """

    retryable: bool = False

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnknownModel(ModelError):
    """The endpoint or the catalogue has no model of this name."""


class AuthenticationFailed(ModelError):
    """The endpoint refused the key."""


class ContextOverflow(ModelError):
    """The prompt and the reserved output don't fit the model's window."""


class RequestRefused(ModelError):
    """The endpoint understood the request and refused it (content filter, unsupported option, bad schema)."""


class RateLimited(ModelError):
    """The endpoint asked to slow down (HTTP 429 or 503 with Retry-After)."""

    retryable = True


class EndpointUnavailable(ModelError):
    """The endpoint can't be reached, failed (HTTP 5xx) or broke off its reply."""

    retryable = True


class CallTimedOut(ModelError):
    """One call took longer than its own time-out."""

    retryable = True


class EmptyReply(ModelError):
    """The model replied with nothing."""

    retryable = True


class BudgetExceeded(PansophyError):
    """A limit of the run (calls, tokens, cost or deadline) is reached: no further call is made."""

    exit_code = 4


class RunFailed(PansophyError):
    """A question could not be read to an end: its message is the first cause.

    `answer` is the run as far as it came (verdict "failed"), with the failed chunks and what was paid.
    """

    def __init__(self, message: str, answer: Answer) -> None:
        super().__init__(message)
        self.answer = answer
