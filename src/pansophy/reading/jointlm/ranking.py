"""Ranking a store's entities by a dialogue: the protocol, words alone (TF-IDF), and two stages for big stores."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pansophy.corpus.embed import Embedder
from pansophy.reading.jointlm.dialogues import Belief
from pansophy.reading.jointlm.labels import query
from pansophy.reading.jointlm.store import Entity, HybridStore, Key

Ranked = list[tuple[Key, float]]
"""Entities, best first, each with the probability of its yes (0 to 1; of words alone, the cosine)."""

Weights = npt.NDArray[np.float64]
_WORD = re.compile(r"\w\w+")


class Ranker(Protocol):
    """Scores entities for a history of utterances."""

    @property
    def store(self) -> HybridStore: ...

    @property
    def identity(self) -> str:
        """Tells it from others in results."""
        ...

    def rank(self, history: Sequence[str], keep: int | None = None) -> Ranked:
        """The best `keep` entities (all by default); ties stand in the store's order. No history, no entities."""
        ...


def ranked(keys: Sequence[Key], scores: Iterable[float], keep: int | None = None) -> Ranked:
    """Keys by falling score; ties keep their order."""
    return sorted(zip(keys, map(float, scores), strict=True), key=lambda one: -one[1])[:keep]


class WordIndex:
    """Cosines of TF-IDF vectors (smoothed idf, words of two letters and more) to the texts of an index."""

    def __init__(self, texts: Sequence[str]) -> None:
        bags = [Counter(_WORD.findall(text.lower())) for text in texts]
        often = Counter(word for bag in bags for word in bag)
        self._idf = {word: math.log((1 + len(bags)) / (1 + number)) + 1 for word, number in often.items()}
        self._size = len(bags)
        places: dict[str, list[tuple[int, float]]] = {}
        for place, bag in enumerate(bags):
            for word, weight in self._vector(bag).items():
                places.setdefault(word, []).append((place, weight))
        self._places = {
            word: (np.array([place for place, _ in found]), np.array([weight for _, weight in found]))
            for word, found in places.items()
        }

    def cosines(self, text: str) -> Weights:
        """To each text, 0 to 1."""
        scores = np.zeros(self._size)
        for word, weight in self._vector(Counter(_WORD.findall(text.lower()))).items():
            places, weights = self._places[word]
            scores[places] += weight * weights
        return scores

    def _vector(self, bag: Counter[str]) -> dict[str, float]:
        weights = {word: number * self._idf[word] for word, number in bag.items() if word in self._idf}
        length = math.sqrt(sum(weight * weight for weight in weights.values()))
        return {word: weight / length for word, weight in weights.items()}


class TfidfRanker:
    """The paper's baseline: the words of the last utterances against those of the entities' texts.

    Args:
        store: its entities.
        utterances: so many, the last ones.
    """

    def __init__(self, store: HybridStore, utterances: int = 3) -> None:
        self.store, self.utterances = store, utterances
        self._keys = [one.key for one in store.entities]
        self._index = WordIndex([one.text() for one in store.entities])

    @property
    def identity(self) -> str:
        return f"tf-idf of {self.utterances} utterances"

    def rank(self, history: Sequence[str], keep: int | None = None) -> Ranked:
        """See `Ranker`."""
        if not history:
            return []
        return ranked(self._keys, self._index.cosines(" ".join(history[-self.utterances :])), keep)


class VectorRanker:
    """The meaning of the last utterances against that of each fact alone; an entity is as near as its nearest fact.

    Args:
        store: its entities.
        embedder: see `pansophy.corpus.embed`.
        utterances: so many, the last ones.
    """

    def __init__(self, store: HybridStore, embedder: Embedder, utterances: int = 3) -> None:
        self.store, self.utterances, self._embedder = store, utterances, embedder
        self._keys = [one.key for one in store.entities]
        facts = [(place, fact) for place, one in enumerate(store.entities) for fact in one.sentences()]
        self._owners = np.array([place for place, _ in facts])
        self._vectors = embedder.embed([fact for _, fact in facts]) if facts else np.zeros((0, 1), np.float32)

    @property
    def identity(self) -> str:
        return f"{self._embedder.name} of {self.utterances} utterances"

    def rank(self, history: Sequence[str], keep: int | None = None) -> Ranked:
        """See `Ranker`."""
        if not history or not len(self.store):
            return []
        asked = self._embedder.embed([" ".join(history[-self.utterances :])])[0]
        nearest = np.zeros(len(self._keys))
        np.maximum.at(nearest, self._owners, self._vectors @ asked)
        return ranked(self._keys, nearest, keep)


class BeliefQuery:
    """The baseline that trusts tables alone: the entities that meet a belief, a gold one, in the store's order."""

    def __init__(self, store: HybridStore) -> None:
        self.store = store

    def rank_belief(self, belief: Belief, keep: int | None = None) -> Ranked:
        return [(key, 1.0) for key in query(self.store, belief)][:keep]


class Scorer(Protocol):
    """Reads a dialogue and an entity together."""

    @property
    def identity(self) -> str: ...

    def yes(self, history: Sequence[str], entities: Sequence[Entity]) -> list[float]:
        """For each entity the probability that it is the one wanted."""
        ...


class JointRanker:
    """Scores the dialogue with each entity; where the store is bigger than `keep`, with those that `first` ranks best.

    Args:
        first: the first stage.
        scorer: the second.
        keep: entities that reach it.
    """

    def __init__(self, first: Ranker, scorer: Scorer, keep: int = 50) -> None:
        self.first, self.scorer, self.keep = first, scorer, keep

    @property
    def store(self) -> HybridStore:
        return self.first.store

    @property
    def identity(self) -> str:
        return f"{self.scorer.identity}, of the {self.keep} best of {self.first.identity}"

    def rank(self, history: Sequence[str], keep: int | None = None) -> Ranked:
        """See `Ranker`; those that the first stage left out are left out."""
        if not history:
            return []
        if len(self.store) > self.keep:
            keys = [key for key, _ in self.first.rank(history, self.keep)]
        else:
            keys = [one.key for one in self.store.entities]
        return ranked(keys, self.scorer.yes(history, [self.store[key] for key in keys]), keep)
