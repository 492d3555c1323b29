"""A bench of facts over time: what is asked, with examples to show before and wrong options to choose from.

All that is drawn by chance depends on the fact, the stamp and the seed alone, never on the place in a list: the same
fact is asked in the same words whatever stands beside it.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

from pansophy.errors import UsageError
from pansophy.reading.chroknowledge.facts import Kind, TimelineFact, Triple, expand
from pansophy.reading.chroknowledge.rows import read_triples
from pansophy.runs.fingerprint import canonical_json

SEED = 42  # the paper


@dataclass(frozen=True)
class ChronoBench:
    """Facts to ask about, and the pool that examples and wrong options are drawn from (by default the facts).

    Raises:
        UsageError: two facts have the same id.
    """

    facts: tuple[TimelineFact, ...]
    pool: tuple[TimelineFact, ...] = ()
    seed: int = SEED

    def __post_init__(self) -> None:
        object.__setattr__(self, "pool", self.pool or self.facts)
        ids = [fact.id for fact in self.facts]
        if repeated := sorted({one for one in ids if ids.count(one) > 1}) if len(set(ids)) < len(ids) else []:
            raise UsageError(f"the id {repeated[0]!r} occurs more than once: facts must be named apart")

    @classmethod
    def from_triples(
        cls,
        triples: Iterable[Triple | Sequence[str | int | None]],
        *,
        stamps: Sequence[str | int] | None = None,
        examples: int = 0,
        seed: int = SEED,
    ) -> ChronoBench:
        """The bench of (subject, relation, object, start, end).

        Args:
            triples: `Triple` objects, or rows of three to five values; years may be numbers.
            stamps: all moments in order, where they aren't the years from the first start to the last start or end.
            examples: so many facts of each relation, drawn by chance, only serve as examples and are not asked about;
                without, the other facts are the examples.
            seed: of all that is drawn.

        Raises:
            UsageError: a row has too few or too many values, or as `expand`; or no fact is left to ask about.
        """
        given = [one if isinstance(one, Triple) else _triple(one) for one in triples]
        facts = expand(given, None if stamps is None else [str(one) for one in stamps])
        kept = set[str]()
        for relation in dict.fromkeys(fact.relation for fact in facts):
            known = sorted(fact.id for fact in facts if fact.relation == relation)
            kept.update(random.Random(f"{seed}/{relation}").sample(known, min(examples, len(known))))
        asked = tuple(fact for fact in facts if fact.id not in kept)
        if not asked:
            raise UsageError(f"there is no fact to ask about: {len(facts)} facts, {len(kept)} of them kept as examples")
        return cls(asked, tuple(fact for fact in facts if fact.id in kept), seed)

    @classmethod
    def from_file(
        cls, path: str | Path, *, stamps: Sequence[str | int] | None = None, examples: int = 0, seed: int = SEED
    ) -> ChronoBench:
        """The bench of a file: see `read_triples` for its columns and `from_triples` for the rest."""
        return cls.from_triples(read_triples(path), stamps=stamps, examples=examples, seed=seed)

    def of_kind(self, kind: Kind) -> tuple[TimelineFact, ...]:
        return tuple(fact for fact in self.facts if fact.kind is kind)

    def balanced(self) -> ChronoBench:
        """As many static facts as dynamic ones, the larger set sampled down; invariant ones stay."""
        sets = {kind: self.of_kind(kind) for kind in (Kind.DYNAMIC, Kind.STATIC)}
        size = min(map(len, sets.values()))
        kept = {fact.id for fact in self.of_kind(Kind.INVARIANT)}
        for kind, facts in sets.items():
            kept.update(random.Random(f"{self.seed}/{kind}").sample(sorted(fact.id for fact in facts), size))
        return replace(self, facts=tuple(fact for fact in self.facts if fact.id in kept))

    def examples(self, fact: TimelineFact, stamp: str, draw: int, count: int) -> tuple[TimelineFact, ...]:
        """At most `count` others with the same relation and stamp, drawn anew for each number `draw`."""
        others = self._by_moment.get((fact.relation, stamp), [])
        drawn = self._chance("examples", fact, stamp, draw).sample(others, min(count + 1, len(others)))
        return tuple(one for one in drawn if one.id != fact.id)[:count]

    def options(self, fact: TimelineFact, stamp: str, draw: int = 0, wrong: int = 3) -> tuple[tuple[str, ...], int]:
        """A right object among wrong ones, which are objects of the same relation or, where there are too few, of
        others; and its position, drawn by chance.

        Raises:
            UsageError: the pool has no other object.
        """
        right = {name.casefold() for name in fact.gold(stamp)}
        chance = self._chance("options", fact, stamp, draw)
        near, far = (
            [one for one in objects if one.casefold() not in right] for objects in self._objects(fact.relation)
        )
        chosen = chance.sample(near, min(wrong, len(near)))
        chosen += chance.sample(far, min(wrong - len(chosen), len(far)))
        if not chosen:
            raise UsageError(f"there is no wrong option for {fact.id!r}: the bench needs facts with other objects")
        position = chance.randrange(len(chosen) + 1)
        return (*chosen[:position], fact.objects[stamp][0], *chosen[position:]), position

    @property
    def moments(self) -> int:
        """How many stamps all facts have together."""
        return sum(len(fact.stamps) for fact in self.facts)

    @property
    def digest(self) -> str:
        """A hash over all that can change what is asked, whatever the order of the facts."""
        facts, pool = (
            sorted((asdict(fact) for fact in part), key=lambda one: one["id"]) for part in (self.facts, self.pool)
        )
        return hashlib.sha256(canonical_json([facts, pool, self.seed]).encode()).hexdigest()

    def _objects(self, relation: str) -> tuple[list[str], list[str]]:
        """The objects of a relation, and those that only others have."""
        same = [one for other, one in self._all_objects if other == relation]
        return same, sorted({one for _, one in self._all_objects}.difference(same))

    def _chance(self, purpose: str, fact: TimelineFact, stamp: str, draw: int) -> random.Random:
        return random.Random(f"{self.seed}/{purpose}/{fact.id}/{stamp}/{draw}")

    @cached_property
    def _by_moment(self) -> dict[tuple[str, str], list[TimelineFact]]:
        """The pool by relation and stamp, each sorted by id."""
        found: dict[tuple[str, str], list[TimelineFact]] = {}
        for fact in sorted(self.pool, key=lambda one: one.id):
            for stamp in fact.stamps:
                found.setdefault((fact.relation, stamp), []).append(fact)
        return found

    @cached_property
    def _all_objects(self) -> list[tuple[str, str]]:
        """Every relation with each of its objects, sorted."""
        every = {
            (fact.relation, one) for fact in (*self.facts, *self.pool) for here in fact.objects.values() for one in here
        }
        return sorted(every)


def _triple(row: Sequence[str | int | None]) -> Triple:
    if isinstance(row, str) or not 3 <= len(row) <= 5:
        raise UsageError(f"a triple is subject, relation, object and perhaps start and end, not {row!r}")
    subject, relation, name, start, end = (*("" if value is None else str(value) for value in row), "", "")[:5]
    return Triple(subject, relation, name, start, end)
