"""The real command, killed in the middle: it goes on without repeating a completed call, to the same answer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.reading.scripted import QUESTION, answered, findings_of, is_seek, lamp, lamp_seen, refused
from tests.servers.misbehaving import MisbehavingServer, Reply, Request, ok

import pansophy
from pansophy.types import ChatMessage

HOUSES = 20
LATENCY = 0.05
MORE = "It is lit every evening when the keeper of the ridge comes home."


def served(request: Request) -> Reply:
    prompt = [ChatMessage(message["role"], message["content"]) for message in request.body["messages"]]
    if is_seek(prompt):
        return ok(lamp_seen(prompt), latency=LATENCY)
    enough = len(findings_of(prompt)) == HOUSES
    return ok(answered("lamp 7", 8) if enough else refused(), latency=LATENCY)


@pytest.fixture
def environment(tmp_path) -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PANSOPHY_", "OPENAI_"))}
    return {**kept, "PANSOPHY_HOME": str(tmp_path / "home")}


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "houses"
    folder.mkdir()
    for number in range(HOUSES):
        (folder / f"house-{number:02}.txt").write_text(f"{lamp(number)} {MORE}", encoding="utf-8")
    return folder


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "pansophy", *words]


def ask(folder: Path, server: MisbehavingServer) -> list[str]:
    options = ("--model", "fake", "--base-url", server.base_url, "--json", "--concurrency", "2")
    return command("ask", QUESTION, str(folder), *options, "--chunk-tokens", "50", "--order", "document")


def finished(words: list[str], environment: Mapping[str, str]) -> dict[str, object]:
    done = subprocess.run(words, env=dict(environment), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def killed_midway(words: list[str], environment: Mapping[str, str], server: MisbehavingServer) -> set[str]:
    """Start the command, kill it after some requests; the prompts that were answered well before."""
    process = subprocess.Popen(words, env=dict(environment), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    end = time.monotonic() + 60
    while sum(request.answered for request in server.requests) < HOUSES // 2:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "the command does not get on"
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    # what was answered last may not have reached the store any more: two calls run at once
    return {request.prompt for request in server.requests if request.answered and request.number < HOUSES // 2 - 2}


@pytest.mark.parametrize("how", ["resume", pytest.param("ask again", marks=pytest.mark.slow)])
def test_a_killed_command_goes_on_without_repeating_a_completed_call(folder, environment, monkeypatch, how):
    with MisbehavingServer(served) as server:
        completed = killed_midway(ask(folder, server), environment, server)
        before = len(server.requests)
        resumed = command("runs", "resume", "last", "--json") if how == "resume" else ask(folder, server)
        answer = finished(resumed, environment)
        after = [request.prompt for request in server.requests[before:]]
        undisturbed, prompts = _undisturbed(folder, server, environment, monkeypatch)
    assert len(completed) >= HOUSES // 2 - 4
    assert completed.isdisjoint(after)
    assert len(after) == len(set(after))
    assert completed | set(after) <= prompts
    for key in ("answer", "verdict", "evidence", "rounds", "failed_chunks"):
        assert answer[key] == undisturbed[key]
    assert answer["answer"] == "lamp 7"


def _undisturbed(folder, server, environment, monkeypatch) -> tuple[dict[str, object], set[str]]:
    """The answer of a run that nobody kills, and its prompts."""
    monkeypatch.setenv("PANSOPHY_HOME", environment["PANSOPHY_HOME"])
    before = len(server.requests)
    settings = {"chunk_tokens": 50, "order": "document"}
    answer = pansophy.ask(QUESTION, [folder], model="fake", base_url=server.base_url, settings=settings, store=False)
    return json.loads(answer.to_json()), {request.prompt for request in server.requests[before:]}
