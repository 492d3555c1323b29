"""Whether walking a graph helps a model: questions over a graph, answered with it, without it, and by two controls.

A question asks which of four concepts is linked to another by one in between: the right one is two hops away, the
others are four or more hops away, with a relation of the same kind and about as many neighbours. Whoever walks the
graph at random meets hardly any of these; so there are questions, too, whose wrong options are linked to the same
concept as the right one, by facts of another kind. The worlds a question is answered in are the graph, no graph, one
whose facts lead to other ends, and the graph walked by somebody who takes any of the listed facts; where the model was
taught on dialogues about other questions, the graph walked by it as it was before is one more.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pansophy.errors import RunError, SourceError, UsageError
from pansophy.evaluation.files import refuse_difference, text_of
from pansophy.evaluation.report.statistics import bootstrap
from pansophy.models import ChatModel, ScriptedModel
from pansophy.reading.knowledge_solver.dialogues import Choice
from pansophy.reading.knowledge_solver.graph import KnowledgeGraph
from pansophy.reading.knowledge_solver.linking import NameLinker
from pansophy.reading.knowledge_solver.solver import KnowledgeSolver
from pansophy.reading.knowledge_solver.walk import Status
from pansophy.types import ChatMessage

NAMES, FACTS = "medical-ddb_names.json", "medical-ddb_relas.json"
"""The files of the Disease Database in QA-GNN's repository."""
RELATIONS = {"0": "belongs to", "2": "may cause", "3": "is a kind of", "4": "is a risk for", "233": "may treat"}
UNTOLD = "is linked to"
"""How all others read, and a relation without a name."""
MOST_NEIGHBOURS = 40
"""Concepts with more are neither asked about nor are they the one in between: everything is near to them."""
MOST_ALIKE = 12
"""Of the concepts that are far away, those that wrong options are drawn from: the nearest to the right one in the
number of their neighbours."""
MOST_TRIES = 1000
"""In a row without a question, after which a graph is taken to hold no more of them."""
GRAPH, UNTAUGHT, NONE, SHUFFLED, ANY = "graph", "graph, untaught", "none", "shuffled", "graph, any fact taken"
WORLDS = (GRAPH, UNTAUGHT, NONE, SHUFFLED, ANY)

Row = dict[str, Any]
"""What came of a question in a world."""
FIELDS = ("world", "question", "right", "status", "hops", "calls", "valid")
"""Of a row. `valid`: the path is of facts of the graph."""


def read_graph(path: str | Path) -> KnowledgeGraph:
    """The graph that is measured on.

    Args:
        path: a file of triples, or a folder with the Disease Database of QA-GNN's repository.

    Raises:
        SourceError: there is nothing there, or a file of it can't be read, or has a broken row; says which.
    """
    place = Path(path).expanduser()
    if not place.exists():
        raise SourceError(f"there is no {place}: name a file of triples, or the folder with {NAMES} and {FACTS}")
    return _disease_database(place) if place.is_dir() else KnowledgeGraph.from_file(place)


def _disease_database(folder: Path) -> KnowledgeGraph:
    called: dict[str, list[str]] = {}
    for name, (node, preferred) in _entries(folder / NAMES, ("node", "preferred")):
        names = called.setdefault(node, [])
        names.insert(0 if preferred == "1" else len(names), name)
    triples = [
        (head, relation, tail) for _, (head, tail, relation) in _entries(folder / FACTS, ("head", "tail", "relation"))
    ]
    relations = {relation: RELATIONS.get(relation, UNTOLD) for _, relation, _ in triples}
    return KnowledgeGraph(triples, names=called, relations=relations)


