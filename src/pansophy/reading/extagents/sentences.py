"""The sentences that fit a question best: for facts that stand alone in a text about other things.

A search ranks chunks by all their words, so a sentence of five words is lost in a chunk of three hundred. Here the
sentences of the chunks that the search finds are ranked themselves, by BM25 (Robertson and Zaragoza 2009, "The
Probabilistic Relevance Framework", eq. 3.15) over content words that each count once. Knows nothing of models.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from rapidfuzz.distance import Indel

from pansophy.corpus import Corpus
from pansophy.corpus.pages import Page
from pansophy.reading.examples import words_of
from pansophy.reading.extagents.messages import is_common, terms
from pansophy.reading.quotes import sentences
from pansophy.types import Chunk, Example, Span

DEPTH = 500
"""Chunks of the search whose sentences are ranked."""
LEAST_SHARE, LEAST_SHARE_OF_TOPIC = 0.4, 0.6
"""Of the best sentence's score: one that has fewer of the rare words, or many others, is about something else. Less is
forgiven where the query is without the words that only make the question's form."""
SURE_LIKENESS, LEAST_LIKENESS = 0.4, 0.25
"""Of a sentence to an example's finding; what a long sentence shares with a short one are its common words."""
_WORD = re.compile(r"[^\W\d_]+")
SATURATION, LENGTH = 1.2, 0.75
"""BM25's k1 and b, at their usual values."""


@dataclass(frozen=True, slots=True)
class _Sentence:
    chunk: Chunk
    start: int
    end: int
    terms: frozenset[str]


def sentences_by_rank(
    corpus: Corpus, query: str, limit: int, *, least: float = LEAST_SHARE, depth: int = DEPTH
) -> list[Page]:
    """The sentences that fit `query` best, best first, each a page of its own; equal ones in reading order.

    Sentences without a content word of the query are left out. The same sentence at several places counts each time.

    Args:
        corpus: what to read.
        query: the question.
        limit: the most sentences.
        least: the share of the best one's score that a sentence must have.
        depth: the most chunks whose sentences are looked at.
    """
    found = [
        _Sentence(hit.chunk, start, end, frozenset(terms(hit.chunk.text[start:end])))
        for hit in corpus.search(query, depth)
        for start, end in sentences(hit.chunk.text)
    ]
    scores = _scores([one.terms for one in found], terms(query))
    least *= max(scores, default=0.0)
    ranked = sorted(
        (at for at, score in enumerate(scores) if score > 0 and score >= least),
        key=lambda at: (-scores[at], found[at].chunk.index, found[at].start),
    )
    return [_page(found[at], scores[at]) for at in ranked[:limit]]


Rank = Callable[[str], Sequence[Page]]
"""From a query to the sentences that fit it best."""


def sentences_with_links(found: Sequence[Page], query: str, rank: Rank, *, most: int, enough: int) -> list[Page]:
    """`found` and after them the sentences about whom they name: what a second hop needs names the first, not the
    question.

    Up to `most` names are followed, those that most sentences hold first (of equals, the one named last in the text).
    What is found so is followed in its turn, as long as there are fewer than `enough` sentences: a chain of facts is
    found to its end.

    Args:
        found: the sentences found for `query`.
        query: the question; what it names itself is no link.
        rank: finds the sentences about a name.
        most: the most names that one step follows.
        enough: the sentences with which no further step is made.
    """
    pages = list(found)
    known = {place_of(page) for page in pages}
    followed: set[str] = set()
    new = pages
    while new:
        names = [
            name for name in names_in([page.text for page in sorted(new, key=place_of)], query) if name not in followed
        ]
        followed.update(names[:most])
        linked = [page for name in names[:most] for page in rank(name)]
        new = list({place_of(page): page for page in linked if place_of(page) not in known}.values())
        known.update(map(place_of, new))
        pages += new
        if len(pages) >= enough:
            break
    return pages


def like_examples(pages: Sequence[Page], examples: Sequence[Example]) -> list[Page]:
    """The pages that are worded like a finding of an example (`LEAST_LIKENESS`), in the same order.

    All of them where there are no examples, or none is really like one (`SURE_LIKENESS`): then the text is of another
    kind, and examples only show how to answer.
    """
    findings = [words_of(finding) for example in examples for finding in example.findings]

    def likeness(page: Page) -> float:
        words = words_of(page.text)
        return max(Indel.normalized_similarity(words, finding) for finding in findings)

    alike = [likeness(page) for page in pages] if findings else []
    if max(alike, default=0.0) < SURE_LIKENESS:
        return list(pages)
    return [page for page, value in zip(pages, alike, strict=True) if value >= LEAST_LIKENESS]


def names_in(texts: Sequence[str], query: str) -> list[str]:
    """Names in `texts`: capitalised words, several in a row being one name, that `query` doesn't hold and that never
    stand in them in lower case.

    Those in most texts first, of equals the one that comes last.
    """
    small = {word for text in texts for word in _WORD.findall(text) if word.islower()} | set(words_of(query))
    spread: Counter[str] = Counter()
    latest: dict[str, int] = {}
    for at, text in enumerate(texts):
        for name in set(_names(text)):
            if not small & set(words_of(name)):
                spread[name] += 1
                latest[name] = at
    return sorted(spread, key=lambda name: (-spread[name], -latest[name], name))


def _names(text: str) -> Iterator[str]:
    """Capitalised words, with nothing but white space between those of one name."""
    name: list[str] = []
    end = 0
    for match in _WORD.finditer(text):
        word = match[0]
        capital = word[0].isupper() and len(word) > 1 and not is_common(word)
        if name and not (capital and text[end : match.start()].isspace()):
            yield " ".join(name)
            name = []
        if capital:
            name.append(word)
        end = match.end()
    if name:
        yield " ".join(name)


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


def place_of(page: Page) -> tuple[int, int]:
    """Where a page begins: sorts by the order of the text."""
    return page.pieces[0].index, page.pieces[0].start


def holds(page: Page, span: Span) -> bool:
    """Whether `span` begins in one of the page's pieces."""
    return any(p.document == span.document and p.start <= span.start < p.end for p in page.pieces)
