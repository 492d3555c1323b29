"""A ranker without a language model: how the words of each utterance meet an entity's text, weighed by learnt weights.

It doesn't know whether a word stood in the table or in a note, so it knows no difference between the two. Cheap enough
for every entity of a big store, it is the first stage before a joint model, or serves alone.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pansophy.errors import UsageError
from pansophy.reading.jointlm.labels import Labelled
from pansophy.reading.jointlm.ranking import Ranked, Weights, WordIndex, ranked
from pansophy.reading.jointlm.store import HybridStore, fold

AGES = 6
"""Utterances that are looked at one by one, the last ones."""
WINDOWS = (3, 5, 9, None)
"""Last utterances whose words are looked at together; None for all."""
FADING = 0.8
"""What a mention loses of its weight with each utterance after it."""
PRIOR = 3.0
"""Of words that no entity has, as the weight of a rare word: few words that are met are not yet a match."""

_SMALL = frozenset({"the", "a", "an", "of", "and"})


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", fold(text))


@dataclass(frozen=True, slots=True)
class MatchWeights:
    """Of a logistic regression over standardised features; the first is the bias."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]


class MatchFeatures:
    """Features of a dialogue with each entity of a store, [entities, features].

    Of each of the last utterances: the share of its words that the entity's text has, that of the name's words, and
    whether all of the name is told. Of several: TF-IDF cosines, the shares for user and system, the last mention. All
    of this also divided by the best entity's, and whether the entity is the best.
    """

    def __init__(self, store: HybridStore) -> None:
        self.store = store
        self._texts = _Shares([_words(one.text(titles=True)) for one in store.entities], least=0.0)
        self._bare = [_but_small(_words(one.name)) for one in store.entities]
        self._names = _Shares(self._bare, least=1.0)
        self._index = WordIndex([one.text() for one in store.entities])
        self._of_utterance = lru_cache(maxsize=5_000)(self._meetings)

    def __call__(self, history: Sequence[str]) -> Weights:
        recent = list(history[::-1])
        blank = np.zeros((len(self.store), 3))
        met = [self._of_utterance(text) for text in recent[:12]]
        single = (met + [blank] * AGES)[:AGES]
        joined = [self._index.cosines(" ".join(recent[:last])) for last in WINDOWS]
        sides = [self._covered(_words(" ".join(recent[side:9:2]))) for side in (0, 1)]
        faded = [FADING**age * one[:, 1:] for age, one in enumerate(met)] or [blank[:, 1:]]
        plain = np.column_stack([*single, *joined, *sides, np.max(faded, axis=0)])
        most = plain.max(axis=0)
        share = np.divide(plain, most, out=np.zeros_like(plain), where=most > 0)
        return np.concatenate([plain, share, share >= 1.0], axis=1)

    def _meetings(self, text: str) -> Weights:
        words = _words(text)
        named = self._names.met(words) / self._names.total
        told = np.zeros(len(self.store))
        phrase = f" {' '.join(_but_small(words))} "
        for place in np.flatnonzero(named > 0.999):
            told[place] = f" {' '.join(self._bare[place])} " in phrase
        return np.column_stack([self._covered(words), named**2, told])

    def _covered(self, words: Sequence[str]) -> Weights:
        return self._texts.met(words) / (self._texts.weight(words) + PRIOR)


class _Shares:
    """The summed idf of words that each text has of some others."""

    def __init__(self, bags: Sequence[Sequence[str]], least: float) -> None:
        often = Counter(word for bag in bags for word in set(bag))
        self._idf = {word: math.log((1 + len(bags)) / (1 + number)) + least for word, number in often.items()}
        places: dict[str, list[int]] = {}
        for place, bag in enumerate(bags):
            for word in set(bag):
                places.setdefault(word, []).append(place)
        self._places = {word: np.array(found) for word, found in places.items()}
        self._size = len(bags)
        self.total = np.array([max(self.weight(bag), 1e-9) for bag in bags])

    def weight(self, words: Sequence[str]) -> float:
        return sum(self._idf.get(word, 0.0) for word in set(words))

    def met(self, words: Sequence[str]) -> Weights:
        found = np.zeros(self._size)
        for word in sorted(set(words)):  # in order, so that sums are the same each time
            if word in self._idf:
                found[self._places[word]] += self._idf[word]
        return found


