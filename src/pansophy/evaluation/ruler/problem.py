"""What the tasks have in common: a problem, and invented words and values."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass

_ONSETS = (
    "b",
    "br",
    "d",
    "dr",
    "f",
    "g",
    "gl",
    "k",
    "kr",
    "l",
    "m",
    "n",
    "p",
    "pl",
    "r",
    "s",
    "st",
    "t",
    "tr",
    "v",
    "z",
)
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ou")
_CODAS = ("", "l", "m", "n", "r", "s", "t", "nd", "rk")


@dataclass(frozen=True, slots=True)
class Problem:
    """A question with all its right answers, over `facts` to be hidden in a text or over a `text` of its own.

    `decoys` are sentences like the facts that the text should consist of, where the task wants that.
    """

    question: str
    answers: tuple[str, ...]
    facts: tuple[str, ...] = ()
    decoys: tuple[str, ...] = ()
    text: str = ""


def word(chance: random.Random, syllables: int = 2) -> str:
    """A word that can be spoken and means nothing."""
    parts = (chance.choice(_ONSETS) + chance.choice(_VOWELS) + chance.choice(_CODAS) for _ in range(syllables))
    return "".join(parts)


def words(chance: random.Random, count: int, syllables: int = 2, *, apart: int = 0) -> list[str]:
    """`count` different words, of which the first `apart` are no part of any other, nor any other of them."""
    found: dict[str, None] = {}
    first: list[str] = []
    while len(found) < count:
        new = word(chance, syllables)
        if new not in found and not any(new in old or old in new for old in first):
            found[new] = None
            if len(first) < apart:
                first.append(new)
    return list(found)


def number(chance: random.Random) -> str:
    """Seven digits."""
    return str(chance.randint(1_000_000, 9_999_999))


def identifier(chance: random.Random) -> str:
    """A UUID."""
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))
