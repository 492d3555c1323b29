"""A user's own questions: JSON lines with a question, its gold answers, and perhaps the texts that it is asked of."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pansophy.errors import SourceError, UsageError
from pansophy.evaluation.datasets.dataset import Dataset, Question, documents_of_texts
from pansophy.evaluation.datasets.files import Entry, check_unique, read_json_lines, read_line_at
from pansophy.evaluation.metrics import SCORERS
from pansophy.types import Document


def load_questions(path: str | Path, *, rules: str = "hotpotqa") -> Dataset:
    """Read a file of questions.

    Args:
        path: a JSONL file whose lines have `question`, `answer` or `answers` (a string or a list of strings) and may
            have `id`, `kind` and `context` (a string, or a list of strings and of objects with `title` and `text`).
        rules: how answers are compared, of `metrics.SCORERS`.

    Returns:
        The dataset. Its questions have documents of their own when they bring a `context`; otherwise it has none, and
        they can be asked of any corpus.

    Raises:
        SourceError: the file can't be read or isn't in the format, or only some lines have a `context`; says which
            line and field.
        UsageError: there are no such rules.
    """
    if rules not in SCORERS:
        raise UsageError(f"there are no rules {rules!r}: choose one of {', '.join(SCORERS)}")
    place, digest = Path(path).expanduser(), hashlib.sha256()
    questions: list[Question] = []
    entries: dict[str, Entry] = {}
    with_context = False
    for entry in read_json_lines(place, digest):
        own = "context" in entry.fields
        if questions and own != with_context:
            raise SourceError(f"{entry.where} has {'a' if own else 'no'} 'context', unlike those before it")
        with_context = own
        question = _question(entry)
        if own:
            _texts(entry)
        questions.append(question)
        entries[question.id] = entry.without_fields()
    check_unique([question.id for question in questions], place)

    def documents(question: Question) -> tuple[Document, ...]:
        return documents_of_texts(_texts(read_line_at(place, entries[question.id])))

    return Dataset(
        name=place.stem,
        questions=tuple(questions),
        documents=(),
        sha256=digest.hexdigest(),
        scorer_name=rules,
        documents_of=documents if with_context else None,
    )


def _question(entry: Entry) -> Question:
    text = entry.text("question")
    if "answer" in entry.fields and "answers" in entry.fields:
        raise SourceError(f"{entry.where} has both 'answer' and 'answers': give one of them")
    answers = entry.texts("answers" if "answers" in entry.fields else "answer")
    return Question(entry.label("id") or str(entry.number), text, answers, kind=entry.label("kind"))


def _texts(entry: Entry) -> list[tuple[str, str]]:
    """Title and text of everything in the `context`."""
    context = entry.fields.get("context")
    if isinstance(context, str):
        return [("text", entry.text("context"))]
    if not isinstance(context, list) or not context:
        raise SourceError(f"{entry.where} has no 'context': expected a string or a list of texts, none empty")
    return [_text(one, number, entry.where) for number, one in enumerate(context, start=1)]


def _text(raw: Any, number: int, where: str) -> tuple[str, str]:
    where = f"{where}, 'context' {number}"
    if isinstance(raw, str):
        raw = {"title": f"text-{number}", "text": raw}
    if not isinstance(raw, dict):
        raise SourceError(f"{where}: expected a string or an object with 'title' and 'text'")
    one = Entry(where, number, raw)
    return one.text("title"), one.text("text")
