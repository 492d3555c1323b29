"""The chunks, or sentences, that a question is answered from, in the order in which they are read.

Knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from pansophy.corpus import Corpus
from pansophy.corpus.pages import Page, pages_by_rank, pages_in_order, with_links
from pansophy.reading.examples import topic_of
from pansophy.reading.extagents.messages import terms
from pansophy.reading.extagents.plan import Plan
from pansophy.reading.extagents.sentences import (
    LEAST_SHARE,
    LEAST_SHARE_OF_TOPIC,
    holds,
    like_examples,
    place_of,
    sentences_by_rank,
    sentences_with_links,
)
from pansophy.types import Span

LINKS_FROM = 3
"""The best chunks whose mentions of other documents are followed."""
LIKELY = 8
"""Where examples show what findings look like, so many times more sentences are looked through for such."""


@dataclass(frozen=True, slots=True)
class Step:
    """One question of a chain: whom it is `about`, and where the sentences stand that the steps before it `used`."""

    about: str
    used: frozenset[Span] = frozenset()


class Pages:
    """The chunks of a question, numbered in the order in which they are read; `found` of them before any was read.

    In rank order a list that `search_again` may lengthen; in document order they are cut anew for every pass, so that a
    corpus larger than memory can be read. For a `step`, sentences that name the one whom it is about, if there are any.
    """

    def __init__(self, corpus: Corpus, question: str, plan: Plan, step: Step | None = None) -> None:
        self._corpus = corpus
        self._question = question
        self._plan = plan
        self._step = step
        self._list: list[Page] | None = None
        self._limit = plan.max_chunks or corpus.chunk_count
        if plan.rank:
            self._list = self._first()
            self._count = len(self._list)
        else:
            self._count = sum(1 for _ in self._in_order())
        self.found = self._count
        self.total = self._count if not plan.rank else max(1, corpus.chunk_count)

    def __len__(self) -> int:
        return self._count

    def numbered(self) -> Iterable[tuple[int, Page]]:
        """(chunk number, page) for all chunks."""
        return enumerate(self._list if self._list is not None else self._in_order())

    def page(self, number: int) -> Page:
        """A page in rank order."""
        assert self._list is not None
        return self._list[number]

    def _first(self) -> list[Page]:
        plan = self._plan
        if plan.by_topic:
            query = topic_of(self._question, plan.settings.examples)
            found = self._best(query, self._limit, least=LEAST_SHARE_OF_TOPIC)
        else:
            found = self._best(self._question, self._limit)
        if not plan.links_later:
            found = self._linked(found)
        if plan.order == "rank":
            return found
        return sorted((page for page in found if page.score is not None), key=place_of, reverse=True)

    def _best(self, query: str, limit: int, *, least: float = LEAST_SHARE) -> list[Page]:
        settings = self._plan.settings
        if settings.unit == "sentences":
            ranked = sentences_by_rank(self._corpus, query, limit * LIKELY if settings.examples else limit, least=least)
            return like_examples(self._of_step(ranked), settings.examples)[:limit]
        return pages_by_rank(self._corpus, query, self._plan.chunk_tokens, limit)

    def _of_step(self, ranked: Sequence[Page]) -> Sequence[Page]:
        if self._step is None:
            return ranked
        new = [page for page in ranked if not any(holds(page, span) for span in self._step.used)]
        name = terms(self._step.about)
        return [page for page in new if terms(page.text) & name] or new

    def _linked(self, found: list[Page]) -> list[Page]:
        """What was found, with what it leads to."""
        links = self._plan.links
        if self._plan.settings.unit == "sentences":
            rank = partial(self._best, limit=self._limit)
            return sentences_with_links(found, self._question, rank, most=links, enough=self._limit)
        if links:
            return with_links(self._corpus, found, self._plan.chunk_tokens, first=LINKS_FROM, most=links)
        return found

    def search_again(self, query: str) -> None:
        """Append the sentences that those found lead to, in the order of `latest`; else the best pages for `query` that
        aren't there yet, at most a quarter as many (sentences are short: of them as many as a question gets)."""
        if self._list is None:
            return
        known = {place_of(page) for page in self._list}
        if self._plan.links_later and self._plan.links:
            self._list += [page for page in self._linked(self._list) if place_of(page) not in known]
        else:
            more = self._limit if self._plan.settings.unit == "sentences" else max(1, len(self._list) // 4)
            # what was found is itself the best match for what was found, so any share of it counts
            found = self._best(query, len(self._list) + more, least=0.0)
            new = [page for page in found if page.score is not None and place_of(page) not in known]
            self._list += new[:more]
        self._count = len(self._list)

    def _in_order(self) -> Iterator[Page]:
        pages = pages_in_order(self._corpus, self._plan.chunk_tokens)
        for number, page in enumerate(pages):
            if self._plan.max_chunks is not None and number >= self._plan.max_chunks:
                return
            yield page
