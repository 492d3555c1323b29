"""Who may use the service, how often, from where, and how much at once."""

from __future__ import annotations

import json
import logging
import stat

import pytest
from starlette.responses import PlainTextResponse
from tests.server.conftest import at, fill, service
from tests.server.test_rest_api import answered, ask

from pansophy.errors import UsageError
from pansophy.models import ScriptedModel
from pansophy.server import ServerSettings, create_app, logs, mount
from pansophy.server.keys import Access, Keys, RateLimiter, hash_of, new_key


@pytest.fixture
def key_file(tmp_path):
    return tmp_path / "keys.txt"


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_a_key_is_kept_as_a_hash_in_a_file_that_only_its_owner_reads(key_file):
    key = new_key(key_file, "anna", corpora=["letters"], per_minute=60)
    assert key not in key_file.read_text()
    assert hash_of(key) in key_file.read_text()
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert Keys(key_file).access(key) == Access("anna", frozenset({"letters"}), 60)
    assert Keys(key_file).access(key + "x") is None


def test_a_key_that_is_taken_out_of_the_file_is_of_no_use_at_once(key_file):
    anna, ben = new_key(key_file, "anna"), new_key(key_file, "ben")
    keys = Keys(key_file)
    assert (keys.access(anna).name, keys.access(ben).name) == ("anna", "ben")
    key_file.write_text(key_file.read_text().splitlines()[1] + "\n")
    assert keys.access(anna) is None
    assert keys.access(ben).name == "ben"
    key_file.write_text("half a li")
    assert keys.access(ben).name == "ben"  # until the file is mended
    key_file.unlink()
    assert keys.access(anna) is None


@pytest.mark.parametrize("line", ["anna", "anna sk-my-own-key", f"anna {'0' * 64} rate=5", f"a/b {'0' * 64}", ""])
def test_a_key_file_that_is_of_no_use_is_explained_without_what_it_holds(key_file, line):
    key_file.write_text(f"# remark\n{line}\n")
    with pytest.raises(UsageError, match=r"--new-key") as caught:
        Keys(key_file)
    assert "sk-my-own-key" not in str(caught.value)


def test_a_name_is_given_once(key_file):
    new_key(key_file, "anna")
    with pytest.raises(UsageError, match="has a key named 'anna' already"):
        new_key(key_file, "anna")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_a_service_that_other_machines_reach_needs_keys(host):
    with pytest.raises(UsageError, match="clients need keys"):
        create_app(ServerSettings(host=host))


async def test_with_keys_every_request_needs_one_but_those_for_health(key_file):
    key = new_key(key_file, "anna")
    app = service(key_file=key_file, host="0.0.0.0")
    async with at(app) as client:
        for path in ("/api/v1/corpora", "/v1/models", "/metrics", "/openapi.json"):
            for headers in ({}, bearer("wrong"), {"Authorization": f"Basic {key}"}, bearer("")):
                refused = await client.get(path, headers=headers)
                assert refused.status_code == 401, (path, headers)
                assert refused.headers["WWW-Authenticate"] == "Bearer"
            assert (await client.get(path, headers=bearer(key))).status_code == 200
        assert (await client.get("/health/live")).status_code == 200


