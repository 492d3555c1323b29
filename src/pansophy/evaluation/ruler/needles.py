"""Needles: sentences that tie a value to a key. All values of the keys asked for are wanted."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from pansophy.errors import UsageError
from pansophy.evaluation.invented import words
from pansophy.evaluation.ruler.problem import Problem, identifier, number


@dataclass(frozen=True, slots=True)
class Needles:
    """How many keys are hidden, how many values each has, and how many keys are asked for.

    `uuid_keys` and `uuid_values` instead of words and numbers; `among_needles`: the text consists of other needles.
    """

    keys: int = 1
    values: int = 1
    asked: int = 1
    uuid_keys: bool = False
    uuid_values: bool = False
    among_needles: bool = False


VARIANTS: dict[str, Needles] = {
    "niah_single_1": Needles(),
    "niah_single_2": Needles(),
    "niah_single_3": Needles(uuid_values=True),
    "niah_multikey_1": Needles(keys=4),
    "niah_multikey_2": Needles(among_needles=True),
    "niah_multikey_3": Needles(uuid_keys=True, uuid_values=True, among_needles=True),
    "niah_multivalue": Needles(values=4),
    "niah_multiquery": Needles(keys=4, asked=4),
}
"""The benchmark's variants (its synthetic.yaml). `niah_single_1` stands in one repeated passage, the others in a text
that the user gives, or among needles."""


def needles(task: str, seed: int, *, decoys: int = 0) -> Problem:
    """A problem of one of `VARIANTS`, the same for the same arguments.

    Args:
        task: the variant.
        seed: of keys and values.
        decoys: how many needles with other keys, for the variants whose text consists of them.

    Raises:
        UsageError: there is no such variant.
    """
    if task not in VARIANTS:
        raise UsageError(f"there is no task {task!r}: choose one of {', '.join(VARIANTS)}")
    variant = VARIANTS[task]
    chance = random.Random(f"{task}:{seed}")
    value = _distinct(identifier if variant.uuid_values else number)
    others = decoys if variant.among_needles else 0
    count = variant.keys + others
    keys = [identifier(chance) for _ in range(count)] if variant.uuid_keys else words(chance, count, 3)
    hidden = {key: [value(chance) for _ in range(variant.values)] for key in keys[: variant.keys]}
    asked = chance.sample(sorted(hidden), variant.asked)
    facts = [needle(key, one) for key, values in hidden.items() for one in values]
    chance.shuffle(facts)
    several = variant.asked > 1 or variant.values > 1
    named = ", ".join(asked[:-1]) + (" and " if asked[1:] else "") + asked[-1]
    question = (
        f"What are all the secret values of {named} that the text mentions?"
        if several
        else f"What is the secret value of {named} that the text mentions?"
    )
    return Problem(
        question,
        tuple(one for key in asked for one in hidden[key]),
        tuple(facts),
        tuple(needle(key, value(chance)) for key in keys[variant.keys :]),
    )


def needle(key: str, value: str) -> str:
    return f"One of the secret values of {key} is: {value}."


def _distinct(make: Callable[[random.Random], str]) -> Callable[[random.Random], str]:
    """`make`, but never the same value twice."""
    seen: set[str] = set()

    def new(chance: random.Random) -> str:
        while (made := make(chance)) in seen:
            pass
        seen.add(made)
        return made

    return new
