"""A white-box model where a chat model is asked for."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.white_box.tiny import model
from torch import Tensor

from pansophy import Corpus, aask
from pansophy.errors import ContextOverflow
from pansophy.models import ChatModel, WhiteBoxChat, WhiteBoxModel, open_model
from pansophy.models.white_box.chat import _first, _held_back
from pansophy.models.white_box.streams import Stream
from pansophy.types import ChatMessage

ASKED = [ChatMessage("user", "the capital of France is")]


@pytest.fixture(scope="module")
def white() -> WhiteBoxModel:
    return model()


async def test_it_says_what_the_model_finds_likeliest_and_how_likely(white: WhiteBoxModel) -> None:
    chat = WhiteBoxChat(white)
    assert isinstance(chat, ChatModel)
    completion = await chat.complete(ASKED, max_tokens=5, logprobs=True)
    tokens = white.encode(ASKED[0].content)
    prompt_tokens = len(tokens)
    assert completion.logprobs is not None
    for told in completion.logprobs:
        scores = white.network(torch.tensor([tokens])).logits[0, -1].log_softmax(-1)
        best = int(scores.argmax())
        assert told.logprob == pytest.approx(float(scores[best]), abs=1e-3)
        assert told.top[0] == (told.token, told.logprob)
        assert told.top[1][1] <= told.top[0][1]
        tokens.append(best)
    assert completion.text == white.decode(tokens[prompt_tokens:])
    assert (completion.usage.prompt_tokens, completion.usage.calls) == (prompt_tokens, 1)
    assert await chat.count_prompt(ASKED) == prompt_tokens
    assert completion.usage.completion_tokens == len(completion.logprobs)
    assert (await chat.complete(ASKED, max_tokens=5)).logprobs is None


async def test_the_same_seed_says_the_same_and_pieces_make_the_whole(white: WhiteBoxModel) -> None:
    chat = WhiteBoxChat(white)
    told = [(await chat.complete(ASKED, max_tokens=12, temperature=1.5, seed=seed)).text for seed in (1, 1, 2)]
    assert told[0] == told[1] != told[2]
    pieces = [piece async for piece in chat.stream(ASKED, max_tokens=12, temperature=1.5, seed=1)]
    assert "".join(pieces) == told[0]
    assert len(pieces) > 1


async def test_it_ends_at_stop_strings_and_at_the_most_tokens(white: WhiteBoxModel) -> None:
    chat = WhiteBoxChat(white)
    whole = await chat.complete(ASKED, max_tokens=20)
    assert whole.finish_reason == "length"
    at = whole.text[len(whole.text) // 2 :][:3]
    cut = await chat.complete(ASKED, max_tokens=20, stop=(at, "never said"))
    assert cut.finish_reason == "stop"
    assert cut.text == whole.text[: whole.text.index(at)]
    assert cut.usage.completion_tokens < 20
    pieces = [piece async for piece in chat.stream(ASKED, max_tokens=20, stop=(at,))]
    assert "".join(pieces) == cut.text


@given(st.text("abc\ufffd", max_size=8), st.lists(st.text("abc", min_size=1, max_size=3), max_size=3))
def test_what_is_held_back_is_no_more_than_what_may_yet_change(text: str, stop: list[str]) -> None:
    held = _held_back(text, stop)
    said = text[: len(text) - held]
    if not text.endswith("\ufffd") and _first(text, stop) is None:
        for one in stop:  # whatever follows, no stop string begins in what was said
            for size in range(1, len(one)):
                assert not (text.endswith(one[:size]) and size > held)
    assert text.startswith(said)


async def test_what_does_not_fit_the_window_is_told(white: WhiteBoxModel) -> None:
    chat = WhiteBoxChat(white, window=20)
    assert chat.window == 20
    with pytest.raises(ContextOverflow, match="5 tokens and 16 are reserved"):
        await chat.complete(ASKED, max_tokens=16)
    with pytest.raises(ContextOverflow):
        async for _ in chat.stream(ASKED, max_tokens=16):
            pass


async def test_a_cancelled_call_stops_writing_and_leaves_the_model_free(
    white: WhiteBoxModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat, writes, append = WhiteBoxChat(white), threading.Event(), Stream.append
    written = 0

    def slow(stream: Stream, tokens: Tensor) -> None:
        nonlocal written
        written += 1
        writes.set()
        time.sleep(0.02)
        append(stream, tokens)

    monkeypatch.setattr(Stream, "append", slow)
    call = asyncio.create_task(chat.complete(ASKED, max_tokens=100, temperature=1.0))
    await asyncio.to_thread(writes.wait, 30)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    after = await asyncio.wait_for(chat.complete(ASKED, max_tokens=2), 30)
    assert after.usage.completion_tokens == 2
    assert written < 50


async def test_a_folder_is_opened_by_its_path_and_loaded_when_it_is_needed(
    white: WhiteBoxModel, tmp_path: Path
) -> None:
    white.network.save_pretrained(tmp_path)
    white.tokenizer.save_pretrained(tmp_path)
    chat = open_model(str(tmp_path))
    assert isinstance(chat, WhiteBoxChat)
    assert chat._model is None
    assert (await chat.complete(ASKED, max_tokens=4)).text == (
        await WhiteBoxChat(white).complete(ASKED, max_tokens=4)
    ).text
    assert 0 < chat.parameters < 0.001
    assert not math.isnan(chat.parameters)
    await chat.aclose()
    assert chat._model is None


async def test_it_reads_for_a_strategy(smollm2: WhiteBoxModel) -> None:
    corpus = Corpus.from_texts({"memo": "The keeper of the light at Marsby is Ida Voss."})
    answer = await aask(
        "Who keeps the light?", corpus=corpus, model=WhiteBoxChat(smollm2), strategy="top_k", store=False
    )
    assert answer.text
    assert answer.usage.calls >= 1
