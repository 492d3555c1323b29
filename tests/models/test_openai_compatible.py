"""The endpoint back end against a real HTTP server that says what real ones say."""

import asyncio
import json
import socket

import pytest
from fake_server import FakeServer, completion, error, models

from pansophy.errors import (
    AuthenticationFailed,
    CallTimedOut,
    ContextOverflow,
    EndpointUnavailable,
    RateLimited,
    RequestRefused,
    UnknownModel,
)
from pansophy.models import ChatModel, OpenAICompatible
from pansophy.tokens import estimate_tokens
from pansophy.types import ChatMessage

CHAT = "POST /v1/chat/completions"
ASK = [ChatMessage("user", "What is the capital of France?")]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
PLAIN = {"GET /v1/models": (200, models("tiny")), CHAT: (200, completion())}


async def answer(pages, ask=ASK, **options):
    with FakeServer(pages) as server:
        model = OpenAICompatible("tiny", base_url=server.base_url, api_key="secret")
        try:
            return await model.complete(ask, max_tokens=20, **options), model, server
        finally:
            await model.aclose()


async def refused(page, **pages):
    with FakeServer({**PLAIN, CHAT: page, **pages}) as server:
        model = OpenAICompatible("tiny", base_url=server.base_url, timeout=5)
        try:
            await model.complete(ASK, max_tokens=20)
        finally:
            await model.aclose()


async def test_a_completion_with_usage_and_key():
    usage = {"prompt_tokens": 12, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 8}}
    reply, model, server = await answer({**PLAIN, CHAT: (200, completion(usage=usage))})
    assert (reply.text, reply.finish_reason) == ("Paris", "stop")
    assert (reply.usage.calls, reply.usage.prompt_tokens, reply.usage.cached_tokens) == (1, 12, 8)
    assert reply.usage.completion_tokens == 3
    assert reply.usage.seconds > 0
    assert server.requests[-1][2]["authorization"] == "Bearer secret"
    assert isinstance(model, ChatModel)
    assert model.identity == f"openai:{server.base_url}:tiny"


async def test_llama_cpp_tells_cached_tokens_in_its_timings():
    reply, _, _ = await answer({**PLAIN, CHAT: (200, completion(timings={"cache_n": 9}))})
    assert reply.usage.cached_tokens == 9


async def test_missing_usage_is_counted_here():
    reply, _, _ = await answer({**PLAIN, CHAT: (200, completion(usage=None))})
    assert reply.usage.prompt_tokens >= estimate_tokens(ASK[0].content)
    assert reply.usage.completion_tokens == estimate_tokens("Paris")


async def test_log_probabilities_with_alternatives():
    top = [{"token": "Par", "logprob": -0.1}, {"token": "Lon", "logprob": -3.0}]
    choice = {
        "index": 0,
        "finish_reason": "length",
        "message": {"content": "Par"},
        "logprobs": {"content": [{"token": "Par", "logprob": -0.1, "top_logprobs": top}]},
    }
    reply, _, server = await answer({**PLAIN, CHAT: (200, completion(choices=[choice]))}, logprobs=True)
    assert reply.finish_reason == "length"
    assert reply.logprobs[0].token == "Par"
    assert reply.logprobs[0].top[1] == ("Lon", -3.0)
    assert server.bodies()[0]["logprobs"] is True


async def test_streaming():
    chunks = [
        {"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]} for piece in ("Pa", "ris")
    ]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    events = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
    sse = {"Content-Type": "text/event-stream"}
    with FakeServer({**PLAIN, CHAT: (200, events + "data: [DONE]\n\n", sse)}) as server:
        model = OpenAICompatible("tiny", base_url=server.base_url)
        assert [piece async for piece in model.stream(ASK, max_tokens=9)] == ["Pa", "ris"]
        server.pages[CHAT] = (200, f"data: {json.dumps(chunks[0])}\n\n", sse)
        with pytest.raises(EndpointUnavailable, match="without a finish reason"):
            [piece async for piece in model.stream(ASK, max_tokens=9)]
        server.pages[CHAT] = (200, f"data: {json.dumps(chunks[0])}\n\ndata: {{oops\n\n", sse)
        with pytest.raises(EndpointUnavailable, match="not JSON"):
            [piece async for piece in model.stream(ASK, max_tokens=9)]
        await model.aclose()


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "expected", "words"),
    [
        ((401, error("bad key")), AuthenticationFailed, "bad key.*API key"),
        ((429, error("slow down"), {"Retry-After": "2"}), RateLimited, "slow down"),
        ((500, "<html><title>Oops</title></html>"), EndpointUnavailable, "HTML page titled 'Oops'"),
        ((400, error("too hot", code="context_length_exceeded")), RequestRefused, "too hot"),
        ((400, error("exceeds the available context size")), ContextOverflow, "window of tiny"),
        ((200, "{not json"), EndpointUnavailable, "not JSON"),
        ((200, "<html><title>Login</title></html>", {"Content-Type": "text/html"}), EndpointUnavailable, "Login"),
        ((200, "null"), EndpointUnavailable, "without choices"),
        ((200, completion(choices=[])), EndpointUnavailable, "without choices"),
        ((200, error("overloaded", code=429)), RateLimited, "overloaded"),
        ((200, b'{"choices": [', {"Content-Length": "900"}), EndpointUnavailable, "broke off"),
    ],
)
async def test_refusals_and_nonsense(page, expected, words):
    if page[0] == 400 and "code" in page[1]["error"]:
        expected, words = ContextOverflow, "window of tiny"
    with pytest.raises(expected, match=words):
        await refused(page)


