"""One run in the store: its events, its journal of completions, its answer."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pansophy.errors import RunError, UnknownRun
from pansophy.events import Event
from pansophy.runs import database as db
from pansophy.runs.owner import Claim, describe, is_alive
from pansophy.runs.secrets import without_environment_key
from pansophy.types import Answer, Completion, TokenLogprob, Usage, Verdict

Status = Literal["running", "interrupted", "finished"]


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What a run is and how it stands.

    `status` is "running" while a living process works on it, "interrupted" when that process is gone, "finished" when
    there is an answer. `seconds` is the time from its start to its end or last sign of life. `completions` is the
    number of replies that a resumed run would not ask for again. `sources` is what opens its corpus and models again.
    """

    id: str
    question: str
    strategy: str
    status: Status
    verdict: Verdict | None
    started: datetime
    seconds: float
    completions: int
    fingerprint: str
    settings: Mapping[str, Any]
    sources: Mapping[str, Any]
    release: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        data = dataclasses.asdict(self)
        data["started"] = self.started.isoformat(timespec="seconds")
        data["verdict"] = None if self.verdict is None else str(self.verdict)
        return data


class Run:
    """One run in the store; made by `RunStore`.

    Reading needs nothing; the first `emit`, `record` or `finish` claims the run for this process, so that two processes
    never write into the same one. Everything is in the database when a method returns.
    """

    def __init__(self, database: db.Database, run_id: str, claim: Claim | None = None, attempt: int = 1) -> None:
        self.id = run_id
        self._database = database
        self._claim = claim
        self._attempt = attempt
        self._known: dict[str, str] | None = None

    @property
    def info(self) -> RunInfo:
        """How the run stands now."""
        rows = self._database.read(lambda c: read_infos(c, db.runs.c.id == self.id, limit=1))
        if not rows:
            raise UnknownRun(f"run {self.id} has been deleted")
        return rows[0]

    def require(self, fingerprint: str) -> None:
        """Make sure that this run may be continued under `fingerprint`.

        Raises:
            RunError: it was started with another question, corpus, strategy, model or setting.
        """
        if self.info.fingerprint != fingerprint:
            raise RunError(
                f"run {self.id} can't be continued: its question, corpus, strategy, models, settings or pansophy "
                "version differ from now; ask again to start a new run"
            )

    def emit(self, event: Event) -> None:
        """Store `event`. Raises StoreError; RunError when another process works on this run."""
        attempt = self._claimed()
        row = {"run": self.id, "attempt": attempt, "at": time.time(), "data": to_json(event.to_dict())}
        self._database.write(lambda c: c.execute(sa.insert(db.events), row))

    def events(self) -> list[Event]:
        """The events in their order. Of a run that was resumed: those of the last attempt that came furthest."""
        texts = self._database.read(self._read_events)
        return [Event.from_dict(json.loads(text)) for text in texts]

    def recall(self, key: str) -> Completion | None:
        """The completion recorded under `key` in this run, None if there is none."""
        if self._known is None:
            query = sa.select(db.completions.c.key, db.completions.c.data).where(db.completions.c.run == self.id)
            self._known = {row.key: row.data for row in self._database.read(lambda c: c.execute(query).all())}
        text = self._known.get(key)
        return None if text is None else _completion(json.loads(text))

    def record(self, key: str, completion: Completion) -> None:
        """Keep `completion` under `key`; the prompt itself is not stored. Raises as `emit` does."""
        self._claimed()
        text = to_json(dataclasses.asdict(completion))
        row = {"run": self.id, "key": key, "at": time.time(), "data": text}
        insert = db.insert_new(self._database.dialect, db.completions)
        self._database.write(lambda c: c.execute(insert, row))
        if self._known is not None:
            self._known.setdefault(key, text)

    def finish(self, answer: Answer) -> None:
        """Store `answer` as the run's result and let go of the run. Raises as `emit` does."""
        self._claimed()
        values = {
            "status": "finished",
            "verdict": str(answer.verdict),
            "answer": to_json({**answer.to_dict(), "run_id": self.id}),
            "finished": time.time(),
            "owner": None,
        }
        self._database.write(lambda c: c.execute(sa.update(db.runs).where(db.runs.c.id == self.id).values(values)))
        self._claim = None

    def release(self) -> None:
        """Let go of an unfinished run, so that it counts as interrupted and can be resumed at once. Idempotent."""
        if self._claim is None:
            return
        mine = (db.runs.c.id == self.id) & (db.runs.c.owner == self._claim.text)
        self._database.write(lambda c: c.execute(sa.update(db.runs).where(mine).values(owner=None)))
        self._claim = None

    def answer(self) -> Answer | None:
        """The stored answer with the events as its trace; None while there is none."""
        query = sa.select(db.runs.c.answer).where(db.runs.c.id == self.id)
        text = self._database.read(lambda c: c.scalar(query))
        if text is None:
            return None
        return dataclasses.replace(Answer.from_dict(json.loads(text)), trace=tuple(self.events()))

    def export(self) -> dict[str, Any]:
        """All that is stored of the run but the journal, as plain JSON data: `run`, `settings`, `events`, `answer`."""
        info = self.info.to_dict()
        settings = info.pop("settings")
        answer = self.answer()
        return {
            "run": info,
            "settings": settings,
            "events": [json.loads(text) for text in self._database.read(self._read_events)],
            "answer": None if answer is None else answer.to_dict(),
        }

    def _read_events(self, connection: Connection) -> list[str]:
        mine = db.events.c.run == self.id
        counts = connection.execute(
            sa.select(db.events.c.attempt, sa.func.count()).where(mine).group_by(db.events.c.attempt)
        ).all()
        if not counts:
            return []
        status = connection.scalar(sa.select(db.runs.c.status).where(db.runs.c.id == self.id))
        # an attempt that resumes replays its predecessor's events, and may be interrupted before it has caught up
        attempt = max(counts, key=lambda row: (row[0] if status == "finished" else row[1], row[0]))[0]
        query = sa.select(db.events.c.data).where(mine & (db.events.c.attempt == attempt)).order_by(db.events.c.id)
        return list(connection.scalars(query))

    def _claimed(self) -> int:
        """The number of this attempt; claims the run first where that is not done yet."""
        if self._claim is None:
            claim = Claim()
            self._attempt = self._database.write(lambda c: self._take_over(c, claim))
            self._claim = claim
        return self._attempt

    def _take_over(self, connection: Connection, claim: Claim) -> int:
        table = db.runs
        row = connection.execute(
            sa.select(table.c.owner, table.c.attempt, last_sign().label("last")).where(table.c.id == self.id)
        ).first()
        if row is None:
            raise UnknownRun(f"run {self.id} has been deleted")
        if is_alive(row.owner, row.last):
            raise RunError(f"run {self.id} is being worked on by {describe(row.owner)}")
        unchanged = (table.c.id == self.id) & (table.c.attempt == row.attempt)
        values = {"owner": claim.text, "attempt": row.attempt + 1, "status": "running"}
        if connection.execute(sa.update(table).where(unchanged).values(values)).rowcount != 1:
            raise RunError(f"run {self.id} has just been taken up by another process")
        return int(row.attempt) + 1


