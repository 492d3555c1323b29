"""BABILong as questions for a bench: each over a text of its own, made when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence

from pansophy.errors import UsageError
from pansophy.evaluation.babilong.scoring import VARIANT, compare_answers
from pansophy.evaluation.babilong.tasks import Problem, generate
from pansophy.evaluation.datasets import Dataset, Question
from pansophy.evaluation.generated import GOLD, generated, seed_of
from pansophy.evaluation.haystack import Noise, hide


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
            identity = f"{task}-{number}"
            problem = problems[identity] = generate(task, seed_of(identity, seed))
            questions.append(Question(identity, problem.question, (problem.answer,), GOLD, task))

    def text_of(question: Question) -> str:
        return hide(problems[question.id].facts, noise, tokens, seed=seed_of(question.id, seed)).text

    def score(prediction: str, question: Question) -> float:
        problem = problems[question.id]
        return float(compare_answers(prediction, problem.answer, problem.question, problem.task))

    made_of = {"tasks": list(tasks), "samples": samples, "seed": seed, "noise": noise.digest}
    return generated("babilong", questions, text_of, tokens, made_of, score=score, score_name=VARIANT)
