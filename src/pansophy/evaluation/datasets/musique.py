"""MuSiQue: questions of two to four hops, each hop a paragraph of its own.

Trivedi, Balasubramanian, Khot and Sabharwal, "MuSiQue: Multihop Questions via Single-hop Question Composition", TACL
2022, arXiv 2108.00573. Read in the form it is distributed in, its answerable part (musique_ans): the full one pairs
each question with an unanswerable twin, which only the paper's sufficiency scores, not made here, can judge. All
questions are asked over the union of their paragraphs, which is harder than the twenty that each brings.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from pansophy.errors import SourceError
from pansophy.evaluation.datasets.dataset import Dataset, Question, documents_of_texts
from pansophy.evaluation.datasets.files import Entry, check_unique, read_json_lines

Paragraph = tuple[str, str]
"""Title and text; several paragraphs may share a title."""


def load_musique(path: str | Path) -> Dataset:
    """Read MuSiQue's JSONL.

    Args:
        path: a file whose lines have `id`, `question`, `answer`, `answer_aliases` and `paragraphs` (`title`,
            `paragraph_text`, `is_supporting`).

    Returns:
        The dataset; each paragraph is a document, and the number of hops a question's kind.

    Raises:
        SourceError: the file can't be read or isn't in the format; says which line and field.
    """
    place, digest = Path(path).expanduser(), hashlib.sha256()
    paragraphs: dict[Paragraph, None] = {}  # in their order
    found: list[tuple[Question, list[Paragraph]]] = []
    for entry in read_json_lines(place, digest):
        if entry.fields.get("answerable") is False:
            raise SourceError(f"{entry.where} is unanswerable: give the answerable part, musique_ans")
        question = _question(entry)
        supporting: list[Paragraph] = []
        for paragraph, supports in _paragraphs(entry):
            paragraphs[paragraph] = None
            if supports:
                supporting.append(paragraph)
        found.append((question, supporting))
    check_unique([question.id for question, _ in found], place)
    documents = documents_of_texts(list(paragraphs))
    ids = {paragraph: document.id for paragraph, document in zip(paragraphs, documents, strict=True)}
    return Dataset(
        name=place.stem,
        questions=tuple(
            Question(one.id, one.text, one.answers, tuple(ids[paragraph] for paragraph in supporting), one.kind)
            for one, supporting in found
        ),
        documents=documents,
        sha256=digest.hexdigest(),
        scorer_name="musique",
    )


def _question(entry: Entry) -> Question:
    identity = entry.text("id")
    hops = re.match(r"\d+hop", identity)
    aliases = entry.texts("answer_aliases") if entry.fields.get("answer_aliases") else ()
    answers = dict.fromkeys((entry.text("answer"), *aliases))
    return Question(identity, entry.text("question"), tuple(answers), kind=hops[0] if hops else "")


def _paragraphs(entry: Entry) -> list[tuple[Paragraph, bool]]:
    raw = entry.fields.get("paragraphs")
    if not isinstance(raw, list) or not raw:
        raise SourceError(f"{entry.where} has no 'paragraphs'")
    return [_paragraph(one, f"{entry.where}, paragraph {number}") for number, one in enumerate(raw, start=1)]


def _paragraph(raw: Any, where: str) -> tuple[Paragraph, bool]:
    if not isinstance(raw, dict) or not isinstance(raw.get("is_supporting"), bool):
        raise SourceError(f"{where}: expected an object with 'title', 'paragraph_text' and 'is_supporting'")
    one = Entry(where, 0, raw)
    return (one.text("title"), one.text("paragraph_text")), raw["is_supporting"]
