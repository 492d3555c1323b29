"""Chains of facts about invented people, towns and ships, and questions that take all facts of one.

Knows nothing of noise, models or scores. That the sentences answer the question, and only all of them together, is what
`solver.py` checks.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pansophy.errors import UsageError
from pansophy.evaluation.hops.relations import ASKS, PERSON, RELATIONS, SHIP, VOCABULARY, Relation
from pansophy.evaluation.invented import words

HOPS = (2, 3, 4, 5)
SPARE = 20
"""Names that are invented beyond those needed, since some turn out to be words of a question or fact."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A question that takes the facts of `chain`, in this order; `facts` are these and the decoys', shuffled."""

    question: str
    answer: str
    chain: tuple[str, ...]
    facts: tuple[str, ...]

    @property
    def hops(self) -> int:
        return len(self.chain)


def generate(hops: int, seed: int, *, decoys: int = 3) -> Problem:
    """A problem of so many hops, the same for the same arguments.

    Args:
        hops: the facts that the answer takes, of `HOPS`.
        seed: of the relations, names and wordings.
        decoys: how many other chains of the same relations there are, about others.

    Raises:
        UsageError: `hops` is none of `HOPS`, or `decoys` is negative.
    """
    if hops not in HOPS:
        raise UsageError(f"a chain has {HOPS[0]} to {HOPS[-1]} hops, not {hops}")
    if decoys < 0:
        raise UsageError(f"decoys must be 0 or more, not {decoys}")
    chance = random.Random(f"hops:{hops}:{seed}:{decoys}")
    relations = _path(chance, hops)
    needed = 2 * (hops + 1) * (decoys + 1)
    invented = words(chance, needed + SPARE, apart=needed + SPARE)
    names = iter(word.capitalize() for word in invented if word not in VOCABULARY)
    members = _members(relations, names)
    chain = _told(chance, relations, members)
    facts = list(chain)
    for _ in range(decoys):
        facts += _told(chance, relations, _members(relations, names))
    chance.shuffle(facts)
    return Problem(_question(chance, relations, members[0]), members[-1], chain, tuple(facts))


def _path(chance: random.Random, hops: int) -> list[Relation]:
    """Different relations, each beginning with the kind of thing that the one before ends with."""
    path = [chance.choice(RELATIONS)]
    while len(path) < hops:
        path.append(chance.choice([one for one in RELATIONS if one.source == path[-1].target and one not in path]))
    return path


def _members(relations: Sequence[Relation], names: Iterator[str]) -> list[str]:
    """Whom a chain is about, from the one that the question names to the answer."""
    kinds = [relations[0].source, *(relation.target for relation in relations)]
    return [f"{next(names)} {next(names)}" if kind == PERSON else next(names) for kind in kinds]


def _told(chance: random.Random, relations: Sequence[Relation], members: Sequence[str]) -> tuple[str, ...]:
    return tuple(
        chance.choice(relation.sentences).format(s=source, t=target)
        for relation, (source, target) in zip(relations, itertools.pairwise(members), strict=True)
    )


def _question(chance: random.Random, relations: Sequence[Relation], named: str) -> str:
    nouns = [chance.choice(relation.nouns) for relation in reversed(relations)]
    start = f"the {named}" if relations[0].source == SHIP else named
    return f"{ASKS[relations[-1].target]} is the {' of the '.join(nouns)} of {start}?"
