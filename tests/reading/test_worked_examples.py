"""Worked examples: read with care, and the fitting ones are shown."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pansophy.errors import UsageError
from pansophy.reading.examples import as_examples, nearest, read_examples
from pansophy.types import Example

WHERE = Example(("Anna went to the attic.",), "Where is Anna?", "attic")
BEFORE = Example(("Anna went to the barn.", "Anna went to the attic."), "Where was Anna before the attic?", "barn")
GAVE = Example(("Paul gave the rope to Rose.",), "Who gave the rope to Rose?", "Paul")
ALL = (WHERE, BEFORE, GAVE)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Where is the kettle?", WHERE),
        ("Where was the kettle before the yard?", BEFORE),
        ("Who gave the kettle to Ebbe?", GAVE),
    ],
)
def test_the_example_whose_question_is_worded_alike_is_shown(question, expected):
    assert nearest(ALL, question, 1) == (expected,)


@given(st.lists(st.sampled_from(ALL), max_size=6), st.text(max_size=30), st.integers(1, 7))
def test_no_more_than_asked_for_and_in_their_order(examples, question, most):
    found = nearest(examples, question, most)
    assert len(found) == min(most, len(examples))
    rest = iter(examples)
    assert all(one in rest for one in found)


def test_examples_come_from_a_file_of_json_lines(tmp_path):
    path = tmp_path / "examples.jsonl"
    line = {"findings": ["Anna went to the attic."], "question": "Where is Anna?", "answer": "attic"}
    path.write_text(f"{json.dumps(line)}\n\n{json.dumps(line)}\n", "utf-8")
    assert read_examples(path) == (WHERE, WHERE)
    assert as_examples([line, WHERE]) == (WHERE, WHERE)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "has no examples"),
        ("{", "line 1: no JSON"),
        ('\n{"findings": "Anna went.", "question": "Where?", "answer": "attic"}', "line 2: an example has findings"),
        ('{"findings": [], "question": "Where?", "answer": "attic"}', "line 1: an example has findings"),
        ('{"findings": ["Anna went."], "question": "Where?"}', "line 1: an example has findings"),
        ('{"findings": ["Anna went.", 3], "question": "Where?", "answer": "attic"}', "line 1: an example has findings"),
        ('{"findings": ["Anna went."], "question": " ", "answer": "attic"}', "line 1: an example has findings"),
        ("[1]", "line 1: an example has findings"),
    ],
)
def test_what_is_no_example_is_refused_and_named(tmp_path, content, said):
    path = tmp_path / "examples.jsonl"
    path.write_text(content, "utf-8")
    with pytest.raises(UsageError, match=said):
        read_examples(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"nowhere\.jsonl can't be read"):
        read_examples(tmp_path / "nowhere.jsonl")
