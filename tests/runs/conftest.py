from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.runs.postgres import find_binaries, running_postgres

from pansophy.runs import RunStore


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
