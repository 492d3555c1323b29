"""LongBench v2 is read whole or refused, asked in its own words and scored by its own rule."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pansophy.errors import SourceError, UsageError
from pansophy.evaluation.longbench import load_longbench


def question(**changes: Any) -> dict[str, Any]:
    base = {
        "_id": "l1",
        "domain": "Single-Document QA",
        "difficulty": "easy",
        "length": "short",
        "question": "Who keeps the key?",
        "choice_A": "Otis",
        "choice_B": "Mara",
        "choice_C": "Signe",
        "choice_D": "Ilse",
        "answer": "B",
        "context": "Mara keeps the iron key.",
    }
    return {**base, **changes}


def write(path: Path, data: Any) -> Path:
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


def test_the_question_is_put_in_the_benchmarks_words_and_scored_by_its_rule(tmp_path: Path) -> None:
    dataset = load_longbench(write(tmp_path / "data.json", [question()]))
    (one,) = dataset.questions
    assert one.text == (
        "What is the correct answer to this question: Who keeps the key?\n"
        "Choices:\n(A) Otis\n(B) Mara\n(C) Signe\n(D) Ilse\n\n"
        'Format your response as follows: "The correct answer is (insert answer here)".'
    )
    assert dataset.documents_of is not None
    assert [document.text for document in dataset.documents_of(one)] == ["Mara keeps the iron key."]
    assert dataset.score is not None
    scores = {reply: dataset.score(reply, one) for reply in ("The correct answer is (B)", "B", "", "Mara")}
    assert list(scores.values()) == [1, 0, 0, 0]
    assert dataset.scorer.contains("B", one.answers) == 1.0  # the lenient rule stands beside it


def test_results_are_told_apart_by_length_difficulty_or_domain(tmp_path: Path) -> None:
    path = write(tmp_path / "data.json", [question(), question(_id="l2", difficulty="hard", length="long")])
    found = {
        kinds: [one.kind for one in load_longbench(path, kinds=kinds).questions]
        for kinds in ("length", "difficulty", "domain")
    }
    assert found["length"] == ["short", "long"]
    assert found["difficulty"] == ["easy", "hard"]
    assert found["domain"] == ["Single-Document QA"] * 2
    with pytest.raises(UsageError, match="difficulty, length, domain"):
        load_longbench(path, kinds="answer")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("[{", "is not valid JSON"),
        ({}, "expected a list of questions"),
        ([question(), question()], "the question id 'l1' occurs more than once"),
        ([question(answer="E")], "question 1: 'answer' must be one of A, B, C and D, not 'E'"),
        ([question(answer="AB")], "question 1: 'answer' must be one of A, B, C and D"),
        ([question(), question(_id="l2", choice_C="")], "question 2 has no text in 'choice_C'"),
        ([question(context=" ")], "question 1 has no text in 'context'"),
        ([question(length=None)], "question 1 has no text in 'length'"),
    ],
)
def test_what_is_wrong_is_said_with_its_question_and_field(tmp_path: Path, data: Any, words: str) -> None:
    with pytest.raises(SourceError, match=words):
        load_longbench(write(tmp_path / "data.json", data))
