"""What stands in for the paper's judges, whose weights are no part of this package: a summary of the text's own
sentences for Pegasus, agreement of names, numbers and words for FactKB and VitaminC, a corpus for a web search.

Each is a plain function or callable, and any other of its form will do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from pansophy.corpus import Corpus, Embedder
from pansophy.reading.extagents.messages import extract, is_common, terms
from pansophy.reading.quotes import sentences

Summarise = Callable[[str, str, int], str]
"""From a document, the question and the most characters to a summary."""
Support = Callable[[str, str], float]
"""How far the second text bears out the first, 0 to 1."""
Retrieve = Callable[[str, int], Sequence[str]]
"""From a document to at most so many texts that it may be checked against, best first."""

_WORD = re.compile(r"[^\W_]+")


def extractive_summary(document: str, question: str, most: int) -> str:
    """The neighbouring sentences of a document that say most of what the question is about; all of a short one."""
    start, end = extract(document, terms(question), most)
    return document[start:end].strip()


def particulars(text: str) -> set[str]:
    """The names and numbers of a text, word by word in lower case: what begins with a capital or has a digit."""
    words = [word for word in _WORD.findall(text) if not is_common(word)]
    return {word.casefold() for word in words if word[0].isupper() or any(letter.isdigit() for letter in word)}


class Agreement:
    """How far a text bears out a claim: of each sentence of the claim the best sentence of the text, on average.

    A sentence agrees by its likeness (the cosine of their vectors, or the share of the claim's content words that the
    text's sentence has) times the share of its names and numbers that stand there: a claim with another name is like
    the truth in all but that.
    """

    def __init__(self, embedder: Embedder | None = None) -> None:
        self._embedder = embedder

    def __call__(self, claim: str, evidence: str) -> float:
        claims, found = _sentences(claim), _sentences(evidence)
        if not claims or not found:
            return 0.0
        likeness = self._likeness(claims, found)
        best = [
            max(alike * _share(particulars(said), particulars(other)) for other, alike in zip(found, row, strict=True))
            for said, row in zip(claims, likeness, strict=True)
        ]
        return sum(best) / len(best)

    def _likeness(self, claims: Sequence[str], found: Sequence[str]) -> list[list[float]]:
        if self._embedder is None:
            held = [terms(other) for other in found]
            return [[_share(terms(said), words) for words in held] for said in claims]
        vectors = self._embedder.embed([*claims, *found])
        cosines = (vectors[: len(claims)] @ vectors[len(claims) :].T).clip(0, 1)
        return [[float(cosine) for cosine in row] for row in cosines]


class CorpusEvidence:
    """Evidence from a corpus: the chunks that its search finds for a document (BM25, and by meaning where it can)."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus

    def __call__(self, document: str, most: int) -> list[str]:
        return [hit.chunk.text for hit in self._corpus.search(document, most)]


def _sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


def _share(wanted: set[str], held: set[str]) -> float:
    """Of what is wanted, how much is there; all, where nothing is wanted."""
    return len(wanted & held) / len(wanted) if wanted else 1.0
