"""OpenAI's own client against the service behind a real port."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Iterator

import httpx
import openai
import pytest
from tests.corpus.formats import docx
from tests.server.conftest import HOUSE, served, service
from tests.server.reader import QUESTION, SENTENCE, reader

from pansophy.errors import AuthenticationFailed
from pansophy.models import ScriptedModel

WINDOW = 2000


@pytest.fixture(autouse=True)
def home() -> None:
    """Kept for the whole module by `url`."""


@pytest.fixture(scope="module")
def url(tmp_path_factory) -> Iterator[str]:
    """A running service with a corpus named houses."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PANSOPHY_HOME", str(tmp_path_factory.mktemp("home")))
        patch.delenv("PANSOPHY_DATABASE", raising=False)
        with served(service(model=reader(window=WINDOW))) as url, httpx.Client(base_url=url, timeout=60) as http:
            http.post("/api/v1/corpora", json={"name": "houses"}).raise_for_status()
            files = [("files", (f"house-{number}.txt", HOUSE.format(number=number))) for number in range(3)]
            http.post("/api/v1/corpora/houses/documents", files=files).raise_for_status()
            yield url


@pytest.fixture
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=60) as http:
        yield http


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
        yield client


LONG = "\n\n".join(f"{HOUSE.format(number=number)} Nothing else is known of it." for number in range(200))


def user(content: object) -> list[dict[str, object]]:
    return [{"role": "user", "content": content}]


def test_the_corpora_are_the_models(client):
    assert {"pansophy", "pansophy/houses"} <= {model.id for model in client.models.list()}
    assert client.models.retrieve("pansophy/houses").id == "pansophy/houses"


def test_a_corpus_answers_with_citations_that_lead_to_its_text(client):
    reply = client.chat.completions.create(model="pansophy/houses", messages=user(QUESTION))
    choice = reply.choices[0]
    assert choice.finish_reason == "stop"
    assert choice.message.content.startswith("lamp 2 [1]\n\n[1] “House 2: lamp 2 hangs in the hall")
    citation = choice.message.annotations[0].url_citation
    assert choice.message.content[citation.start_index : citation.end_index] == "[1]"
    assert citation.title == "house-2.txt"
    assert httpx.get(citation.url, timeout=60).json()["text"] == SENTENCE


def counted(http: httpx.Client) -> dict[str, float]:
    """The tokens that went through models so far, by kind."""
    found = re.findall(r'pansophy_model_tokens_total\{kind="(\w+)"\} (\S+)', http.get("/metrics").text)
    return {"prompt": 0.0, "completion": 0.0} | {kind: float(number) for kind, number in found}


def test_usage_is_what_the_model_was_asked_for(http, client):
    before = counted(http)
    question = f"{QUESTION} (asked for its usage)"
    reply = client.chat.completions.create(model="pansophy/houses", messages=user(question))
    after = counted(http)
    assert reply.usage.prompt_tokens == after["prompt"] - before["prompt"] > 0
    assert reply.usage.completion_tokens == after["completion"] - before["completion"] > 0
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    again = client.chat.completions.create(model="pansophy/houses", messages=user(question))
    assert (again.choices[0].message, again.usage.total_tokens) == (reply.choices[0].message, 0)  # from the store


def test_a_streamed_answer_is_the_same_in_pieces(client):
    whole = client.chat.completions.create(model="pansophy/houses", messages=user(QUESTION))
    chunks = list(
        client.chat.completions.create(
            model="pansophy/houses", messages=user(QUESTION), stream=True, stream_options={"include_usage": True}
        )
    )
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == whole.choices[0].message.content
    assert deltas[0].role == "assistant"
    annotations = [item for delta in deltas for item in getattr(delta, "annotations", None) or []]
    assert [item["url_citation"]["document"] for item in annotations] == ["house-2.txt"]
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage.total_tokens == 0  # from the store


@pytest.mark.parametrize("order", ["text first", "question first", "message before", "parts"])
def test_a_text_far_beyond_the_window_is_read(client, order):
    assert len(LONG.split()) > WINDOW
    messages = {
        "text first": user(f"{LONG}\n\n{QUESTION}"),
        "question first": user(f"{QUESTION}\n\n{LONG}"),
        "message before": [*user(LONG), {"role": "assistant", "content": "I see."}, *user(QUESTION)],
        "parts": user([{"type": "text", "text": LONG}, {"type": "text", "text": QUESTION}]),
    }[order]
    reply = client.chat.completions.create(model="pansophy", messages=messages, store=False)
    message = reply.choices[0].message
    assert message.content.startswith("lamp 2 [1]")
    citation = message.annotations[0].url_citation
    assert LONG[citation.start : citation.end] == citation.quote == SENTENCE
    assert reply.usage.prompt_tokens > WINDOW / 2


