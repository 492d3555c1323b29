"""What a graph is worth to a model: the graph that is read, the questions made of it, the worlds, what goes on."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pansophy import ChatMessage, ScriptedModel
from pansophy.errors import RunError, SourceError, UsageError
from pansophy.reading.knowledge_solver import KnowledgeGraph
from pansophy.reading.knowledge_solver.benchmark import (
    ANY,
    FACTS,
    GRAPH,
    NAMES,
    NONE,
    SHUFFLED,
    UNTAUGHT,
    WORLDS,
    fingerprint,
    make_choices,
    measure,
    read_graph,
    rows_before,
    summary,
)
from pansophy.reading.knowledge_solver.dialogues import Choice

RING = 30
RING_GRAPH = KnowledgeGraph([(f"vale{n}", "borders", f"vale{(n + 1) % RING}") for n in range(RING)])
"""Everything lies between two others, and half of it four and more hops away."""


def place(name: str) -> int:
    return int(name.removeprefix("vale"))


def distance(one: str, other: str) -> int:
    apart = abs(place(one) - place(other))
    return min(apart, RING - apart)


def asked(choice: Choice) -> str:
    return choice.question.rpartition(" to ")[2].rstrip("?")


def first() -> ScriptedModel:
    """Goes to the first entity that is listed; where there are only letters, it says A."""

    def say(prompt: Sequence[ChatMessage], schema: Any) -> str:
        return "A" if "letter" in prompt[-1].content else "1"

    return ScriptedModel(say)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """In the form of QA-GNN's Disease Database."""
    names = {"flu": ["1", "0"], "influenza": ["1", "1"], "cough": ["2", "1"], "syrup": ["3", "1"]}
    facts = {"0": ["1", "2", "2"], "1": ["3", "2", "233"], "2": ["3", "1", "99"]}
    (tmp_path / NAMES).write_text(json.dumps(names))
    (tmp_path / FACTS).write_text(json.dumps(facts))
    return tmp_path


def test_the_disease_database_is_read_with_its_preferred_names_and_relations(database: Path) -> None:
    graph = read_graph(database)
    assert graph.triples == (("1", "2", "2"), ("3", "233", "2"), ("3", "99", "1"))
    assert [graph.name(node) for node in ("1", "2", "3")] == ["influenza", "cough", "syrup"]
    assert ("flu", "1") in list(graph.names())
    assert {edge.relation for edge in graph.neighbours("3")} == {"may treat", "is linked to"}
    assert {edge.relation for edge in graph.neighbours("1")} == {"may cause", "is linked to"}


def test_a_file_of_triples_is_a_graph_too(tmp_path: Path) -> None:
    (tmp_path / "facts.tsv").write_text("lemon\tcontains\tvitamin C\n")
    assert read_graph(tmp_path / "facts.tsv").triples == (("lemon", "contains", "vitamin C"),)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        (NAMES, "{", "medical-ddb_names.json is no JSON"),
        (NAMES, "[]", r"medical-ddb_names.json is no object with entries \[node, preferred\]"),
        (NAMES, '{"flu": ["1"]}', r"medical-ddb_names.json, entry 'flu': not \[node, preferred\]"),
        (FACTS, '{"0": ["1", "2", "2"], "7": ["1", "2", 3]}', r"medical-ddb_relas.json, entry '7': not \[head, tail"),
        (FACTS, '{"0": "122"}', r"medical-ddb_relas.json, entry '0'"),
        (FACTS, None, "medical-ddb_relas.json can't be read"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(database: Path, name: str, text: str | None, words: str) -> None:
    (database / name).unlink()
    if text is not None:
        (database / name).write_text(text)
    with pytest.raises(SourceError, match=words):
        read_graph(database)


def test_a_graph_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"there is no .*nowhere"):
        read_graph(tmp_path / "nowhere")


