"""RULER as questions for a bench: each over a text of its own, made when it is asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from pansophy.errors import UsageError
from pansophy.evaluation.datasets import Dataset, Question
from pansophy.evaluation.haystack import Count, Noise, hide, length_name
from pansophy.evaluation.metrics import string_match_all
from pansophy.evaluation.ruler.needles import VARIANTS, needles
from pansophy.evaluation.ruler.problem import Problem
from pansophy.evaluation.ruler.variables import variables
from pansophy.evaluation.ruler.words import common_words, frequent_words
from pansophy.types import Document

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

    def problem(question: Question) -> Problem:
        return problems[question.id]

    def documents(question: Question) -> tuple[Document, ...]:
        made = problem(question)
        text = made.text
        if not text:
            around = repeated if question.kind == "niah_single_1" else noise
            if made.decoys:
                around = Noise(made.decoys, count)
            assert around is not None
            text = hide(made.facts, around, tokens, seed=_seed_of(question.id, seed)).text
        digest = hashlib.sha256(text.encode()).hexdigest()
        return (Document("text", "text", text, source=question.id, sha256=digest),)

    questions = []
    for task in tasks:
        for number in range(samples):
            identity = f"{task}-{number}"
            made = _problem(task, _seed_of(identity, seed), tokens, count)
            problems[identity] = made
            questions.append(Question(identity, made.question, made.answers, ("text",), task))
    digest = "" if noise is None else noise.digest
    made_of = {"tasks": list(tasks), "tokens": tokens, "samples": samples, "seed": seed, "noise": digest}
    return Dataset(
        name=f"ruler-{length_name(tokens)}",
        questions=tuple(questions),
        documents=(),
        sha256=hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest(),
        scorer_name="hotpotqa",
        documents_of=documents,
        score=lambda prediction, question: string_match_all(prediction, question.answers),
        score_name="ruler-string_match_all",
        benchmark="ruler",
        tokens=tokens,
    )


def _needs_noise(task: str) -> bool:
    return task == "vt" or (task in VARIANTS and task != "niah_single_1" and not VARIANTS[task].among_needles)


def _seed_of(identity: str, seed: int) -> int:
    return seed * 1_000_003 + int(identity.rpartition("-")[2])


def _problem(task: str, seed: int, tokens: int, count: Count) -> Problem:
    if task == "vt":
        return variables(seed)
    if task == "cwe":
        return common_words(seed, tokens, count)
    if task == "fwe":
        return frequent_words(seed, tokens, count)
    return needles(task, seed, decoys=tokens // SHORTEST_NEEDLE)
