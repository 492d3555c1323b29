"""What a server offers: which corpora, read by which models. Knows nothing of the protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pansophy.corpus import Corpus, CorpusInfo, list_corpora
from pansophy.errors import CorpusError
from pansophy.models import ChatModel, open_pair


@dataclass(frozen=True, slots=True)
class Offer:
    """What clients may use.

    Args:
        model: a chat model or its name, as for `pansophy.aask`; the client can't choose another.
        seeker_model: one that reads chunks; None for the same.
        base_url: the endpoint of models given by name.
        window: the context window of models given by name, in tokens.
        corpora: the names of the corpora that clients may see; none for all that there are.
    """

    model: str | ChatModel = "default"
    seeker_model: str | ChatModel | None = None
    base_url: str | None = None
    window: int | None = None
    corpora: tuple[str, ...] = ()

    def corpus(self, name: str) -> Corpus:
        """Open the corpus of this name as it is now.

        Raises:
            CorpusError: there is none, or it isn't offered, which sounds the same.
        """
        if self.corpora and name not in self.corpora:
            raise CorpusError(f"There is no corpus named {name!r} here. There are: {', '.join(self.corpora)}.")
        return Corpus.open(name)

    def infos(self) -> list[CorpusInfo]:
        """The corpora on offer, by name.

        Raises:
            CorpusError: one that is named in the offer does not exist.
        """
        if self.corpora:
            return [Corpus.open(name).info() for name in sorted(set(self.corpora))]
        return list_corpora()

    @asynccontextmanager
    async def desk(self) -> AsyncIterator[Desk]:
        """The models, opened once: they keep what they have cached from one question to the next.

        Raises:
            UsageError, UnknownModel: there are no such models.
        """
        reasoner, seeker = open_pair(self.model, self.seeker_model, base_url=self.base_url, window=self.window)
        try:
            yield Desk(self, reasoner, seeker)
        finally:
            for opened in dict.fromkeys((reasoner, seeker)):
                if opened is not self.model and opened is not self.seeker_model:
                    await opened.aclose()


@dataclass(frozen=True, slots=True)
class Desk:
    """Where questions are answered: the offer, and its models, open."""

    offer: Offer
    reasoner: ChatModel
    seeker: ChatModel


def characters_of(corpus: Corpus, document: str) -> int:
    """How long a document is.

    Raises:
        CorpusError: there is none of this id.
    """
    first, stop = corpus.chunk_range(document)
    return corpus.read([stop - 1])[0].end if stop > first else 0