async def test_a_key_is_for_its_corpora_alone(key_file):
    every = new_key(key_file, "admin")
    one = new_key(key_file, "anna", corpora=["letters"])
    app = service(key_file=key_file)
    async with (
        app.router.lifespan_context(app),
        at(app, headers=bearer(every)) as admin,
        at(app, headers=bearer(one)) as anna,
    ):
        await fill(admin, "letters")
        await fill(admin, "secrets")
        theirs = await answered(admin, corpus="letters")
        listed = (await anna.get("/api/v1/corpora")).json()["corpora"]
        assert [item["name"] for item in listed] == ["letters"]
        assert [item["id"] for item in (await anna.get("/v1/models")).json()["data"]] == [
            "pansophy",
            "pansophy/letters",
        ]
        for path in ("secrets", "secrets/documents", "secrets/search?query=x", "secrets/text?document=x", "nowhere"):
            assert (await anna.get(f"/api/v1/corpora/{path}")).status_code == 403
        refused = [
            await anna.post("/api/v1/corpora", json={"name": "other"}),
            await anna.delete("/api/v1/corpora/secrets"),
            await anna.post("/api/v1/corpora/secrets/documents", files=[("files", ("a.txt", b"a"))]),
            await anna.delete("/api/v1/corpora/secrets/documents?document=a"),
            await anna.post("/api/v1/questions", json={"corpus": "secrets", "question": "Who?"}),
        ]
        assert [response.status_code for response in refused] == [403] * 5
        chat = {"model": "pansophy/secrets", "messages": [{"role": "user", "content": "Who?"}]}
        assert (await anna.post("/v1/chat/completions", json=chat)).status_code == 404
        mine = await ask(anna, corpus="letters")
        assert [item["id"] for item in (await anna.get("/api/v1/questions")).json()["questions"]] == [mine["id"]]
        for path in ("", "/events", "/export"):
            assert (await anna.get(f"/api/v1/questions/{theirs['id']}{path}")).status_code == 404
        assert (await anna.post(f"/api/v1/questions/{theirs['id']}/cancel")).status_code == 404
        assert (await admin.get(f"/api/v1/questions/{mine['id']}")).status_code == 200
        assert (await anna.delete("/api/v1/corpora/letters")).status_code == 204
        for reply in (
            await anna.get("/api/v1/corpora/letters"),
            await anna.delete("/api/v1/corpora/letters"),
            await anna.get("/api/v1/corpora/letters/search?query=x"),
            await anna.post("/api/v1/questions", json={"corpus": "letters", "question": "Who?"}),
        ):
            assert reply.status_code == 404
            assert "secrets" not in reply.text


def test_a_key_makes_as_many_requests_a_minute_as_it_may():
    now = 0.0
    limiter = RateLimiter(lambda: now)
    access = Access("anna", None, 60)
    assert [limiter.wait(access) for _ in range(60)] == [0.0] * 60
    assert limiter.wait(access) == pytest.approx(1.0)
    now = 0.5
    assert limiter.wait(access) == pytest.approx(0.5)
    now = 1.0
    assert limiter.wait(access) == 0.0
    assert limiter.wait(Access("ben", None, 60)) == 0.0
    now = 1e6
    assert sum(limiter.wait(access) == 0.0 for _ in range(100)) == 60


async def test_too_many_requests_are_told_when_to_come_again(key_file):
    key = new_key(key_file, "anna", per_minute=2)
    async with at(service(key_file=key_file), headers=bearer(key)) as client:
        answers = [await client.get("/v1/models") for _ in range(3)]
    assert [response.status_code for response in answers] == [200, 200, 429]
    assert 1 <= int(answers[2].headers["Retry-After"]) <= 31
    assert answers[2].json()["error"]["code"] == "rate_limit_exceeded"


HOSTS = {
    "localhost": 200,
    "LOCALHOST:8765": 200,
    "127.0.0.1:99": 200,
    "[::1]:8765": 200,
    "evil.example": 421,
    "127.0.0.1.evil.example": 421,
    "localhost:80@evil.example": 421,
    "127.0.0.1/evil.example": 421,
    "": 421,
}


@pytest.mark.parametrize("host", HOSTS)
async def test_without_keys_only_the_names_of_this_machine_are_answered(app, host):
    async with at(app) as client:
        assert (await client.get("/api/v1/corpora", headers={"Host": host})).status_code == HOSTS[host]


async def test_a_page_of_another_origin_changes_nothing(app):
    foreign = (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    )
    async with at(app) as client:
        await fill(client)
        for headers in foreign:
            for method, path in (("POST", "/api/v1/corpora"), ("DELETE", "/api/v1/corpora/houses")):
                assert (await client.request(method, path, headers=headers)).status_code == 403, headers
        own = {"Origin": "http://127.0.0.1:8765", "Sec-Fetch-Site": "same-origin"}
        assert (await client.post("/api/v1/corpora", json={"name": "mine"}, headers=own)).status_code == 201
        assert (await client.get("/api/v1/corpora", headers=foreign[0])).status_code == 200


async def test_other_origins_read_nothing_unless_they_are_allowed():
    friend = {"Origin": "https://friend.example"}
    async with at(service()) as client:
        assert "access-control-allow-origin" not in (await client.get("/v1/models", headers=friend)).headers
    async with at(service(allowed_origins=("https://friend.example",))) as client:
        told = await client.get("/v1/models", headers=friend)
        assert told.headers["access-control-allow-origin"] == "https://friend.example"
        assert (await client.post("/api/v1/corpora", json={"name": "a"}, headers=friend)).status_code == 201
        stranger = {"Origin": "https://evil.example"}
        assert "access-control-allow-origin" not in (await client.get("/v1/models", headers=stranger)).headers


