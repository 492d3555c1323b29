"""Which entities a turn is about: the gold belief asked of the tables, and examples to train on made of that."""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz import fuzz

from pansophy.reading.jointlm.dialogues import Belief, Dialogue
from pansophy.reading.jointlm.store import NAME, Entity, HybridStore, Key, fold, parts_of

DOCUMENT_ENTITY = "ruk"
"""SeKnow's and HyKnow's slot for the entity whose document is asked for."""
ANYTHING = frozenset({"", "dontcare", "donotcare", "doesntmatter", "any", "notmentioned"})
_ARTICLE = re.compile(r"\b(?:the|a|an)\b")
_MARK = re.compile(r"[\W_]+")


@lru_cache(maxsize=100_000)
def squeezed(text: str) -> str:
    """Letters and digits alone: "swimming pool" and "swimmingpool" are one value, "price range" and "pricerange" one
    slot."""
    return _MARK.sub("", fold(text))


def query(store: HybridStore, belief: Belief) -> tuple[Key, ...]:
    """The entities whose rows meet the belief, in the store's order.

    Only tables are looked at. A slot that no row of the domain has (the day of a booking) asks for nothing; a row that
    lacks one which others have does not meet it. A name that no row has stands for the only one that contains it, or
    that it contains.
    """
    return tuple(key for domain, slots in belief.items() for key in _meeting(store, domain, slots))


def _meeting(store: HybridStore, domain: str, slots: Mapping[str, str]) -> Iterator[Key]:
    rows = _rows(store, domain)
    asked = {squeezed(slot): (squeezed(value), value) for slot, value in slots.items()}
    known = {slot for row, _ in rows for slot in row}
    wanted = {slot: value for slot, (value, _) in asked.items() if slot in known and value not in ANYTHING}
    named = None
    if wanted.pop(NAME, None):
        named = _named(asked[NAME][1], [one for _, one in rows])
    for row, one in rows:
        met = all(slot in row and value in row[slot] for slot, value in wanted.items())
        if met and (named is None or one.key in named):
            yield one.key


@lru_cache(maxsize=64)
def _rows(store: HybridStore, domain: str) -> list[tuple[dict[str, list[str]], Entity]]:
    """Of each entity of a domain, the values of each slot as they are compared."""
    return [
        ({squeezed(slot): [squeezed(part) for part in parts_of(value)] for slot, value in one.facts()}, one)
        for one in store.entities
        if one.domain == domain
    ]


def _named(name: str, entities: Sequence[Entity]) -> set[Key]:
    """Those of this name but for articles, else the only one whose words contain the name's or are contained in it."""
    wanted = _bare(name)
    if same := {one.key for one in entities if squeezed(_bare(one.name)) == squeezed(wanted)}:
        return same
    near = {
        one.key
        for one in entities
        if f" {wanted} " in f" {_bare(one.name)} " or f" {_bare(one.name)} " in f" {wanted} "
    }
    return near if len(near) == 1 else set()


@lru_cache(maxsize=100_000)
def _bare(name: str) -> str:
    return " ".join(_ARTICLE.sub(" ", fold(name)).split())


def best_entity(oracle: Collection[Key], said: Sequence[str], belief: Belief, threshold: int = 80) -> Key | None:
    """The one of the oracle that a turn is about, if that can be told.

    Where the belief names an entity, it is the only one of its domain. Else the one most mentioned in `said`: 100 for
    an exact mention, and for each run of words as long as the name its likeness, if that is `threshold` or more (100
    where more than 70 % of the name's words stand in it). None is best where none is mentioned.
    """
    for domain, slots in belief.items():
        ours = [key for key in oracle if key[0] == domain]
        if NAME in slots or DOCUMENT_ENTITY in slots:
            return ours[0] if len(ours) == 1 else None
    scores = {key: sum(_mentions(fold(text), key[1], threshold) for text in said) for key in oracle}
    best = max(scores, key=scores.__getitem__, default=None)
    return best if best is not None and scores[best] > 0 else None


@lru_cache(maxsize=500_000)
def _mentions(text: str, name: str, threshold: int) -> float:
    words, wanted = _words(text), name.split()
    score = 100.0 * (name in text)
    for start in range(len(words) - len(wanted) + 1):
        run = words[start : start + len(wanted)]
        if len(wanted) > 1 and len(set(wanted).intersection(run)) > 0.7 * len(set(wanted)):
            score += 100.0
        else:
            score += fuzz.ratio(" ".join(run), name, score_cutoff=threshold)
    return score


@lru_cache(maxsize=100_000)
def _words(text: str) -> list[str]:
    return re.findall(r"[\w&-]+", text)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A system's turn: what was said before, the gold reply, and which entities are right and which wrong.

    `oracle` are all that meet the belief, `positives` those of them to learn from, `best` the only one, if that can be
    told.
    """

    dialogue: str
    turn: int
    history: tuple[str, ...]
    response: str
    belief: Belief
    oracle: tuple[Key, ...]
    best: Key | None
    positives: tuple[Key, ...]
    negatives: tuple[Key, ...]


def label(
    original: HybridStore,
    dialogues: Sequence[Dialogue],
    store: HybridStore | None = None,
    *,
    smallest: int = 20,
    seed: int = 0,
) -> list[Labelled]:
    """The system's turns of which a belief is told in a domain of the store; others are skipped.

    Args:
        original: where the oracle is found: every fact in its table.
        dialogues: with beliefs.
        store: the re-balanced one, whose tables and documents choose the negatives; `original` by default.
        smallest: entities that positives and negatives are at the least, as far as the store has so many; they are also
            at least twice as many as the oracle.
        seed: of those that are drawn to fill up.
    """
    source = random.Random(seed)
    store = store or original
    everyone = [one.key for one in store.entities]
    bodies = {
        one.key: squeezed(" ".join(f"{note.title} {note.body}" for note in one.documents)) for one in store.entities
    }
    found = []
    for dialogue in dialogues:
        for number, turn in enumerate(dialogue.turns):
            belief = {domain: slots for domain, slots in turn.belief.items() if domain in store.domains}
            if not belief or not turn.system:
                continue
            oracle = query(original, belief)
            history = dialogue.history(number)
            best = best_entity(oracle, (*history, turn.system), belief)
            positives = oracle if best is None else (best,)
            near = {*oracle, *query(store, belief), *_telling(bodies, belief)}
            wanted = max(smallest, 2 * len(oracle))
            others = [key for key in everyone if key not in near]
            near.update(source.sample(others, min(max(wanted - len(near), 0), len(others))))
            negatives = tuple(key for key in everyone if key in near and key not in positives)
            found.append(
                Labelled(dialogue.id, number, history, turn.system, belief, oracle, best, positives, negatives)
            )
    return found


def _telling(bodies: Mapping[Key, str], belief: Belief) -> Iterator[Key]:
    """Entities of which a document mentions a value of the belief; values of up to three letters say nothing."""
    for domain, slots in belief.items():
        values = [squeezed(value) for slot, value in slots.items() if squeezed(slot) != NAME]
        for key, body in bodies.items():
            if key[0] == domain and any(len(value) > 3 and value in body for value in values):
                yield key
