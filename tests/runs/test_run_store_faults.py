"""A store that can't be used says so, with what to do, and harms nothing."""

from __future__ import annotations

import sqlite3

import pytest
import sqlalchemy as sa
from tests.runs.test_run_store import PRINT, answer, chunk_read, start

from pansophy.errors import RunError, StoreError
from pansophy.runs import RunStore
from pansophy.runs import database as db
from pansophy.types import Completion, Usage


def test_looking_creates_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("PANSOPHY_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PANSOPHY_DATABASE", raising=False)
    store = RunStore()
    assert store.list() == []
    assert store.finished(PRINT) is None
    assert store.unfinished(PRINT) is None
    with pytest.raises(RunError):
        store.open("last")
    assert list(tmp_path.iterdir()) == []
    start(store)
    assert (tmp_path / "home" / "runs.sqlite").exists()


def test_the_environment_chooses_the_database(tmp_path, monkeypatch):
    monkeypatch.setenv("PANSOPHY_DATABASE", f"sqlite:///{tmp_path}/elsewhere.sqlite")
    start(RunStore())
    assert (tmp_path / "elsewhere.sqlite").exists()


def test_a_home_that_can_not_be_written_is_explained(monkeypatch):
    monkeypatch.setenv("PANSOPHY_HOME", "/proc/nowhere")
    monkeypatch.delenv("PANSOPHY_DATABASE", raising=False)
    with pytest.raises(StoreError, match=r"/proc/nowhere/runs.sqlite.*PANSOPHY_HOME"):
        start(RunStore())


def test_a_file_where_the_folder_should_be_is_explained(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match="keep runs elsewhere"):
        start(RunStore(str(tmp_path / "file" / "runs.sqlite")))


def test_a_damaged_file_is_explained_and_left_alone(tmp_path):
    path = tmp_path / "runs.sqlite"
    path.write_bytes(b"this is no database " * 500)
    for use in (start, RunStore.list):
        with pytest.raises(StoreError, match="damaged: move it away"):
            use(RunStore(str(path)))
    assert path.read_bytes() == b"this is no database " * 500


def test_a_full_disk_is_explained_and_what_was_stored_stays(tmp_path):
    path = str(tmp_path / "runs.sqlite")
    store = RunStore(path)
    run = start(store)
    run.emit(chunk_read(0))
    cap = "PRAGMA max_page_count = 1"  # clipped to what is in use: from now on the file can't grow
    sa.event.listen(store._database._open(), "begin", lambda connection: connection.exec_driver_sql(cap))
    with pytest.raises(StoreError, match=r"full.*Free some space"):
        _fill(run)
    store.close()
    assert RunStore(path).open(run.id).events() == [chunk_read(0)]


def _fill(run):
    for number in range(100):
        run.record(str(number), Completion("x" * 10_000, "stop", Usage()))


def test_a_database_held_by_another_is_explained(tmp_path, monkeypatch):
    monkeypatch.setattr(db, "BUSY_SECONDS", 0)
    path = str(tmp_path / "runs.sqlite")
    store = RunStore(path)
    run = start(store)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match=r"locked.*try again"):
        run.emit(chunk_read(0))
    holder.close()
    run.emit(chunk_read(1))
    assert run.events() == [chunk_read(1)]


def test_a_store_of_a_newer_version_is_not_touched(tmp_path):
    path = str(tmp_path / "runs.sqlite")
    with RunStore(path) as store:
        start(store)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE pansophy_schema SET version = 99")
    with pytest.raises(StoreError, match="schema version 99"):
        start(RunStore(path))


def test_a_store_whose_version_another_process_has_not_written_down_yet_is_usable(tmp_path):
    path = str(tmp_path / "runs.sqlite")
    with RunStore(path) as store:
        kept = start(store)
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM pansophy_schema")
    with RunStore(path) as store:
        assert store.open(kept.id).info.id == kept.id
        assert start(store).id != kept.id


def test_a_server_that_is_not_there_is_explained_without_the_password():
    store = RunStore("postgresql://user:very-secret@127.0.0.1:9/runs")
    with pytest.raises(StoreError, match="Check that the server runs") as caught:
        start(store)
    assert "very-secret" not in str(caught.value)
    assert "very-secret" not in store.location


def test_a_lost_connection_is_opened_again(postgres_url):
    store = RunStore(postgres_url)
    run = start(store)
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename = 'tester'"
    killer = sa.create_engine(postgres_url.replace("postgresql://", "postgresql+psycopg://"))
    with killer.connect() as connection:
        connection.execute(sa.text(kill))
    run.emit(chunk_read(0))
    run.finish(answer())
    assert run.events() == [chunk_read(0)]
    killer.dispose()
    store.close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://user@host/runs", "no driver|not in mysql"),
        ("nonsense://x", "no driver"),
        ("postgresql://[", "must look like|can't be used"),
    ],
)
def test_a_senseless_url_is_an_error(url, message):
    with pytest.raises(StoreError, match=message):
        start(RunStore(url))
