"""What the generated benchmarks have in common: questions over texts of their own, made when they are asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pansophy.evaluation.datasets import Dataset, Question
from pansophy.evaluation.haystack import length_name
from pansophy.types import Document

GOLD = ("text",)
"""The one document of each question."""


def generated(
    benchmark: str,
    questions: Sequence[Question],
    text_of: Callable[[Question], str],
    tokens: int,
    made_of: Mapping[str, Any],
    **scoring: Any,
) -> Dataset:
    """A dataset of texts of one length.

    Args:
        benchmark: its name without the length.
        questions: with `GOLD` as their gold documents.
        text_of: makes the text of a question, always the same one.
        tokens: the length that texts are made to.
        made_of: what else decides questions and texts, as JSON data.
        scoring: `score` and `score_name`, where the benchmark has a score of its own.
    """

    def documents(question: Question) -> tuple[Document, ...]:
        text = text_of(question)
        digest = hashlib.sha256(text.encode()).hexdigest()
        return (Document(*GOLD, *GOLD, text, source=question.id, sha256=digest),)

    return Dataset(
        name=f"{benchmark}-{length_name(tokens)}",
        questions=tuple(questions),
        documents=(),
        sha256=hashlib.sha256(json.dumps({**made_of, "tokens": tokens}, sort_keys=True).encode()).hexdigest(),
        scorer_name="hotpotqa",
        documents_of=documents,
        benchmark=benchmark,
        tokens=tokens,
        **scoring,
    )


def seed_of(identity: str, seed: int) -> int:
    """The seed of the question "KIND-NUMBER" under the benchmark's seed."""
    return seed * 1_000_003 + int(identity.rpartition("-")[2])
