"""MuSiQue is read as it is distributed, its answerable part, or refused with the line and field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pansophy.errors import SourceError
from pansophy.evaluation.datasets import load_musique


def paragraph(title: str, text: str, *, supports: bool = False) -> dict[str, Any]:
    return {"idx": 0, "title": title, "paragraph_text": text, "is_supporting": supports}


def question(**changes: Any) -> dict[str, Any]:
    base = {
        "id": "2hop__1_2",
        "question": "Where was the keeper of the key born?",
        "answer": "Skagen",
        "answer_aliases": ["Skaw", "Skagen"],
        "answerable": True,
        "paragraphs": [
            paragraph("Mara", "Mara keeps the key.", supports=True),
            paragraph("Mara", "Mara was born in Skagen.", supports=True),
            paragraph("Tide", "The tide is high."),
        ],
    }
    return {**base, **changes}


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(one if isinstance(one, str) else json.dumps(one) + "\n" for one in rows))
    return path


def test_paragraphs_of_one_title_are_documents_of_their_own(tmp_path: Path) -> None:
    other = question(id="3hop1__4_5_6", answer_aliases=[], paragraphs=[paragraph("Tide", "The tide is high.")])
    dataset = load_musique(write(tmp_path / "musique_ans.jsonl", question(), other))
    assert [(document.id, document.title) for document in dataset.documents] == [
        ("Mara", "Mara"),
        ("Mara (2)", "Mara"),
        ("Tide", "Tide"),
    ]
    first, second = dataset.questions
    assert first.answers == ("Skagen", "Skaw")
    assert first.gold_documents == ("Mara", "Mara (2)")
    assert (first.kind, second.kind) == ("2hop", "3hop")
    assert second.gold_documents == ()
    assert dataset.scorer.f1("skaw", first.answers) == 1.0


def test_a_made_up_id_never_meets_a_title(tmp_path: Path) -> None:
    rows = question(
        paragraphs=[paragraph("A", "one"), paragraph("A", "two"), paragraph("A (2)", "three", supports=True)]
    )
    dataset = load_musique(write(tmp_path / "x.jsonl", rows))
    assert {document.id: document.text for document in dataset.documents} == {
        "A": "one",
        "A (3)": "two",
        "A (2)": "three",
    }
    assert dataset.questions[0].gold_documents == ("A (2)",)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([question(), question()], "the question id '2hop__1_2' occurs more than once"),
        ([question(answerable=False)], "line 1 is unanswerable: give the answerable part"),
        ([question(answer="")], "line 1 has no text in 'answer'"),
        ([question(answer_aliases=[""])], "line 1 has no 'answer_aliases'"),
        ([question(paragraphs=[])], "line 1 has no 'paragraphs'"),
        ([question(paragraphs=["x"])], "line 1, paragraph 1: expected an object"),
        ([question(paragraphs=[paragraph("Mara", "")])], "line 1, paragraph 1 has no text in 'paragraph_text'"),
        ([question(), json.dumps(question(id="2hop__3_4"))[:50]], "line 2 is not a whole JSON object"),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_field(tmp_path: Path, rows: list[Any], words: str) -> None:
    with pytest.raises(SourceError, match=words):
        load_musique(write(tmp_path / "x.jsonl", *rows))