async def test_an_unknown_model_names_those_that_there_are():
    listing = {"GET /v1/models": (200, models("small", "large"))}
    with pytest.raises(UnknownModel, match="It offers: large, small"):
        await refused((404, error("model 'tiny' not found")), **listing)


async def test_a_wrong_address_says_where_addresses_end():
    with pytest.raises(UnknownModel, match="usually /v1"):
        await refused((404, "nothing here"), **{"GET /v1/models": (404, "nothing here")})


async def test_a_held_back_reply_is_a_refusal():
    choice = {"index": 0, "finish_reason": "content_filter", "message": {"content": None}}
    with pytest.raises(RequestRefused, match="content filter"):
        await refused((200, completion(choices=[choice])))


async def test_an_empty_reply_is_returned_as_it_is():
    reply, _, _ = await answer({**PLAIN, CHAT: (200, completion(""))})
    assert reply.text == ""


async def test_a_reply_that_never_ends_is_broken_off(monkeypatch):
    monkeypatch.setattr("pansophy.models.openai_compatible.MAX_REPLY_BYTES", 2**20)
    with pytest.raises(EndpointUnavailable, match="more than 1 MiB"):
        await refused((200, b" " * (3 * 2**20)))


async def test_no_server():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        model = OpenAICompatible("tiny", base_url=f"http://127.0.0.1:{unused.getsockname()[1]}/v1")
        with pytest.raises(EndpointUnavailable, match=r"can't be reached.*Is the server running"):
            await model.complete(ASK, max_tokens=5)


async def test_a_server_that_says_nothing_times_out():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        model = OpenAICompatible("tiny", base_url=f"http://127.0.0.1:{silent.getsockname()[1]}/v1", timeout=0.2)
        with pytest.raises(CallTimedOut, match="did not reply in time"):
            await model.complete(ASK, max_tokens=5)


# --- dialects -------------------------------------------------------------------------------------------------------


async def test_a_refused_schema_is_described_and_that_is_remembered_and_told():
    def chat(body):
        if "response_format" in body:
            return 400, error("response_format is not supported")
        return 200, completion('{"city": "Paris"}')

    with FakeServer({**PLAIN, CHAT: chat}) as server:
        model = OpenAICompatible("tiny", base_url=server.base_url)
        assert (await model.complete(ASK, schema=SCHEMA, max_tokens=20)).text == '{"city": "Paris"}'
        assert len(server.bodies()) == 3
        assert '"city"' in server.bodies()[2]["messages"][0]["content"]
        await model.complete(ASK, schema=SCHEMA, max_tokens=20)
        assert len(server.bodies()) == 4
        assert model.dialect.schema_mode == "described"
        assert any("described" in warning for warning in model.warnings)
        await model.aclose()


async def test_a_schema_that_no_longer_fits_when_described_is_never_sent():
    def chat(body):
        return 400, error("json_schema is not supported")

    with FakeServer({**PLAIN, CHAT: chat}) as server:
        model = OpenAICompatible("tiny", base_url=server.base_url, window=60)
        with pytest.raises(ContextOverflow, match="with the schema in the prompt"):
            await model.complete(ASK, schema=SCHEMA, max_tokens=20)
        assert len(server.bodies()) == 1
        await model.aclose()


