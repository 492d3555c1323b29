"""A model that walks: the dialogue in which it is shown facts and names the next entity, and the answer at the end."""

from __future__ import annotations

import asyncio
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pansophy.engine import Engine, Limits
from pansophy.errors import UsageError
from pansophy.models import ChatModel, open_model
from pansophy.reading.knowledge_solver.graph import Edge, GraphStore, KnowledgeGraph
from pansophy.reading.knowledge_solver.linking import NameLinker
from pansophy.reading.knowledge_solver.subgraph import Relevance, by_words, subgraph
from pansophy.reading.knowledge_solver.walk import STOP, Status, Turn, Walk, WalkSettings, walk
from pansophy.types import ChatMessage, Usage

TURN_TOKENS = 32
ANSWER_TOKENS = 64

SYSTEM = (
    "You answer a question by walking over a graph of facts. In each turn you are shown facts about one entity and "
    "name the entity to go to next: the one that leads to the answer. Name only an entity that is listed."
)


@dataclass(frozen=True, slots=True)
class Solution:
    """An answer with the path that led to it.

    `answer` is the option's text, or a free answer; `option` its number from 0 (None: there is none, or the model named
    none). `path` are facts of the graph in the order in which they were walked; `transcript` is the dialogue.
    """

    question: str
    answer: str
    option: int | None
    status: Status
    path: tuple[Edge, ...]
    start: str | None
    restarts: int
    usage: Usage
    transcript: tuple[ChatMessage, ...] = field(repr=False)

    def __str__(self) -> str:
        return self.answer

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON data; the path as triples."""
        return {
            "question": self.question,
            "answer": self.answer,
            "option": self.option,
            "status": str(self.status),
            "path": [list(edge.triple) for edge in self.path],
            "start": self.start,
            "restarts": self.restarts,
            "calls": self.usage.calls,
            "transcript": [[message.role, message.content] for message in self.transcript],
        }


class KnowledgeSolver:
    """Answers questions by walking a graph.

    Args:
        graph: a `KnowledgeGraph`, or any store of this interface (then give a `linker`).
        model: a chat model or its name.
        linker: finds the nodes that a text names; by default by the names of `graph`.
        settings: the policies, or a mapping of those that differ.
        relevance: ranks nodes where there are too many to show.
        limits: what one question may take.

    Raises:
        UsageError: a graph of another kind without a linker, or impossible settings.
    """

    def __init__(
        self,
        graph: GraphStore,
        model: str | ChatModel = "default",
        *,
        linker: NameLinker | None = None,
        settings: WalkSettings | Mapping[str, int] | None = None,
        relevance: Relevance = by_words,
        limits: Limits = Limits(),  # noqa: B008 - frozen
    ) -> None:
        if linker is None and not isinstance(graph, KnowledgeGraph):
            raise UsageError("a linker is needed for a graph that isn't a KnowledgeGraph: NameLinker(names) makes one")
        self.graph = graph
        self.model = open_model(model) if isinstance(model, str) else model
        self.linker = linker or NameLinker(graph.names())  # type: ignore[attr-defined]
        self.settings = settings if isinstance(settings, WalkSettings) else WalkSettings(**(settings or {}))
        self.relevance = relevance
        self.limits = limits

    def solve(self, question: str, options: Sequence[str] = ()) -> Solution:
        """`asolve` for code without an event loop."""
        return asyncio.run(self.asolve(question, options))

    async def asolve(self, question: str, options: Sequence[str] = ()) -> Solution:
        """Answer a question, from options or freely.

        Raises:
            UsageError: the question is empty, or there is just one option, more than 26, or the same one twice.
            ModelError, BudgetExceeded: as `Engine.complete`.
        """
        question, options = question.strip(), [option.strip() for option in options]
        _check(question, options)
        starts = self.linker(question)
        goals = self._goals(options)
        if options:
            part = subgraph(self.graph, question, [*starts, *goals], relevance=self.relevance)
        dialogue = _Dialogue(self, question, options, list(goals))
        done = await walk(
            part if options else self.graph,
            question,
            starts if goals or not options else (),  # there is nowhere to go
            goals,
            dialogue.choose,
            self.settings,
            options=options,
            relevance=self.relevance,
        )
        option = self._reached(done, goals, options)
        answer = options[option] if option is not None else await dialogue.answer(done)
        if option is None and options:
            option = _option_in(answer, options)
            answer = options[option] if option is not None else answer
        return Solution(
            question,
            answer,
            option,
            done.status,
            done.path,
            done.start,
            done.restarts,
            dialogue.engine.usage,
            tuple(dialogue.messages),
        )

    def _goals(self, options: Sequence[str]) -> dict[str, list[int]]:
        """The nodes that options name, each with the options that do; the whole option counts before parts of it."""
        goals: dict[str, list[int]] = {}
        for number, option in enumerate(options):
            for node in self.linker.exact(option) or self.linker(option):
                goals.setdefault(node, []).append(number)
        return goals

    def _reached(self, done: Walk, goals: Mapping[str, Sequence[int]], options: Sequence[str]) -> int | None:
        """The one option that the walk ended at; of several that name the same entity none is preferred."""
        if done.status is Status.REACHED and done.entity is not None and len(goals[done.entity]) == 1:
            return goals[done.entity][0]
        if done.status is Status.ANSWERED_EARLY and options:
            said = done.said.strip(".\"'*").casefold()
            return next((n for n, option in enumerate(options) if option.casefold() == said), None)
        return None


class _Dialogue:
    """What the model is told and what it says, turn by turn."""

    def __init__(self, solver: KnowledgeSolver, question: str, options: Sequence[str], goals: Sequence[str]) -> None:
        self.engine = Engine(solver.limits)
        self.messages = opening(question, options)
        self._graph, self._model, self._options, self._question = solver.graph, solver.model, options, question
        self._goals = goals

    async def choose(self, turn: Turn) -> str:
        told = shown(self._graph, turn, self._goals)
        return await self._say(told, TURN_TOKENS)

    async def answer(self, done: Walk) -> str:
        """The model's own answer, with the facts that were walked."""
        facts = "\n".join(statement(self._graph, edge) for edge in done.path)
        told = f"These facts were found:\n{facts}\n\n" if facts else ""
        listed = "\n".join(f"{letter}. {option}" for letter, option in zip(string.ascii_uppercase, self._options))  # noqa: B905
        ask = "Reply with the letter of the right answer alone." if self._options else "Answer in a few words."
        prompt = f"{told}Question: {self._question}\n" + (f"{listed}\n" if listed else "") + ask
        self.messages = [*self.messages, ChatMessage("user", prompt)]
        # asked anew: the walk's own turns would have it name one more entity
        completion = await self.engine.complete(self._model, [self.messages[-1]], max_tokens=ANSWER_TOKENS)
        self.messages = [*self.messages, ChatMessage("assistant", completion.text)]
        return completion.text.strip()

    async def _say(self, told: str, max_tokens: int) -> str:
        self.messages = [*self.messages, ChatMessage("user", told)]
        completion = await self.engine.complete(self._model, merged(self.messages), max_tokens=max_tokens)
        self.messages = [*self.messages, ChatMessage("assistant", completion.text)]
        return completion.text


