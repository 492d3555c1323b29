"""Question sets with gold answers, read from files that the user has.

Nothing is downloaded or shipped: a dataset is found by path, or by name in the folder that `PANSOPHY_DATA` names. Knows
nothing of models or strategies.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pansophy.errors import SourceError, UsageError
from pansophy.evaluation.metrics import SCORERS, Scorer
from pansophy.types import Document

DATA_VARIABLE = "PANSOPHY_DATA"
HOTPOTQA_FOLDER = "hotpotqa-100"


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
    `score` gives it (0..1) for a prediction, and `score_name` says which it is.
    """

    name: str
    questions: tuple[Question, ...]
    documents: tuple[Document, ...]
    sha256: str
    scorer_name: str
    documents_of: Callable[[Question], tuple[Document, ...]] | None = None
    score: Callable[[str, Question], float] | None = None
    score_name: str = "f1"

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


@dataclass(frozen=True, slots=True)
class KnownDataset:
    """A dataset that `bench` can read: where it is looked for and what it is."""

    name: str
    folder: str
    description: str


KNOWN_DATASETS = (
    KnownDataset(
        "hotpotqa",
        HOTPOTQA_FOLDER,
        "questions that need two paragraphs (Yang et al. 2018), over the union of all questions' paragraphs",
    ),
)


def find_data(name: str, path: str | Path | None = None) -> Path:
    """The folder or file of a dataset: `path` when given, else `PANSOPHY_DATA` or the folder `name` in it.

    Raises:
        SourceError: when nothing is there, saying where it looked.
    """
    if path is not None:
        given = Path(path).expanduser()
        if not given.exists():
            raise SourceError(f"there is no dataset at {given}")
        return given / name if (given / name).is_dir() else given
    if not (folder := os.environ.get(DATA_VARIABLE)):
        raise SourceError(
            f"where is the dataset {name}? Give its path, or set {DATA_VARIABLE} to the folder that has it"
        )
    for candidate in (Path(folder).expanduser() / name, Path(folder).expanduser()):
        if (candidate / "questions.json").is_file():
            return candidate
    raise SourceError(f"no dataset {name} in {folder} (from {DATA_VARIABLE}): expected {name}/questions.json there")


def load_hotpotqa(path: str | Path | None = None, *, folder_name: str = HOTPOTQA_FOLDER) -> Dataset:
    """Read a dataset in HotpotQA's format.

    Args:
        path: a folder with `questions.json` and, if the paragraphs are shared, `corpus.json` (title -> sentences); or
            one JSON file in the form that HotpotQA is distributed in. None: looked for through `PANSOPHY_DATA`.
            Without `corpus.json` the documents are the union of all questions' `context`.
        folder_name: the folder looked for in `path` or `PANSOPHY_DATA`.

    Returns:
        The dataset; each paragraph is a document whose id and title are the paragraph's title.

    Raises:
        SourceError: a file is missing or isn't in the format; says which entry and what was expected.
    """
    place = find_data(folder_name, path)
    questions_file = place / "questions.json" if place.is_dir() else place
    corpus_file = place / "corpus.json" if place.is_dir() else None
    digest = hashlib.sha256()
    raw_questions = _read_json(questions_file, digest)
    if not isinstance(raw_questions, list) or not raw_questions:
        raise SourceError(f"{questions_file}: expected a list of questions")
    if corpus_file is not None and corpus_file.is_file():
        paragraphs = _paragraphs_of_corpus(_read_json(corpus_file, digest), corpus_file)
    else:
        paragraphs = _paragraphs_of_context(raw_questions, questions_file)
    questions = tuple(_question(raw, number, paragraphs, questions_file) for number, raw in enumerate(raw_questions))
    _check_unique([question.id for question in questions], questions_file)
    return Dataset(
        name=place.name if place.is_dir() else place.stem,
        questions=questions,
        documents=tuple(_document(title, text) for title, text in paragraphs.items()),
        sha256=digest.hexdigest(),
        scorer_name="hotpotqa",
    )