def test_a_shuffled_graph_says_as_much_of_the_same_and_other_things() -> None:
    shuffled = RING_GRAPH.shuffled(0)
    assert sorted(tail for _, _, tail in shuffled.triples) == sorted(tail for _, _, tail in RING_GRAPH.triples)
    assert len(set(shuffled.triples) & set(RING_GRAPH.triples)) <= 3
    assert shuffled.triples == RING_GRAPH.shuffled(0).triples != RING_GRAPH.shuffled(1).triples
    named = KnowledgeGraph([("a", "r", "b"), ("b", "r", "c")], names={"a": ["Anna"]}, relations={"r": "knows"})
    assert named.shuffled(0).name("a") == "Anna"
    assert {edge.relation for edge in named.shuffled(0).neighbours("a")} == {"knows"}


def test_the_right_option_is_two_hops_away_and_the_others_four_and_more() -> None:
    choices = make_choices(RING_GRAPH, 12, seed=3)
    for choice in choices:
        apart = [distance(asked(choice), option) for option in choice.options]
        assert apart[choice.right] == 2
        assert sorted(apart)[1] >= 4
    assert len({choice.right for choice in choices}) > 1
    assert choices == make_choices(RING_GRAPH, 12, seed=3) != make_choices(RING_GRAPH, 12, seed=4)
    assert choices[:5] == make_choices(RING_GRAPH, 5, seed=3)


def test_the_number_of_neighbours_does_not_tell_the_right_option() -> None:
    web = networkx.Graph(networkx.configuration_model([1] * 300 + [2] * 150 + [8] * 60 + [20] * 15, seed=1))
    web.remove_edges_from(list(networkx.selfloop_edges(web)))
    graph = KnowledgeGraph([(f"vale{one}", "borders", f"vale{other}") for one, other in web.edges])
    choices = make_choices(graph, 100)
    degrees = [[web.degree[place(option)] for option in choice.options] for choice in choices]
    most = sum(
        own[choice.right] > max(own[: choice.right] + own[choice.right + 1 :])
        for choice, own in zip(choices, degrees, strict=True)
    )
    assert len({own[choice.right] for choice, own in zip(choices, degrees, strict=True)}) >= 5
    assert most <= 30


WELLS = KnowledgeGraph(
    [(f"vale{n}", "drinks of", f"well{n}") for n in range(6)]
    + [(f"well{n}", "feeds", f"brook{n}{m}") for n in range(6) for m in range(3)]
    + [(f"salt{n}{m}", "spoils", f"well{n}") for n in range(6) for m in range(3)]
    + [(f"vale{n}", "drinks of", f"well{(n + 1) % 6}") for n in range(3)]
)


@given(st.integers(0, 1000))
def test_near_options_are_told_apart_by_the_kind_of_their_facts_alone(seed: int) -> None:
    choice = make_choices(WELLS, 1, seed, near=True)[0]
    inverse = choice.question.startswith("Which")
    form = (
        r"Which of these (.+) something that is linked to (\w+)\?"
        if inverse
        else (r"Something that is linked to (?P<about>\w+) (?P<relation>.+) which of these\?")
    )
    found = re.fullmatch(form, choice.question)
    assert found is not None
    relation, about = found.groups() if inverse else (found["relation"], found["about"])
    between = {edge.end for edge in WELLS.neighbours(about)}
    kinds = [
        {(edge.relation, not edge.inverse) for edge in WELLS.neighbours(option) if edge.end in between}
        for option in choice.options
    ]
    assert all(kinds)
    assert [(relation, inverse) in one for one in kinds] == [place == choice.right for place in range(4)]


async def test_the_wrong_options_that_are_near_can_be_walked_to() -> None:
    questions = make_choices(WELLS, 8, near=True)
    rows = [row for row in await measure(WELLS, first(), questions, untaught=first()) if row["world"] == GRAPH]
    assert {row["status"] for row in rows} == {"reached"}
    assert 0 < sum(row["right"] for row in rows) < 8


@pytest.mark.parametrize("size", [1, 5])
def test_a_graph_too_small_for_questions_is_refused(size: int) -> None:
    graph = KnowledgeGraph([(f"n{one}", "r", f"n{one + 1}") for one in range(size)])
    with pytest.raises(UsageError, match="0 of 4 questions could be made"):
        make_choices(graph, 4)
    with pytest.raises(UsageError, match="facts of several kinds"):
        make_choices(RING_GRAPH, 4, near=True)


