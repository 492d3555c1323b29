"""Answers that say the same, grouped. A cluster is a tuple of positions, ascending.

Answers are compared alone, without their question (Kuhn et al. 2023, arXiv 2302.09664, put the question before them),
and two say the same only if each entails the other.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from pansophy.conflicts.entailment import Entailment

Clusters = tuple[tuple[int, ...], ...]
Grouping = Callable[[Sequence[str], Entailment], Clusters]


def bidirectional(answers: Sequence[str], entails: Entailment) -> Clusters:
    """Disjoint clusters: each answer joins the first one whose first member it entails and is entailed by."""
    says_same = _both_ways(answers, entails)
    clusters: list[list[int]] = []
    for position in range(len(answers)):
        for cluster in clusters:
            if says_same(cluster[0], position):
                cluster.append(position)
                break
        else:
            clusters.append([position])
    return tuple(map(tuple, clusters))


def official(answers: Sequence[str], entails: Entailment) -> Clusters:
    """The clusters of DYNAMICQA's code, for comparison with its numbers; they may overlap.

    From every answer a cluster is begun; of the answers that say the same as the first, in order, each joins that says
    the same as the member before it. Equal clusters count once.
    """
    says_same = _both_ways(answers, entails)
    found: dict[tuple[int, ...], None] = {}
    for first in range(len(answers)):
        cluster = [first]
        for other in range(len(answers)):
            if other != first and says_same(first, other) and says_same(cluster[-1], other):
                cluster.append(other)
        found[tuple(sorted(cluster))] = None
    return tuple(found)


GROUPINGS: dict[str, Grouping] = {"bidirectional": bidirectional, "official": official}


def _both_ways(answers: Sequence[str], entails: Entailment) -> Callable[[int, int], bool]:
    """Whether two answers entail each other; each pair of texts is compared once."""
    entailed = functools.cache(entails)

    def says_same(one: int, other: int) -> bool:
        low, high = sorted((one, other))
        return entailed(answers[low], answers[high]) and entailed(answers[high], answers[low])

    return says_same
