"""Multi-hop questions for a bench: each over a text of its own, made when it is asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from pansophy.errors import UsageError
from pansophy.evaluation.datasets import Dataset, Question
from pansophy.evaluation.haystack import Noise, hide, length_name
from pansophy.evaluation.hops.chains import Problem, generate
from pansophy.types import Document


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
            problem = problems[identity] = generate(length, _seed_of(identity, seed), decoys=decoys)
            questions.append(Question(identity, problem.question, (problem.answer,), ("text",), f"{length} hops"))

    def documents(question: Question) -> tuple[Document, ...]:
        made = hide(problems[question.id].facts, noise, tokens, seed=_seed_of(question.id, seed))
        digest = hashlib.sha256(made.text.encode()).hexdigest()
        return (Document("text", "text", made.text, source=question.id, sha256=digest),)

    made_of = {
        "hops": list(lengths),
        "tokens": tokens,
        "samples": samples,
        "decoys": decoys,
        "seed": seed,
        "noise": noise.digest,
    }
    return Dataset(
        name=f"hops-{length_name(tokens)}",
        questions=tuple(questions),
        documents=(),
        sha256=hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest(),
        scorer_name="hotpotqa",
        documents_of=documents,
    )


def _seed_of(identity: str, seed: int) -> int:
    return seed * 1_000_003 + int(identity.rpartition("-")[2])
