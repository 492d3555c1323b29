"""The walk over a subgraph, whoever chooses the next entity: candidates, dead ends, the limit. Knows nothing of models.

Whoever chooses is never told which option is right, nor do the options' order or letters enter into the candidates.
"""

from __future__ import annotations

import random
import re
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from pansophy.errors import UsageError
from pansophy.reading.knowledge_solver.graph import Edge, GraphStore
from pansophy.reading.knowledge_solver.subgraph import Relevance, by_words, shortest_path

STOP = "STOP"
"""What whoever walks says to end a walk that has no options."""
ALIKE = 90.0
"""Least similarity (rapidfuzz's ratio, 0..100) at which a reply names a candidate."""
_NUMBER = re.compile(r"\D{0,3}(\d+)\b")


class Status(StrEnum):
    """How a walk ended."""

    REACHED = "reached"
    ANSWERED_EARLY = "answered_early"
    LIMIT = "limit"
    NO_ENTITY = "no_entity"
    DISCONNECTED = "disconnected"


@dataclass(frozen=True, slots=True)
class WalkSettings:
    """The policies.

    Args:
        hops: the most hops.
        candidates: the most neighbours that are shown; answer entities are always among them.
        restarts: how often a walk that can't go on begins at another entity of the question.
        seed: for where it begins.
    """

    hops: int = 6  # ours, as all of these: the paper's values were not stated
    candidates: int = 20
    restarts: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.hops, self.candidates) < 1 or self.restarts < 0:
            raise UsageError("hops and candidates are at least 1, restarts at least 0")


@dataclass(frozen=True, slots=True)
class Turn:
    """What is to be chosen from: edges from `entity`. `again` if the last reply named none of them."""

    entity: str
    candidates: tuple[Edge, ...]
    path: tuple[Edge, ...]
    again: bool = False


@dataclass(frozen=True, slots=True)
class Walk:
    """What came of it: the path (without what was walked back), the entity at its end, where it began first, the turns
    taken and how often it began anew. `said` is the reply that answered early, else ""."""

    status: Status
    path: tuple[Edge, ...]
    entity: str | None
    start: str | None
    turns: int
    restarts: int
    said: str = ""


Choose = Callable[[Turn], Awaitable[str]]
"""Names one candidate: by its number (from 1) or its name."""


async def walk(
    graph: GraphStore,
    question: str,
    starts: Sequence[str],
    goals: Collection[str],
    choose: Choose,
    settings: WalkSettings = WalkSettings(),
    *,
    options: Sequence[str] = (),
    relevance: Relevance = by_words,
) -> Walk:
    """Walk from an entity of the question until an answer entity is reached.

    Args:
        graph: the subgraph.
        question: for which neighbours are most relevant.
        starts: entities of the question.
        goals: answer entities; none for a walk that goes on until `STOP`.
        choose: whoever walks.
        settings: the policies.
        options: the options' texts: a reply that is one of them answers early.
        relevance: ranks candidates, and tells which is nearest to a reply that names none.
    """
    if not starts:
        return Walk(Status.NO_ENTITY, (), None, None, 0, 0)
    order = sorted(starts)
    random.Random(settings.seed).shuffle(order)
    if goals:
        connected = [start for start in order if shortest_path(graph, start, goals) is not None]
        if not connected:
            return Walk(Status.DISCONNECTED, (), order[0], order[0], 0, 0)
        order = connected
    first, turns = order[0], 0
    for restarts, start in enumerate(order[: settings.restarts + 1]):
        path: list[Edge] = []
        here, left = start, {start}
        while True:
            if here in goals:
                return Walk(Status.REACHED, tuple(path), here, first, turns, restarts)
            if turns >= settings.hops:
                return Walk(Status.LIMIT, tuple(path), here, first, turns, restarts)
            candidates = candidates_at(graph, question, here, goals, left, settings.candidates, relevance)
            if not candidates:
                if not path:
                    break
                here = path.pop().start
                continue
            turns += 1
            turn = Turn(here, tuple(candidates), tuple(path))
            reply = await choose(turn)
            chosen = named(graph, reply, candidates)
            if chosen is None and _says_option(reply, options, goals):
                return Walk(Status.ANSWERED_EARLY, tuple(path), here, first, turns, restarts, reply.strip())
            if chosen is None:
                reply = await choose(replace(turn, again=True))
                chosen = named(graph, reply, candidates)
            if chosen is None and _says_option(reply, options, goals):
                return Walk(Status.ANSWERED_EARLY, tuple(path), here, first, turns, restarts, reply.strip())
            if chosen is None:
                scores = relevance(reply, [graph.name(edge.end) for edge in candidates])
                chosen = candidates[max(range(len(candidates)), key=lambda place: scores[place])]
            path.append(chosen)
            here = chosen.end
            left.add(here)
    return Walk(Status.LIMIT, (), start, first, turns, restarts)


def candidates_at(
    graph: GraphStore,
    question: str,
    here: str,
    goals: Collection[str],
    visited: Collection[str],
    most: int,
    relevance: Relevance,
) -> list[Edge]:
    """The edges to entities not yet visited, answer entities and the most relevant first kept, in the graph's order."""
    edges = [edge for edge in dict.fromkeys(graph.neighbours(here)) if edge.end not in visited]
    if len(edges) <= most:
        return edges
    scores = relevance(question, [graph.name(edge.end) for edge in edges])
    ranked = sorted(range(len(edges)), key=lambda place: (edges[place].end not in goals, -scores[place], place))
    certain = sum(edge.end in goals for edge in edges)
    return [edges[place] for place in sorted(ranked[: max(most, certain)])]


def named(graph: GraphStore, reply: str, candidates: Sequence[Edge]) -> Edge | None:
    """The candidate that a reply names: by its number, its name, or nearly its name; None if it names none."""
    from rapidfuzz import fuzz, process, utils

    said = reply.strip().strip(".\"'*")
    number = _NUMBER.match(said)
    names = [graph.name(edge.end) for edge in candidates]
    exact = [place for place, name in enumerate(names) if name.casefold() == said.casefold()]
    if exact:
        return candidates[exact[0]]
    if number and 1 <= int(number[1]) <= len(candidates):
        return candidates[int(number[1]) - 1]
    near = process.extractOne(said, names, scorer=fuzz.ratio, processor=utils.default_process, score_cutoff=ALIKE)
    return None if near is None else candidates[near[2]]


def _says_option(reply: str, options: Sequence[str], goals: Collection[str]) -> bool:
    said = reply.strip().strip(".\"'*").casefold()
    if not goals:
        return said.startswith(STOP.casefold())
    return bool(said) and said in {option.strip().casefold() for option in options}
