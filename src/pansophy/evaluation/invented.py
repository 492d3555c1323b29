"""Invented words: they can be spoken, mean nothing, and no model has seen them. Knows nothing of tasks."""

from __future__ import annotations

import random

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
