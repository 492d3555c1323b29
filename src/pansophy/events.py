"""What happens while a question is read, as typed events.

A method emits them, the run store keeps them, the CLI draws them, a server streams them. An event is a frozen
dataclass; `to_dict` and `from_dict` turn it into JSON data and back.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from pansophy.types import Answer, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all events. `seconds` is the time since the run began."""

    kind: ClassVar[str] = "event"
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        data = dataclasses.asdict(self)
        answer = getattr(self, "answer", None)
        if isinstance(answer, Answer):
            data["answer"] = answer.to_dict()
        return {"kind": self.kind, **data}

    @staticmethod
    def from_dict(data: dict[str, Any]) -> Event:
        fields = dict(data)
        event_class = EVENT_KINDS[fields.pop("kind")]
        if "usage" in fields:
            fields["usage"] = Usage(**fields["usage"])
        if event_class is AnswerReady:
            fields["answer"] = Answer.from_dict(fields["answer"])
        for name in ("shown", "cited", "steps", "claims"):
            if name in fields:
                fields[name] = tuple(fields[name])
        return event_class(**fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed(Event):
    """The strategy by which this question is read was chosen for `reason`. Comes before `RunStarted`."""

    kind: ClassVar[str] = "routed"
    strategy: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """`chunks` is how many chunks the strategy may read, `order` is "rank", "latest" or "document".

    `steps` says how many findings the tries of round 1 are going to be given, where that is known beforehand.
    """

    kind: ClassVar[str] = "run_started"
    run_id: str | None
    question: str
    strategy: str
    model: str
    seeker_model: str
    chunks: int
    order: str
    window: int
    steps: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundStarted(Event):
    """Round `round` (from 1) begins; `synchronised` messages of the round before are shown to every seeking agent."""

    kind: ClassVar[str] = "round_started"
    round: int
    synchronised: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkRead(Event):
    """A seeking agent has read chunk number `chunk` (0-based, in the strategy's order).

    `found` is False when the agent says that the chunk holds nothing; then `statement` is empty and `rating` 0.
    `quote` is the verified quote ("" when none could be verified), `start`/`end` its span in `document`.
    """

    kind: ClassVar[str] = "chunk_read"
    round: int
    chunk: int
    document: str
    start: int
    end: int
    found: bool
    rating: float
    statement: str
    quote: str
    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkFailed(Event):
    """A chunk could not be read: `error` says why. The run goes on with the others."""

    kind: ClassVar[str] = "chunk_failed"
    round: int
    chunk: int
    document: str
    start: int
    end: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningStarted(Event):
    """The reasoning agent is given the messages of the chunks numbered `shown`, in the order shown."""

    kind: ClassVar[str] = "reasoning_started"
    round: int
    attempt: int
    shown: tuple[int, ...]
    forced: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningTried(Event):
    """The reasoning agent answered or refused. `cited` are the chunk numbers that it names as its grounds.

    `certainty` (0..1) is the probability of the answer's least probable token, where it was asked for and is known.
    """

    kind: ClassVar[str] = "reasoning_tried"
    round: int
    attempt: int
    answered: bool
    forced: bool
    answer: str
    cited: tuple[int, ...]
    usage: Usage
    certainty: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteWritten(Event):
    """An intermediate text of a strategy that is neither a finding nor an answer: a running note, a collapse."""

    kind: ClassVar[str] = "note_written"
    step: int
    of: int
    text: str
    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimTold(Event):
    """For the ledger, a passage was read by itself: `answer` is what it tells, "" if it doesn't answer the question.

    `document` is "" where the model was asked without any text. `beside` is the document of the other passage that was
    read with this one, after the two had told different answers.
    """

    kind: ClassVar[str] = "claim_told"
    document: str
    start: int
    end: int
    answer: str
    beside: str
    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictSettled(Event):
    """The ledger is made: `claims` are the different answers, `settled` is the number of the one that counts or None,
    `reason` says why."""

    kind: ClassVar[str] = "conflict_settled"
    claims: tuple[str, ...]
    settled: int | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRetried(Event):
    """The engine tries a call again after `error`, waiting `wait` seconds."""

    kind: ClassVar[str] = "call_retried"
    attempt: int
    error: str
    wait: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned(Event):
    """Something that the user should know and that did not stop the run."""

    kind: ClassVar[str] = "warned"
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerReady(Event):
    """The run is over. Always the last event."""

    kind: ClassVar[str] = "answer_ready"
    answer: Answer


EVENT_KINDS: dict[str, type[Event]] = {
    event.kind: event
    for event in (
        Routed,
        RunStarted,
        RoundStarted,
        ChunkRead,
        ChunkFailed,
        ReasoningStarted,
        ReasoningTried,
        NoteWritten,
        ClaimTold,
        ConflictSettled,
        CallRetried,
        Warned,
        AnswerReady,
    )
}
