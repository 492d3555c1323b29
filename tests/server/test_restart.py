"""The real command, killed or stopped in the middle of a question, and several of them on one database."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from tests.reading.scripted import answered, findings_of, is_seek, lamp, lamp_seen, refused
from tests.servers.misbehaving import MisbehavingServer, Reply, Request, ok

from pansophy.types import ChatMessage

HOUSES = 12
QUESTION = "Which lamp hangs in the hall of the house?"
MORE = "It is lit every evening when the keeper of the ridge comes home."
SETTINGS = {"chunk_tokens": 50, "order": "document"}


def replying(latency: float):
    def reply(request: Request) -> Reply:
        prompt = [ChatMessage(message["role"], message["content"]) for message in request.body["messages"]]
        if is_seek(prompt):
            return ok(lamp_seen(prompt), latency=latency)
        enough = len(findings_of(prompt)) == HOUSES
        return ok(answered("lamp 7", 8) if enough else refused(), latency=latency)

    return reply


class Serving:
    """A `pansophy serve` process and requests to it."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.http = httpx.Client(base_url=url, timeout=60)

    def stop(self, how: signal.Signals) -> None:
        self.process.send_signal(how)
        self.process.wait(60)

    def submit(self, **changes: Any) -> str:
        body = {"corpus": "houses", "question": QUESTION, "strategy": "extagents", "settings": SETTINGS, **changes}
        asked = self.http.post("/api/v1/questions", json=body)
        assert asked.status_code == 202, asked.text
        return asked.json()["id"]

    def events(self, question: str, after: int = 0) -> Iterator[dict[str, Any]]:
        """As they come, until the question is over or the service is."""
        path = f"/api/v1/questions/{question}/events"
        try:
            with self.http.stream("GET", path, headers={"Last-Event-ID": str(after)}) as response:
                number = 0
                for line in response.iter_lines():
                    if line.startswith("id: "):
                        number = int(line[4:])
                    elif line.startswith("data: "):
                        yield {"id": number, **json.loads(line[6:])}
        except httpx.TransportError:
            return  # it was killed

    def show(self, question: str) -> dict[str, Any]:
        return self.http.get(f"/api/v1/questions/{question}").json()


@pytest.fixture
def environment(home) -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PANSOPHY_", "OPENAI_"))}
    return {**kept, "PANSOPHY_HOME": str(home)}


@contextmanager
def serving(environment: Mapping[str, str], model: MisbehavingServer, database: str) -> Iterator[Serving]:
    words = ("serve", "--port", "0", "--model", "fake", "--base-url", model.base_url, "--database", database)
    command = [sys.executable, "-m", "pansophy", *words]
    process = subprocess.Popen(command, env=dict(environment), stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "running on http" in line:
                url = json.loads(line)["message"].split()[3]
                break
        else:
            raise AssertionError("".join(lines))
        yield Serving(process, url)
    finally:
        process.kill()
        process.communicate()


def fill(service: Serving) -> None:
    if service.http.post("/api/v1/corpora", json={"name": "houses"}).status_code == 201:
        files = [("files", (f"house-{number:02}.txt", f"{lamp(number)} {MORE}")) for number in range(HOUSES)]
        service.http.post("/api/v1/corpora/houses/documents", files=files).raise_for_status()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
def test_a_question_goes_on_after_a_restart_without_a_call_made_twice(environment, database, how):
    with MisbehavingServer(replying(0.05)) as model:
        with serving(environment, model, database) as first:
            fill(first)
            question = first.submit(limits={"concurrency": 2})
            seen = []
            for event in first.events(question):
                seen.append(event)
                if sum(event["kind"] == "chunk_read" for event in seen) == HOUSES // 3:
                    first.stop(how)
                    break
        before = len(model.requests)
        answered_before = {request.prompt for request in model.requests if request.answered}
        with serving(environment, model, database) as second:
            rest = list(second.events(question, after=seen[-1]["id"]))
            done = second.show(question)
        asked_again = [request.prompt for request in model.requests[before:]]
    assert (done["status"], done["answer"]["answer"]) == ("finished", "lamp 7")
    ids = [event["id"] for event in seen + rest]
    assert ids == list(range(1, len(ids) + 1))
    assert rest[-1]["kind"] == "job_ended"
    assert [event["kind"] for event in rest].count("job_started") == 1
    # what was in flight when it was killed may not have reached the store any more: two calls run at once
    assert len(answered_before & set(asked_again)) <= 2
    assert len(asked_again) == len(set(asked_again))


def test_two_services_on_one_database_share_the_work_and_each_shows_all_of_it(environment, postgres_url):
    with (
        MisbehavingServer(replying(0.01)) as model,
        serving(environment, model, postgres_url) as one,
        serving(environment, model, postgres_url) as other,
    ):
        fill(one)
        # one try with everything: what is looked at is who reads what, not how
        settings = {**SETTINGS, "schedule": ["all"]}
        questions = [one.submit(fresh=True, settings=settings) for _ in range(10)]
        told = {question: list(other.events(question)) for question in questions}
        shown = [one.show(question) for question in questions]
        exported = [one.http.get(f"/api/v1/questions/{question}/export").json() for question in questions]
    assert {item["status"] for item in shown} == {"finished"}
    assert {item["attempt"] for item in shown} == {1}
    assert len({item["run"] for item in shown}) == len(questions)
    for question, item in zip(questions, exported, strict=True):
        assert [event["id"] for event in told[question]] == list(range(1, len(told[question]) + 1))
        assert told[question] == item["events"]


def test_a_question_is_cancelled_while_it_is_read_and_goes_on_when_it_shall(environment, tmp_path):
    with (
        MisbehavingServer(replying(0.05)) as model,
        serving(environment, model, f"sqlite:///{tmp_path}/runs.sqlite") as service,
    ):
        fill(service)
        question = service.submit(limits={"concurrency": 1})
        kinds = []
        for event in service.events(question):
            kinds.append(event["kind"])
            if kinds.count("chunk_read") == 2:
                service.http.post(f"/api/v1/questions/{question}/cancel").raise_for_status()
        assert kinds[-1] == "job_ended"
        assert kinds.count("chunk_read") < HOUSES
        cancelled = service.show(question)
        assert (cancelled["status"], cancelled["can_be_resumed"]) == ("cancelled", True)
        before = [request.prompt for request in model.requests if request.answered]
        service.http.post(f"/api/v1/questions/{question}/resume").raise_for_status()
        assert list(service.events(question, after=cancelled["last_event"]))[-1]["status"] == "finished"
        after = [request.prompt for request in model.requests[len(before) + 1 :]]
        assert not set(before) & set(after)


def test_a_job_that_was_left_by_a_machine_that_is_gone_is_taken_up(environment, tmp_path):
    """Its lease has lapsed, and its run is held by a process that nobody can ask."""
    from pansophy.runs import RunStore

    database = f"sqlite:///{tmp_path}/runs.sqlite"
    with MisbehavingServer(replying(0.0)) as model:
        with RunStore(database) as store:
            request = {"corpus": "houses", "question": QUESTION, "strategy": "extagents"}
            request |= {"settings": SETTINGS, "limits": {}, "fresh": False}
            job = store.jobs.submit(request)
            store.jobs.claim("another-machine|1|0.00|a", -1.0)
        with serving(environment, model, database) as service:
            list(service.events(job.id))
            ended = service.show(job.id)
    assert (ended["status"], ended["attempt"]) == ("failed", 2)
    assert "There is no corpus named 'houses'" in ended["error"]  # it was made there and not here
