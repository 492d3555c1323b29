"""The record of runs: started, continued, found again by what they asked, exported, deleted."""

from __future__ import annotations

import builtins
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from types import TracebackType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pansophy.errors import RunError, StoreError, UnknownRun
from pansophy.runs import database as db
from pansophy.runs.jobs import JobStore
from pansophy.runs.owner import Claim
from pansophy.runs.run import Run, RunInfo, read_infos, to_json
from pansophy.runs.secrets import without_secrets
from pansophy.types import Answer, Verdict

SETTLED = (Verdict.ANSWERED, Verdict.FORCED, Verdict.NOTHING_FOUND)
"""Verdicts that asking again with the same settings would not change."""
SHORTEST_REFERENCE = 4
ID_TRIES = 100


class RunStore:
    """Where runs are kept. Nothing is opened or created before the first use; several processes may use the same.

    Args:
        url: a PostgreSQL URL, an SQLite URL or file; None for `PANSOPHY_DATABASE`, else `runs.sqlite` under `home()`.

    Raises:
        StoreError: the URL is malformed. Every method raises it when the database can't be used, with what to do.
    """

    def __init__(self, url: str | None = None) -> None:
        self._database = db.Database(url)

    @property
    def location(self) -> str:
        """Where the runs are kept, without a password."""
        return self._database.safe_url

    @property
    def jobs(self) -> JobStore:
        """The jobs in the same database."""
        return JobStore(self._database)

    def start(
        self,
        *,
        question: str,
        strategy: str,
        settings: Mapping[str, Any],
        fingerprint: str,
        sources: Mapping[str, Any],
    ) -> Run:
        """A new run, worked on by this process.

        Args:
            question: as asked.
            strategy: its name.
            settings: plain JSON data.
            fingerprint: see `fingerprint_of`.
            sources: what opens the corpus and the models again (names, paths, URLs). Values named like keys and
                credentials in URLs are not stored.
        """
        claim = Claim()
        row = {
            "fingerprint": fingerprint,
            "strategy": strategy,
            "question": to_json(question),
            "settings": to_json(without_secrets(settings)),
            "sources": to_json(without_secrets(sources)),
            "release": version("pansophy"),
            "started": time.time(),
            "status": "running",
            "attempt": 1,
            "owner": claim.text,
        }
        for _ in range(ID_TRIES):
            if (run_id := self._database.write(lambda c: _insert(c, row))) is not None:
                return Run(self._database, run_id, claim)
        raise StoreError(f"no free run id was found at {self.location}: this many runs in one minute can't be named")

    def open(self, reference: str) -> Run:
        """The run with this id, or with the only id that begins or ends so; "last" for the newest.

        Raises:
            UnknownRun: there is none.
            RunError: there are several.
        """
        found = self._database.read(lambda c: _resolve(c, reference)) if self._database.exists else []
        if not found:
            raise UnknownRun(f"there is no run {reference!r}: `pansophy runs list` shows those that there are")
        if len(found) > 1:
            raise RunError(f"{reference!r} could be any of the runs {', '.join(found[:5])}: give more of the id")
        return Run(self._database, found[0])

    def list(self, limit: int = 50) -> builtins.list[RunInfo]:
        """The newest `limit` runs, newest first."""
        return self._infos(sa.true(), limit)

    def finished(self, fingerprint: str) -> Answer | None:
        """The newest settled answer (answered, forced or nothing found) under `fingerprint`, with its trace."""
        settled = db.runs.c.verdict.in_([str(verdict) for verdict in SETTLED])
        same = (db.runs.c.fingerprint == fingerprint) & (db.runs.c.status == "finished") & settled
        infos = self._infos(same, 1)
        return Run(self._database, infos[0].id).answer() if infos else None

    def unfinished(self, fingerprint: str) -> Run | None:
        """The newest run under `fingerprint` that can be continued: interrupted, out of budget or failed.

        A run that a living process works on is not among them.
        """
        settled = db.runs.c.verdict.in_([str(verdict) for verdict in SETTLED])
        open_ended = sa.or_(db.runs.c.status != "finished", sa.not_(settled))
        for info in self._infos((db.runs.c.fingerprint == fingerprint) & open_ended, 20):
            if info.status != "running":
                return Run(self._database, info.id)
        return None

    def delete(self, reference: str) -> str:
        """Delete a run with all that belongs to it. Returns its id.

        Raises:
            RunError: there is no such run, or a living process works on it.
        """
        run = self.open(reference)
        if run.info.status == "running":
            raise RunError(f"run {run.id} is still being worked on: stop that first")

        def delete(connection: Connection) -> None:
            for table, column in ((db.events, "run"), (db.completions, "run"), (db.runs, "id")):
                connection.execute(sa.delete(table).where(table.c[column] == run.id))

        self._database.write(delete)
        return run.id

    def close(self) -> None:
        """Close all connections. The store can be used again afterwards."""
        self._database.close()

    def __enter__(self) -> RunStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _infos(self, where: sa.ColumnElement[bool], limit: int) -> builtins.list[RunInfo]:
        return self._database.read(lambda c: read_infos(c, where, limit)) if self._database.exists else []


def _new_id() -> str:
    """Sortable by the minute (UTC), short enough to type."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M}-{secrets.token_hex(2)}"


def _insert(connection: Connection, row: Mapping[str, Any]) -> str | None:
    """Insert `row` under a new id; None when that id is taken."""
    insert = db.insert_new(connection.dialect.name, db.runs).returning(db.runs.c.id)
    inserted: str | None = connection.scalar(insert, {**row, "id": _new_id()})
    return inserted


def _resolve(connection: Connection, reference: str) -> builtins.list[str]:
    column = db.runs.c.id
    newest = sa.select(column).order_by(db.runs.c.started.desc(), column.desc())
    if reference == "last":
        return list(connection.scalars(newest.limit(1)))
    exact = list(connection.scalars(newest.where(column == reference)))
    if exact or len(reference) < SHORTEST_REFERENCE:
        return exact
    partly = column.startswith(reference, autoescape=True) | column.endswith(reference, autoescape=True)
    return list(connection.scalars(newest.where(partly).limit(6)))