async def test_each_question_is_asked_in_each_world() -> None:
    questions, worlds = make_choices(RING_GRAPH, 6), [world for world in WORLDS if world != UNTAUGHT]
    rows = await measure(RING_GRAPH, first(), questions)
    assert [(row["world"], row["question"]) for row in rows] == [(world, n) for n in range(6) for world in worlds]
    by = {world: [row for row in rows if row["world"] == world] for world in worlds}
    # between question and options lies only the right way
    assert all(row["right"] and row["status"] == "reached" and row["hops"] == 2 for row in by[GRAPH])
    assert [row["right"] for row in by[NONE]] == [one.right == 0 for one in questions]
    assert {(row["status"], row["calls"]) for row in by[NONE]} == {("no_entity", 1)}
    assert [row["right"] for row in by[SHUFFLED]] != [row["right"] for row in by[GRAPH]]
    assert all(row["valid"] for row in rows)


async def test_whoever_takes_any_fact_needs_no_model_and_takes_the_same_for_the_same_seed() -> None:
    questions = make_choices(RING_GRAPH, 6)
    taken = [
        [row for row in await measure(RING_GRAPH, model, questions, seed=seed) if row["world"] == ANY]
        for model, seed in ((first(), 0), (ScriptedModel(lambda messages, schema: "D"), 0))
    ]
    assert taken[0] == taken[1]
    assert all(row["status"] == "reached" for row in taken[0])


async def test_what_was_asked_is_not_asked_again() -> None:
    questions = make_choices(RING_GRAPH, 4)
    whole = await measure(RING_GRAPH, first(), questions)
    model = first()
    told: list[list[Any]] = []
    rows = await measure(
        RING_GRAPH, model, questions, done=whole[:6], on_row=lambda rows: told.append([dict(row) for row in rows])
    )
    assert rows == whole
    assert [len(one) for one in told] == list(range(6, 17))  # five of the six tell what a model said
    assert all(one[:5] == [row for row in whole[:6] if row["world"] != ANY] for one in told)
    assert told[-1][-1] == whole[-1]
    assert len(model.calls) == sum(row["calls"] for row in whole[6:] if row["world"] != ANY)
    with pytest.raises(UsageError, match="no questions"):
        await measure(RING_GRAPH, model, [])


def test_the_summary_counts() -> None:
    def row(world: str, right: bool, status: str, calls: int) -> dict[str, Any]:
        return {"world": world, "right": right, "status": status, "calls": calls}

    told = summary([row(GRAPH, True, "reached", 2), row(GRAPH, False, "limit", 7), row(NONE, False, "no_entity", 1)])
    assert list(told) == [GRAPH, NONE]
    assert told[GRAPH]["accuracy"][0] == 0.5
    assert (told[GRAPH]["reached"], told[GRAPH]["accuracy_given_reached"], told[GRAPH]["mean_calls"]) == (0.5, 1.0, 4.5)
    assert told[NONE] == {
        "accuracy": [0.0, 0.0, 0.0],
        "reached": 0.0,
        "accuracy_given_reached": None,
        "mean_calls": 1.0,
    }


def test_a_result_is_gone_on_with_only_if_it_was_made_alike(tmp_path: Path) -> None:
    path = tmp_path / "walked.json"
    made = {"seed": 0, "sha256": fingerprint(RING_GRAPH, make_choices(RING_GRAPH, 2))}
    assert rows_before(path, made) == []
    row = dict.fromkeys(("world", "question", "right", "status", "hops", "calls", "valid"), 1)
    path.write_text(json.dumps({**made, "rows": [row], "machine": {}}))
    assert rows_before(path, made) == [row]
    with pytest.raises(RunError, match="made with another seed"):
        rows_before(path, {**made, "seed": 1})
    with pytest.raises(RunError, match="made with another sha256"):
        rows_before(path, {**made, "sha256": fingerprint(RING_GRAPH, make_choices(RING_GRAPH, 3))})
    for damaged in ("{", "[]", "{}", '{"rows": [{"world": "graph"}]}'):
        path.write_text(damaged)
        with pytest.raises(RunError, match="no result of this benchmark"):
            rows_before(path, made)