def opening(question: str, options: Sequence[str]) -> list[ChatMessage]:
    """The system's message and the question."""
    listed = "".join(f"\n- {option}" for option in options)
    end = f"The answer is one of:{listed}" if options else f"Say {STOP} when you know the answer."
    return [ChatMessage("system", SYSTEM), ChatMessage("user", f"Question: {question}\n{end}")]


def shown(graph: GraphStore, turn: Turn, goals: Sequence[str]) -> str:
    """What is shown in one turn: the entity and its facts, numbered; answer entities are marked."""
    lines = [
        f"{number}. {graph.name(edge.end)}{' (an answer)' if edge.end in goals else ''}: {statement(graph, edge)}"
        for number, edge in enumerate(turn.candidates, start=1)
    ]
    again = "That is none of the listed entities. " if turn.again else ""
    return (
        f"{again}You are at {graph.name(turn.entity)}.\n" + "\n".join(lines) + "\nWhich entity is next? Reply with its "
        "number and name alone."
    )


def statement(graph: GraphStore, edge: Edge) -> str:
    """A fact as a sentence of three parts, in the direction in which it is told."""
    head, relation, tail = edge.triple
    return f"{graph.name(head)} {relation} {graph.name(tail)}"


def merged(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """Neighbouring messages of one role as one: many chat templates refuse two in a row."""
    joined: list[ChatMessage] = []
    for message in messages:
        if joined and joined[-1].role == message.role:
            joined[-1] = ChatMessage(message.role, f"{joined[-1].content}\n\n{message.content}")
        else:
            joined.append(message)
    return joined


def _option_in(reply: str, options: Sequence[str]) -> int | None:
    """The option that a reply names by its letter or its words; None if it names none, or several."""
    said = reply.strip().strip("*\"'(")
    letter = said[:1].upper()
    if letter and (len(said) == 1 or not said[1].isalnum()) and letter in string.ascii_uppercase[: len(options)]:
        return string.ascii_uppercase.index(letter)
    held = [number for number, option in enumerate(options) if option.casefold() in said.casefold()]
    longest = [n for n in held if not any(n != o and options[n].casefold() in options[o].casefold() for o in held)]
    return longest[0] if len(longest) == 1 else None


def _check(question: str, options: Sequence[str]) -> None:
    if not question:
        raise UsageError("the question is empty")
    if options and not 2 <= len(options) <= len(string.ascii_uppercase):
        raise UsageError(f"a choice has 2 to {len(string.ascii_uppercase)} options, not {len(options)}")
    if len({option.casefold() for option in options}) < len(options) or not all(options):
        raise UsageError("the options must differ, and none may be empty")