@pytest.mark.parametrize("kind", ["docx", "txt"])
def test_an_attached_file_is_read(client, kind):
    data = docx(SENTENCE) if kind == "docx" else SENTENCE.encode()
    encoded = base64.b64encode(data).decode()
    file = {"filename": f"house.{kind}", "file_data": f"data:application/octet-stream;base64,{encoded}"}
    parts = [{"type": "file", "file": file}, {"type": "text", "text": QUESTION}]
    reply = client.chat.completions.create(model="pansophy", messages=user(parts))
    assert reply.choices[0].message.content.startswith("lamp 2 [1]")
    assert reply.choices[0].message.annotations[0].url_citation.document == f"house.{kind}"


def test_a_short_request_is_answered_by_the_base_model_alone(client):
    messages = [{"role": "system", "content": "Be brief."}, *user("Good morning!")]
    reply = client.chat.completions.create(model="pansophy", messages=messages)
    assert reply.choices[0].message.content == "You said: Good morning!"
    words, overhead = 2 + 1 + 2 + 1, 2 * 4  # as a scripted model counts
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (words + overhead, 6)
    chunks = list(client.chat.completions.create(model="pansophy", messages=messages, stream=True))
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices[0].delta.content]
    assert pieces == ["You", " said:", " Good", " morning!"]


def test_a_follow_up_question_is_understood_from_the_turns_before(client):
    messages = [*user("Is there a lamp?"), {"role": "assistant", "content": "Yes."}, *user("Which one in house 2?")]
    reply = client.chat.completions.create(model="pansophy/houses", messages=messages)
    assert reply.choices[0].message.content.startswith("lamp 2 [1]")


def test_nothing_found_is_said_in_words(http, client):
    http.post("/api/v1/corpora", json={"name": "empty"}).raise_for_status()
    reply = client.chat.completions.create(model="pansophy/empty", messages=user(QUESTION))
    assert reply.choices[0].message.content == "Nothing was found in the text that answers this."
    assert reply.model_extra["pansophy"]["verdict"] == "nothing_found"


def test_what_shall_not_be_stored_is_not(client):
    client.chat.completions.create(model="pansophy/houses", messages=user(QUESTION), store=False)
    again = client.chat.completions.create(model="pansophy/houses", messages=user(QUESTION), store=False)
    assert again.usage.total_tokens > 0
    assert again.model_extra["pansophy"]["run"] is None


def test_errors_are_those_of_openai(client):
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="gpt-9", messages=user("Hello?"))
    assert (unknown.value.code, unknown.value.type) == ("model_not_found", "invalid_request_error")
    with pytest.raises(openai.BadRequestError, match="only one choice"):
        client.chat.completions.create(model="pansophy", messages=user("Hello?"), n=2)
    with pytest.raises(openai.BadRequestError, match="send texts and files to the model pansophy"):
        client.chat.completions.create(model="pansophy/houses", messages=user(f"{LONG}\n\n{QUESTION}"))
    with pytest.raises(openai.BadRequestError, match="no question"):
        client.chat.completions.create(model="pansophy", messages=user("word " * 9000))
    with pytest.raises(openai.UnprocessableEntityError) as wrong:
        client.chat.completions.create(model="pansophy", messages=[])
    assert wrong.value.param == "messages"
    bad = [{"type": "file", "file": {"filename": "a.txt", "file_data": "!!!"}}]
    with pytest.raises(openai.BadRequestError, match="not base64"):
        client.chat.completions.create(model="pansophy", messages=user(bad))


def test_a_failure_while_streaming_reaches_the_client_as_an_error(url):
    broken = ScriptedModel(lambda messages, schema: AuthenticationFailed("the endpoint refused the key"), name="broken")
    with served(service(model=broken)) as other, openai.OpenAI(base_url=f"{other}/v1", api_key="any") as client:
        chunks = client.chat.completions.create(model="pansophy/houses", messages=user(QUESTION), stream=True)
        with pytest.raises(openai.APIError, match="refused the key"):
            list(chunks)


def test_a_client_that_goes_away_stops_the_reading(url):
    async def check() -> None:
        reached, stopped = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        async def hang(prompt: object) -> None:
            loop.call_soon_threadsafe(reached.set)
            try:
                await asyncio.Event().wait()
            finally:
                loop.call_soon_threadsafe(stopped.set)

        with served(service(model=reader(hang, name="hanging"))) as other:
            body = {"model": "pansophy/houses", "messages": user(QUESTION)}
            async with httpx.AsyncClient(timeout=60) as client, asyncio.timeout(60):
                asking = asyncio.create_task(client.post(f"{other}/v1/chat/completions", content=json.dumps(body),
                                                         headers={"Content-Type": "application/json"}))  # fmt: skip
                await reached.wait()
                asking.cancel()
                await stopped.wait()

    asyncio.run(check())
