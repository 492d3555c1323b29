"""LongBench v2: hard questions with four choices over texts of 8,000 to two million words.

Bai, Tu, Zhang, Peng, Wang, Lv, Cao, Xu, Hou, Dong, Tang and Li, "LongBench v2: Towards Deeper Understanding and
Reasoning on Realistic Long-context Multitasks", ACL 2025, arXiv 2412.15204. The question is put in the words of the
benchmark's zero-shot prompt, and its rule alone scores: a reply that doesn't say "The correct answer is (B)" is wrong,
whatever else it says. The lenient rule of `metrics.option_letter` is reported beside it, as F1, exact match and
containment. The benchmark's own script leaves out questions without a reply; here they are wrong.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from pansophy.errors import SourceError, UsageError
from pansophy.evaluation.datasets import Dataset, Question
from pansophy.evaluation.datasets.dataset import document
from pansophy.evaluation.datasets.files import Entry, check_unique, entries_of, read_json
from pansophy.evaluation.metrics import stated_letter
from pansophy.types import Document

QUESTIONS = 503
"""Of the published file."""
KINDS = ("difficulty", "length", "domain")
LETTERS = "ABCD"


def load_longbench(path: str | Path, *, kinds: str = "length") -> Dataset:
    """Read LongBench v2's `data.json`.

    Args:
        path: the file: a list of objects with `_id`, `question`, `choice_A` to `choice_D`, `answer` (a letter),
            `context`, `difficulty`, `length` and `domain`.
        kinds: what results are told apart by, of `KINDS`.

    Returns:
        The dataset; each question has the document "text".

    Raises:
        SourceError: the file can't be read or isn't in the format; says which question and field.
        UsageError: `kinds` is none of `KINDS`.
    """
    if kinds not in KINDS:
        raise UsageError(f"LongBench's questions have no {kinds!r}: choose one of {', '.join(KINDS)}")
    place, digest = Path(path).expanduser(), hashlib.sha256()
    entries = entries_of(read_json(place, digest), place)
    questions = tuple(_question(entry, kinds) for entry in entries)
    check_unique([question.id for question in questions], place)
    texts = {question.id: entry.text("context") for question, entry in zip(questions, entries, strict=True)}

    def documents(question: Question) -> tuple[Document, ...]:
        return (document("text", "text", texts[question.id]),)

    return Dataset(
        name=f"longbench-v2 by {kinds}",
        questions=questions,
        documents=(),
        sha256=digest.hexdigest(),
        scorer_name="option-letter",
        documents_of=documents,
        score=lambda prediction, question: float(stated_letter(prediction) in question.answers),
        score_name="longbench-v2-accuracy",
    )


def _question(entry: Entry, kinds: str) -> Question:
    answer = entry.text("answer")
    if len(answer) != 1 or answer not in LETTERS:
        raise SourceError(f"{entry.where}: 'answer' must be one of A, B, C and D, not {answer!r}")
    choices = "\n".join(f"({letter}) {entry.text(f'choice_{letter}')}" for letter in LETTERS)
    text = (
        f"What is the correct answer to this question: {entry.text('question')}\nChoices:\n{choices}\n\n"
        'Format your response as follows: "The correct answer is (insert answer here)".'
    )
    return Question(entry.text("_id"), text, (answer,), ("text",), entry.text(kinds))
