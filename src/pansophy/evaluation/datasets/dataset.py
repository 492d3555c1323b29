"""What a dataset is: questions with gold answers, and the documents that they are asked of. Knows nothing of files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from pansophy.errors import UsageError
from pansophy.evaluation.metrics import SCORERS, Scorer
from pansophy.types import Document


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its gold answers and the ids of the documents that support them."""

    id: str
    text: str
    answers: tuple[str, ...]
    gold_documents: tuple[str, ...] = ()
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Questions over one shared set of documents, or each over documents of its own.

    `sha256` is the hash of the files' bytes (of the generator's arguments, where the data is generated): two runs can
    be compared when it is the same. `scorer_name` names the rules in `metrics.SCORERS`. Where questions have their
    own documents, `documents` is empty and `documents_of` makes them. Where the benchmark has a score of its own,
    `score` gives it (0..1) for a prediction, and `score_name` says which it is. Where each text was made to a
    length, `tokens` is that length, and `benchmark` is what all lengths have in common (default: the name).
    """

    name: str
    questions: tuple[Question, ...]
    documents: tuple[Document, ...]
    sha256: str
    scorer_name: str
    documents_of: Callable[[Question], tuple[Document, ...]] | None = None
    score: Callable[[str, Question], float] | None = None
    score_name: str = "f1"
    benchmark: str = ""
    tokens: int | None = None

    @property
    def scorer(self) -> Scorer:
        return SCORERS[self.scorer_name]

    @property
    def characters(self) -> int:
        return sum(len(document.text) for document in self.documents)

    def select(self, limit: int | None = None, offset: int = 0) -> tuple[Question, ...]:
        """`limit` questions (None: all) after the first `offset`.

        Raises:
            UsageError: when nothing would be selected.
        """
        if offset < 0 or (limit is not None and limit < 1):
            raise UsageError(f"offset must be 0 or more and limit 1 or more, not {offset} and {limit}")
        selected = self.questions[offset : None if limit is None else offset + limit]
        if not selected:
            raise UsageError(f"offset {offset} is past the {len(self.questions)} questions of {self.name}")
        return selected

    def only(self, ids: Collection[str]) -> Dataset:
        """The same dataset with the questions of these ids alone, in their old order.

        Raises:
            UsageError: there are no ids, or a question of that id is missing.
        """
        if unknown := sorted(set(ids) - {question.id for question in self.questions}):
            raise UsageError(f"{self.name} has no question {unknown[0]!r}")
        if not ids:
            raise UsageError(f"no question of {self.name} is left")
        return replace(self, questions=tuple(question for question in self.questions if question.id in set(ids)))


def document(identity: str, title: str, text: str) -> Document:
    """A document that is known by where it stands in its dataset."""
    return Document(
        identity, title, text, source=identity, sha256=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    )


def documents_of_texts(texts: Sequence[tuple[str, str]]) -> tuple[Document, ...]:
    """A document of each title and text; those that share a title are told apart by a number in their ids."""
    titles = {title for title, _ in texts}
    documents: dict[str, Document] = {}
    for title, text in texts:
        identity, number = title, 1
        while identity in documents or (number > 1 and identity in titles):
            number += 1
            identity = f"{title} ({number})"
        documents[identity] = document(identity, title, text)
    return tuple(documents.values())
