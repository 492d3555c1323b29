"""What the tasks have in common: a problem, and values."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass


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


def number(chance: random.Random) -> str:
    """Seven digits."""
    return str(chance.randint(1_000_000, 9_999_999))


def identifier(chance: random.Random) -> str:
    """A UUID."""
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))
