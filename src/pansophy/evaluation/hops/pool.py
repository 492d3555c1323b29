"""Many multi-hop questions over one corpus of short notes, one fact each: for retrieval, where it counts which notes
are found. Knows nothing of how they are looked for.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from pansophy.errors import UsageError
from pansophy.evaluation.hops.chains import Problem, generate


@dataclass(frozen=True, slots=True)
class Pool:
    """`notes` are document id -> fact, in a random order; the facts of every problem's chain are among them."""

    problems: tuple[Problem, ...]
    notes: Mapping[str, str]

    def gold(self, problem: Problem) -> frozenset[str]:
        """The ids of the notes that the answer takes."""
        chain = set(problem.chain)
        return frozenset(name for name, text in self.notes.items() if text in chain)


def make_pool(hops: int, problems: int, *, decoys: int = 3, seed: int = 0) -> Pool:
    """`problems` questions of so many hops with their decoys, the same for the same arguments.

    Raises:
        UsageError: no problems, or what `generate` refuses.
    """
    if problems < 1:
        raise UsageError(f"a pool has at least one problem, not {problems}")
    made = tuple(generate(hops, seed * 1_000_003 + number, decoys=decoys) for number in range(problems))
    facts = list(dict.fromkeys(fact for problem in made for fact in problem.facts))
    random.Random(f"pool:{hops}:{seed}:{problems}").shuffle(facts)
    digits = len(str(len(facts)))
    return Pool(made, {f"note-{number:0{digits}}": fact for number, fact in enumerate(facts, start=1)})
