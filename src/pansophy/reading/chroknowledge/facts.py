"""What is true of a subject at which time. Knows nothing of models, prompts or files.

A *stamp* is a moment: a year ("2014"), a month ("2014-03"), a version ("1.10"). Stamps are ordered by the numbers in
them, so that 1.9 comes before 1.10.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from pansophy.errors import UsageError

TIMELESS = ""
"""The stamp of what has no time."""

_NUMBER = re.compile(r"(\d+)")
_YEAR = re.compile(r"(\d{4})(?=\D|$)")


class Kind(StrEnum):
    """Whether the objects of a fact change over its stamps, could but don't, or have no time."""

    DYNAMIC = "dynamic"
    STATIC = "static"
    INVARIANT = "invariant"


@dataclass(frozen=True, slots=True)
class TimelineFact:
    """Subject, relation, and the objects at each stamp.

    `objects` has the stamps in order; a stamp that it lacks is a gap, and nothing is asked of it. `aliases` are other
    names of an object; `questions` has what is asked at a stamp in place of subject and relation, where anything is.
    """

    id: str
    subject: str
    relation: str
    objects: Mapping[str, tuple[str, ...]]
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    questions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.objects or not all(self.objects.values()):
            raise UsageError(f"the fact {self.id!r} needs a stamp, and an object at each of its stamps")
        if list(self.objects) != sorted(self.objects, key=stamp_key):
            raise UsageError(f"the stamps of the fact {self.id!r} must be in order: {', '.join(self.objects)}")

    @property
    def stamps(self) -> tuple[str, ...]:
        return tuple(self.objects)

    @property
    def kind(self) -> Kind:
        if self.stamps == (TIMELESS,):
            return Kind.INVARIANT
        return Kind.STATIC if len({frozenset(one) for one in self.objects.values()}) == 1 else Kind.DYNAMIC

    def gold(self, stamp: str) -> tuple[str, ...]:
        """All names of the right answers at a stamp."""
        names = [name for one in self.objects[stamp] for name in (one, *self.aliases.get(one, ()))]
        return tuple(dict.fromkeys(names))


@dataclass(frozen=True, slots=True)
class Triple:
    """An object that a subject had from `start` to `end`, both included; without a bound, as far as the bench goes.

    A triple without both has no time at all.
    """

    subject: str
    relation: str
    object: str
    start: str = ""
    end: str = ""
    aliases: tuple[str, ...] = ()
    question: str = ""

    def __post_init__(self) -> None:
        if not (self.subject.strip() and self.relation.strip() and self.object.strip()):
            raise UsageError(f"subject, relation and object must have a text: {(self.subject, self.relation)!r}")
        for bound in ("start", "end"):  # Wikidata writes +2014-01-01T00:00:00Z
            object.__setattr__(self, bound, getattr(self, bound).strip().removeprefix("+"))
        if self.start and self.end and not _reaches(self.end, self.start):
            raise UsageError(f"{self.subject}, {self.relation} ends ({self.end}) before it starts ({self.start})")


def stamp_key(stamp: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts stamps by the numbers in them."""
    parts = (part for part in _NUMBER.split(stamp) if part)
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts)


def year_of(moment: str) -> int | None:
    """The year that a date begins with; None if it begins with none."""
    found = _YEAR.match(moment)
    return int(found[1]) if found else None


def expand(triples: Iterable[Triple], stamps: Sequence[str] | None = None) -> tuple[TimelineFact, ...]:
    """The facts of triples: those of one subject and relation are one fact, in the order of their first triples.

    Args:
        triples: with `start` and `end`.
        stamps: all stamps, in order; by default the years from the first start to the last start or end.

    Raises:
        UsageError: there are no stamps, or they aren't in order; a fact has triples with and without time, or lies
            outside all stamps.
    """
    given = list(triples)
    asked = list(stamps) if stamps is not None else _years(given)
    if [stamp_key(one) for one in asked] != sorted({stamp_key(one) for one in asked}):
        raise UsageError(f"stamps must be in order, and each must occur once: {', '.join(asked)}")
    groups: dict[tuple[str, str], list[Triple]] = {}
    for triple in given:
        groups.setdefault((triple.subject, triple.relation), []).append(triple)
    return tuple(_fact(group, asked) for group in groups.values())


def _fact(group: Sequence[Triple], stamps: Sequence[str]) -> TimelineFact:
    first = group[0]
    timed = [bool(triple.start or triple.end) for triple in group]
    if any(timed) and not all(timed):
        raise UsageError(
            f"{first.subject}, {first.relation} has objects with and without a time: say it of all or none"
        )
    objects: dict[str, tuple[str, ...]] = {}
    questions: dict[str, str] = {}
    for stamp in stamps if any(timed) else (TIMELESS,):
        here = [triple for triple in group if not any(timed) or _covers(triple, stamp)]
        if here:
            objects[stamp] = tuple(dict.fromkeys(triple.object for triple in here))
            if asked := [triple.question for triple in here if triple.question]:
                questions[stamp] = asked[0]
    if not objects:
        raise UsageError(f"{first.subject}, {first.relation} lies outside of {stamps[0]} to {stamps[-1]}")
    aliases: dict[str, tuple[str, ...]] = {}
    for triple in group:
        names = (*aliases.get(triple.object, ()), *triple.aliases)
        if names:
            aliases[triple.object] = tuple(dict.fromkeys(names))
    return TimelineFact(
        f"{first.subject} / {first.relation}", first.subject, first.relation, objects, aliases, questions
    )


def _covers(triple: Triple, stamp: str) -> bool:
    return (not triple.start or _reaches(stamp, triple.start)) and (not triple.end or _reaches(triple.end, stamp))


def _reaches(later: str, earlier: str) -> bool:
    """Whether `later` is not before `earlier`; a date lies within its year and month, whichever of both is told."""
    return _within(earlier, later) or stamp_key(later) >= stamp_key(earlier)


def _within(moment: str, stamp: str) -> bool:
    return moment.startswith(stamp) and not moment[len(stamp) :][:1].isdigit()


def _years(triples: Sequence[Triple]) -> list[str]:
    known: list[int] = []
    for bound in (bound for triple in triples for bound in (triple.start, triple.end) if bound):
        year = year_of(bound)
        if year is None:
            raise UsageError(f"{bound!r} is no year or date of four digits: name all stamps in order")
        known.append(year)
    return [str(year) for year in range(min(known), max(known) + 1)] if known else []
