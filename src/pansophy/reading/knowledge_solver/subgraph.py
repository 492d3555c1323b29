"""The part of a graph between a question's entities and those of its options: all paths of at most two hops.

QA-GNN (Yasunaga et al. 2021) makes one for each pair of question and option; here one is made over all options. Pure
functions over a `GraphStore`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence

from pansophy.reading.knowledge_solver.graph import Edge, GraphStore, KnowledgeGraph

MOST_NODES = 200
"""Nodes of a subgraph (QA-GNN)."""

Relevance = Callable[[str, Sequence[str]], Sequence[float]]
"""How relevant names are to a question, the higher the more."""


def by_words(question: str, names: Sequence[str]) -> list[float]:
    """Relevance by the words that a name and the question share (rapidfuzz's token_set_ratio, 0..100)."""
    from rapidfuzz import fuzz, utils

    return [fuzz.token_set_ratio(question, name, processor=utils.default_process) for name in names]


def subgraph(
    graph: GraphStore,
    question: str,
    linked: Iterable[str],
    *,
    most: int = MOST_NODES,
    relevance: Relevance = by_words,
) -> KnowledgeGraph:
    """The linked nodes, every common neighbour of two of them, and all edges among these.

    Args:
        graph: the whole graph.
        question: for what is most relevant, where the nodes are too many.
        linked: nodes that the question and its options name; all are kept.
        most: nodes at most, unless more are linked.
        relevance: ranks the others.
    """
    kept = list(dict.fromkeys(linked))
    met: dict[str, str] = {}
    common: dict[str, None] = {}
    for node in kept:
        for edge in graph.neighbours(node):
            if met.setdefault(edge.end, node) != node:
                common[edge.end] = None
    others = [node for node in common if node not in set(kept)]
    if len(kept) + len(others) > most:
        scores = relevance(question, [graph.name(node) for node in others])
        ranked = sorted(range(len(others)), key=lambda place: (-scores[place], others[place]))
        others = [others[place] for place in ranked[: max(0, most - len(kept))]]
    nodes = set(kept) | set(others)
    triples = [edge.triple for node in [*kept, *others] for edge in graph.neighbours(node) if edge.end in nodes]
    return KnowledgeGraph(triples, names={node: (graph.name(node),) for node in nodes})


def shortest_path(graph: GraphStore, start: str, goals: Collection[str]) -> list[Edge] | None:
    """A path of the fewest hops from `start` to one of `goals`, the first by the edges' order; None without one."""
    came: dict[str, Edge | None] = {start: None}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        if node in goals:
            path: list[Edge] = []
            while (edge := came[node]) is not None:
                path.append(edge)
                node = edge.start
            return path[::-1]
        for edge in graph.neighbours(node):
            if edge.end not in came:
                came[edge.end] = edge
                queue.append(edge.end)
    return None
