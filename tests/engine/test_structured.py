"""Replies as typed objects, from models that follow the schema and from those that don't."""

from __future__ import annotations

import json
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from pansophy.engine import Engine, Rating, complete_as, parse_reply, schema_of
from pansophy.errors import UsageError
from pansophy.models import ScriptedModel
from pansophy.types import ChatMessage, Completion, Usage


class Finding(BaseModel):
    found: bool
    statement: str = ""
    quote: str = ""
    rating: Rating = 50.0


class Reasoned(BaseModel):
    answer: str
    cited: list[int] = []


GOOD = Finding(found=True, statement="He hired Holmes.", quote="hired", rating=85)


@pytest.mark.parametrize(
    "text",
    [
        GOOD.model_dump_json(),
        "```json\n" + GOOD.model_dump_json(indent=2) + "\n```",
        "```\n" + GOOD.model_dump_json() + "\n```",
        "```json\n" + GOOD.model_dump_json(),
        "Sure, here it is:\n" + GOOD.model_dump_json() + "\nI hope that helps {really}.",
        '<think>Is it {"found": false}? No.</think>' + GOOD.model_dump_json(),
        "{'found': True, 'statement': 'He hired Holmes.', 'quote': 'hired', 'rating': 85}",
        '{found: true, statement: "He hired Holmes.", quote: "hired", rating: 85,}',
        '{"Found": "yes", "STATEMENT": "He hired Holmes.", "Quote": "hired", "Rating": "85/100"}',
        '{"found": 1, "statement": ["He hired Holmes."], "quote": "hired", "rating": "Score: 85", "mood": "fine"}',
        '{"found": true, "statement": "He hired Holmes.", "quote": "hired", "rating": 85',
        '[{"found": true, "statement": "He hired Holmes.", "quote": "hired", "rating": 85}]',
        '{"note": {"found": 3}} {"found": true, "statement": "He hired Holmes.", "quote": "hired", "rating": 85}',
    ],
)
def test_a_reply_is_understood_in_whatever_clothes(text):
    assert parse_reply(text, Finding) == GOOD


@pytest.mark.parametrize(
    ("text", "understood"),
    [
        ('{"found": true, "statement": "half a sen', Finding(found=True, statement="half a sen")),
        ('{"found": false}', Finding(found=False)),
        ('{"found": "no", "statement": null, "rating": "very high"}', Finding(found=False)),
        ('{"found": "没有"}', Finding(found=False)),
        ('{"found": true, "statement": "a\nb"}', Finding(found=True, statement="a\nb")),
        ('{"found": true, "statement": "x", "rating": 300}', Finding(found=True, statement="x", rating=100)),
    ],
)
def test_what_is_missing_or_senseless_takes_its_default(text, understood):
    assert parse_reply(text, Finding) == understood


@pytest.mark.parametrize(
    "text", ["", "Once upon a time.", "{}", "{{{{", "[1, 2", '{"statement": "no verdict"}', '"found"']
)
def test_what_can_not_be_understood_is_none(text):
    assert parse_reply(text, Finding) is None


@pytest.mark.parametrize("cited", ["[1, 3]", '["1", "[3]"]', '"1 and 3"', '["1", null, "3"]'])
def test_lists_of_numbers_are_read_leniently(cited):
    assert parse_reply(f'{{"answer": "Watson", "cited": {cited}}}', Reasoned) == Reasoned(answer="Watson", cited=[1, 3])


def test_a_choice_outside_the_allowed_ones_is_not_understood():
    class Choice(BaseModel):
        verdict: Literal["yes", "no"]

    assert parse_reply('{"verdict": "maybe"}', Choice) is None
    assert parse_reply('{"verdict": "no"}', Choice) == Choice(verdict="no")


@given(st.text(alphabet='{}[]",:\\ ab1\n`<think>', max_size=80))
def test_no_reply_breaks_the_parser(text):
    parsed = parse_reply(text, Finding)
    assert parsed is None or isinstance(parsed, Finding)


def test_a_huge_endless_reply_is_parsed_in_bounded_time():
    assert parse_reply('{"a": ' * 200_000, Finding) is None
    assert parse_reply('{"found": true, "statement": "' + "and on " * 100_000, Finding).found


@given(st.builds(Finding, found=st.booleans(), statement=st.text(), quote=st.text(), rating=st.floats(0, 100)))
def test_every_well_formed_reply_comes_back_unchanged(finding):
    assert parse_reply(finding.model_dump_json(), Finding) == finding
    assert parse_reply("```json\n" + json.dumps(finding.model_dump()) + "\n```", Finding) is not None


def test_the_schema_is_plain_ordered_and_closed():
    class Inner(BaseModel):
        name: str

    class Outer(BaseModel):
        zebra: int = Field(default=3, ge=0)
        apple: list[Inner] = []
        title: str = ""

    schema = schema_of(Outer)
    assert list(schema["properties"]) == ["zebra", "apple", "title"]
    assert schema["required"] == ["zebra", "apple", "title"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["apple"]["items"]["properties"] == {"name": {"type": "string"}}
    assert schema["properties"]["apple"]["items"]["additionalProperties"] is False
    assert "$" not in json.dumps(schema)


class Tree(BaseModel):
    branches: list[Tree]


def test_a_reply_that_contains_itself_is_refused():
    with pytest.raises(UsageError, match="must not contain itself"):
        schema_of(Tree)


async def test_a_reply_that_is_not_understood_is_asked_for_again_differently():
    model = ScriptedModel(["A story.", GOOD.model_dump_json()])
    understood, completion = await complete_as(Engine(), model, [ChatMessage("user", "Who?")], Finding, max_tokens=90)
    assert understood == GOOD
    assert [(call.temperature, call.seed) for call in model.calls] == [(0.0, 0), (0.3, 1)]
    assert [call.schema for call in model.calls] == [schema_of(Finding)] * 2
    assert completion.usage.calls == 2


async def test_prose_for_ever_ends_in_none_with_the_last_reply():
    told = [Completion(text, "stop", Usage(1, 10, 0, 5)) for text in ("One.", "Two.", "Three.")]
    model = ScriptedModel(told)
    understood, completion = await complete_as(
        Engine(), model, [ChatMessage("user", "Who?")], Finding, max_tokens=90, tries=3
    )
    assert understood is None
    assert completion.text == "Three."
    assert completion.usage.prompt_tokens == 30
