"""A user's own questions are read with or without texts of their own, or refused with the line and field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pansophy.errors import SourceError, UsageError
from pansophy.evaluation.datasets import load_questions


def row(**changes: Any) -> dict[str, Any]:
    return {"question": "Who keeps the key?", "answer": "Mara", **changes}


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(one if isinstance(one, str) else json.dumps(one) + "\n" for one in rows))
    return path


def test_questions_without_context_have_no_documents(tmp_path: Path) -> None:
    path = write(
        tmp_path / "mine.jsonl", row(), {"question": "Since?", "answers": ["1889", "89"], "id": 7, "kind": "when"}
    )
    dataset = load_questions(path)
    assert dataset.name == "mine"
    assert [(one.id, one.answers, one.kind) for one in dataset.questions] == [
        ("1", ("Mara",), ""),
        ("7", ("1889", "89"), "when"),
    ]
    assert dataset.documents == ()
    assert dataset.documents_of is None


@pytest.mark.parametrize(
    ("context", "documents"),
    [
        ("Mara has it.", [("text", "Mara has it.")]),
        (["Mara has it.", "So she said."], [("text-1", "Mara has it."), ("text-2", "So she said.")]),
        ([{"title": "Key", "text": "Mara has it."}, "Rain."], [("Key", "Mara has it."), ("text-2", "Rain.")]),
        ([{"title": "Key", "text": "One."}, {"title": "Key", "text": "Two."}], [("Key", "One."), ("Key (2)", "Two.")]),
    ],
)
def test_a_context_is_a_text_or_several(tmp_path: Path, context: Any, documents: list[tuple[str, str]]) -> None:
    path = write(tmp_path / "mine.jsonl", row(context="Nobody knows."), row(context=context))
    dataset = load_questions(path)
    assert dataset.documents_of is not None
    made = dataset.documents_of(dataset.questions[1])
    assert [(document.id, document.text) for document in made] == documents


def test_a_file_changed_since_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.jsonl", row(context="One."), row(context="Two."))
    dataset = load_questions(path)
    write(path, "\n" * 200)
    assert dataset.documents_of is not None
    with pytest.raises(SourceError, match="line 2 is not a whole JSON object"):
        dataset.documents_of(dataset.questions[1])


def test_rules_for_another_language_can_be_named(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.jsonl", row(answer="李白"))
    assert load_questions(path, rules="infinitebench-zh").scorer.f1("李太白", "李白") == pytest.approx(0.8)
    with pytest.raises(UsageError, match="infinitebench-zh"):
        load_questions(path, rules="zh")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([row(id="a"), row(id="a")], "the question id 'a' occurs more than once"),
        ([row(), row(id=1)], "the question id '1' occurs more than once"),
        ([row(question=" ")], "line 1 has no text in 'question'"),
        ([{"question": "Who?"}], "line 1 has no 'answer'"),
        ([row(answers=["x"])], "line 1 has both 'answer' and 'answers'"),
        ([row(answer=["x", ""])], "line 1 has no 'answer'"),
        ([row(answer=7)], "line 1 has no 'answer': expected a string or a list"),
        ([row(kind=["x"])], "line 1: 'kind' must be a string"),
        ([row(context="x"), row()], "line 2 has no 'context', unlike those before it"),
        ([row(), row(context="x")], "line 2 has a 'context', unlike those before it"),
        ([row(context="")], "line 1 has no text in 'context'"),
        ([row(context=[])], "line 1 has no 'context'"),
        ([row(context=[""])], "line 1, 'context' 1 has no text in 'text'"),
        ([row(context=[{"title": "x"}])], "line 1, 'context' 1 has no text in 'text'"),
        ([row(context=[3])], "line 1, 'context' 1: expected a string or an object"),
        ([row(), json.dumps(row())[:20]], "line 2 is not a whole JSON object"),
        (["\n\n"], "is empty"),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_field(tmp_path: Path, rows: list[Any], words: str) -> None:
    with pytest.raises(SourceError, match=words):
        load_questions(write(tmp_path / "mine.jsonl", *rows))