def _read_json(path: Path, digest: hashlib._Hash) -> Any:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise SourceError(f"{path} is missing") from None
    except OSError as error:
        raise SourceError(f"{path} can't be read: {error.strerror or error}") from error
    digest.update(data)
    try:
        return json.loads(data)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} is not valid JSON: {error}") from error


def _question(raw: Any, number: int, paragraphs: Mapping[str, str], path: Path) -> Question:
    where = f"{path}: question {number + 1}"
    if not isinstance(raw, dict):
        raise SourceError(f"{where} is not an object")
    text, answer = raw.get("question"), raw.get("answer")
    if not isinstance(text, str) or not text.strip():
        raise SourceError(f"{where} has no text in 'question'")
    answers = (answer,) if isinstance(answer, str) else tuple(answer) if isinstance(answer, list) else ()
    if not answers or not all(isinstance(one, str) and one.strip() for one in answers):
        raise SourceError(f"{where} has no 'answer': expected a string or a list of strings")
    gold = _gold_titles(raw.get("supporting_facts", []), where)
    if missing := [title for title in gold if title not in paragraphs]:
        raise SourceError(f"{where} rests on the paragraph {missing[0]!r}, which the corpus doesn't have")
    identity = raw.get("_id", raw.get("id", number))
    return Question(str(identity), text.strip(), answers, gold, str(raw.get("type", "")))


def _gold_titles(facts: Any, where: str) -> tuple[str, ...]:
    if isinstance(facts, dict):  # the form of the Hugging Face copy: {"title": [...], "sent_id": [...]}
        facts = [[title] for title in facts.get("title", [])]
    if not isinstance(facts, list) or not all(isinstance(fact, list) and fact for fact in facts):
        raise SourceError(f"{where}: 'supporting_facts' must be a list of [title, sentence number]")
    return tuple(dict.fromkeys(str(fact[0]) for fact in facts))


def _paragraphs_of_corpus(raw: Any, path: Path) -> dict[str, str]:
    if not isinstance(raw, dict) or not raw:
        raise SourceError(f"{path}: expected an object of title -> list of sentences")
    return {title: _joined(sentences, f"{path}: paragraph {title!r}") for title, sentences in raw.items()}


def _paragraphs_of_context(raw_questions: Sequence[Any], path: Path) -> dict[str, str]:
    paragraphs: dict[str, str] = {}
    for number, raw in enumerate(raw_questions):
        where = f"{path}: question {number + 1}"
        context = raw.get("context") if isinstance(raw, dict) else None
        if isinstance(context, dict):  # the form of the Hugging Face copy: {"title": [...], "sentences": [[...], ...]}
            context = list(zip(context.get("title", []), context.get("sentences", []), strict=False))
        if not isinstance(context, list) or not context:
            raise SourceError(f"{where} has no 'context', and there is no corpus.json beside the file")
        for entry in context:
            if not isinstance(entry, (list, tuple)) or len(entry) != 2:
                raise SourceError(f"{where}: 'context' must be a list of [title, sentences]")
            title = str(entry[0])
            text = _joined(entry[1], f"{where}: paragraph {title!r}")
            # Two versions of a paragraph under one title: the longer one, so that no question loses its evidence.
            if len(text) > len(paragraphs.get(title, "")):
                paragraphs[title] = text
    return paragraphs


def _joined(sentences: Any, where: str) -> str:
    if isinstance(sentences, str):
        return sentences
    if not isinstance(sentences, list) or not all(isinstance(sentence, str) for sentence in sentences):
        raise SourceError(f"{where}: expected a string or a list of sentences")
    return "".join(sentences)


def _document(title: str, text: str) -> Document:
    return Document(title, title, text, source=title, sha256=hashlib.sha256(text.encode()).hexdigest())


def _check_unique(identities: Sequence[str], path: Path) -> None:
    if len(set(identities)) != len(identities):
        twice = next(one for one in identities if identities.count(one) > 1)
        raise SourceError(f"{path}: the question id {twice!r} occurs more than once")
