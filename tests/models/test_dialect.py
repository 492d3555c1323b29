"""What a refusal teaches about a server."""

from hypothesis import given
from hypothesis import strategies as st

from pansophy.models.dialect import SCHEMA_MODES, Dialect, Request, with_schema_described
from pansophy.types import ChatMessage

SCHEMA = {"type": "object", "properties": {"b": {"type": "string"}, "a": {"type": "integer"}}, "required": ["b", "a"]}


def request(schema=None, **changes):
    values = {
        "model": "m",
        "messages": (ChatMessage("system", "Be brief."), ChatMessage("user", "Hi")),
        "schema": schema,
        "max_tokens": 9,
        "temperature": 0.0,
        "seed": 0,
        "stop": (),
        "logprobs": False,
    }
    return Request(**{**values, **changes})


def test_a_standard_request():
    body = Dialect().body(request())
    assert body == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        "max_tokens": 9,
        "temperature": 0.0,
        "seed": 0,
    }


def test_a_schema_is_enforced_by_the_server_and_its_keys_keep_their_order():
    body = Dialect().body(request(SCHEMA))
    assert body["response_format"]["type"] == "json_schema"
    assert list(body["response_format"]["json_schema"]["schema"]["properties"]) == ["b", "a"]
    assert "strict" not in body["response_format"]["json_schema"]


def test_a_closed_schema_is_strict():
    body = Dialect().body(request({**SCHEMA, "additionalProperties": False}))
    assert body["response_format"]["json_schema"]["strict"] is True


def test_reasoning_models_get_the_parameters_that_they_take():
    refusal = (
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    )
    dialect = Dialect().after(refusal, request(), schemas_work=False)
    refusal = "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) is supported."
    dialect = dialect.after(refusal, request(), schemas_work=False)
    body = dialect.body(request())
    assert body["max_completion_tokens"] == 9
    assert "temperature" not in body
    assert "max_tokens" not in body


def test_schemas_go_from_enforced_over_some_object_to_described():
    refusal = "response_format of type json_schema is not available"
    dialect, seen = Dialect(), []
    while dialect is not None:
        seen.append(dialect.schema_mode)
        dialect = dialect.after(refusal, request(SCHEMA), schemas_work=False)
    assert seen == list(SCHEMA_MODES)


def test_once_schemas_have_worked_only_a_refusal_about_schemas_changes_that():
    assert Dialect().after("content filtered", request(SCHEMA), schemas_work=True) is None
    assert Dialect().after("invalid schema", request(SCHEMA), schemas_work=True).schema_mode == "json_object"


def test_nothing_is_left_to_change_for_a_plain_refusal():
    assert Dialect().after("content filtered", request(), schemas_work=False) is None


def test_a_described_schema_comes_last_so_that_the_prefix_stays_the_same():
    messages = request().messages
    described = with_schema_described(messages, SCHEMA)
    assert described[0] == messages[0]
    assert described[1].content.startswith("Hi\n\n")
    assert described[1].content.index('"b"') < described[1].content.index('"a"')


dialects = st.builds(
    Dialect,
    st.sampled_from(SCHEMA_MODES),
    st.sampled_from(["max_tokens", "max_completion_tokens"]),
    st.frozensets(st.sampled_from(["temperature", "seed", "stop", "logprobs"])),
)


@given(dialects, dialects, dialects)
def test_learning_is_independent_of_order(a, b, c):
    assert a.joined(b) == b.joined(a)
    assert a.joined(b).joined(c) == a.joined(b.joined(c))
    assert a.joined(a) == a


@given(dialects, st.text(), st.booleans())
def test_every_refusal_is_answered_finitely(dialect, words, works):
    for _ in range(12):
        after = dialect.after(words, request(SCHEMA, stop=("x",), logprobs=True), schemas_work=works)
        if after is None:
            return
        assert after != dialect
        dialect = after
    raise AssertionError("it never gives up")
