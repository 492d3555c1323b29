"""The database under the run store: its tables, how it is opened, and what its errors mean to a person.

SQLite runs in WAL mode, so that readers and one writer don't block each other and a process killed at any moment loses
nothing that was committed. Texts are stored as ASCII JSON, which holds every string that Python can (lone surrogates
and NUL too) in every database.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from pansophy.errors import StoreError
from pansophy.settings import home

SCHEMA_VERSION = 2
BUSY_SECONDS = 10
_Row = sa.BigInteger().with_variant(sa.Integer, "sqlite")

metadata = sa.MetaData()

schema_version = sa.Table(
    "pansophy_schema",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("version", sa.Integer, nullable=False),
)

runs = sa.Table(
    "pansophy_runs",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("fingerprint", sa.String(64), nullable=False, index=True),
    sa.Column("strategy", sa.Text, nullable=False),
    sa.Column("question", sa.Text, nullable=False),
    sa.Column("settings", sa.Text, nullable=False),
    sa.Column("sources", sa.Text, nullable=False),
    sa.Column("release", sa.String(40), nullable=False),
    sa.Column("started", sa.Double, nullable=False, index=True),
    sa.Column("finished", sa.Double),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("verdict", sa.String(16)),
    sa.Column("answer", sa.Text),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("owner", sa.String(200)),
)

events = sa.Table(
    "pansophy_events",
    metadata,
    sa.Column("id", _Row, primary_key=True, autoincrement=True),
    sa.Column("run", sa.String(40), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    sa.Index("pansophy_events_by_run", "run", "attempt", "id"),
)

completions = sa.Table(
    "pansophy_completions",
    metadata,
    sa.Column("run", sa.String(40), primary_key=True),
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("data", sa.Text, nullable=False),
)

jobs = sa.Table(
    "pansophy_jobs",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("owner", sa.String(100)),
    sa.Column("request", sa.Text, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("started", sa.Double),
    sa.Column("ended", sa.Double),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("cancel", sa.Boolean, nullable=False),
    sa.Column("lease", sa.String(200)),
    sa.Column("lease_until", sa.Double, nullable=False),
    sa.Column("run", sa.String(40)),
    sa.Column("answer", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("events", sa.Integer, nullable=False),
    sa.Index("pansophy_jobs_by_status", "status", "created"),
    sa.Index("pansophy_jobs_by_age", "created", "id"),
)

job_events = sa.Table(
    "pansophy_job_events",
    metadata,
    sa.Column("job", sa.String(40), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("data", sa.Text, nullable=False),
)

Result = TypeVar("Result")


class Database:
    """A lazily opened database with our tables.

    Args:
        url: an SQLAlchemy URL, a PostgreSQL URL as other programs write it, or the path of an SQLite file; None for
            `PANSOPHY_DATABASE`, else `runs.sqlite` under `home()`.

    Raises:
        StoreError: the URL is malformed or its driver is not installed.
    """

    def __init__(self, url: str | None = None) -> None:
        self.url = _resolve(url or os.environ.get("PANSOPHY_DATABASE") or None)
        self._engine: sa.Engine | None = None

    @property
    def exists(self) -> bool:
        """False only when it is an SQLite file that nobody has written yet: then there is nothing to read."""
        return self._file is None or self._engine is not None or self._file.exists()

    @property
    def dialect(self) -> str:
        return self.url.get_backend_name()

    def read(self, action: Callable[[Connection], Result]) -> Result:
        """What `action` returns, in a transaction. Raises StoreError."""
        return self._run(action)

    def write(self, action: Callable[[Connection], Result]) -> Result:
        """What `action` returns, in a transaction that is committed on return. Raises StoreError."""
        return self._run(action)

    def close(self) -> None:
        """Close all connections; the next use opens them again."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    @property
    def _file(self) -> Path | None:
        name = self.url.database
        if self.dialect != "sqlite" or not name or name == ":memory:":
            return None
        return Path(name)

    def _run(self, action: Callable[[Connection], Result]) -> Result:
        try:
            engine = self._open()
            try:
                with engine.begin() as connection:
                    return action(connection)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
            with engine.begin() as connection:  # the server had closed an idle connection: once more on a new one
                return action(connection)
        except (SQLAlchemyError, OSError) as error:
            raise self._explained(error) from error

    def _open(self) -> sa.Engine:
        if self._engine is not None:
            return self._engine
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
        engine = _engine(self.url)
        try:
            _ensure_schema(engine, self.safe_url)
        except BaseException:
            engine.dispose()
            raise
        self._engine = engine
        return engine

    @property
    def safe_url(self) -> str:
        """Where the database is, for messages: without a password."""
        return str(self._file) if self._file else self.url.render_as_string(hide_password=True)

    def _explained(self, error: Exception) -> StoreError:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()
        reason = cause[0] if cause else type(error).__name__
        return StoreError(f"the run store at {self.safe_url} can't be used: {reason}. {_remedy(reason.lower(), self)}")


