"""A reply says the same whether it comes whole or in pieces, and a cut one is never taken for whole."""

import json

import pytest
from fake_server import completion
from hypothesis import given
from hypothesis import strategies as st

from pansophy.errors import ContextOverflow, EndpointUnavailable
from pansophy.models.replies import read_reply

USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}


def read(body):
    return read_reply(body, endpoint="http://here/v1", model="tiny")


def streamed(pieces, reason="stop", **last):
    events = [{"choices": [{"index": 0, "finish_reason": None, "delta": {"role": "assistant", "content": None}}]}]
    events += [{"choices": [{"index": 0, "finish_reason": None, "delta": {"content": piece}}]} for piece in pieces]
    events.append({"choices": [{"index": 0, "finish_reason": reason, "delta": {}}]})
    events.append({"choices": [], **last})
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"


@given(st.lists(st.text()), st.sampled_from(["stop", "length"]))
def test_pieces_say_what_the_whole_says(pieces, reason):
    text = "".join(pieces)
    choice = {"finish_reason": reason, "message": {"content": text}}
    assert read(streamed(pieces, reason, usage=USAGE)) == read(json.dumps(completion(choices=[choice], usage=USAGE)))


def test_usage_timings_and_log_probabilities_of_a_stream():
    token = {"token": "Pa", "logprob": -0.5, "top_logprobs": [{"token": "Lo", "logprob": -1.5}]}
    piece = {"choices": [{"finish_reason": "stop", "delta": {"content": "Pa"}, "logprobs": {"content": [token]}}]}
    reply = read(f"data: {json.dumps(piece)}\n\ndata: " + json.dumps({"choices": [], "timings": {"cache_n": 7}}))
    assert (reply.prompt_tokens, reply.cached_tokens, reply.completion_tokens) == (None, 7, None)
    assert reply.logprobs[0].top == (("Lo", -1.5),)


@pytest.mark.parametrize(
    "alive", [":\n\n", ": still reading\n\n:\n\n", "\r\n:\r\n\r\n", "event: message\n", "retry: 100\n\n"]
)
def test_a_stream_may_begin_with_signs_of_life(alive):
    """As llama.cpp's does when reading the prompt takes longer than half a minute."""
    body = streamed(["one", "two"], usage=USAGE)
    assert read(alive + body) == read(body)
    assert read(body.replace("\n\n", f"\n\n{alive}")) == read(body)


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
def test_a_separator_of_lines_inside_a_piece_stays_there(separator):
    event = {"choices": [{"finish_reason": "stop", "delta": {"content": f"one{separator}two"}}]}
    body = json.dumps(event, ensure_ascii=False)
    assert read(f"data: {body}\n\ndata: [DONE]\n\n").text == f"one{separator}two"


@given(st.integers(0, 10**6))
def test_a_cut_stream_is_never_whole(at):
    body = streamed(["one", "two"]).split("data: [DONE]")[0].rsplit("data:", 2)[0]  # up to the finish reason
    with pytest.raises(EndpointUnavailable):
        read(body[: at % len(body)])


@given(st.integers(0, 10**6))
def test_a_cut_body_is_never_whole(at):
    body = json.dumps(completion())
    with pytest.raises(EndpointUnavailable, match="not JSON"):
        read(body[: at % len(body)])


@given(st.text())
def test_nonsense_is_told_apart(body):
    with pytest.raises(EndpointUnavailable):
        read(body)


@pytest.mark.parametrize("form", ["data: {error}\n\n", "error: {inner}\n\n", "{error}"])
def test_an_error_in_the_reply_is_that_error(form):
    inner = {"code": 400, "message": "exceeds the available context size (4096 tokens)"}
    body = form.replace("{error}", json.dumps({"error": inner})).replace("{inner}", json.dumps(inner))
    if form.startswith("error"):
        body = "data: {}\n\n" + body
    with pytest.raises(ContextOverflow):
        read(body)
