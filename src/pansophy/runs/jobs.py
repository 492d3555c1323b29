"""The job table: work that outlives the process that was asked for it, and is done once however many workers there are.

A worker claims a job under a lease and keeps the lease alive by heartbeats. Every change to a claimed job names the
lease, so that a worker that was taken for dead and wasn't can no longer change anything (`LeaseLost`). What happens is
appended to the job's own numbered log: without gaps, in order, and the same for whoever reads it in any process. Runs
keep their events too, but an attempt at a time, and a job may have none.

Knows nothing of what the work is: a request is plain JSON data.
"""

from __future__ import annotations

import builtins
import json
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pansophy.errors import LeaseLost, RunError, UnknownRun
from pansophy.events import Event
from pansophy.runs import database as db
from pansophy.runs.owner import is_here, is_running
from pansophy.runs.run import to_json
from pansophy.runs.secrets import without_secrets
from pansophy.types import Answer, Verdict

JobStatus = Literal["queued", "running", "finished", "failed", "cancelled"]
Change = Literal["queued", "to be cancelled", "other"]
ENDED = ("finished", "failed", "cancelled")
LEASE_SECONDS = 30.0
"""Without a heartbeat for so long, a worker on another machine counts as dead."""
MOST_ATTEMPTS = 5
"""A job that ends its worker so often is not tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobQueued(Event):
    """The job waits for a worker: it is new, or is to be continued."""

    kind: ClassVar[str] = "job_queued"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStarted(Event):
    """A worker has taken the job up; after the first `attempt`, what the one before had done is not done again."""

    kind: ClassVar[str] = "job_started"
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEnded(Event):
    """The job is over, until somebody continues it. Always the last event."""

    kind: ClassVar[str] = "job_ended"
    status: str
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stands. Times are epoch seconds. `cancel` says that it shall end; `run` is the run that it has begun;
    `events` is the number of its last event."""

    id: str
    owner: str | None
    request: Mapping[str, Any]
    status: JobStatus
    created: float
    started: float | None
    ended: float | None
    attempt: int
    cancel: bool
    run: str | None
    answer: Answer | None
    error: str | None
    events: int

    @property
    def is_over(self) -> bool:
        return self.status in ENDED

    @property
    def can_be_continued(self) -> bool:
        """Whether it is over and continuing it might give another answer."""
        if self.status == "finished":
            return self.answer is not None and self.answer.verdict is Verdict.OUT_OF_BUDGET
        return self.is_over


@dataclass(frozen=True, slots=True)
class JobEvent:
    """An entry of a job's log: its number (from 1) and the event as JSON text."""

    number: int
    text: str


