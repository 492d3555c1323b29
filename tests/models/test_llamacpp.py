"""The same promises, kept by a real llama.cpp: inside this process, and as a server over HTTP."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from pansophy.errors import AuthenticationFailed, ContextOverflow
from pansophy.models import ChatModel, EmbeddedModel, OpenAICompatible, llamacpp, prepare
from pansophy.models.checkup import check_model
from pansophy.types import ChatMessage

pytestmark = pytest.mark.model

ASK = [ChatMessage("user", "What is the capital of France? Answer with the city's name only.")]
STORY = "The keeper lit the lamp at dusk and wrote the hour into the book. " * 20
SCHEMA = {
    "type": "object",
    "properties": {"zeal": {"type": "string", "maxLength": 20}, "age": {"type": "integer", "maximum": 99}},
    "required": ["zeal", "age"],
}


@pytest.fixture(scope="module")
def served(smollm2_file):
    """(base URL, key) of a llama.cpp server process."""
    command = [sys.executable, str(Path(__file__).with_name("llamacpp_server.py")), str(smollm2_file), "sesame"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield f"{process.stdout.readline().strip()}/v1", "sesame"
        process.stdin.close()
        assert process.wait(20) == 0


@pytest.fixture(params=["embedded", "served"])
async def model(request, smollm2_file):
    if request.param == "embedded":
        made = EmbeddedModel(smollm2_file, window=2048, prompt_cache=256)
    else:
        base_url, key = request.getfixturevalue("served")
        made = OpenAICompatible("any", base_url=base_url, api_key=key)
    yield made
    await made.aclose()


async def test_it_answers_and_tells_what_it_used(model):
    reply = await model.complete(ASK, max_tokens=12)
    assert "Paris" in reply.text
    assert reply.usage.prompt_tokens == await model.count_prompt(ASK)
    assert 0 < reply.usage.completion_tokens <= 12
    assert isinstance(model, ChatModel)


async def test_it_counts_with_its_own_tokenizer_and_knows_its_window(model):
    await prepare(model)
    assert (model.window, model.parallel, model.counts_exactly) == (2048, 2, True)
    assert await model.count_tokens("") == 0
    assert await model.count_tokens("one two three") == 3
    together = [ChatMessage("user", STORY)]
    assert await model.count_prompt(together) > await model.count_tokens(STORY)


async def test_a_schema_is_followed_in_its_own_order(model):
    reply = await model.complete([ChatMessage("user", "Give age 7 and zeal high.")], schema=SCHEMA, max_tokens=60)
    data = json.loads(reply.text)
    assert list(data) == ["zeal", "age"]
    assert isinstance(data["age"], int)


async def test_the_same_seed_gives_the_same_reply(model):
    first, second = [(await model.complete(ASK, max_tokens=16, temperature=0.9, seed=5)).text for _ in range(2)]
    assert first == second


async def test_log_probabilities_are_given(model):
    reply = await model.complete(ASK, max_tokens=4, logprobs=True)
    assert len(reply.logprobs) == reply.usage.completion_tokens
    assert all(item.logprob <= 0 and item.top for item in reply.logprobs)


async def test_streaming_gives_the_same_text(model):
    pieces = [piece async for piece in model.stream(ASK, max_tokens=12)]
    assert len(pieces) > 1
    assert "".join(pieces) == (await model.complete(ASK, max_tokens=12)).text


async def test_a_prompt_beyond_the_window_is_an_overflow(model):
    with pytest.raises(ContextOverflow):
        await model.complete([ChatMessage("user", STORY * 10)], max_tokens=5)


async def test_a_prefix_is_read_once_however_many_prompts_come_between(model):
    texts = [f"Log {number}. {STORY}" for number in range(3)]  # one more than slots
    first = [await model.complete([ChatMessage("user", f"{text} Who?")], max_tokens=1) for text in texts]
    again = [await model.complete([ChatMessage("user", f"{text} What did he write?")], max_tokens=1) for text in texts]
    prefilled = sum(reply.usage.prefilled_tokens for reply in again)
    assert prefilled <= 0.05 * sum(reply.usage.prompt_tokens for reply in first)


async def test_cancelling_a_call_stops_the_generation(model):
    await prepare(model)
    long = {"type": "object", "properties": {"tale": {"type": "string", "minLength": 1500}}, "required": ["tale"]}
    call = asyncio.create_task(model.complete(ASK, schema=long, max_tokens=1500))
    endpoint = model._endpoint if isinstance(model, EmbeddedModel) else model
    async with httpx.AsyncClient(
        base_url=endpoint.base_url.removesuffix("/v1"), headers={"Authorization": f"Bearer {endpoint._api_key}"}
    ) as client:

        async def busy():
            return any(slot["is_processing"] for slot in (await client.get("/slots")).json())

        async with asyncio.timeout(20):
            while not await busy():
                pass
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            while await busy():
                pass


async def test_a_server_refuses_another_key(served):
    stranger = OpenAICompatible("any", base_url=served[0], api_key="guess")
    with pytest.raises(AuthenticationFailed):
        await stranger.complete(ASK, max_tokens=1)
    await stranger.aclose()


async def test_models_of_one_file_share_a_server_until_the_last_is_closed(smollm2_file):
    one, two = (EmbeddedModel(smollm2_file, window=512, prompt_cache=256) for _ in range(2))
    await asyncio.gather(prepare(one), prepare(two))
    assert len(llamacpp._servers) == 1
    assert one._endpoint.base_url == two._endpoint.base_url
    await one.aclose()
    assert (await two.complete(ASK, max_tokens=2)).text
    await two.aclose()
    await two.aclose()
    assert llamacpp._servers == {}
    assert (await one.complete(ASK, max_tokens=2)).text  # it loads again
    await one.aclose()


def test_a_model_serves_several_event_loops(smollm2_file):
    model = EmbeddedModel(smollm2_file, window=512, prompt_cache=256)
    texts = {asyncio.run(model.complete(ASK, max_tokens=8)).text for _ in range(2)}
    assert len(texts) == 1
    asyncio.run(model.aclose())


async def test_a_check_up_finds_what_there_is(smollm2_file):
    model = EmbeddedModel(smollm2_file, window=2048, prompt_cache=256)
    found = await check_model(model)
    await model.aclose()
    assert "Paris" in found.answer
    assert found.remembers_prefixes
    assert (found.window, found.prompt_cache_mib, found.counts_exactly) == (2048, 256, True)
    assert found.prefill_speed > 0
    assert found.generation_speed > 0


PROGRAM = """
import asyncio, pathlib, sys
from pansophy.models import EmbeddedModel
from pansophy.types import ChatMessage
model = EmbeddedModel(pathlib.Path(sys.argv[1]), window=512, prompt_cache=256)
async def main():
    print((await model.complete([ChatMessage("user", "Say yes.")], max_tokens=3)).text)
    if sys.argv[2] == "close":
        await model.aclose()
asyncio.run(main())
"""


@pytest.mark.parametrize("ending", ["close", "leave"])
def test_a_process_ends_cleanly_and_quietly(smollm2_file, ending):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(smollm2_file), ending],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout.strip()
    assert done.stderr == ""