def _but_small(words: Sequence[str]) -> list[str]:
    return [word for word in words if word not in _SMALL] or list(words)


class MatchRanker:
    """Ranks by learnt weights. `on` takes them to another store.

    Args:
        store: its entities.
        weights: as `train` finds them.
    """

    def __init__(self, store: HybridStore, weights: MatchWeights) -> None:
        self.store, self.weights = store, weights
        self._features = MatchFeatures(store)
        self._keys = [one.key for one in store.entities]

    @property
    def identity(self) -> str:
        digest = hashlib.sha256(repr(self.weights).encode()).hexdigest()
        return f"words met, by weights {digest[:16]}"

    def on(self, store: HybridStore) -> MatchRanker:
        """The same weights with another store."""
        return MatchRanker(store, self.weights)

    def rank(self, history: Sequence[str], keep: int | None = None) -> Ranked:
        """See `Ranker`."""
        if not history or not len(self.store):
            return []
        return ranked(self._keys, _yes(self._features(history), self.weights), keep)

    @classmethod
    def train(cls, labelled: Sequence[Labelled], store: HybridStore, *, ridge: float = 10.0) -> MatchRanker:
        """Learn from the positives and negatives of turns: a logistic regression, without chance.

        Args:
            labelled: turns (see `label`).
            store: which the entities are looked up in.
            ridge: how strongly weights are held to 0.

        Raises:
            UsageError: no turn has a positive, or none a negative.
        """
        features = MatchFeatures(store)
        place = {one.key: number for number, one in enumerate(store.entities)}
        rows, answers = [], []
        for one in labelled:
            right, wrong = ([place[key] for key in keys if key in place] for keys in (one.positives, one.negatives))
            if right or wrong:
                rows.append(features(one.history)[right + wrong].astype(np.float32))
                answers += [1.0] * len(right) + [0.0] * len(wrong)
        wanted = np.array(answers)
        if not 0 < wanted.sum() < len(wanted):
            raise UsageError("to learn, turns with right and with wrong entities are needed: check the beliefs")
        return cls(store, _logistic(np.concatenate(rows), wanted, ridge))


def _yes(features: Weights, learnt: MatchWeights) -> Weights:
    standard = (features - np.array(learnt.mean)) / np.array(learnt.scale)
    values: Weights = 1 / (1 + np.exp(-(standard @ np.array(learnt.weights[1:]) + learnt.weights[0])))
    return values


def _logistic(rows: np.ndarray[tuple[int, int], np.dtype[np.float32]], wanted: Weights, ridge: float) -> MatchWeights:
    """By Newton's method, at most 30 steps."""
    mean, scale = rows.mean(axis=0, dtype=np.float64), rows.std(axis=0, dtype=np.float64)
    scale[scale < 1e-6] = 1.0
    given = np.column_stack([np.ones(len(rows), np.float32), (rows - mean) / scale])
    weights, held = np.zeros(given.shape[1]), ridge * np.eye(given.shape[1])
    held[0, 0] = 1e-6
    for _ in range(30):
        likely = 1 / (1 + np.exp(-np.clip(given @ weights, -30, 30)))
        slope = given.T @ (likely - wanted) + held @ weights
        bend = (given * (likely * (1 - likely))[:, None]).T @ given + held
        step = np.linalg.solve(bend, slope)
        weights -= step
        if np.abs(step).max() < 1e-6:
            break
    return MatchWeights(tuple(map(float, mean)), tuple(map(float, scale)), tuple(map(float, weights)))