class JobStore:
    """The jobs in a run store's database. Its methods may be called from any thread and in any process.

    Args:
        database: the run store's; `RunStore.jobs` makes a `JobStore` of it.

    Attributes:
        listeners: told which job this object has changed and how, in the thread that changed it.
    """

    def __init__(self, database: db.Database) -> None:
        self._database = database
        self.listeners: builtins.list[Callable[[str, Change], None]] = []

    # ---- for those who want work done ----

    def submit(self, request: Mapping[str, Any], *, owner: str | None = None) -> Job:
        """Put work into the table. Values of `request` named like keys are not stored."""
        now = time.time()
        row = {
            "id": f"{datetime.now(UTC):%Y%m%d-%H%M}-{secrets.token_hex(6)}",
            "owner": owner,
            "request": to_json(without_secrets(request)),
            "status": "queued",
            "created": now,
            "attempt": 0,
            "cancel": False,
            "lease_until": 0.0,
            "events": 1,
        }

        def insert(connection: Connection) -> Job:
            connection.execute(sa.insert(db.jobs), row)
            _log(connection, str(row["id"]), 1, JobQueued())
            return _fetch(connection, str(row["id"]))

        job = self._database.write(insert)
        self._tell(job.id, "queued")
        return job

    def get(self, job_id: str) -> Job:
        """The job of this id. Raises UnknownRun."""
        return self._database.read(lambda c: _fetch(c, job_id))

    def list(
        self, limit: int = 50, *, owner: str | None = None, status: str | None = None, before: str | None = None
    ) -> builtins.list[Job]:
        """The newest jobs, newest first: of `owner`, with `status`, older than the job `before`, where given."""
        table = db.jobs
        query = sa.select(table).order_by(table.c.created.desc(), table.c.id.desc()).limit(limit)
        if owner is not None:
            query = query.where(table.c.owner == owner)
        if status is not None:
            query = query.where(table.c.status == status)

        def read(connection: Connection) -> builtins.list[Job]:
            older = query
            if before is not None:
                mark = _fetch(connection, before)
                older = query.where(sa.tuple_(table.c.created, table.c.id) < sa.tuple_(mark.created, mark.id))
            return [_job(row) for row in connection.execute(older)]

        return self._database.read(read)

    def count(self) -> dict[str, int]:
        """How many jobs there are of each status that isn't an end."""
        table = db.jobs
        query = sa.select(table.c.status, sa.func.count()).where(table.c.status.not_in(ENDED)).group_by(table.c.status)
        rows = self._database.read(lambda c: c.execute(query).all())
        return {row[0]: row[1] for row in rows}

    def cancel(self, job_id: str) -> Job:
        """Ask that a job ends. One that waits ends at once; one that is over stays as it is. Raises UnknownRun."""
        table = db.jobs

        def cancel(connection: Connection) -> Job:
            mine = table.c.id == job_id
            waiting = sa.update(table).where(mine & (table.c.status == "queued"))
            values = {"status": "cancelled", "ended": time.time(), "events": table.c.events + 1}
            number = connection.scalar(waiting.values(values).returning(table.c.events))
            if number is not None:
                _log(connection, job_id, number, JobEnded(status="cancelled"))
            else:
                connection.execute(sa.update(table).where(mine & (table.c.status == "running")).values(cancel=True))
            return _fetch(connection, job_id)

        job = self._database.write(cancel)
        self._tell(job_id, "to be cancelled" if job.cancel else "other")
        return job

    def resume(self, job_id: str, request: Mapping[str, Any] | None = None) -> Job:
        """Have a job continued that was cancelled, failed or ran out of budget; with another request, if one is given.

        Raises:
            UnknownRun: there is no such job.
            RunError: it isn't over, or its answer stands.
        """
        table = db.jobs
        job = self.get(job_id)
        if not job.can_be_continued:
            state = "has its answer" if job.status == "finished" else f"is {job.status}"
            raise RunError(f"job {job_id} {state}: only one that was cancelled, failed or ran out of budget goes on")
        values: dict[str, Any] = {"status": "queued", "cancel": False, "ended": None, "error": None, "answer": None}
        values |= {"attempt": 0, "events": table.c.events + 1}
        if request is not None:
            values["request"] = to_json(without_secrets(request))

        def queue(connection: Connection) -> Job:
            unchanged = (table.c.id == job_id) & (table.c.status == job.status) & (table.c.events == job.events)
            number = connection.scalar(sa.update(table).where(unchanged).values(values).returning(table.c.events))
            if number is None:
                raise RunError(f"job {job_id} has just been continued by somebody else")
            _log(connection, job_id, number, JobQueued())
            return _fetch(connection, job_id)

        queued = self._database.write(queue)
        self._tell(job_id, "queued")
        return queued

    def delete(self, job_id: str) -> None:
        """Delete a job that is over, with its log (its run stays). Raises UnknownRun; RunError when it isn't over."""

        def delete(connection: Connection) -> None:
            over = (db.jobs.c.id == job_id) & db.jobs.c.status.in_(ENDED)
            if connection.execute(sa.delete(db.jobs).where(over)).rowcount != 1:
                raise RunError(f"job {job_id} is {_fetch(connection, job_id).status}: cancel it first")
            connection.execute(sa.delete(db.job_events).where(db.job_events.c.job == job_id))

        self._database.write(delete)
        self._tell(job_id)

    def events(self, job_id: str, after: int = 0, limit: int = 500) -> builtins.list[JobEvent]:
        """The events with numbers above `after`, in their order; at most `limit`."""
        table = db.job_events
        query = (
            sa.select(table.c.number, table.c.data)
            .where((table.c.job == job_id) & (table.c.number > after))
            .order_by(table.c.number)
            .limit(limit)
        )
        rows = self._database.read(lambda c: c.execute(query).all())
        return [JobEvent(row.number, row.data) for row in rows]

    def heads(self, job_ids: Iterable[str]) -> dict[str, tuple[int, str]]:
        """For each of these jobs that there is: the number of its last event, and its status."""
        table = db.jobs
        query = sa.select(table.c.id, table.c.events, table.c.status).where(table.c.id.in_(builtins.list(job_ids)))
        return {row.id: (row.events, row.status) for row in self._database.read(lambda c: c.execute(query).all())}

    # ---- for workers ----

    def claim(self, lease: str, seconds: float = LEASE_SECONDS) -> Job | None:
        """Take up the oldest job that waits or whose worker has died, under `lease` (a `Claim`'s text); None without.

        The dead worker's hold on the job's run is lifted too, so that the run can be continued at once.
        """
        job = self._database.write(lambda c: self._take(c, lease, seconds))
        if job is not None:
            self._tell(job.id)
        return job

    def beat(self, leases: Sequence[str], seconds: float = LEASE_SECONDS) -> dict[str, bool]:
        """Keep `leases` alive. Those that still hold, each with whether its job shall be cancelled."""
        table = db.jobs
        held = table.c.lease.in_(leases) & (table.c.status == "running")
        values = {"lease_until": db.clock(self._database.dialect) + seconds}
        update = sa.update(table).where(held).values(values).returning(table.c.lease, table.c.cancel)
        return {row.lease: row.cancel for row in self._database.write(lambda c: c.execute(update).all())}

    def append(self, job_id: str, lease: str, event: Event) -> int:
        """Write `event` into the job's log; its number. Raises LeaseLost."""
        number = self._database.write(lambda c: _change(c, job_id, lease, event, {}))
        self._tell(job_id)
        return number

    def begun(self, job_id: str, lease: str, run_id: str) -> None:
        """Write down which run the job has begun or continues. Raises LeaseLost."""
        self._database.write(lambda c: _change(c, job_id, lease, None, {"run": run_id}))

    def finish(
        self, job_id: str, lease: str, status: JobStatus, *, answer: Answer | None = None, error: str | None = None
    ) -> None:
        """End the job. Raises LeaseLost."""
        values = {
            "status": status,
            "ended": time.time(),
            "lease": None,
            "answer": None if answer is None else to_json(answer.to_dict()),
            "error": None if error is None else to_json(error),
        }
        ended = JobEnded(status=status, error=error)
        self._database.write(lambda c: _change(c, job_id, lease, ended, values))
        self._tell(job_id)

    def release(self, job_id: str, lease: str) -> None:
        """Give the job back so that another worker continues it at once. Raises LeaseLost."""
        values = {"status": "queued", "lease": None, "attempt": db.jobs.c.attempt - 1}
        self._database.write(lambda c: _change(c, job_id, lease, JobQueued(), values))
        self._tell(job_id, "queued")

    # ---- inside ----

    def _tell(self, job_id: str, change: Change = "other") -> None:
        for listener in self.listeners:
            listener(job_id, change)

    def _take(self, connection: Connection, lease: str, seconds: float) -> Job | None:
        table = db.jobs
        now = db.clock(self._database.dialect)
        lapsed = (table.c.status == "running") & sa.or_(table.c.lease_until < now, table.c.lease.in_(_dead(connection)))
        free = sa.or_(table.c.status == "queued", lapsed)
        oldest = sa.select(table.c.id, table.c.lease, table.c.run, table.c.events).where(free)
        oldest = oldest.order_by(table.c.created, table.c.id).limit(1).with_for_update(skip_locked=True)
        while (row := connection.execute(oldest).first()) is not None:
            # PostgreSQL has locked the row for us; in SQLite another process may have been quicker
            unchanged = (table.c.id == row.id) & table.c.lease.is_not_distinct_from(row.lease) & free
            values = {"status": "running", "lease": lease, "lease_until": now + seconds}
            values |= {"attempt": table.c.attempt + 1, "events": table.c.events + 1}
            values |= {"started": sa.func.coalesce(table.c.started, time.time())}
            taken = sa.update(table).where(unchanged).values(values).returning(table.c.events, table.c.attempt)
            if (found := connection.execute(taken).first()) is not None:
                _log(connection, row.id, found.events, JobStarted(attempt=found.attempt))
                _lift_hold(connection, row.run, row.lease)
                return _fetch(connection, row.id)
        return None


