"""Re-balancing: values that are told together are parted, so that no slot is always in the table (the paper's max-cut).

Knows nothing of models.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from pansophy.reading.jointlm.dialogues import Dialogue
from pansophy.reading.jointlm.store import NAME, Document, Entity, HybridStore, Value, parts_of

Pair = tuple[str, str]
"""A slot and one of its values, folded."""

UNTELLING = frozenset({"", "?", "yes", "no"})
"""Values that stand in an utterance without saying anything of a slot."""

QUESTIONS: Mapping[str, tuple[str, str]] = {
    "address": ("Where is {name}?", "The address is {value}."),
    "area": ("In which area is {name}?", "It is in the {value} of town."),
    "internet": ("Is there internet at {name}?", "Internet: {value}."),
    "parking": ("Can I park at {name}?", "Parking: {value}."),
    "phone": ("What is the phone number of {name}?", "The phone number is {value}."),
    "postcode": ("What is the postcode of {name}?", "The postcode is {value}."),
    "pricerange": ("How expensive is {name}?", "The price range is {value}."),
    "stars": ("How many stars does {name} have?", "It has {value} stars."),
    "takesbookings": ("Does {name} take bookings?", "Bookings: {value}."),
    "type": ("What kind of place is {name}?", "It is a {value}."),
    "entrance fee": ("What is the entrance fee of {name}?", "The entrance fee is {value}."),
    "openhours": ("When is {name} open?", "It is open: {value}."),
    "food": ("What food does {name} serve?", "It serves {value} food."),
    "signature": ("What is the signature dish of {name}?", "The signature dish is {value}."),
}
"""By slot, how a fact is asked for and told in a document."""
ANY_SLOT = ("What is the {slot} of {name}?", "The {slot} is {value}.")
UNKNOWN = "That is not known."

Told = Callable[[Entity, str, Value], Document]


def as_document(entity: Entity, slot: str, value: Value) -> Document:
    """The FAQ that tells a slot, by `QUESTIONS`."""
    question, answer = QUESTIONS.get(slot, ANY_SLOT)
    told = ", ".join(f"{key} {part}" for key, part in value.items()) if isinstance(value, Mapping) else None
    words = {"slot": slot, "name": entity.name, "value": told or ", ".join(parts_of(value))}
    body = UNKNOWN if words["value"] in ("", "?") else answer.format(**words)
    return Document(question.format(**words), body, slot)


def unstructured(store: HybridStore, told: Told = as_document) -> HybridStore:
    """The store with every slot but the name in documents (the paper's UnstructuredToD)."""
    return _moved(store, lambda slot, value: True, told)[0]


def _moved(store: HybridStore, moves: Callable[[str, Value], bool], told: Told) -> tuple[HybridStore, Counter[str]]:
    entities, counts = [], Counter[str]()
    for one in store.entities:
        gone = [slot for slot, value in one.slots.items() if moves(slot, value)]
        counts.update(gone)
        added = tuple(told(one, slot, one.slots[slot]) for slot in gone)
        left = {slot: value for slot, value in one.slots.items() if slot not in gone}
        entities.append(Entity(one.domain, one.name, left, one.documents + added))
    return HybridStore.of(entities), counts


@dataclass(frozen=True, slots=True)
class Balance:
    """What was cut and moved.

    `cut` of `weight` is the weight of the edges between the sides. `moved` counts the entities' values that became
    documents, by slot; `values` are the pairs on the side that moved.
    """

    vertices: int
    edges: int
    weight: int
    cut: int
    moved: Mapping[str, int]
    values: tuple[Pair, ...]

    @property
    def share(self) -> float:
        """The cut's share of all weight, 0..1; 0 where nothing is told together."""
        return self.cut / self.weight if self.weight else 0.0


def rebalance(
    store: HybridStore,
    dialogues: Sequence[Dialogue],
    seed: int = 0,
    *,
    restarts: int = 20,
    told: Told = as_document,
) -> tuple[HybridStore, Balance]:
    """A store in which the values of one side of a max-cut stand in documents, and the report.

    Values that are told together in many utterances come to stand apart. Which side moves is drawn. Names stay, and so
    do values that no utterance has beside another.

    Args:
        store: with every fact where it is known; documents stay as they are.
        dialogues: what was said, beliefs not needed.
        seed: of the search's starts, and of which side moves.
        restarts: of the search; the best cut is taken.
        told: writes the document of a slot.
    """
    pairs = sorted({pair for one in store.entities for slot, value in one.facts() for pair in _pairs(slot, value)})
    weights = told_together(pairs, (text for one in dialogues for text in one.utterances))
    vertices = sorted({pair for edge in weights for pair in edge})
    side, cut = max_cut(vertices, weights, seed=seed, restarts=restarts)
    if np.random.default_rng([seed, 1]).integers(2):
        side = set(vertices) - side
    away = {pair for pair in side if pair[0] != NAME}
    moved, counts = _moved(store, lambda slot, value: any(pair in away for pair in _pairs(slot, value)), told)
    weight = sum(weights.values())
    report = Balance(len(vertices), len(weights), weight, cut, dict(sorted(counts.items())), tuple(sorted(away)))
    return moved, report


def _pairs(slot: str, value: Value) -> list[Pair]:
    return [(slot, part.lower()) for part in parts_of(value)]


def told_together(pairs: Collection[Pair], utterances: Iterable[str]) -> dict[tuple[Pair, Pair], int]:
    """In how many utterances the values of two pairs both stand, as whole phrases, whatever their case.

    Where several slots have a value, it stands for all of them; values of no telling (yes, no, ?) for none.
    """
    phrases: dict[tuple[str, ...], list[Pair]] = {}
    for pair in pairs:
        if pair[1] not in UNTELLING and (words := _words(pair[1])):
            phrases.setdefault(words, []).append(pair)
    longest = max(map(len, phrases), default=0)
    weights: Counter[tuple[Pair, Pair]] = Counter()
    for text in utterances:
        words = _words(text)
        runs = {words[at : at + size] for size in range(1, longest + 1) for at in range(len(words) - size + 1)}
        found = sorted(pair for run in runs for pair in phrases.get(run, ()))
        weights.update(combinations(found, 2))
    return dict(weights)


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\w+", text.lower()))


def max_cut(
    vertices: Sequence[Pair], weights: Mapping[tuple[Pair, Pair], int], *, seed: int = 0, restarts: int = 20
) -> tuple[set[Pair], int]:
    """One side of a heavy cut, and its weight.

    One-exchange: from a random cut, the vertex that gains most changes sides until none gains; the best of all
    `restarts` is taken.
    """
    place = {vertex: number for number, vertex in enumerate(vertices)}
    near: list[dict[int, int]] = [{} for _ in vertices]
    for (one, other), weight in weights.items():
        near[place[one]][place[other]] = near[place[other]][place[one]] = weight
    ends = [(np.array(list(to), dtype=int), np.array(list(to.values()), dtype=int)) for to in near]
    best, most = np.zeros(len(vertices), dtype=int), 0
    source = np.random.default_rng([seed, 0])
    for _ in range(restarts if vertices else 0):
        side = source.choice([-1, 1], len(vertices))
        # what the cut gains when a vertex changes sides: its weight to its own side less that to the other
        gains = np.array([side[v] * (heavy @ side[to]) for v, (to, heavy) in enumerate(ends)])
        while gains[vertex := int(gains.argmax())] > 0:
            to, heavy = ends[vertex]
            side[vertex] *= -1
            gains[vertex] *= -1
            gains[to] += 2 * side[vertex] * side[to] * heavy
        cut = sum(weight for (one, other), weight in weights.items() if side[place[one]] != side[place[other]])
        if cut > most:
            best, most = side, cut
    return {vertex for vertex, where in zip(vertices, best, strict=True) if where > 0}, most
