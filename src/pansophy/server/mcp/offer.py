"""What a server offers: which corpora, read by which models. Knows nothing of the protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from pansophy.corpus import Corpus, CorpusInfo, Shelf
from pansophy.errors import UnknownCorpus
from pansophy.events import Event
from pansophy.models import ChatModel, open_pair
from pansophy.reading.ask import aask
from pansophy.server.mcp.arguments import AskArguments
from pansophy.server.names import names_of
from pansophy.types import Answer

Emit = Callable[[Event], None]
Answering = Callable[[AskArguments, Emit], Awaitable[Answer]]
"""Answers a question over a corpus that is on offer, and tells what happens meanwhile."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What clients may use.

    Args:
        model: a chat model or its name, as for `pansophy.aask`; the client can't choose another.
        seeker_model: one that reads chunks; None for the same.
        base_url: the endpoint of models given by name.
        window: the context window of models given by name, in tokens.
        corpora: the names of the corpora that clients may see; None for all that there are.
        strategy: how a question is read that doesn't say how.
        shelf: keeps the corpora open.
    """

    model: str | ChatModel = "default"
    seeker_model: str | ChatModel | None = None
    base_url: str | None = None
    window: int | None = None
    corpora: tuple[str, ...] | None = None
    strategy: str = "auto"
    shelf: Shelf = field(default_factory=Shelf, repr=False, compare=False)

    def only(self, names: Collection[str] | None) -> Offer:
        """The same, with no other corpora than these (None: all)."""
        if names is None:
            return self
        return replace(self, corpora=tuple(sorted(name for name in names if self._has(name))))

    def corpus(self, name: str) -> Corpus:
        """Open the corpus of this name as it is now.

        Raises:
            UnknownCorpus: there is none, or it isn't offered, which sounds the same.
        """
        if self._has(name):
            try:
                return self.shelf.open(name)
            except UnknownCorpus:
                raise self._unknown(name) from None
        raise self._unknown(name)

    def _unknown(self, name: str) -> UnknownCorpus:
        names = ", ".join(info.name for info in self.infos())
        return UnknownCorpus(
            f"There is no corpus named {name!r} here. " + (f"There are: {names}." if names else "There are none.")
        )

    def infos(self) -> list[CorpusInfo]:
        """The corpora on offer, by name."""
        return [info for info in self.shelf.infos() if self._has(info.name)]

    def strategy_of(self, asked: AskArguments) -> str:
        """How this question is read."""
        return asked.strategy or self.strategy

    def _has(self, name: str) -> bool:
        return self.corpora is None or name in self.corpora

    @asynccontextmanager
    async def desk(self) -> AsyncIterator[Desk]:
        """The models, opened once: they keep what they have cached from one question to the next.

        Raises:
            UsageError, UnknownModel: there are no such models.
        """
        reasoner, seeker = open_pair(self.model, self.seeker_model, base_url=self.base_url, window=self.window)

        async def answer(arguments: AskArguments, emit: Emit) -> Answer:
            return await aask(
                arguments.question,
                corpus=arguments.corpus,
                model=reasoner,
                seeker_model=seeker,
                window=self.window,
                strategy=self.strategy_of(arguments),
                settings=arguments.settings,
                trust=arguments.trust,
                limits=arguments.limits.as_limits(),
                fresh=arguments.fresh,
                emit=emit,
                names=names_of(self),
            )

        try:
            yield Desk(self, answer)
        finally:
            for opened in dict.fromkeys((reasoner, seeker)):
                if opened is not self.model and opened is not self.seeker_model:
                    await opened.aclose()


@dataclass(frozen=True, slots=True)
class Desk:
    """Where clients are served: what is on offer, and who answers."""

    offer: Offer
    answer: Answering
