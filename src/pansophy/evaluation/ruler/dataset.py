"""RULER as questions for a bench: each over a text of its own, made when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence

from pansophy.errors import UsageError
from pansophy.evaluation.datasets import Dataset, Question
from pansophy.evaluation.generated import GOLD, generated, seed_of
from pansophy.evaluation.haystack import Count, Noise, hide
from pansophy.evaluation.metrics import string_match_all
from pansophy.evaluation.ruler.needles import VARIANTS, needles
from pansophy.evaluation.ruler.problem import Problem
from pansophy.evaluation.ruler.variables import variables
from pansophy.evaluation.ruler.words import common_words, frequent_words

TASKS = (*VARIANTS, "vt", "cwe", "fwe")

REPEATED = (
    "The lamps along the harbour wall are lit one after another as soon as the evening boat has come in.",
    "Nobody waits for it any more, but the keeper walks the whole wall from end to end and back again.",
    "Then the wind turns, the water falls quiet below the stones, and all of it begins from the start.",
)
"""What the simplest needle task repeats around its needle."""
SHORTEST_NEEDLE = 12
"""Tokens that a needle has at least, to have enough of them for a text of needles."""


def ruler(
    tasks: Sequence[str], tokens: int, samples: int, noise: Noise | None, count: Count, *, seed: int = 0
) -> Dataset:
    """`samples` questions of each task, each over a text of at most `tokens` tokens.

    The same arguments give the same questions and texts.

    Args:
        tasks: of `TASKS`.
        tokens: the length of a text.
        samples: questions of each task.
        noise: what needles and variables are hidden in; None is enough for tasks that need none.
        count: the tokenizer's.
        seed: of problems and texts.

    Returns:
        A dataset whose questions have one document each, scored by the share of right answers that the reply names.

    Raises:
        UsageError: no such task, no task, no samples, no noise for a task that needs it, or too few tokens.
    """
    if not tasks or samples < 1:
        raise UsageError("ruler needs one or more tasks and at least one sample of each")
    if unknown := [task for task in tasks if task not in TASKS]:
        raise UsageError(f"there is no task {unknown[0]!r}: choose one of {', '.join(TASKS)}")
    if noise is None and (needy := [task for task in tasks if _needs_noise(task)]):
        raise UsageError(f"{needy[0]} needs a text to hide its facts in")
    repeated = Noise(REPEATED, count)
    problems: dict[str, Problem] = {}

    def text_of(question: Question) -> str:
        made = problems[question.id]
        if made.text:
            return made.text
        around = repeated if question.kind == "niah_single_1" else noise
        if made.decoys:
            around = Noise(made.decoys, count)
        assert around is not None
        return hide(made.facts, around, tokens, seed=seed_of(question.id, seed)).text

    questions = []
    for task in tasks:
        for number in range(samples):
            identity = f"{task}-{number}"
            made = problems[identity] = _problem(task, seed_of(identity, seed), tokens, count)
            questions.append(Question(identity, made.question, made.answers, GOLD, task))
    digest = "" if noise is None else noise.digest
    made_of = {"tasks": list(tasks), "samples": samples, "seed": seed, "noise": digest}
    return generated(
        "ruler",
        questions,
        text_of,
        tokens,
        made_of,
        score=lambda prediction, question: string_match_all(prediction, question.answers),
        score_name="ruler-string_match_all",
    )


def _needs_noise(task: str) -> bool:
    return task == "vt" or (task in VARIANTS and task != "niah_single_1" and not VARIANTS[task].among_needles)


def _problem(task: str, seed: int, tokens: int, count: Count) -> Problem:
    if task == "vt":
        return variables(seed)
    if task == "cwe":
        return common_words(seed, tokens, count)
    if task == "fwe":
        return frequent_words(seed, tokens, count)
    return needles(task, seed, decoys=tokens // SHORTEST_NEEDLE)
