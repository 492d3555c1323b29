"""BABILong as questions for a bench: each over a text of its own, made when it is asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from pansophy.errors import UsageError
from pansophy.evaluation.babilong.scoring import VARIANT, compare_answers
from pansophy.evaluation.babilong.tasks import Problem, generate
from pansophy.evaluation.datasets import Dataset, Question
from pansophy.evaluation.haystack import Noise, hide, length_name
from pansophy.types import Document


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
        benchmark="babilong",
        tokens=tokens,
    )
