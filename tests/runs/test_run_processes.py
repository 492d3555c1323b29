"""Runs and real processes: written to at the same time, killed at any moment, continued."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.runs import resumable_program as program
from tests.servers.misbehaving import MisbehavingServer, Reply, Request, ok

from pansophy.engine import call_key
from pansophy.runs import RunStore

HERE = Path(__file__).parent
QUESTIONS = 42
IN_FLIGHT = 3


def start_program(base_url: str, database: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(HERE / "resumable_program.py"), base_url, database, str(QUESTIONS)]
    return subprocess.Popen(command, start_new_session=True)


def slow_echo(request: Request) -> Reply:
    return ok(f"reply to {request.prompt}", latency=0.02)


@pytest.mark.parametrize(
    ("seed", "kills"), [(1, 1), *(pytest.param(seed, 4, marks=pytest.mark.slow) for seed in range(2, 8))]
)
def test_a_killed_run_is_continued_without_repeating_a_completed_call(url, store, seed, kills):
    chance = random.Random(seed)
    with MisbehavingServer(slow_echo) as server:
        identity = program.model_at(server.base_url).identity
        for _ in range(kills):
            before = len(server.requests)
            process = start_program(server.base_url, url)
            kill_at = before + chance.randint(4, 9)
            _wait_until(lambda: len(server.requests) >= kill_at, process)  # noqa: B023 - called before the next turn
            time.sleep(chance.random() * 0.02)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            run = store.unfinished(program.PRINT)
            assert run.info.status == "interrupted"
            recorded = {text for text in map(_question, range(QUESTIONS)) if run.recall(_key(identity, text))}
            assert {event.message for event in run.events()} <= {f"{text} is answered" for text in recorded}
            resumed_from = len(server.requests)
        assert start_program(server.base_url, url).wait(60) == 0
        repeated = {request.prompt for request in server.requests[resumed_from:]} & recorded
        asked = len(server.requests)
    assert recorded  # else the test shows nothing
    assert repeated == set()
    assert asked <= QUESTIONS + kills * IN_FLIGHT  # only what was in flight at a kill is asked again
    expected = "\n".join(f"reply to {_question(number)}" for number in range(QUESTIONS))
    assert store.finished(program.PRINT).text == expected
    assert len(store.list()) == 1


def _question(number: int) -> str:
    return program.prompt(number)[0].content


def _key(identity: str, question: str) -> str:
    return call_key(identity, [program.ChatMessage("user", question)], None, program.MAX_TOKENS, 0.0, 0)


def _wait_until(condition, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert process.poll() is None, "the program ended by itself"
        assert time.monotonic() < end, "the program does not get on"
        time.sleep(0.001)


WRITER = """
import sys
from pansophy.events import Warned
from pansophy.runs import RunStore
from pansophy.types import Completion, Usage

store = RunStore(sys.argv[1])
for number in range(8):
    run = store.start(question=sys.argv[2], strategy="s", settings={}, fingerprint="f", sources={})
    for step in range(5):
        run.emit(Warned(message=f"{run.id} {step}"))
        run.record(str(step), Completion("text", "stop", Usage()))
    run.release()
    print(run.id)
"""


def test_processes_that_write_at_the_same_time_do_not_disturb_each_other(url, store):
    store.close()
    command = [sys.executable, "-c", WRITER, url]
    writers = [subprocess.Popen([*command, f"writer {n}"], stdout=subprocess.PIPE, text=True) for n in range(2)]
    ids = [line for writer in writers for line in writer.communicate(timeout=60)[0].split()]
    assert [writer.returncode for writer in writers] == [0, 0]
    assert len(set(ids)) == 16
    for run in map(store.open, ids):
        assert [event.message for event in run.events()] == [f"{run.id} {step}" for step in range(5)]
        assert run.info.completions == 5


def test_a_run_of_a_living_process_is_not_continued_by_another(tmp_path):
    database = str(tmp_path / "runs.sqlite")
    with MisbehavingServer(slow_echo) as server:
        process = start_program(server.base_url, database)
        try:
            _wait_until(lambda: server.requests, process)
            store = RunStore(database)
            assert store.unfinished(program.PRINT) is None
            assert store.open("last").info.status == "running"
        finally:
            process.kill()
            process.wait()
        assert store.open("last").info.status == "interrupted"