def _entries(path: Path, cells: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """The entries of a JSON object whose values are lists of these strings."""
    form = f"[{', '.join(cells)}]"
    try:
        told = json.loads(text_of(path))
    except ValueError as error:
        raise SourceError(f"{path} is no JSON: {error}") from error
    if not isinstance(told, dict) or not told:
        raise SourceError(f"{path} is no object with entries {form}")
    for key, row in told.items():
        if not isinstance(row, list) or len(row) != len(cells) or not all(isinstance(cell, str) for cell in row):
            raise SourceError(f"{path}, entry {key!r}: not {form}, each a string")
        yield key, row


def make_choices(graph: KnowledgeGraph, count: int, seed: int = 0, *, near: bool = False) -> list[Choice]:
    """Questions of which the graph knows the answer, the same ones for the same seed.

    Args:
        graph: knows the answers.
        count: of questions.
        seed: of all that is drawn.
        near: the wrong options are as near as the right one, and told from it by the kind of their facts alone.

    Raises:
        UsageError: the graph is too small for so many; says how many there are.
    """
    chance = random.Random(seed)
    around = {node: {edge.end for edge in graph.neighbours(node)} for node in graph.nodes}
    quiet = [node for node in graph.nodes if 1 < len(around[node]) <= MOST_NEIGHBOURS]
    linker = NameLinker(graph.names())
    made: list[Choice] = []
    tries = 0
    while len(made) < count:
        tries += 1
        if tries > MOST_TRIES or not quiet:
            raise UsageError(
                f"{len(made)} of {count} questions could be made: the graph has too few concepts of two or more "
                f"neighbours that are {'beside one with facts of several kinds' if near else 'four or more hops apart'}"
                "; ask for fewer questions, or take a larger graph"
            )
        choice = (_near_choice if near else _choice)(graph, around, quiet, linker, chance)
        if choice is not None:
            made.append(choice)
            tries = 0
    return made


def _choice(
    graph: KnowledgeGraph,
    around: Mapping[str, set[str]],
    quiet: Sequence[str],
    linker: NameLinker,
    chance: random.Random,
) -> Choice | None:
    """A question about a concept that is drawn; None if there is none to be asked about it.

    Args:
        graph: knows the answer.
        around: the neighbours of each concept.
        quiet: concepts that may be asked about.
        linker: finds what a question names.
        chance: draws the concept, its options and their order.
    """
    asked = chance.choice(quiet)
    near = _within(around, asked, 3)
    between = [node for node in sorted(around[asked]) if len(around[node]) <= MOST_NEIGHBOURS]
    apart = set(quiet) - around[asked] - {asked}
    right = [node for middle in between for node in sorted(around[middle] & apart)]
    if not right:
        return None
    gold = chance.choice(right)
    kind = {edge.relation for edge in graph.neighbours(gold)}
    far = [node for node in quiet if node not in near and kind & {edge.relation for edge in graph.neighbours(node)}]
    if len(far) < 3:
        return None
    # concepts of many neighbours are met more often, in a shuffled graph too
    chance.shuffle(far)
    far = sorted(far, key=lambda node: abs(len(around[node]) - len(around[gold])))[:MOST_ALIKE]
    question = f"Which of these is most closely related to {graph.name(asked)}?"
    return _put(graph, asked, question, [gold, *chance.sample(far, 3)], linker, chance)


def _near_choice(
    graph: KnowledgeGraph,
    around: Mapping[str, set[str]],
    quiet: Sequence[str],
    linker: NameLinker,
    chance: random.Random,
) -> Choice | None:
    """As `_choice`; all options are linked to the same neighbour of the concept, the right one by a fact of its own
    kind that no other option shares with any neighbour."""
    asked = chance.choice(quiet)
    between = [node for node in sorted(around[asked]) if len(around[node]) <= MOST_NEIGHBOURS]
    if not between:
        return None
    middle = chance.choice(between)
    apart = around[asked] | {asked}
    facts = [edge for edge in graph.neighbours(middle) if edge.end not in apart]
    kinds = sorted({(edge.relation, edge.inverse) for edge in facts if edge.relation != UNTOLD})
    if not kinds:
        return None
    relation, inverse = kind = chance.choice(kinds)
    right = sorted({edge.end for edge in facts if (edge.relation, edge.inverse) == kind})
    never = {
        edge.end for node in around[asked] for edge in graph.neighbours(node) if (edge.relation, edge.inverse) == kind
    }
    wrong = sorted({edge.end for edge in facts} - never)
    if len(wrong) < 3:
        return None
    name = graph.name(asked)
    question = (
        f"Which of these {relation} something that is linked to {name}?"
        if inverse
        else f"Something that is linked to {name} {relation} which of these?"
    )
    return _put(graph, asked, question, [chance.choice(right), *chance.sample(wrong, 3)], linker, chance)


def _put(
    graph: KnowledgeGraph,
    asked: str,
    question: str,
    nodes: Sequence[str],
    linker: NameLinker,
    chance: random.Random,
) -> Choice | None:
    """The question with its options in an order that is drawn, the right one first in `nodes`; None if names clash."""
    listed = [graph.name(node) for node in nodes]
    if len({name.casefold() for name in listed}) < 4:
        return None
    place = chance.randrange(4)
    shown = [*listed[1:][:place], listed[0], *listed[1:][place:]]
    if linker(question) != [asked]:
        return None  # the name holds another concept's
    return Choice(question, tuple(shown), place)


def _within(around: Mapping[str, set[str]], node: str, hops: int) -> set[str]:
    found, edge = {node}, {node}
    for _ in range(hops):
        edge = {other for one in edge for other in around[one]} - found
        found |= edge
    return found


async def measure(
    graph: KnowledgeGraph,
    model: ChatModel,
    questions: Sequence[Choice],
    *,
    untaught: ChatModel | None = None,
    seed: int = 0,
    done: Iterable[Row] = (),
    on_row: Callable[[Sequence[Row]], None] | None = None,
) -> list[Row]:
    """Ask every question in every world, one question after the other.

    Args:
        graph: what is walked.
        model: who walks.
        questions: of which the graph knows the answer.
        untaught: the model before it was taught, if it was.
        seed: of the shuffled graph, and of whoever takes any fact.
        done: rows of an earlier call that was broken off; what they tell isn't asked again. Whoever takes any fact
            begins anew, since one row after the other draws from the same chance.
        on_row: told all rows up to now after each question that was asked in a world, the last one last.

    Raises:
        UsageError: there are no questions.
        ModelError: as `KnowledgeSolver.asolve`.
    """
    if not questions:
        raise UsageError("there are no questions to measure with")
    worlds: dict[str, tuple[KnowledgeGraph, ChatModel]] = {
        GRAPH: (graph, model),
        **({UNTAUGHT: (graph, untaught)} if untaught is not None else {}),
        NONE: (KnowledgeGraph([]), model),
        SHUFFLED: (graph.shuffled(seed), model),
        ANY: (graph, _anybody(seed)),
    }
    solvers = {world: KnowledgeSolver(walked, walker) for world, (walked, walker) in worlds.items()}
    linked = {
        world: {frozenset((head, tail)) for head, _, tail in walked.triples} for world, (walked, _) in worlds.items()
    }
    rows = {(row["world"], row["question"]): row for row in done if row["world"] != ANY}
    # one question after the other, so that what is broken off compares the worlds on the same questions
    order = [(world, number) for number in range(len(questions)) for world in worlds]
    for world, number in order:
        if (world, number) in rows:
            continue
        walked_row = await _walked(solvers[world], questions[number], linked[world])
        rows[world, number] = {"world": world, "question": number, **walked_row}
        if on_row is not None:
            on_row(list(rows.values()))
    return [rows[key] for key in order]


async def _walked(solver: KnowledgeSolver, item: Choice, linked: set[frozenset[str]]) -> Row:
    done = await solver.asolve(item.question, item.options)
    return {
        "right": done.option == item.right,
        "status": str(done.status),
        "hops": len(done.path),
        "calls": done.usage.calls,
        "valid": all(frozenset((edge.start, edge.end)) in linked for edge in done.path),
    }


def _anybody(seed: int) -> ScriptedModel:
    """Takes one of the numbers or letters that are listed."""
    chance = random.Random(seed)

    def reply(messages: Sequence[ChatMessage], schema: object) -> str:
        listed: list[str] = re.findall(r"^(\d+|[A-Z])\. ", messages[-1].content, re.MULTILINE)
        return chance.choice(listed)

    return ScriptedModel(reply, window=8192)


def summary(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """By world: accuracy with its 95 % interval, the share of walks that reached an option, accuracy of these (None if
    there are none), and the model's calls a question."""
    worlds = [world for world in WORLDS if any(row["world"] == world for row in rows)]
    return {world: _summed([row for row in rows if row["world"] == world]) for world in worlds}


def _summed(rows: Sequence[Row]) -> dict[str, Any]:
    reached = [row for row in rows if row["status"] == Status.REACHED]
    accuracy = bootstrap([float(row["right"]) for row in rows])
    return {
        "accuracy": [round(accuracy.mean, 3), round(accuracy.low, 3), round(accuracy.high, 3)],
        "reached": round(len(reached) / len(rows), 3),
        "accuracy_given_reached": round(sum(row["right"] for row in reached) / len(reached), 3) if reached else None,
        "mean_calls": round(sum(row["calls"] for row in rows) / len(rows), 2),
    }


def fingerprint(graph: KnowledgeGraph, questions: Sequence[Choice]) -> str:
    """SHA-256 of the facts and the questions, so that results over others aren't gone on with."""
    told = [graph.triples, [[one.question, one.options, one.right] for one in questions]]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def rows_before(path: Path, made: Mapping[str, Any]) -> list[Row]:
    """The rows of a result that was broken off; none if there is no such file.

    Args:
        path: the result file.
        made: what the file must tell of how it was made.

    Raises:
        RunError: the file holds something else, or was made otherwise; says in what.
    """
    if not path.exists():
        return []
    try:
        before = json.loads(path.read_text("utf-8"))
        rows = [{name: row[name] for name in FIELDS} for row in before["rows"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is no result of this benchmark ({error!r}); use another file") from error
    refuse_difference(path, {name: before.get(name) for name in made}, made)
    return rows
