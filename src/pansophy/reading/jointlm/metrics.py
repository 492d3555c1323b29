"""How well entities are found and replies worded: success@k, BLEU, slots' values, copies, as the paper's code counts.

Knows nothing of models.
"""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from pansophy.reading.jointlm.balance import UNTELLING
from pansophy.reading.jointlm.store import NAME, Entity, HybridStore, Key, parts_of

Found = tuple[str, str]
"""A slot, and the value of it that a text tells."""

_MARKS = str.maketrans(dict.fromkeys(string.punctuation, " "))
_ARTICLE = re.compile(r"\b(?:a|an|the)\b")
_TOKEN = re.compile(r"\d+(?:[:.,]\d+)+|\w+(?:-\w+)*|[^\w\s]")
_MASK = "\0"


def hit(ranked: Sequence[Key], right: Collection[Key], k: int) -> float:
    """1 if one of the first k is right, else 0: success@k against an oracle, recall@k against the best entity."""
    return float(any(key in right for key in ranked[:k]))


def bleu(said: str, gold: str, n: int = 4) -> float:
    """Sentence BLEU of orders 1 to n, evenly weighted, unsmoothed: 0 where an order has no match. 0..1.

    Both are lower-cased, without punctuation and articles.
    """
    words, wanted = _plain(said), _plain(gold)
    if not words:
        return 0.0
    total = 0.0
    for order in range(1, n + 1):
        ours, theirs = _runs(words, order), _runs(wanted, order)
        if not (common := (ours & theirs).total()):
            return 0.0
        total += math.log(common / ours.total()) / n
    return math.exp(total + min(0.0, 1 - len(wanted) / len(words)))


def _plain(text: str) -> list[str]:
    return _ARTICLE.sub(" ", text.lower().translate(_MARKS)).split()


def _runs(words: Sequence[str], size: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[at : at + size]) for at in range(len(words) - size + 1))


class SlotFinder:
    """Finds values of slots in texts.

    Slots are searched one by one, each one's values from the longest on, first exactly, then those that are alike by
    more than `threshold`; what is found is masked. Yes, no and unknown values are ignored.

    Args:
        store: with every fact in its table.
        slots: which are searched, by domain; all by default.
        threshold: of likeness, 0 to 100.
    """

    def __init__(
        self, store: HybridStore, slots: Mapping[str, Collection[str]] | None = None, threshold: int = 90
    ) -> None:
        found: dict[str, set[str]] = {}
        for one in store.entities:
            for slot, value in one.facts():
                if slots is None or slot in slots.get(one.domain, ()):
                    found.setdefault(slot, set()).update(part.lower() for part in parts_of(value))
        order = sorted(found, key=lambda slot: (slot not in _FIRST, _FIRST.get(slot, 0)))
        self._values = [
            ((slot, value), words)
            for slot in order
            for value in sorted(found[slot], key=lambda value: (-len(value), value))
            if (words := _tokens(value))
        ]
        self._by_size: dict[int, list[str]] = {}
        for _, words in self._values:
            self._by_size.setdefault(len(words), []).append(" ".join(words))
        self._threshold = threshold

    def __call__(self, text: str) -> frozenset[Found]:
        words = _tokens(text)
        runs = {size: [" ".join(run) for run in _runs(words, size)] for size in self._by_size}
        near = {
            value
            for size, values in self._by_size.items()
            for run in runs[size]
            for value, _, _ in process.extract(run, values, scorer=fuzz.ratio, score_cutoff=self._threshold, limit=None)
        }
        likely = [(pair, wanted) for pair, wanted in self._values if " ".join(wanted) in near]
        found: set[Found] = set()
        for least in (100, self._threshold):
            for pair, wanted in likely:
                if _mask(words, wanted, least):
                    found.add(pair)
        return frozenset(pair for pair in found if pair[1] not in UNTELLING)


_FIRST = {slot: place for place, slot in enumerate(("address", NAME, "phone", "postcode", "area", "food"))}
"""The order in which the paper's code searches; other slots follow."""


def _tokens(text: str) -> list[str]:
    plain = re.sub(r"guest\s?house", "guest house", text.lower())
    return _TOKEN.findall(re.sub(r"\b(moderate|cheap|expensive)ly\b", r"\1", plain))


def _mask(words: list[str], wanted: Sequence[str], least: int) -> bool:
    """Whether the words are there, alike by more than `least` (exactly, for 100); they are masked then."""
    value = " ".join(wanted)
    if len(value) == 1:  # a number of stars stands for itself alone, wherever it is told
        there = value in words
        words[:] = [_MASK if word == value else word for word in words]
        return there
    for at in range(len(words) - len(wanted) + 1):
        run = " ".join(words[at : at + len(wanted)])
        if run == value or (least < 100 and round(fuzz.ratio(run, value)) > least):
            words[at : at + len(wanted)] = [_MASK]
            return True
    return False


@dataclass(frozen=True, slots=True)
class SlotScore:
    """Micro-averaged over turns whose gold reply tells a value, 0..1; `turns` is how many these are."""

    precision: float
    recall: float
    f1: float
    turns: int


def slot_score(pairs: Iterable[tuple[Collection[Found], Collection[Found]]]) -> SlotScore:
    """Of what replies tell and what the gold ones do."""
    common = said = wanted = turns = 0
    for ours, gold in pairs:
        if gold:
            common, said, wanted = common + len(set(ours) & set(gold)), said + len(ours), wanted + len(gold)
            turns += 1
    precision, recall = common / said if said else 0.0, common / wanted if wanted else 0.0
    f1 = 2 * precision * recall / (precision + recall) if common else 0.0
    return SlotScore(precision, recall, f1, turns)


def copied(found: Collection[Found], entity: Entity) -> int:
    """How many of the values that a reply tells are those of the entity that it was made from."""
    facts = {(slot, part.lower()) for slot, value in entity.facts() for part in parts_of(value)}
    return len(facts.intersection(found))