async def test_parameters_that_a_reasoning_model_refuses_are_learnt_once():
    def chat(body):
        if "max_tokens" in body:
            return 400, error("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
        if "temperature" in body:
            return 400, error("Unsupported value: 'temperature' does not support 0.0 with this model.")
        return 200, completion()

    with FakeServer({**PLAIN, CHAT: chat}) as server:
        model = OpenAICompatible("tiny", base_url=server.base_url)
        await asyncio.gather(*(model.complete(ASK, max_tokens=20) for _ in range(3)))
        before = len(server.bodies())
        await model.complete(ASK, max_tokens=20)
        assert len(server.bodies()) == before + 1
        assert server.bodies()[-1]["max_completion_tokens"] == 20
        await model.aclose()


async def test_a_refusal_that_no_other_wording_cures_is_raised_as_it_came_first():
    with FakeServer({**PLAIN, CHAT: lambda body: (400, error(f"no, {len(body)}"))}) as server:
        model = OpenAICompatible("tiny", base_url=server.base_url)
        with pytest.raises(RequestRefused, match="no, 6"):
            await model.complete(ASK, schema=SCHEMA, max_tokens=20)
        assert model.dialect.schema_mode == "json_schema"
        await model.aclose()


# --- what stands behind the endpoint --------------------------------------------------------------------------------


async def prepared(pages, name="tiny", **options):
    with FakeServer(pages) as server:
        model = OpenAICompatible(name, base_url=server.base_url, **options)
        await model.prepare()
        counts = await model.count_tokens("one two"), await model.count_prompt(ASK)
        await model.aclose()
        return model, counts, server


async def test_llama_cpp_tells_its_window_slots_and_tokens():
    model, counts, server = await prepared(
        {
            "GET /v1/models": (200, models("x.gguf", owned_by="llamacpp", meta={"n_ctx_train": 32768})),
            "GET /props": (200, {"default_generation_settings": {"n_ctx": 2048}, "total_slots": 3}),
            "POST /apply-template": lambda body: (200, {"prompt": "<s>" + body["messages"][0]["content"]}),
            "POST /tokenize": lambda body: (200, {"tokens": list(body["content"])}),
        }
    )
    assert (model.server.kind, model.window, model.parallel, model.counts_exactly) == ("llama.cpp", 2048, 3, True)
    assert counts == (7, len(ASK[0].content) + 3)
    assert server.bodies("POST /tokenize")[1]["add_special"] is True
    assert model.warnings == ()


async def test_vllm_tells_its_window_and_tokens():
    model, counts, _ = await prepared(
        {
            "GET /v1/models": (200, models("tiny", owned_by="vllm", max_model_len=4096)),
            "POST /tokenize": lambda body: (200, {"count": 5 if "prompt" in body else 50, "tokens": []}),
        }
    )
    assert (model.server.kind, model.window, model.counts_exactly, counts) == ("vllm", 4096, True, (5, 50))


async def test_ollama_tells_the_window_of_a_loaded_model_and_is_assumed_small_else():
    pages = {"GET /v1/models": (200, models("tiny:latest", owned_by="library"))}
    model, _, _ = await prepared(pages)
    assert model.window == 4096
    assert "cuts longer prompts silently" in model.warnings[0]
    loaded = {"models": [{"name": "tiny:latest", "model": "tiny:latest", "context_length": 16384}]}
    model, _, _ = await prepared({**pages, "GET /api/ps": (200, loaded)})
    assert (model.window, model.warnings) == (16384, ())


async def test_an_unknown_server_is_estimated_and_its_window_assumed_aloud():
    model, counts, _ = await prepared(PLAIN)
    assert (model.window, model.counts_exactly) == (8192, False)
    assert counts[1] > estimate_tokens(ASK[0].content)
    assert "assuming 8192" in model.warnings[0]


async def test_a_given_window_is_kept_and_a_hosted_one_known():
    model, _, _ = await prepared(PLAIN, window=5000)
    assert (model.window, model.warnings) == (5000, ())
    model, _, _ = await prepared(PLAIN, name="openai/gpt-4o-mini-2024")
    assert (model.window, model.warnings) == (128_000, ())


async def test_a_server_that_is_loading_is_asked_again_later():
    pages = {**PLAIN, "GET /v1/models": (503, error("Loading model"))}
    with FakeServer(pages) as server:
        model = OpenAICompatible("tiny", base_url=server.base_url)
        with pytest.raises(EndpointUnavailable, match="Loading model"):
            await model.prepare()
        server.pages["GET /v1/models"] = (200, models("tiny", max_model_len=77))
        await model.prepare()
        assert model.window == 77
        await model.aclose()


def test_one_model_serves_several_event_loops():
    with FakeServer(PLAIN) as server:
        model = OpenAICompatible("tiny", base_url=server.base_url)
        texts = [asyncio.run(model.complete(ASK, max_tokens=5)).text for _ in range(3)]
        assert texts == ["Paris"] * 3


async def test_a_proxy_of_the_environment_is_not_used_for_this_machine(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    reply, _, _ = await answer(PLAIN)
    assert reply.text == "Paris"


async def test_a_prompt_is_counted_by_the_server_once():
    pages = {
        "GET /v1/models": (200, models("tiny", owned_by="vllm", max_model_len=4096)),
        "POST /tokenize": lambda body: (200, {"count": 50}),
    }
    with FakeServer(pages) as server:
        model = OpenAICompatible("tiny", base_url=server.base_url)
        assert [await model.count_prompt(ASK) for _ in range(3)] == [50] * 3
        for number in range(300):
            await model.count_prompt([ChatMessage("user", str(number))])
        await model.count_prompt(ASK)  # forgotten meanwhile: memory stays bounded
        assert len(server.bodies("POST /tokenize")) == 302
        await model.aclose()