async def test_a_request_that_is_too_large_is_refused_whether_or_not_it_says_so():
    app = service(largest_request=1000, largest_upload=2000)

    async def unsaid():
        for _ in range(100):
            yield b" " * 100

    async with at(app) as client:
        chat = {"model": "pansophy", "messages": [{"role": "user", "content": "x" * 2000}]}
        assert (await client.post("/v1/chat/completions", json=chat)).status_code == 413
        headers = {"Content-Type": "application/json"}
        assert (await client.post("/v1/chat/completions", content=unsaid(), headers=headers)).status_code == 413
        await fill(client, **{"a.txt": "x" * 1500})
        large = [("files", ("a.txt", b"x" * (1 << 21)))]
        assert (await client.post("/api/v1/corpora/houses/documents", files=large)).status_code == 413
        assert (await client.get("/v1/models", headers={"Content-Length": "many"})).status_code == 400


async def test_too_many_files_are_refused(home):
    async with at(service(most_files=3)) as client:
        await fill(client)
        files = [("files", (f"{number}.txt", b"text")) for number in range(4)]
        refused = await client.post("/api/v1/corpora/houses/documents", files=files)
        assert refused.status_code == 400
        assert "3" in refused.json()["error"]["message"]


async def test_keys_are_in_no_log_and_no_answer(key_file, caplog, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-endpoint")
    key = new_key(key_file, "anna")
    caplog.set_level("INFO")
    app = service(key_file=key_file)
    async with app.router.lifespan_context(app), at(app, headers=bearer(key)) as client:
        await fill(client)
        done = await answered(client)
        told = [
            done,
            (await client.get(f"/api/v1/questions/{done['id']}/export")).text,
            (await client.get("/metrics")).text,
            (await client.get("/v1/models", headers=bearer("wrong-key-of-anna"))).text,
        ]
    everything = f"{told} {caplog.text}"
    for secret in (key, "wrong-key-of-anna", "sk-of-the-endpoint", hash_of(key)):
        assert secret not in everything
    assert "anna" in str([getattr(record, "fields", {}) for record in caplog.records])


async def test_every_answer_has_a_request_id_and_nothing_that_a_browser_would_run(app):
    async with at(app) as client:
        given = await client.get("/v1/models", headers={"X-Request-ID": "mine-1"})
        assert given.headers["X-Request-ID"] == "mine-1"
        for value in ("", "a" * 200, "<script>"):
            made = await client.get("/v1/models", headers={"X-Request-ID": value})
            assert made.headers["X-Request-ID"] not in ("", value)
        assert made.headers["X-Content-Type-Options"] == "nosniff"


async def test_what_nobody_foresaw_is_told_to_the_log_alone(caplog):
    def broken(messages, schema):
        raise ZeroDivisionError("secret detail")

    async with at(service(model=ScriptedModel(broken))) as client:
        failed = await client.post("/api/v1/models/test", json={})
    assert (failed.status_code, failed.json()["error"]["code"]) == (500, "internal_error")
    assert "secret detail" not in failed.text
    assert "secret detail" in caplog.text


def test_log_lines_are_json_with_the_ids_that_they_belong_to():
    logs.request_id.set("r1")
    record = logging.LogRecord("pansophy", logging.INFO, "", 0, "asked %s", ("https://user:pw@host/",), None)
    record.fields = {"api_key": "sk-secret", "status": 200}
    line = json.loads(logs.JsonFormatter().format(record))
    assert (line["message"], line["request_id"], line["status"]) == ("asked https://host/", "r1", 200)
    assert line["api_key"] == "***"
    logs.request_id.set(None)


async def test_what_is_mounted_stands_behind_the_same_guards(key_file):
    key = new_key(key_file, "anna")
    app = service(key_file=key_file)

    async def page(scope, receive, send):
        await PlainTextResponse(scope["state"]["access"].name)(scope, receive, send)

    mount(app, "/page", page)
    async with at(app) as client:
        assert (await client.get("/page/")).status_code == 401
        assert (await client.get("/page/", headers=bearer(key))).text == "anna"
