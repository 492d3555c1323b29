"""How alike a query and each of many texts are, 0 to 1: the cosine of their vectors, or of their words where there are
no vectors (each word once, the rarer the heavier). Knows nothing of what the texts are.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from pansophy.reading.extagents.messages import terms

if TYPE_CHECKING:
    from pansophy.corpus import Embedder

LEAST_OF_VECTORS = 0.6
LEAST_OF_WORDS = 0.3


class Likeness(Protocol):
    """Compares queries with the texts that it was made of. `least` is the usual cosine from which they are alike."""

    least: float

    def scores(self, query: str) -> list[float]:
        """One number from 0 to 1 for each text."""
        ...


class WordLikeness:
    """The cosine of bags of content words weighted by how rare they are among the texts."""

    least = LEAST_OF_WORDS

    def __init__(self, texts: Sequence[str]) -> None:
        bags = [terms(text) for text in texts]
        self._holding: dict[str, list[int]] = defaultdict(list)
        for number, bag in enumerate(bags):
            for term in bag:
                self._holding[term].append(number)
        self._count = len(texts)
        self._lengths = [math.sqrt(sum(self._weight(term) ** 2 for term in sorted(bag))) for bag in bags]

    def scores(self, query: str) -> list[float]:
        found = [0.0] * self._count
        asked = sorted(terms(query))
        length = math.sqrt(sum(self._weight(term) ** 2 for term in asked))
        for term in asked:
            for number in self._holding.get(term, ()):
                found[number] += self._weight(term) ** 2
        return [
            min(1.0, score / (length * other)) if score else 0.0
            for score, other in zip(found, self._lengths, strict=True)
        ]

    def _weight(self, term: str) -> float:
        """A word that no text has counts as the rarest: a query about something else is like nothing."""
        return math.log(1 + self._count / len(self._holding.get(term, (0,))))


class VectorLikeness:
    """The cosine of an embedder's vectors; what points away counts as 0. `vectors` is of shape [texts, dimensions]."""

    least = LEAST_OF_VECTORS

    def __init__(self, embedder: Embedder, vectors: Any) -> None:
        self._embedder = embedder
        self._vectors = vectors

    def scores(self, query: str) -> list[float]:
        if not len(self._vectors):
            return []
        cosines = self._vectors @ self._embedder.embed([query])[0]
        return [float(min(1.0, max(0.0, cosine))) for cosine in cosines]
