"""The walk without a model: every step an edge, limits, dead ends, what is never told."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pansophy.errors import UsageError
from pansophy.reading.knowledge_solver import Edge, KnowledgeGraph, Status, WalkSettings, subgraph, walk
from pansophy.reading.knowledge_solver.subgraph import shortest_path
from pansophy.reading.knowledge_solver.walk import STOP, Turn, named

NODES = [f"n{number:02}" for number in range(12)]
graphs = st.lists(
    st.tuples(st.sampled_from(NODES), st.sampled_from(["likes", "owns"]), st.sampled_from(NODES)), max_size=40
).map(KnowledgeGraph)
some = st.lists(st.sampled_from(NODES), max_size=3, unique=True)


def by_chance(seed: int) -> Callable[[Turn], str]:
    chance = random.Random(seed)
    return lambda turn: str(chance.randint(1, len(turn.candidates)))


async def walked(
    graph: KnowledgeGraph, starts: list[str], goals: list[str], say: Callable[[Turn], str], **settings: int
) -> tuple[object, list[Turn]]:
    turns: list[Turn] = []

    async def choose(turn: Turn) -> str:
        turns.append(turn)
        return say(turn)

    return await walk(graph, "who?", starts, goals, choose, WalkSettings(**settings)), turns


@given(graphs, some, some, st.integers(0, 9), st.integers(1, 5))
def test_whoever_walks_the_path_is_of_edges_and_the_status_is_what_it_says(
    graph: KnowledgeGraph, starts: list[str], goals: list[str], seed: int, hops: int
) -> None:
    done, turns = asyncio.run(walked(graph, starts, goals, by_chance(seed), hops=hops, seed=seed))
    assert all(edge.triple in graph.triples for edge in done.path)
    assert all(one.end == other.start for one, other in zip(done.path, done.path[1:], strict=False))
    assert done.turns == len(turns) <= hops
    assert len(done.path) <= hops
    assert len({edge.end for edge in done.path}) == len(done.path)
    if done.path:
        assert done.path[0].start in starts
        assert done.path[-1].end == done.entity
    assert (done.status is Status.NO_ENTITY) == (not starts)
    assert (done.status is Status.REACHED) <= (done.entity in goals)
    if done.status is Status.DISCONNECTED:
        assert all(shortest_path(graph, start, goals) is None for start in starts)
    again, _ = asyncio.run(walked(graph, starts, goals, by_chance(seed), hops=hops, seed=seed))
    assert again == done


@given(graphs, st.sampled_from(NODES), st.sampled_from(NODES), st.integers(0, 3))
def test_one_that_knows_the_way_always_arrives_within_the_limit(
    graph: KnowledgeGraph, start: str, goal: str, seed: int
) -> None:
    way = shortest_path(graph, start, {goal})

    def nearest(turn: Turn) -> str:
        distances = [len(found) if (found := shortest_path(graph, e.end, {goal})) else 99 * (e.end != goal)
                     for e in turn.candidates]  # fmt: skip
        return str(1 + distances.index(min(distances)))

    done, _ = asyncio.run(walked(graph, [start], [goal], nearest, hops=12, seed=seed))
    assert (done.status is Status.REACHED) == (way is not None)
    if way is not None:
        assert len(done.path) == len(way)


@given(graphs, some, some)
def test_the_order_of_the_goals_changes_nothing(graph: KnowledgeGraph, starts: list[str], goals: list[str]) -> None:
    first = asyncio.run(walked(graph, starts, goals, lambda turn: "1"))
    assert first == asyncio.run(walked(graph, starts, goals[::-1], lambda turn: "1"))


@given(graphs, some.filter(lambda linked: len(linked) > 1))
def test_the_subgraph_has_all_paths_of_two_hops_between_linked_nodes_and_nothing_else(
    graph: KnowledgeGraph, linked: list[str]
) -> None:
    def beside(node: str) -> set[str]:
        return {edge.end for edge in graph.neighbours(node)}

    between = {x for a in linked for b in linked if a != b for x in beside(a) & beside(b)}
    nodes = set(linked) | between
    expected = {triple for triple in graph.triples if triple[0] in nodes and triple[2] in nodes}
    assert set(subgraph(graph, "who?", linked).triples) == expected


def hub(size: int) -> KnowledgeGraph:
    return KnowledgeGraph([("hub", "holds", f"thing {number}") for number in range(size)])


async def test_a_hub_shows_only_the_most_relevant_neighbours_and_every_answer() -> None:
    _, turns = await walked(hub(10_000), ["hub"], ["thing 4711", "thing 17"], lambda turn: "1", candidates=20)
    assert len(turns[0].candidates) == 20
    assert {"thing 4711", "thing 17"} <= {edge.end for edge in turns[0].candidates}


def test_a_subgraph_keeps_the_most_relevant_of_too_many_nodes() -> None:
    triples = [(end, "holds", f"thing {number}") for number in range(300) for end in ("left", "right")]
    part = subgraph(KnowledgeGraph(triples), "Which is thing 288?", ["left", "right"], most=50)
    assert len(part) == 50
    assert "thing 288" in part.nodes


async def test_a_dead_end_leads_back_and_the_path_forgets_it() -> None:
    graph = KnowledgeGraph([("a", "r", "dead"), ("a", "r", "b"), ("b", "r", "goal")])
    choices = iter(["dead", "b", "goal"])
    done, _ = await walked(graph, ["a"], ["goal"], lambda turn: next(choices))
    assert (done.status, [edge.end for edge in done.path], done.turns) == (Status.REACHED, ["b", "goal"], 3)


async def test_a_start_that_is_an_answer_takes_no_hop() -> None:
    done, turns = await walked(hub(3), ["thing 1"], ["thing 1"], lambda turn: "1")
    assert (done.status, done.path, turns) == (Status.REACHED, (), [])


async def test_a_start_that_is_cut_off_is_not_begun_at() -> None:
    graph = KnowledgeGraph([("alone", "r", "beside"), ("a", "r", "goal")])
    for seed in range(4):
        done, _ = await walked(graph, ["alone", "a"], ["goal"], lambda turn: "goal", seed=seed)
        assert (done.status, done.start) == (Status.REACHED, "a")


async def test_a_reply_that_names_none_is_asked_for_once_more_then_the_nearest_is_taken() -> None:
    graph = KnowledgeGraph([("a", "r", "red house"), ("a", "r", "blue boat"), ("blue boat", "r", "goal")])
    replies = iter(["I don't know", "some boat of blue colour", "goal"])
    done, turns = await walked(graph, ["a"], ["goal"], lambda turn: next(replies))
    assert [turn.again for turn in turns] == [False, True, False]
    assert [edge.end for edge in done.path] == ["blue boat", "goal"]


async def test_a_free_walk_goes_on_until_it_is_stopped() -> None:
    replies = iter(["1", STOP])
    done, _ = await walked(hub(3), ["thing 1"], [], lambda turn: next(replies))
    assert (done.status, [edge.end for edge in done.path]) == (Status.ANSWERED_EARLY, ["hub"])


@pytest.mark.parametrize(
    ("reply", "end"),
    [
        *((reply, "B2") for reply in ("2", "2. B2", "B2", "b2.")),
        *((reply, "Vitamin C") for reply in ("1) vitamin c", "vitamin c", "Vitamn C")),
        *((reply, None) for reply in ("3", "0", "", "none of them")),
    ],
)
def test_replies_name_candidates_by_number_or_name(reply: str, end: str | None) -> None:
    candidates = [Edge("a", "r", "Vitamin C"), Edge("a", "r", "B2")]
    found = named(KnowledgeGraph([]), reply, candidates)
    assert (found and found.end) == end


@pytest.mark.parametrize("settings", [{"hops": 0}, {"candidates": 0}, {"restarts": -1}])
def test_impossible_settings_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        WalkSettings(**settings)
