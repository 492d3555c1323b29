"""The sentences that fit a question best: for facts that stand alone in a text about other things.

A search ranks chunks by all their words, so a sentence of five words is lost in a chunk of three hundred. Here the
sentences of the chunks that the search finds are ranked themselves, by BM25 (Robertson and Zaragoza 2009, "The
Probabilistic Relevance Framework", eq. 3.15) over content words that each count once. Knows nothing of models.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pansophy.corpus import Corpus
from pansophy.corpus.pages import Page
from pansophy.reading.extagents.messages import terms
from pansophy.reading.quotes import sentences
from pansophy.types import Chunk

DEPTH = 500
"""Chunks of the search whose sentences are ranked."""
SATURATION, LENGTH = 1.2, 0.75
"""BM25's k1 and b, at their usual values."""


@dataclass(frozen=True, slots=True)
class _Sentence:
    chunk: Chunk
    start: int
    end: int
    terms: frozenset[str]


def sentences_by_rank(corpus: Corpus, query: str, limit: int, *, depth: int = DEPTH) -> list[Page]:
    """The sentences that fit `query` best, best first, each a page of its own; equal ones in reading order.

    Sentences without a content word of the query are left out. The same sentence at several places counts each time.

    Args:
        corpus: what to read.
        query: the question.
        limit: the most sentences.
        depth: the most chunks whose sentences are looked at.
    """
    found = [
        _Sentence(hit.chunk, start, end, frozenset(terms(hit.chunk.text[start:end])))
        for hit in corpus.search(query, depth)
        for start, end in sentences(hit.chunk.text)
    ]
    scores = _scores([one.terms for one in found], terms(query))
    ranked = sorted(
        (at for at, score in enumerate(scores) if score > 0),
        key=lambda at: (-scores[at], found[at].chunk.index, found[at].start),
    )
    return [_page(found[at], scores[at]) for at in ranked[:limit]]


def _scores(held: Sequence[frozenset[str]], wanted: set[str]) -> list[float]:
    """BM25 of each bag of terms, 0 where it has none of those wanted."""
    if not held:
        return []
    spread = Counter(term for terms_ in held for term in terms_ & wanted)
    rarity = {term: math.log(1 + (len(held) - n + 0.5) / (n + 0.5)) for term, n in spread.items()}
    usual = sum(map(len, held)) / len(held) or 1.0

    def score(terms_: frozenset[str]) -> float:
        saturated = (SATURATION + 1) / (1 + SATURATION * (1 - LENGTH + LENGTH * len(terms_) / usual))
        return saturated * sum(rarity[term] for term in terms_ & wanted)

    return [score(terms_) for terms_ in held]


def _page(sentence: _Sentence, score: float) -> Page:
    chunk, start, end = sentence.chunk, sentence.start, sentence.end
    piece = replace(chunk, start=chunk.start + start, end=chunk.start + end, text=chunk.text[start:end])
    return Page((piece,), chunk.index, score)
