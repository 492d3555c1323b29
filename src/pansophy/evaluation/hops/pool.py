"""Many multi-hop questions over one corpus of short notes, of one fact or a few each: for retrieval, where it counts
which notes are found. Knows nothing of how they are looked for.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass

from pansophy.errors import UsageError
from pansophy.evaluation.hops.chains import Problem, generate

_BETWEEN_FACTS = re.compile(r"(?<=\.) ")


@dataclass(frozen=True, slots=True)
class Pool:
    """`notes` are document id -> facts, in a random order; the facts of every problem's chain are among them."""

    problems: tuple[Problem, ...]
    notes: Mapping[str, str]

    def gold(self, problem: Problem) -> frozenset[str]:
        """The ids of the notes that the answer takes."""
        chain = set(problem.chain)
        return frozenset(name for name, text in self.notes.items() if chain.intersection(facts_of(text)))


def facts_of(text: str) -> list[str]:
    """The facts that a note tells."""
    return _BETWEEN_FACTS.split(text)


def make_pool(hops: int, problems: int, *, decoys: int = 3, facts_each: int = 1, seed: int = 0) -> Pool:
    """`problems` questions of so many hops with their decoys, the same for the same arguments.

    Args:
        hops: notes that an answer takes, where each tells one fact.
        problems: questions.
        decoys: other chains of the same relations for each question.
        facts_each: facts that a note tells (the last one what is left), of whichever questions.
        seed: of the random choices.

    Raises:
        UsageError: no problems, notes without facts, or what `generate` refuses.
    """
    if problems < 1:
        raise UsageError(f"a pool has at least one problem, not {problems}")
    if facts_each < 1:
        raise UsageError(f"a note tells at least one fact, not {facts_each}")
    made = tuple(generate(hops, seed * 1_000_003 + number, decoys=decoys) for number in range(problems))
    facts = list(dict.fromkeys(fact for problem in made for fact in problem.facts))
    random.Random(f"pool:{hops}:{seed}:{problems}").shuffle(facts)
    notes = [" ".join(facts[first : first + facts_each]) for first in range(0, len(facts), facts_each)]
    digits = len(str(len(notes)))
    return Pool(made, {f"note-{number:0{digits}}": note for number, note in enumerate(notes, start=1)})
