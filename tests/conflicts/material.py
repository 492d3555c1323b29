"""Invented items to build training material from."""

from __future__ import annotations

import random

from pansophy.conflicts.training.items import Item
from pansophy.conflicts.training.substitution import SLOT

SYLLABLES = ("ba", "ko", "ri", "su", "mel", "dor", "vin", "tha", "lo", "per")
RELATIONS = {"mayor": "Who is the mayor of {}?", "river": "Which river runs by {}?", "founded": "When was {} founded?"}
TELLS = {
    "mayor": "{town} lies in the north. Its mayor is {answer}, who was born in {other}.",
    "river": "By {town} runs the {answer}. Its bridge was built by {other}.",
    "founded": "{town} was founded in {answer} by {other}, far from the sea.",
}


def name(source: random.Random) -> str:
    return "".join(source.choice(SYLLABLES) for _ in range(3)).capitalize()


def answer_to(relation: str, source: random.Random) -> str:
    return str(source.randint(1100, 1900)) if relation == "founded" else f"{name(source)} {name(source)}"


def items(count: int, seed: int = 0, *, slots: bool = True) -> list[Item]:
    """Items of towns, three of each town: its mayor, its river and the year of its founding."""
    source = random.Random(seed)
    made = []
    for number in range(count):
        relation = list(RELATIONS)[number % 3]
        if relation == "mayor":
            town = f"{name(source)}burg {number}"
        answer = answer_to(relation, source)
        passage = TELLS[relation].format(town=town, answer=SLOT if slots else answer, other=name(source) + " Ash")
        made.append(
            Item(str(number), RELATIONS[relation].format(town), (answer, f"old {answer}"), passage, town, relation)
        )
    return made


def own_answers(made: list[Item], seed: int = 0) -> dict[str, str]:
    """What some model says to the items without a text: the true answer, another, or that it doesn't know."""
    source = random.Random(seed)
    told = {}
    for item in made:
        ways = (item.answers[0], answer_to(item.relation, source), "I don't know")
        told[item.id] = source.choice(ways)
    return told
