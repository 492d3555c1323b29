"""Variable tracking: a chain of assignments scattered over the text. All variables that hold the value are wanted."""

from __future__ import annotations

import itertools
import random

from pansophy.errors import UsageError
from pansophy.evaluation.ruler.problem import Problem


def variables(seed: int, *, chains: int = 1, hops: int = 4) -> Problem:
    """A problem of the task "vt", the same for the same arguments.

    Args:
        seed: of names and values.
        chains: how many chains there are; the first one is asked for (the benchmark's default: 1).
        hops: assignments from variable to variable in a chain (its default: 4).

    Raises:
        UsageError: `chains` or `hops` is below 1.
    """
    if chains < 1 or hops < 1:
        raise UsageError(f"chains and hops must be at least 1, not {chains} and {hops}")
    chance = random.Random(f"vt:{seed}:{chains}:{hops}")
    names: list[str] = []
    while len(names) < chains * (hops + 1):
        new = "".join(chance.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=5))
        if new not in names:
            names.append(new)
    values = chance.sample(range(10_000, 100_000), chains)
    told: list[list[str]] = []
    for number, value in enumerate(values):
        chain = names[number * (hops + 1) : (number + 1) * (hops + 1)]
        first = f"The variable {chain[0]} is set to {value}."
        told.append([first, *(f"The variable {b} is set to what {a} is." for a, b in itertools.pairwise(chain))])
    # chains are mixed, each in its own order: a variable has a value before it is copied
    order = [number for number, chain in enumerate(told) for _ in chain]
    chance.shuffle(order)
    facts = tuple(told[number].pop(0) for number in order)
    question = f"Which variables hold the value {values[0]}, directly or through other variables? Name all {hops + 1}."
    return Problem(question, tuple(names[: hops + 1]), facts)
