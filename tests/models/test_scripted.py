"""The scripted model keeps the promises of a real one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pansophy.errors import ContextOverflow, RateLimited, RequestRefused
from pansophy.models import ChatModel, ScriptedModel, prepare
from pansophy.models.scripted import count_words
from pansophy.types import ChatMessage, Completion, Usage

ASK = [ChatMessage("user", "Who hired Holmes?")]


async def test_a_function_replies_and_the_call_is_recorded():
    model = ScriptedModel(lambda messages, schema: messages[-1].content.upper())
    completion = await model.complete(ASK, schema={"type": "string"}, max_tokens=10)
    assert completion.text == "WHO HIRED HOLMES?"
    assert completion.finish_reason == "stop"
    assert (completion.usage.calls, completion.usage.prompt_tokens, completion.usage.completion_tokens) == (1, 8, 4)
    assert model.calls[0].messages == tuple(ASK)
    assert model.calls[0].schema == {"type": "string"}
    assert model.calls[0].max_tokens == 10


async def test_a_coroutine_function_may_reply():
    async def reply(messages, schema):
        return "later"

    assert (await ScriptedModel(reply).complete(ASK, max_tokens=5)).text == "later"


async def test_a_list_is_used_up_in_order_and_then_refuses():
    given_completion = Completion("whole", "length", Usage(1, 2, 3, 4))
    model = ScriptedModel(["one", RateLimited("slow down"), given_completion])
    assert (await model.complete(ASK, max_tokens=5)).text == "one"
    with pytest.raises(RateLimited, match="slow down"):
        await model.complete(ASK, max_tokens=5)
    assert await model.complete(ASK, max_tokens=5) is given_completion
    with pytest.raises(RequestRefused, match="3 replies are used up"):
        await model.complete(ASK, max_tokens=5)
    assert len(model.calls) == 4


async def test_a_prompt_that_does_not_fit_is_refused():
    model = ScriptedModel(["never"], window=17)
    with pytest.raises(ContextOverflow, match="8 tokens and 10"):
        await model.complete(ASK, max_tokens=10)
    assert (await model.complete(ASK, max_tokens=9)).text == "never"


async def test_a_reply_is_cut_at_max_tokens_and_at_stop():
    model = ScriptedModel(lambda *_: "one two, three. END four")
    cut = await model.complete(ASK, max_tokens=3)
    assert (cut.text, cut.finish_reason) == ("one two,", "length")
    stopped = await model.complete(ASK, max_tokens=30, stop=["END"])
    assert (stopped.text, stopped.finish_reason) == ("one two, three. ", "stop")


async def test_streaming_gives_the_same_text():
    model = ScriptedModel(lambda *_: "  one two\nthree. ")
    pieces = [piece async for piece in model.stream(ASK, max_tokens=10)]
    assert len(pieces) > 2
    assert "".join(pieces) == "  one two\nthree. "


def test_a_bare_string_is_a_mistake():
    with pytest.raises(TypeError, match="list of replies"):
        ScriptedModel("Paris")


async def test_it_is_a_chat_model_and_needs_no_preparation():
    model = ScriptedModel([])
    assert isinstance(model, ChatModel)
    await prepare(model)
    await model.aclose()


@given(st.text(), st.text())
def test_words_of_a_joined_text_add_up(left, right):
    assert count_words(f"{left} {right}") == count_words(left) + count_words(right)


def test_chinese_characters_count_one_each():
    assert count_words("福尔摩斯 found it.") == 7
