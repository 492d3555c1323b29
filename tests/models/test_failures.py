"""Every way in which a server can refuse becomes the right error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pansophy.errors import (
    AuthenticationFailed,
    CallTimedOut,
    ContextOverflow,
    EndpointUnavailable,
    ModelError,
    RateLimited,
    RequestRefused,
    UnknownModel,
)
from pansophy.models.failures import QuotaExhausted, describe_body, from_status, retry_after

OVERFLOWS = [
    # OpenAI
    '{"error": {"message": "This model\'s maximum context length is 8192 tokens. However, your messages resulted in '
    '9000 tokens.", "type": "invalid_request_error", "param": "messages", "code": "context_length_exceeded"}}',
    # vLLM
    '{"object": "error", "message": "This model\'s maximum context length is 4096 tokens. However, you requested 5000 '
    'tokens (4000 in the messages, 1000 in the completion).", "type": "BadRequestError", "code": 400}',
    '{"message": "The decoder prompt (length 5000) is longer than the maximum model length of 4096."}',
    # llama.cpp
    '{"error": {"code": 400, "message": "request (9030 tokens) exceeds the available context size (4096 tokens), try '
    'increasing it", "type": "exceed_context_size_error", "n_prompt_tokens": 9030, "n_ctx": 4096}}',
    # Ollama
    '{"error": {"message": "prompt too long; exceeded max context length by 5 tokens"}}',
    '{"error": "input length exceeds maximum context length"}',
    # SGLang
    '{"message": "The input (9000 tokens) is longer than the model\'s context length (4096 tokens)."}',
    # LM Studio
    '{"error": "Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded with '
    'context length of only 4096 tokens"}',
    # Anthropic's endpoint, Gemini's endpoint
    '{"error": {"type": "invalid_request_error", "message": "prompt is too long: 210000 tokens > 200000 maximum"}}',
    '{"error": {"message": "The input token count (2000000) exceeds the maximum number of tokens allowed (1048575)."}}',
]


def failure(status, body, headers=None):
    return from_status(status, body, headers or {}, endpoint="http://here/v1", model="tiny", now=1_000_000_000.0)


@pytest.mark.parametrize("body", OVERFLOWS)
@pytest.mark.parametrize("status", [400, 500])
def test_overflow_is_recognised_in_the_words_of_each_server(body, status):
    error = failure(status, body)
    assert type(error) is ContextOverflow
    assert not error.retryable


@pytest.mark.parametrize(
    ("status", "body", "expected", "retryable"),
    [
        (401, '{"error": {"message": "Incorrect API key provided"}}', AuthenticationFailed, False),
        (403, '{"error": "forbidden"}', AuthenticationFailed, False),
        (
            404,
            '{"error": {"message": "The model `gpt-9` does not exist", "code": "model_not_found"}}',
            UnknownModel,
            False,
        ),
        (404, "not found", UnknownModel, False),
        (400, '{"error": "model \\"tiny\\" not found, try pulling it first"}', UnknownModel, False),
        (403, '{"error": {"message": "x", "code": "model_not_found"}}', AuthenticationFailed, False),
        (429, '{"error": {"message": "Rate limit reached"}}', RateLimited, True),
        (
            429,
            '{"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}',
            QuotaExhausted,
            False,
        ),
        (402, '{"error": {"message": "Insufficient credits"}}', QuotaExhausted, False),
        (408, "", CallTimedOut, True),
        (504, "<html><head><title>504 Gateway Time-out</title></head></html>", CallTimedOut, True),
        (500, '{"error": {"message": "oops"}}', EndpointUnavailable, True),
        (502, "<!DOCTYPE html><html><title>Bad gateway</title></html>", EndpointUnavailable, True),
        (503, '{"error": {"message": "Loading model", "code": 503}}', EndpointUnavailable, True),
        (400, '{"error": {"message": "Invalid \'temperature\'"}}', RequestRefused, False),
        (422, '{"detail": [{"msg": "field required"}]}', RequestRefused, False),
    ],
)
def test_status_and_words_decide(status, body, expected, retryable):
    error = failure(status, body)
    assert type(error) is expected
    assert error.retryable is retryable
    assert "http://here/v1" in str(error)


def test_waits_in_seconds_milliseconds_and_dates_are_understood():
    assert retry_after({"Retry-After": "7"}, 0) == 7
    assert retry_after({"retry-after-ms": "1500", "retry-after": "9"}, 0) == 1.5
    assert retry_after({"Retry-After": "Sun, 09 Sep 2001 01:46:50 GMT"}, 1_000_000_000.0) == 10
    assert retry_after({"Retry-After": "Sun, 09 Sep 2001 01:46:30 GMT"}, 1_000_000_000.0) == 0


@given(st.text())
def test_an_unreadable_wait_is_none_or_not_negative(value):
    wait = retry_after({"Retry-After": value}, 1_000_000_000.0)
    assert wait is None or wait >= 0


def test_the_wait_reaches_the_error():
    assert failure(429, "slow", {"Retry-After": "3"}).retry_after == 3
    busy = failure(503, "busy", {"Retry-After": "4"})
    assert (type(busy), busy.retry_after) == (RateLimited, 4)


def test_an_html_page_is_named_not_quoted():
    said = describe_body("<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>")
    assert said == "an HTML page titled '502 Bad Gateway' instead of JSON"


@given(st.text(), st.integers(400, 599))
def test_any_body_gives_an_error_of_one_short_line(body, status):
    error = failure(status, body)
    assert isinstance(error, ModelError)
    assert len(str(error)) < 700
    assert "\n" not in str(error)
