"""Multi-hop questions for a bench: each over a text of its own, made when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence

from pansophy.errors import UsageError
from pansophy.evaluation.datasets import Dataset, Question
from pansophy.evaluation.generated import GOLD, generated, seed_of
from pansophy.evaluation.haystack import Noise, hide
from pansophy.evaluation.hops.chains import Problem, generate


def hops(lengths: Sequence[int], tokens: int, samples: int, noise: Noise, *, decoys: int = 3, seed: int = 0) -> Dataset:
    """`samples` questions for each number of hops, each with its facts hidden in a text of `tokens` tokens.

    The same arguments give the same questions and texts. Problems don't depend on `tokens`, so that lengths can be
    compared question by question.

    Args:
        lengths: numbers of hops, of `HOPS`.
        tokens: the length of a text by the noise's tokenizer; 0 for the facts alone.
        samples: questions for each number of hops.
        noise: what the facts are hidden in.
        decoys: other chains of the same relations in each text.
        seed: of problems and texts.

    Returns:
        A dataset whose questions have one document each, and the kinds "2 hops", "3 hops" and so on.

    Raises:
        UsageError: no such number of hops, none at all, no samples, or negative decoys.
    """
    if not lengths or samples < 1:
        raise UsageError("hops needs one or more numbers of hops and at least one sample of each")
    problems: dict[str, Problem] = {}
    questions = []
    for length in lengths:
        for number in range(samples):
            identity = f"{length}hops-{number}"
            problem = problems[identity] = generate(length, seed_of(identity, seed), decoys=decoys)
            questions.append(Question(identity, problem.question, (problem.answer,), GOLD, f"{length} hops"))

    def text_of(question: Question) -> str:
        return hide(problems[question.id].facts, noise, tokens, seed=seed_of(question.id, seed)).text

    made_of = {"hops": list(lengths), "samples": samples, "decoys": decoys, "seed": seed, "noise": noise.digest}
    return generated("hops", questions, text_of, tokens, made_of)
