"""Plain data that every floor shares. Knows nothing of models, stores or methods."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pansophy.events import Event


class Verdict(StrEnum):
    """How a question ended."""

    ANSWERED = "answered"
    FORCED = "forced"
    NOTHING_FOUND = "nothing_found"
    OUT_OF_BUDGET = "out_of_budget"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Span:
    """Where something stands: characters `start` to `end` (exclusive) of a document."""

    document: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Document:
    """One source text.

    `id` is unique in its corpus (the source's path or URI as the user would recognise it), `source` is what it was
    read from, `sha256` is the hash of the source's bytes.
    """

    id: str
    title: str
    text: str
    source: str
    sha256: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A span of a document with its text: `text == document.text[start:end]`, always.

    `index` is the chunk's position in the reading order of its corpus (0-based; smaller comes earlier in the text).
    """

    document: str
    start: int
    end: int
    text: str
    index: int
    title: str = ""

    @property
    def span(self) -> Span:
        return Span(self.document, self.start, self.end)


@dataclass(frozen=True, slots=True)
class Usage:
    """What calls cost. Tokens are counted by the model's endpoint where it says so; `cost` is in US dollars, None
    when prices are not known; `seconds` adds up the calls' own durations (they may overlap in wall time)."""

    calls: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    cost: float | None = None

    @property
    def prefilled_tokens(self) -> int:
        """Prompt tokens that the model had to compute because no cache held them."""
        return self.prompt_tokens - self.cached_tokens

    def __add__(self, other: Usage) -> Usage:
        cost = None if self.cost is None and other.cost is None else (self.cost or 0.0) + (other.cost or 0.0)
        return Usage(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.cached_tokens + other.cached_tokens,
            self.completion_tokens + other.completion_tokens,
            self.seconds + other.seconds,
            cost,
        )


@dataclass(frozen=True, slots=True)
class Example:
    """A worked example: findings in the order of their text, a question about them, and its answer."""

    findings: tuple[str, ...]
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a chat prompt."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One generated token with its natural log-probability, and the likeliest tokens at that place with theirs."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Completion:
    """A chat model's reply.

    `finish_reason` is "stop" when the model ended by itself and "length" when it ran into `max_tokens`.
    `logprobs` has one entry for each generated token, where they were asked for and the endpoint gives them.
    """

    text: str
    finish_reason: str
    usage: Usage
    logprobs: tuple[TokenLogprob, ...] | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """A finding that the answer may rest on, with the verbatim quote that supports it.

    `quote == document.text[start:end]`, checked; `rating` is 0..100; `round` counts from 1. `cited` tells whether
    the answer names this finding.
    """

    document: str
    start: int
    end: int
    quote: str
    statement: str
    rating: float
    round: int
    cited: bool = False


class Trust(StrEnum):
    """Whose word counts where texts contradict each other, or the model.

    `text` and `model` say who is believed where those two differ; the others also settle what the texts tell: what most
    documents tell, what the best rated finding tells, what the newest source tells, or what is left when those that
    disagree read each other's passages.
    """

    TEXT = "text"
    MODEL = "model"
    MAJORITY = "majority"
    RATING = "rating"
    NEWEST = "newest"
    SWAP = "swap"


@dataclass(frozen=True, slots=True)
class Claim:
    """One answer to a question, and who gives it.

    `evidence` are the passages that tell it, `dates` those of their documents (ISO 8601, "" for one without);
    `remembered` tells whether the model says the same without any text.
    """

    answer: str
    evidence: tuple[Evidence, ...] = ()
    dates: tuple[str, ...] = ()
    remembered: bool = False


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the passages of a text, and the model's memory, each say to a question, and how it was settled.

    `claims` are the different answers; `settled` is the number (from 0) of the one that counts, None if none does for
    sure; `reason` says why, `before` is what had been answered until then.
    """

    trust: Trust
    claims: tuple[Claim, ...]
    settled: int | None
    reason: str
    before: str = ""

    @property
    def is_contested(self) -> bool:
        """Whether there is more than one claim."""
        return len(self.claims) > 1

    @property
    def is_unresolved(self) -> bool:
        """Whether there are several claims, and no rule chose among them."""
        return self.is_contested and self.settled is None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Ledger:
        """From plain JSON data, as `Answer.to_dict` has it."""
        claims = tuple(
            Claim(
                claim["answer"],
                tuple(Evidence(**item) for item in claim["evidence"]),
                tuple(claim["dates"]),
                claim["remembered"],
            )
            for claim in data["claims"]
        )
        return cls(Trust(data["trust"]), claims, data["settled"], data["reason"], data["before"])


@dataclass(frozen=True, slots=True)
class FailedChunk:
    """A chunk that could not be read, and why."""

    document: str
    start: int
    end: int
    error: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a question: what was answered, how it ended, what it rests on and what it cost.

    `ledger` is there where it was asked for whom to trust.
    """

    question: str
    text: str
    verdict: Verdict
    evidence: tuple[Evidence, ...] = ()
    rounds: int = 0
    failed_chunks: tuple[FailedChunk, ...] = ()
    usage: Usage = Usage()
    settings: Mapping[str, Any] = field(default_factory=dict)
    run_id: str | None = None
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    ledger: Ledger | None = None
    trace: tuple[Event, ...] = field(default=(), repr=False, compare=False)

    @property
    def citations(self) -> tuple[Evidence, ...]:
        """The evidence that the answer names."""
        return tuple(item for item in self.evidence if item.cited)

    def __str__(self) -> str:
        return self.text

    def to_dict(self) -> dict[str, Any]:
        """The answer as plain JSON data (without the trace)."""
        data = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "trace"}
        data["answer"] = data.pop("text")
        data["verdict"] = str(self.verdict)
        data["evidence"] = [dataclasses.asdict(item) for item in self.evidence]
        data["ledger"] = None if self.ledger is None else dataclasses.asdict(self.ledger)
        data["failed_chunks"] = [dataclasses.asdict(item) for item in self.failed_chunks]
        data["usage"] = dataclasses.asdict(self.usage)
        data["settings"] = dict(self.settings)
        data["warnings"] = list(self.warnings)
        order = ("question", "answer", "verdict", "evidence", "ledger", "rounds", "failed_chunks", "usage", "settings")
        return {key: data[key] for key in (*order, "run_id", "warnings", "seconds")}

    def to_json(self, indent: int | None = 2) -> str:
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=indent)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Answer:
        """The inverse of `to_dict`."""
        return cls(
            question=data["question"],
            text=data["answer"],
            verdict=Verdict(data["verdict"]),
            evidence=tuple(Evidence(**item) for item in data["evidence"]),
            rounds=data["rounds"],
            failed_chunks=tuple(FailedChunk(**item) for item in data["failed_chunks"]),
            usage=Usage(**data["usage"]),
            settings=data["settings"],
            run_id=data["run_id"],
            warnings=tuple(data["warnings"]),
            seconds=data["seconds"],
            ledger=Ledger.from_dict(data["ledger"]) if data.get("ledger") else None,
        )
