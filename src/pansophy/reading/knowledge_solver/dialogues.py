"""Dialogues of walks that reach the right answer, for fine-tuning a model to walk (the paper's algorithm 2).

The path is one of the fewest hops; a question without one is left out and counted. The turns are those of `solver.py`,
word for word, so that what is learnt is what is asked later.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pansophy.conflicts.training.rows import Chat
from pansophy.errors import SourceError, StoreError, UsageError
from pansophy.evaluation.files import json_objects
from pansophy.reading.knowledge_solver.graph import Edge, GraphStore
from pansophy.reading.knowledge_solver.solver import KnowledgeSolver, merged, opening, shown
from pansophy.reading.knowledge_solver.subgraph import shortest_path, subgraph
from pansophy.reading.knowledge_solver.walk import Turn, candidates_at
from pansophy.types import ChatMessage


@dataclass(frozen=True, slots=True)
class Choice:
    """A question with its options; `right` is the number of the right one, from 0."""

    question: str
    options: tuple[str, ...]
    right: int


@dataclass(frozen=True, slots=True)
class Dialogues:
    """Chats whose assistant's turns are to be learnt; `drops` counts by reason the questions left out."""

    chats: tuple[tuple[ChatMessage, ...], ...]
    drops: dict[str, int]


def build_dialogues(solver: KnowledgeSolver, questions: Iterable[Choice], *, seed: int = 0) -> Dialogues:
    """One dialogue for each question: from a random entity of the question to the right answer's."""
    drops: Counter[str] = Counter()
    chats = []
    for number, item in enumerate(questions):
        made = _dialogue(solver, item, random.Random(f"{seed} {number}"))
        if isinstance(made, str):
            drops[made] += 1
        else:
            chats.append(made)
    return Dialogues(tuple(chats), dict(drops))


def _dialogue(solver: KnowledgeSolver, item: Choice, chance: random.Random) -> tuple[ChatMessage, ...] | str:
    starts = solver.linker(item.question)
    goals = solver._goals(item.options)
    right = {node for node, options in goals.items() if options == [item.right]}
    if not starts:
        return "the question names no entity"
    if not right:
        return "the right option names no entity of its own"
    graph = subgraph(solver.graph, item.question, [*starts, *goals], relevance=solver.relevance)
    start = chance.choice(sorted(starts))
    path = shortest_path(_Without(graph, set(goals) - right), start, right)
    if path is None:
        return "no path leads from the question to the right answer"
    if len(path) > solver.settings.hops:
        return "the path has too many hops"
    messages, visited = opening(item.question, item.options), {start}
    for place, step in enumerate(path):
        candidates = candidates_at(
            graph, item.question, step.start, goals, visited, solver.settings.candidates, solver.relevance
        )
        if step not in candidates:
            return "the path leaves the candidates that are shown"
        turn = Turn(step.start, tuple(candidates), tuple(path[:place]))
        messages.append(ChatMessage("user", shown(solver.graph, turn, list(goals))))
        reply = f"{candidates.index(step) + 1}. {solver.graph.name(step.end)}"
        messages.append(ChatMessage("assistant", reply))
        visited.add(step.end)
    return tuple(merged(messages))


class _Without:
    """A graph in which some nodes can't be reached: a path to the right answer doesn't lead over a wrong one."""

    def __init__(self, graph: GraphStore, closed: set[str]) -> None:
        self._graph, self._closed = graph, closed

    def neighbours(self, node: str) -> Sequence[Edge]:
        return [edge for edge in self._graph.neighbours(node) if edge.end not in self._closed]

    def name(self, node: str) -> str:
        return self._graph.name(node)


def training_rows(dialogues: Dialogues) -> list[Chat]:
    """Every turn of the model as a row for `pansophy.conflicts.training.train`: what was said before it, and it.

    Raises:
        UsageError: there is no dialogue.
    """
    if not dialogues.chats:
        raise UsageError("no dialogue could be made of any question: nothing to learn from")
    return [
        Chat(chat[: place + 1])
        for chat in dialogues.chats
        for place, message in enumerate(chat)
        if message.role == "assistant"
    ]


def read_choices(path: str | Path) -> list[Choice]:
    """Questions from JSON lines with `question`, `options` and `answer`, which is one of these.

    Raises:
        SourceError: the file can't be read, or a row isn't so; says which.
    """
    place = Path(path).expanduser()
    found = [_choice(row, where) for _, where, row in json_objects(place, "question, options and answer")]
    if not found:
        raise SourceError(f"{place} has no questions")
    return found


def _choice(row: Mapping[str, Any], where: str) -> Choice:
    try:
        question, options = str(row["question"]).strip(), tuple(str(one).strip() for one in row["options"])
        right = options.index(str(row["answer"]).strip())
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{where}: no question with options and an answer among these ({error})") from error
    if not question or len(options) < 2:
        raise SourceError(f"{where}: the question is empty, or there is no choice")
    return Choice(question, options, right)


def write_dialogues(dialogues: Dialogues, path: str | Path) -> None:
    """As JSON lines with `messages`, the form that trl's trainers read.

    Raises:
        StoreError: the file can't be written.
    """
    lines = [
        json.dumps({"messages": [{"role": m.role, "content": m.content} for m in chat]}, ensure_ascii=False)
        for chat in dialogues.chats
    ]
    place = Path(path).expanduser()
    partial = place.with_name(f"{place.name}.partial")
    try:
        partial.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        partial.replace(place)
    except OSError as error:
        raise StoreError(f"can't write {place}: {error}") from error
