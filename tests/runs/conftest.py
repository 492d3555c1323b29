from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from tests.runs.postgres import find_binaries, running_postgres

from pansophy.runs import JobStore, RunStore
from pansophy.runs import database as db


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed (on Debian and Ubuntu: apt install postgresql)")
    with running_postgres(binaries) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path) -> str:
    """The URL of an SQLite and of a PostgreSQL database; the latter keeps its rows from test to test."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/runs.sqlite"
    return request.getfixturevalue("postgres_url")


@pytest.fixture
def store(url: str) -> Iterator[RunStore]:
    with RunStore(url) as store:
        for info in store.list(1000):
            store.delete(info.id)
        yield store


@pytest.fixture
def jobs(store: RunStore) -> JobStore:
    """The jobs of `store`: none."""
    for table in (db.job_events, db.jobs):
        store._database.write(lambda connection, table=table: connection.execute(sa.delete(table)))
    return store.jobs
