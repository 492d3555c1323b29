"""The world of a search agent: what it is told, what a search brings, when an episode is over.

An episode is the text behind a prompt, piece by piece: what the agent wrote, and what was put in between. Whoever has
text written (a chat model, a network in training, a test) hands it to `SearchEnv.step`. Departures from the authors'
loop: documents are cut to the limit, not the closing tag behind them; a search without result says so; documents can't
imitate tags; a search that takes too long counts as one without result. Knows nothing of models and rewards.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar

from pansophy.corpus import Corpus
from pansophy.errors import UsageError
from pansophy.reading.ikea.prompts import agent_prompt
from pansophy.reading.ikea.tags import NOTICE, action_of, cut, inert
from pansophy.tokens import estimate_tokens
from pansophy.types import ChatMessage, Chunk

T = TypeVar("T")

NO_RESULT = "No result."
TOO_LATE = "No result: the search took too long."
OPENS, CLOSES = "\n\n<information>", "</information>\n\n"


class Passage(Protocol):
    """What a retriever returns: a `Chunk` is one."""

    @property
    def title(self) -> str: ...
    @property
    def text(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Found:
    """A passage of whoever has no chunks."""

    title: str
    text: str


Retriever = Callable[[str, int], Sequence[Passage]]
"""From a query and a number to at most so many passages, best first. It may raise `TimeoutError`."""
Clip = Callable[[str, int], str]
"""From a text and a number of tokens to the longest beginning of the text that has no more."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a transcript, and who wrote it: the model, or else the environment."""

    kind: Literal["model", "information", "notice"]
    text: str


@dataclass(slots=True)
class Episode:
    """A question on its way to an answer.

    `turns` counts generations, `queries` are the searches that were run, `passages` what they brought, `late` counts
    those that took too long, `invalid` the steps that were neither search nor answer. `forced` tells that the last
    generation had to answer; `answer` is None as long as there is none.
    """

    question: str
    pieces: list[Piece] = field(default_factory=list)
    turns: int = 0
    queries: list[str] = field(default_factory=list)
    passages: list[Passage] = field(default_factory=list)
    late: int = 0
    invalid: int = 0
    answer: str | None = None
    forced: bool = False
    done: bool = False

    @property
    def transcript(self) -> str:
        """The text behind the prompt."""
        return "".join(piece.text for piece in self.pieces)

    @property
    def searches(self) -> int:
        """How many searches were run."""
        return len(self.queries)


class SearchEnv:
    """Steps episodes.

    Args:
        retriever: finds passages.
        max_turns: generations in which the agent may search; one more follows in which it may not.
        topk: passages of a search.
        observation_tokens: the most tokens of a search's passages.
        clip: cuts text to so many tokens; by estimate where there is no tokenizer.
        timeout: seconds after which a search counts as without result; None waits.
        instructions: what the agent is told before the question; None for the usual.

    Raises:
        UsageError: a number is out of its range.
    """

    def __init__(
        self,
        retriever: Retriever,
        max_turns: int = 3,
        topk: int = 3,
        *,
        observation_tokens: int = 500,
        clip: Clip | None = None,
        timeout: float | None = None,
        instructions: str | None = None,
    ) -> None:
        if max_turns < 0:
            raise UsageError(f"max_turns must be at least 0, not {max_turns}")
        if topk < 1 or observation_tokens < 1:
            raise UsageError(f"topk and observation_tokens must be at least 1, not {topk} and {observation_tokens}")
        if timeout is not None and timeout <= 0:
            raise UsageError(f"timeout must be above 0 seconds, not {timeout}")
        self.max_turns, self.topk, self.observation_tokens = max_turns, topk, observation_tokens
        self.instructions = instructions
        self._retriever, self._clip, self._timeout = retriever, clip or clip_by_estimate, timeout

    def begin(self, question: str) -> Episode:
        """A new episode. Raises UsageError if the question is empty."""
        if not question.strip():
            raise UsageError("the question is empty: say what you want to know")
        return Episode(question.strip())

    def messages(self, episode: Episode) -> list[ChatMessage]:
        """The episode as a chat: the prompt, then what the agent wrote and what it was told, in turns."""
        turns = [
            ChatMessage("assistant" if piece.kind == "model" else "user", piece.text.strip())
            for piece in episode.pieces
        ]
        return [*agent_prompt(episode.question, self.instructions), *turns]

    def step(self, episode: Episode, generation: str) -> str:
        """Take the agent's next generation; returns what is put behind it, "" at the end of the episode.

        Raises:
            ValueError: the episode is over.
        """
        if episode.done:
            raise ValueError("the episode is over: begin another")
        episode.forced = episode.turns >= self.max_turns
        episode.turns += 1
        text = cut(generation)
        episode.pieces.append(Piece("model", text))
        action = action_of(text)
        if action is not None and action.kind == "answer":
            episode.answer = action.content
        if episode.forced or episode.answer is not None:
            episode.done = True
            return ""
        if action is None:
            episode.invalid += 1
            put = Piece("notice", NOTICE)
        else:
            put = Piece("information", OPENS + self._search(episode, action.content) + CLOSES)
        episode.pieces.append(put)
        return put.text

    def _search(self, episode: Episode, query: str) -> str:
        episode.queries.append(query)
        try:
            found = list(within(self._timeout, lambda: self._retriever(query, self.topk)))[: self.topk]
        except TimeoutError:
            episode.late += 1
            return TOO_LATE
        episode.passages += found
        told = "\n".join(
            inert(f"Doc {number}(Title: {passage.title}) {passage.text.strip()}")
            for number, passage in enumerate(found, start=1)
        )
        return self._clip(told, self.observation_tokens) if found else NO_RESULT


def within(seconds: float | None, call: Callable[[], T]) -> T:
    """What `call` returns. Raises TimeoutError after `seconds`; the call itself can't be stopped and is left alone."""
    if seconds is None:
        return call()
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            future.set_exception(error)

    threading.Thread(target=run, name="pansophy-search", daemon=True).start()
    return future.result(seconds)


def clip_by_estimate(text: str, tokens: int) -> str:
    """The longest beginning of `text` with at most `tokens` tokens by estimate."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if estimate_tokens(text[:middle]) <= tokens:
            low = middle
        else:
            high = middle - 1
    return text[:low]


def corpus_retriever(corpus: Corpus) -> Callable[[str, int], list[Chunk]]:
    """Search in a corpus."""

    def search(query: str, topk: int) -> list[Chunk]:
        return [hit.chunk for hit in corpus.search(query, topk)]

    return search