def _dead(connection: Connection) -> builtins.list[str]:
    """The leases of workers on this machine that are no longer running: they need not lapse first."""
    running = sa.select(db.jobs.c.lease).where(db.jobs.c.status == "running")
    return [lease for lease in connection.scalars(running) if lease and is_here(lease) and not is_running(lease)]


def _lift_hold(connection: Connection, run_id: str | None, lease: str | None) -> None:
    """Make the run free that the process with `lease` was working on, unless another has continued it since."""
    if run_id is not None and lease is not None:
        process = lease.rpartition("|")[0]
        theirs = (db.runs.c.id == run_id) & db.runs.c.owner.startswith(f"{process}|", autoescape=True)
        connection.execute(sa.update(db.runs).where(theirs).values(owner=None))


def _change(connection: Connection, job_id: str, lease: str, event: Event | None, values: Mapping[str, Any]) -> int:
    """Change a job that is held under `lease` and log `event`; the number of its last event."""
    table = db.jobs
    held = (table.c.id == job_id) & (table.c.lease == lease) & (table.c.status == "running")
    values = {**values, "events": table.c.events + int(event is not None)}
    number: int | None = connection.scalar(sa.update(table).where(held).values(values).returning(table.c.events))
    if number is None:
        raise LeaseLost(f"job {job_id} is no longer held by this worker")
    if event is not None:
        _log(connection, job_id, number, event)
    return number


def _log(connection: Connection, job_id: str, number: int, event: Event) -> None:
    row = {"job": job_id, "number": number, "data": to_json(event.to_dict())}
    connection.execute(sa.insert(db.job_events), row)


def _fetch(connection: Connection, job_id: str) -> Job:
    row = connection.execute(sa.select(db.jobs).where(db.jobs.c.id == job_id)).first()
    if row is None:
        raise UnknownRun(f"there is no job {job_id!r}")
    return _job(row)


def _job(row: sa.Row[Any]) -> Job:
    return Job(
        id=row.id,
        owner=row.owner,
        request=json.loads(row.request),
        status=row.status,
        created=row.created,
        started=row.started,
        ended=row.ended,
        attempt=row.attempt,
        cancel=row.cancel,
        run=row.run,
        answer=None if row.answer is None else Answer.from_dict(json.loads(row.answer)),
        error=None if row.error is None else json.loads(row.error),
        events=row.events,
    )
