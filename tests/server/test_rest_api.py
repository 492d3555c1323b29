"""The REST API as a program uses it."""

from __future__ import annotations

import json
from typing import Any

import httpx
from tests.server.conftest import fill
from tests.server.reader import QUESTION, SENTENCE


async def events_of(client: httpx.AsyncClient, question: str, **options: Any) -> list[dict[str, Any]]:
    """All events of a question until it is over, each with its id."""
    told = await client.get(f"/api/v1/questions/{question}/events", **options)
    assert told.status_code == 200, told.text
    found = []
    for block in told.text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            found.append({"id": int(fields["id"]), **json.loads(fields["data"])})
    return found


async def ask(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    asked = await client.post("/api/v1/questions", json={"corpus": "houses", "question": QUESTION, **changes})
    assert asked.status_code == 202, asked.text
    return asked.json()


async def answered(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    question = await ask(client, **changes)
    await events_of(client, question["id"])
    return (await client.get(f"/api/v1/questions/{question['id']}")).json()


async def test_a_corpus_is_made_filled_searched_read_and_deleted(client):
    await fill(client, **{"a/one.txt": "Anna lit the lamp.", "b.md": "# Storm\n\nThe lamp went out."})
    listed = (await client.get("/api/v1/corpora")).json()["corpora"]
    assert [(item["name"], item["documents"]) for item in listed] == [("houses", 2)]
    documents = (await client.get("/api/v1/corpora/houses/documents")).json()
    assert [(item["id"], item["title"]) for item in documents["documents"]] == [("a/one.txt", "one"), ("b.md", "Storm")]
    hits = (await client.get("/api/v1/corpora/houses/search", params={"query": "Who lit it?"})).json()["hits"]
    assert hits[0]["text"] == "Anna lit the lamp."
    span = {"document": "a/one.txt", "start": 5, "end": 8}
    text = (await client.get("/api/v1/corpora/houses/text", params=span)).json()
    assert text == {**span, "characters": 18, "text": "lit"}
    removed = await client.delete("/api/v1/corpora/houses/documents", params={"document": ["a/one.txt"]})
    assert removed.json() == {"removed": 1}
    assert (await client.delete("/api/v1/corpora/houses")).status_code == 204
    assert (await client.get("/api/v1/corpora")).json() == {"corpora": []}


async def test_a_file_that_is_sent_again_is_read_again_only_if_it_differs(client):
    await fill(client, **{"a.txt": "one", "b.txt": "two"})
    files = [("files", ("a.txt", b"one")), ("files", ("b.txt", b"three"))]
    added = (await client.post("/api/v1/corpora/houses/documents", files=files)).json()
    assert (added["added"], added["unchanged"]) == (["b.txt"], ["a.txt"])
    text = await client.get("/api/v1/corpora/houses/text", params={"document": "b.txt"})
    assert text.json()["text"] == "three"


async def test_a_question_is_answered_with_evidence_that_can_be_read_where_it_says(client):
    await fill(client)
    question = await answered(client)
    assert (question["status"], question["answer"]["answer"]) == ("finished", "lamp 2")
    cited = [item for item in question["answer"]["evidence"] if item["cited"]]
    assert [item["quote"] for item in cited] == [SENTENCE]
    span = {name: cited[0][name] for name in ("document", "start", "end")}
    assert (await client.get("/api/v1/corpora/houses/text", params=span)).json()["text"] == SENTENCE


async def test_a_question_with_trust_is_answered_with_a_ledger(client):
    await fill(client)
    question = await answered(client, trust="majority", strategy="top_k")
    assert question["trust"] == "majority"
    ledger = question["answer"]["ledger"]
    assert (ledger["trust"], ledger["before"]) == ("majority", question["answer"]["answer"])
    assert (await answered(client))["answer"]["ledger"] is None


async def test_events_come_in_order_and_can_be_joined_anywhere(client):
    await fill(client)
    question = await ask(client)
    events = await events_of(client, question["id"])
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    kinds = [event["kind"] for event in events]
    assert kinds[:3] == ["job_queued", "job_started", "run_started"]
    assert kinds[-2:] == ["answer_ready", "job_ended"]
    for after in range(len(events) + 1):
        headers = {"Last-Event-ID": str(after)}
        assert await events_of(client, question["id"], headers=headers) == events[after:]
    assert await events_of(client, question["id"], params={"after": 2}) == events[2:]


async def test_the_same_question_is_answered_from_the_store_unless_it_shall_be_fresh(client):
    await fill(client)
    first, again, fresh = await answered(client), await answered(client), await answered(client, fresh=True)
    assert first["answer"]["usage"]["calls"] > 0
    assert (again["run"], again["answer"]["usage"]["calls"]) == (first["run"], 0)
    assert fresh["run"] != first["run"]
    assert fresh["answer"]["usage"]["calls"] > 0


async def test_questions_are_listed_exported_and_deleted(client):
    await fill(client)
    question = await answered(client)
    listed = (await client.get("/api/v1/questions")).json()["questions"]
    assert [item["id"] for item in listed] == [question["id"]]
    exported = (await client.get(f"/api/v1/questions/{question['id']}/export")).json()
    assert exported["question"] == question
    assert exported["run"]["answer"]["answer"] == "lamp 2"
    assert [event["id"] for event in exported["events"]] == list(range(1, question["last_event"] + 1))
    assert (await client.delete(f"/api/v1/questions/{question['id']}")).status_code == 204
    assert (await client.get(f"/api/v1/questions/{question['id']}")).status_code == 404


async def test_a_question_out_of_budget_goes_on_under_larger_limits(client):
    await fill(client)
    limited = await answered(client, limits={"max_calls": 1})
    assert limited["answer"]["verdict"] == "out_of_budget"
    assert limited["can_be_resumed"] is True
    path = f"/api/v1/questions/{limited['id']}"
    resumed = await client.post(f"{path}/resume", json={"limits": {"max_calls": 50}})
    assert resumed.status_code == 202
    events = await events_of(client, limited["id"], params={"after": limited["last_event"]})
    assert [event["kind"] for event in events][:2] == ["job_queued", "job_started"]
    done = (await client.get(path)).json()
    assert (done["answer"]["answer"], done["run"]) == ("lamp 2", limited["run"])
    assert (await client.post(f"{path}/resume")).status_code == 409


async def test_what_is_wrong_with_a_request_is_said_in_one_form(client):
    await fill(client)
    good = {"corpus": "houses", "question": QUESTION}
    wrong = {
        "corpus_not_found": await client.post("/api/v1/questions", json={**good, "corpus": "nowhere"}),
        "question_not_found": await client.get("/api/v1/questions/nowhere"),
        "document_not_found": await client.get("/api/v1/corpora/houses/text", params={"document": "x"}),
        "corpus_conflict": await client.post("/api/v1/corpora", json={"name": "houses"}),
        "not_found": await client.get("/api/v1/nothing"),
        "method_not_allowed": await client.put("/api/v1/corpora"),
    }
    assert {code: response.json()["error"]["code"] for code, response in wrong.items()} == {
        code: code for code in wrong
    }
    for change in (
        {"strategy": "guessing"},
        {"settings": {"no_such": 1}},
        {"trust": "everyone"},
        {"trust": "text", "strategy": "no_context"},
        {"settings": {"rounds": "many"}},
        {"limits": {"max_calls": 0}},
        {"question": " "},
        {"question": ""},
        {"surprise": 1},
    ):
        response = await client.post("/api/v1/questions", json=good | {"strategy": "extagents"} | change)
        assert response.status_code in (400, 422), change
        assert response.json()["error"]["type"] == "invalid_request_error"


async def test_models_are_listed_and_tested(client):
    listed = (await client.get("/api/v1/models")).json()
    assert [item["name"] for item in listed["used"]] == ["scripted", "scripted"]
    tested = (await client.post("/api/v1/models/test", json={})).json()
    assert (tested["name"], tested["answer"][:8]) == ("scripted", "You said")


async def test_health_and_metrics_tell_how_the_service_stands(client, app):
    await fill(client)
    await answered(client)
    assert [(await client.get(path)).status_code for path in ("/health", "/health/live", "/health/ready")] == [200] * 3
    metrics = (await client.get("/metrics")).text
    assert 'pansophy_questions_total{verdict="answered",way="job"} 1.0' in metrics
    assert 'route="/api/v1/questions/{question_id}",status="200"' in metrics
    await app.state.service.stop()
    assert (await client.get("/health/live")).status_code == 200
    assert (await client.get("/health/ready")).status_code == 503
