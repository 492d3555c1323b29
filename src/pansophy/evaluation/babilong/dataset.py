"""BABILong as questions for a bench: each over a text of its own, made when it is asked for."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

from pansophy.errors import SourceError, UsageError
from pansophy.evaluation.babilong.haystack import Count, Noise, hide
from pansophy.evaluation.babilong.scoring import VARIANT, compare_answers
from pansophy.evaluation.babilong.tasks import LABELS, Problem, generate
from pansophy.evaluation.datasets import Dataset, Question
from pansophy.types import Document

_SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)]*\s+(?=[\"'“‘(]?[A-Z])|\n\s*\n")
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)\s*([kM]?)", re.IGNORECASE)


def babilong(tasks: Sequence[str], tokens: int, samples: int, noise: Noise, *, seed: int = 0) -> Dataset:
    """`samples` questions of each task, each with its facts hidden in a text of `tokens` tokens.

    The same arguments give the same questions and texts. Problems don't depend on `tokens`, so that lengths can be
    compared question by question.

    Args:
        tasks: of "qa1" to "qa10".
        tokens: the length of a text by the noise's tokenizer; 0 for the facts alone.
        samples: questions of each task.
        noise: what the facts are hidden in.
        seed: of problems and texts.

    Returns:
        A dataset whose questions have one document each, scored by `compare_answers`.

    Raises:
        UsageError: no such task, no task, or no samples.
    """
    if not tasks or samples < 1:
        raise UsageError("babilong needs one or more tasks and at least one sample of each")
    problems: dict[str, Problem] = {}
    questions = []
    for task in tasks:
        for number in range(samples):
            problem = generate(task, seed * 1_000_003 + number)
            identity = f"{task}-{number}"
            problems[identity] = problem
            questions.append(Question(identity, problem.question, (problem.answer,), ("text",), task))

    def documents(question: Question) -> tuple[Document, ...]:
        made = hide(problems[question.id].facts, noise, tokens, seed=seed * 1_000_003 + int(question.id.split("-")[1]))
        digest = hashlib.sha256(made.text.encode()).hexdigest()
        return (Document("text", "text", made.text, source=question.id, sha256=digest),)

    def score(prediction: str, question: Question) -> float:
        problem = problems[question.id]
        return float(compare_answers(prediction, problem.answer, problem.question, problem.task))

    made_of = {"tasks": list(tasks), "tokens": tokens, "samples": samples, "seed": seed, "noise": noise.digest}
    return Dataset(
        name=f"babilong-{length_name(tokens)}",
        questions=tuple(questions),
        documents=(),
        sha256=hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest(),
        scorer_name="hotpotqa",
        documents_of=documents,
        score=score,
        score_name=VARIANT,
    )


def read_noise(place: str | Path, count: Count) -> Noise:
    """The sentences of a text file, or of all `.txt` files of a folder in the order of their names.

    Raises:
        SourceError: there is none, or it can't be read as UTF-8.
        UsageError: it has no sentence that is long enough.
    """
    place = Path(place).expanduser()
    files = sorted(place.glob("*.txt")) if place.is_dir() else [place]
    if not files:
        raise SourceError(f"{place} has no .txt file to take noise from")
    sentences: list[str] = []
    for file in files:
        try:
            sentences += _SENTENCE_END.split(file.read_text("utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(f"the noise {file} can't be read: {error}") from error
    return Noise(filter(str.strip, sentences), count)


def tasks_of(text: str) -> list[str]:
    """The tasks of "qa1,qa4" or "qa1-qa5" or both.

    Raises:
        UsageError: there is no such task.
    """
    names = list(LABELS)
    found: list[str] = []
    for part in (part.strip() for part in text.split(",")):
        first, dash, last = part.partition("-")
        if first not in LABELS or (dash and last not in LABELS) or (dash and names.index(last) < names.index(first)):
            raise UsageError(f"{part!r} is no task: give some of {names[0]} to {names[-1]}, such as qa1,qa4 or qa1-qa5")
        found += names[names.index(first) : names.index(last if dash else first) + 1]
    return list(dict.fromkeys(found))


def length_of(text: str) -> int:
    """The tokens of "0", "4000", "128k" (thousands) or "1M" (millions), as the benchmark names its lengths.

    Raises:
        UsageError: it is none of these.
    """
    match = _LENGTH.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text!r} is no length: give tokens, such as 4000, 128k or 1M")
    return round(float(match[1]) * {"": 1, "k": 1_000, "m": 1_000_000}[match[2].lower()])


def length_name(tokens: int) -> str:
    """The short form of a length: 128000 is "128k"."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if tokens and tokens % size == 0:
            return f"{tokens // size}{letter}"
    return str(tokens)
