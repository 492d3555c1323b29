"""Reads InfiniteBench's files: a question on each line, with the text that it is asked of."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pansophy.errors import UsageError
from pansophy.evaluation.datasets import Dataset, Question
from pansophy.evaluation.datasets.dataset import document
from pansophy.evaluation.datasets.files import Entry, check_unique, read_json_lines, read_line_at
from pansophy.evaluation.infinitebench.scoring import VARIANTS, check_rouge, score
from pansophy.evaluation.infinitebench.tasks import TASKS, answers_of, task_of
from pansophy.types import Document


def load_infinitebench(path: str | Path, *, task: str | None = None, variant: str = "openbmb") -> Dataset:
    """Read a file of InfiniteBench. The texts, up to gigabytes together, stay in it: each is read when it is asked.

    Args:
        path: a JSONL file with `id`, `context`, `input`, `answer` and, for choices, `options`.
        task: which task it is; None: the file's name says it.
        variant: whose scorer is followed, of `VARIANTS`.

    Returns:
        The dataset; each question has the document "text". `score` is the task's own, `score_name` the variant.

    Raises:
        SourceError: the file can't be read or isn't in the format; says which line and field.
        UsageError: no such task or variant, or the package that scores summaries is missing.
    """
    place, name = Path(path).expanduser(), task_of(path, task)
    if variant not in VARIANTS:
        raise UsageError(
            f"there is no variant {variant!r} of InfiniteBench's scores: choose one of {', '.join(VARIANTS)}"
        )
    if name == "longbook_sum_eng":
        check_rouge()
    digest = hashlib.sha256()
    questions: list[Question] = []
    entries: dict[str, Entry] = {}
    labels: dict[str, Any] = {}
    for entry in read_json_lines(place, digest):
        entry.text("context")
        label = TASKS[name].label(entry)
        identity = entry.label("id") or str(entry.number - 1)
        questions.append(Question(identity, TASKS[name].question(entry), answers_of(label), ("text",), name))
        entries[identity], labels[identity] = entry.without_fields(), label
    check_unique([question.id for question in questions], place)

    def documents(question: Question) -> tuple[Document, ...]:
        return (document("text", "text", read_line_at(place, entries[question.id]).text("context")),)

    return Dataset(
        name=f"infinitebench-{name}",
        questions=tuple(questions),
        documents=(),
        sha256=digest.hexdigest(),
        scorer_name=TASKS[name].scorer_name,
        documents_of=documents,
        score=lambda prediction, question: score(name, prediction, labels[question.id], variant),
        score_name=f"infinitebench-{variant}",
    )