def read_infos(connection: Connection, where: sa.ColumnElement[bool], limit: int) -> list[RunInfo]:
    """The newest `limit` runs that `where` holds for."""
    table = db.runs
    count = (
        sa.select(sa.func.count())
        .where(db.completions.c.run == table.c.id)
        .correlate(table)
        .scalar_subquery()
        .label("completions")
    )
    query = (
        sa.select(table, count, last_sign().label("last"))
        .where(where)
        .order_by(table.c.started.desc(), table.c.id.desc())
        .limit(limit)
    )
    return [_info(row) for row in connection.execute(query)]


def last_sign() -> sa.ColumnElement[float]:
    """When a run was last written to (epoch seconds), as an SQL expression."""
    table = db.runs

    def latest(other: sa.Table) -> sa.ColumnElement[float]:
        newest = sa.select(sa.func.max(other.c.at)).where(other.c.run == table.c.id).correlate(table).scalar_subquery()
        return sa.func.coalesce(newest, table.c.started)

    events, completions = latest(db.events), latest(db.completions)
    return sa.case((events > completions, events), else_=completions)


def to_json(data: Any) -> str:
    """JSON text to store: ASCII, and without the endpoint's key."""
    return without_environment_key(json.dumps(data, separators=(",", ":"), default=_as_plain))


def _as_plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return dict(value) if isinstance(value, Mapping) else str(value)


def _info(row: sa.Row[Any]) -> RunInfo:
    status: Status = "finished"
    if row.status != "finished":
        status = "running" if is_alive(row.owner, row.last) else "interrupted"
    return RunInfo(
        id=row.id,
        question=json.loads(row.question),
        strategy=row.strategy,
        status=status,
        verdict=Verdict(row.verdict) if row.verdict and status == "finished" else None,
        started=datetime.fromtimestamp(row.started, UTC),
        seconds=(row.finished if status == "finished" else row.last) - row.started,
        completions=row.completions,
        fingerprint=row.fingerprint,
        settings=json.loads(row.settings),
        sources=json.loads(row.sources),
        release=row.release,
    )


def _completion(data: dict[str, Any]) -> Completion:
    logprobs = data["logprobs"]
    return Completion(
        text=data["text"],
        finish_reason=data["finish_reason"],
        usage=Usage(**data["usage"]),
        logprobs=None if logprobs is None else tuple(_token_logprob(item) for item in logprobs),
    )


def _token_logprob(data: dict[str, Any]) -> TokenLogprob:
    return TokenLogprob(data["token"], data["logprob"], tuple((token, value) for token, value in data["top"]))