_REMEDIES = (
    (("disk is full", "no space", "disk full", "could not extend"), "Free some space there, or keep runs elsewhere"),
    (("not a database", "malformed", "disk image"), "The file is damaged: move it away to start a new one"),
    (("locked", "busy"), "Another process holds it: try again when that is done"),
    (("readonly", "read-only", "unable to open", "permission", "not permitted", "not a directory", "no such file",
      "file exists"), "Make it writable, or keep runs elsewhere"),
)  # fmt: skip


def _remedy(reason: str, database: Database) -> str:
    elsewhere = " (PANSOPHY_HOME sets another folder, PANSOPHY_DATABASE another database)."
    for signs, remedy in _REMEDIES:
        if any(sign in reason for sign in signs):
            return remedy + elsewhere
    if database.dialect != "sqlite":
        return "Check that the server runs and that PANSOPHY_DATABASE names it, its user and its database rightly."
    return "Look at the file" + elsewhere


def _resolve(url: str | None) -> URL:
    if url is None:
        return URL.create("sqlite", database=str(home() / "runs.sqlite"))
    if "://" not in url:
        return URL.create("sqlite", database=str(Path(url).expanduser()))
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise StoreError("the run store's URL must look like sqlite:///FILE or postgresql://USER@HOST/NAME") from error
    if parsed.drivername in {"postgres", "postgresql"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    return parsed


def _engine(url: URL) -> sa.Engine:
    try:
        if url.get_backend_name() == "postgresql":
            # a crash of the server itself may lose its last moments, which a resumed run simply asks for again
            return sa.create_engine(
                url, connect_args={"connect_timeout": BUSY_SECONDS, "options": "-c synchronous_commit=off"}
            )
        engine = sa.create_engine(url)
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise StoreError(
            f"no driver for {url.drivername} is installed: pip install 'pansophy[postgres]' has the one for PostgreSQL"
        ) from error
    if url.get_backend_name() == "sqlite":
        sa.event.listen(engine, "connect", _configure_sqlite)
    return engine


def _configure_sqlite(connection: sa.engine.interfaces.DBAPIConnection, _record: object) -> None:
    cursor = connection.cursor()
    try:
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = NORMAL")
    finally:
        cursor.close()


def _ensure_schema(engine: sa.Engine, where: str) -> None:
    if not sa.inspect(engine).has_table(schema_version.name):
        _create_tables(engine)
    found = _found_version(engine)
    # 1 had no jobs yet, and is otherwise the same; None: another process is at it, and has not yet written it down
    if found in (1, None):
        _create_tables(engine)
        found = _found_version(engine)
    if found != SCHEMA_VERSION:
        raise StoreError(
            f"the run store at {where} has schema version {found}, this pansophy knows {SCHEMA_VERSION}: "
            "use the version that wrote it, or keep runs elsewhere (PANSOPHY_DATABASE)"
        )


def _found_version(engine: sa.Engine) -> int | None:
    with engine.begin() as connection:
        found: int | None = connection.scalar(sa.select(schema_version.c.version))
    return found


def _create_tables(engine: sa.Engine, tries: int = 5) -> None:
    """Create what is missing and write down the version.

    Again if another process does so at the same time: IF NOT EXISTS can still collide.
    """
    for left in reversed(range(tries)):
        try:
            with engine.begin() as connection:
                for table in metadata.sorted_tables:
                    connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
                    for index in table.indexes:
                        connection.execute(sa.schema.CreateIndex(index, if_not_exists=True))
                insert = insert_new(engine.dialect.name, schema_version)
                connection.execute(insert, {"id": 1, "version": SCHEMA_VERSION})
                older = schema_version.c.version < SCHEMA_VERSION
                connection.execute(sa.update(schema_version).where(older).values(version=SCHEMA_VERSION))
            return
        except DBAPIError as error:
            reason = str(error.orig).lower()
            if not left or not any(sign in reason for sign in ("already exists", "duplicate", "locked")):
                raise
            time.sleep(0.05)


def clock(dialect: str) -> sa.ColumnElement[float]:
    """The database's own clock in epoch seconds: the one that several machines agree on."""
    if dialect == "sqlite":
        return (sa.func.julianday("now") - 2440587.5) * 86400.0
    return sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Double)


def insert_new(dialect: str, table: sa.Table) -> sa.Insert:
    """An INSERT that leaves a row that is already there as it is."""
    if dialect == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as postgresql_insert

        return postgresql_insert(table).on_conflict_do_nothing()
    if dialect == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as sqlite_insert

        return sqlite_insert(table).on_conflict_do_nothing()
    raise StoreError(f"runs can be kept in SQLite or PostgreSQL, not in {dialect}")
