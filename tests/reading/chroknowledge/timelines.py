"""Timelines and models for the tests of ChroKnowledge."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pansophy.models.scripted import ScriptedModel
from pansophy.reading.chroknowledge import (
    ChronoBench,
    ProbedFact,
    ProbedYear,
    TimelineFact,
    YearCategory,
)
from pansophy.reading.chroknowledge.prompts import LEAD
from pansophy.types import ChatMessage

OTHERS = [
    ("Bo", "employer", "Harbour Board"),
    ("Cy", "employer", "Tin Sons"),
    ("Di", "employer", "Quarry Bank"),
    ("Ed", "employer", "Lark Press"),
]


def probed(categories: str, *, objects: Sequence[str] = (), said: str = "", first: int = 2010) -> ProbedFact:
    """A probed fact whose years are c(orrect), p(artial 1), q (partial 2) or x (incorrect).

    Wrong answers are `said`, or none where it is empty.
    """
    names = {
        "c": YearCategory.CORRECT,
        "p": YearCategory.PARTIAL_1,
        "q": YearCategory.PARTIAL_2,
        "x": YearCategory.INCORRECT,
    }
    told = dict(
        zip(
            (str(first + place) for place in range(len(categories))),
            objects or ["Orbit Mills"] * len(categories),
            strict=True,
        )
    )
    fact = TimelineFact("Ada / employer", "Ada", "employer", {stamp: (name,) for stamp, name in told.items()})
    wrong = (said,) if said else ()
    years = []
    for (stamp, name), letter in zip(told.items(), categories, strict=True):
        greedy = {"c": (name, name), "p": (name, *(wrong or ("Else",))), "q": wrong, "x": wrong}[letter]
        sampled = wrong if letter == "x" else (name,)
        years.append(ProbedYear(stamp, (name,), greedy, sampled, names[letter]))
    return ProbedFact(fact, tuple(years))


def asked_of(messages: Sequence[ChatMessage]) -> tuple[str, str]:
    """The stamp and the subject of a probe."""
    found = re.fullmatch(r"In (\S+), (\S+), \w+, \[Object\]", messages[-1].content)
    assert found is not None
    return found[1], found[2]


def is_repair(messages: Sequence[ChatMessage]) -> bool:
    return "Candidate" in messages[-1].content


def copier(memory: dict[tuple[str, str], str], **options: Any) -> ScriptedModel:
    """Knows what `memory` has for (stamp, subject); asked again, says the answer of the nearest line that has one it
    knows to be in its memory, and nothing it knows of otherwise."""
    known = {answer.lower() for answer in memory.values()}

    def reply(messages: Sequence[ChatMessage], schema: Any) -> str:
        if not is_repair(messages):
            return LEAD + memory.get(asked_of(messages), "nobody")
        lines = messages[-1].content.split("\n")
        target = next(place for place, line in enumerate(lines) if line.startswith("Candidate"))
        shown = [
            (abs(place - target), line.removeprefix(LEAD)) for place, line in enumerate(lines) if line.startswith(LEAD)
        ]
        right = sorted((distance, line) for distance, line in shown if line in known)
        return LEAD + (right[0][1] if right else "nobody")

    return ScriptedModel(reply, **options)


def bench_of(timelines: dict[str, Sequence[str]], first: int = 2010) -> ChronoBench:
    """A bench of employers by year, with four other people as examples."""
    years = max(map(len, timelines.values()))
    rows = [
        (who, "employer", name, first + n, first + n)
        for who, names in timelines.items()
        for n, name in enumerate(names)
        if name
    ]
    facts = ChronoBench.from_triples(rows).facts
    others = ChronoBench.from_triples([(*one, first, first + years - 1) for one in OTHERS]).facts
    return ChronoBench(facts, others)
