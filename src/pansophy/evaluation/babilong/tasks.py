"""The ten tasks: a world is simulated step by step, each step is a sentence, and a question is asked at the end.

Knows nothing of noise, models or scores. The answers come from the simulated world, never from the sentences: that
these say the same is what `solver.py` checks.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from pansophy.errors import UsageError

PEOPLE = ("Mary", "John", "Daniel", "Sandra")
PLACES = ("bathroom", "bedroom", "garden", "hallway", "kitchen", "office")
OBJECTS = ("apple", "football", "milk")
GIVERS = ("Bill", "Fred", "Jeff", "Mary")
SCHOOL_PEOPLE = ("Bill", "Fred", "Julie", "Mary")
SCHOOL_PLACES = ("bedroom", "cinema", "kitchen", "office", "park", "school")
NUMBERS = ("none", "one", "two", "three")

MOVES = ("moved to", "went to", "went back to", "journeyed to", "travelled to")
TAKES = ("took", "got", "picked up", "grabbed")
DROPS = ("dropped", "discarded", "put down", "left")
GIVES = ("gave", "handed", "passed")
OPPOSITE = {"north": "south", "south": "north", "east": "west", "west": "east"}

LABELS: dict[str, frozenset[str]] = {
    **dict.fromkeys(("qa1", "qa2", "qa3", "qa4"), frozenset(PLACES)),
    "qa5": frozenset(name.lower() for name in GIVERS) | frozenset(OBJECTS),
    **dict.fromkeys(("qa6", "qa9"), frozenset({"yes", "no"})),
    "qa7": frozenset(NUMBERS),
    "qa8": frozenset(OBJECTS) | {"nothing"},
    "qa10": frozenset({"yes", "no", "maybe"}),
}
"""Each task's possible answers, in lower case."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Facts in their order, a question about how things stand after the last one, and its answer.

    An answer of several parts (qa8) has them in alphabetical order with commas between.
    """

    task: str
    facts: tuple[str, ...]
    question: str
    answer: str


def generate(task: str, seed: int, *, facts: int | None = None) -> Problem:
    """A problem of `task` ("qa1" to "qa10"), the same for the same arguments.

    Args:
        task: which of `TASKS`.
        seed: of the simulation.
        facts: about how many sentences (qa4 always has two); None for as many as the task usually has.

    Raises:
        UsageError: there is no such task, or `facts` is below 1.
    """
    if task not in TASKS:
        raise UsageError(f"there is no task {task!r}: choose one of {', '.join(TASKS)}")
    if facts is not None and facts < 1:
        raise UsageError(f"facts must be at least 1, not {facts}")
    make, usual = TASKS[task]
    chance = random.Random(f"{task}:{seed}:{facts}")
    return make(task, chance, facts or chance.randint(*usual))


@dataclass(slots=True)
class _World:
    """Who is where, who holds what, and where each object has been."""

    chance: random.Random
    people: tuple[str, ...] = PEOPLE
    places: tuple[str, ...] = PLACES
    facts: list[str] = field(default_factory=list)
    place_of: dict[str, str] = field(default_factory=dict)
    holder_of: dict[str, str] = field(default_factory=dict)
    lies_at: dict[str, str] = field(default_factory=dict)
    path_of: dict[str, list[str]] = field(default_factory=dict)

    def holds(self, person: str) -> list[str]:
        return sorted(thing for thing, holder in self.holder_of.items() if holder == person)

    def move(self, person: str | None = None) -> None:
        person = person or self.chance.choice(self.people)
        place = self.chance.choice([p for p in self.places if p != self.place_of.get(person)])
        self.place_of[person] = place
        self.facts.append(f"{person} {self.chance.choice(MOVES)} the {place}.")
        for thing in self.holds(person):
            self._is_at(thing, place)

    def take(self) -> bool:
        """Somebody takes an object from where it lies, or one that nobody has seen yet."""
        able = [
            (person, thing)
            for person, place in self.place_of.items()
            for thing in OBJECTS
            if thing not in self.holder_of and self.lies_at.get(thing, place) == place
        ]
        if not able:
            return False
        person, thing = self.chance.choice(able)
        self.holder_of[thing] = person
        self.lies_at.pop(thing, None)
        self._is_at(thing, self.place_of[person])
        self.facts.append(f"{person} {self.chance.choice(TAKES)} the {thing}{self.chance.choice(('', ' there'))}.")
        return True

    def drop(self) -> bool:
        able = sorted(thing for thing, holder in self.holder_of.items() if holder in self.place_of)
        if not able:
            return False
        thing = self.chance.choice(able)
        person = self.holder_of.pop(thing)
        self.lies_at[thing] = self.place_of[person]
        self.facts.append(f"{person} {self.chance.choice(DROPS)} the {thing}{self.chance.choice(('', ' there'))}.")
        return True

    def give(self) -> tuple[str, str, str] | None:
        """Somebody hands an object to somebody else, wherever that is: (giver, thing, taker)."""
        if not self.holder_of:
            return None
        thing = self.chance.choice(sorted(self.holder_of))
        giver = self.holder_of[thing]
        taker = self.chance.choice([person for person in self.people if person != giver])
        self.holder_of[thing] = taker
        self.facts.append(f"{giver} {self.chance.choice(GIVES)} the {thing} to {taker}.")
        return giver, thing, taker

    def step(self, moving: float = 0.5) -> None:
        """A move, or something happens to an object."""
        draw = self.chance.random()
        if draw < moving or not (self.take() if draw < (1 + moving) / 2 else self.drop()):
            self.move()

    def _is_at(self, thing: str, place: str) -> None:
        path = self.path_of.setdefault(thing, [])
        if not path or path[-1] != place:
            path.append(place)


def _one_fact(task: str, chance: random.Random, facts: int) -> Problem:
    world = _World(chance)
    for _ in range(facts):
        world.move()
    person = chance.choice(sorted(world.place_of))
    return Problem(task, tuple(world.facts), f"Where is {person}?", world.place_of[person])


def _two_facts(task: str, chance: random.Random, facts: int) -> Problem:
    world = _World(chance)
    while len(world.facts) < facts or not world.path_of:
        world.step()
    thing = chance.choice(sorted(world.path_of))
    return Problem(task, tuple(world.facts), f"Where is the {thing}?", world.path_of[thing][-1])


def _three_facts(task: str, chance: random.Random, facts: int) -> Problem:
    world = _World(chance)
    while len(world.facts) < facts or not any(len(path) > 1 for path in world.path_of.values()):
        world.step()
    thing = chance.choice(sorted(thing for thing, path in world.path_of.items() if len(path) > 1))
    path = world.path_of[thing]
    # "before the kitchen" means before the last time that it came there
    latest = chance.choice([at for at in range(1, len(path)) if path[at] not in path[at + 1 :]])
    question = f"Where was the {thing} before the {path[latest]}?"
    return Problem(task, tuple(world.facts), question, path[latest - 1])


def _two_argument_relations(task: str, chance: random.Random, facts: int) -> Problem:
    a, b, c = chance.sample(PLACES, 3)
    first, second = chance.sample(sorted(OPPOSITE), 2)
    stated = [(a, first, b), (c, second, b)]  # a lies `first` of b, c lies `second` of b
    chance.shuffle(stated)
    sentences = tuple(f"The {one} is {way} of the {other}." for one, way, other in stated)
    one, way, other = chance.choice(stated)
    if chance.random() < 0.5:
        return Problem(task, sentences, f"What is {way} of the {other}?", one)
    # "what is a north of": a lies north of the answer
    return Problem(task, sentences, f"What is the {one} {way} of?", other)


def _three_argument_relations(task: str, chance: random.Random, facts: int) -> Problem:
    world = _World(chance, people=GIVERS)
    gifts: list[tuple[str, str, str]] = []
    while len(world.facts) < facts or not gifts:
        if chance.random() < 0.4 and (gift := world.give()):
            gifts.append(gift)
        else:
            world.step(moving=0.6)
    giver, thing, taker = chance.choice(gifts)
    kind = chance.randrange(5)
    if kind == 0:
        later = [g for g in gifts if (g[0], g[2]) == (giver, taker)][-1]
        return Problem(task, tuple(world.facts), f"What did {giver} give to {taker}?", later[1])
    if kind == 1:
        later = [g for g in gifts if (g[1], g[2]) == (thing, taker)][-1]
        return Problem(task, tuple(world.facts), f"Who gave the {thing} to {taker}?", later[0])
    if kind == 2:
        later = [g for g in gifts if (g[0], g[1]) == (giver, thing)][-1]
        return Problem(task, tuple(world.facts), f"Who did {giver} give the {thing} to?", later[2])
    later = [g for g in gifts if g[1] == thing][-1]
    if kind == 3:
        return Problem(task, tuple(world.facts), f"Who gave the {thing}?", later[0])
    return Problem(task, tuple(world.facts), f"Who received the {thing}?", later[2])


def _yes_or_no(task: str, chance: random.Random, facts: int) -> Problem:
    world = _World(chance)
    while len(world.facts) < facts or not world.place_of:
        world.step(moving=0.7)
    person = chance.choice(sorted(world.place_of))
    place = world.place_of[person] if chance.random() < 0.5 else chance.choice(PLACES)
    answer = "yes" if world.place_of[person] == place else "no"
    return Problem(task, tuple(world.facts), f"Is {person} in the {place}?", answer)


def _counting(task: str, chance: random.Random, facts: int) -> Problem:
    world, person = _carrying(chance, facts)
    question = f"How many objects is {person} carrying?"
    return Problem(task, tuple(world.facts), question, NUMBERS[len(world.holds(person))])


def _lists(task: str, chance: random.Random, facts: int) -> Problem:
    world, person = _carrying(chance, facts)
    return Problem(task, tuple(world.facts), f"What is {person} carrying?", ",".join(world.holds(person)) or "nothing")


def _carrying(chance: random.Random, facts: int) -> tuple[_World, str]:
    world = _World(chance)
    concerned: set[str] = set()
    while len(world.facts) < facts or not concerned:
        if chance.random() < 0.2 and (gift := world.give()):
            concerned.update((gift[0], gift[2]))
        else:
            world.step(moving=0.3)
        concerned.update(world.holder_of.values())
    return world, chance.choice(sorted(concerned))


def _negation(task: str, chance: random.Random, facts: int) -> Problem:
    world = _World(chance)
    absent: dict[str, str] = {}  # the last sentence on a person only says where they are not
    for _ in range(facts):
        person = chance.choice(PEOPLE)
        if chance.random() < 0.5:
            world.move(person)
            absent.pop(person, None)
        elif person in world.place_of and chance.random() < 0.5:
            absent[person] = world.place_of[person]
            world.facts.append(f"{person} is no longer in the {absent[person]}.")
        else:
            absent[person] = chance.choice(PLACES)
            world.facts.append(f"{person} is not in the {absent[person]}.")
            if world.place_of.get(person) == absent[person]:
                del world.place_of[person]
    person = chance.choice(sorted({*world.place_of, *absent}))
    if person in absent:
        return Problem(task, tuple(world.facts), f"Is {person} in the {absent[person]}?", "no")
    place = world.place_of[person] if chance.random() < 0.5 else chance.choice(PLACES)
    answer = "yes" if world.place_of[person] == place else "no"
    return Problem(task, tuple(world.facts), f"Is {person} in the {place}?", answer)


def _indefinite(task: str, chance: random.Random, facts: int) -> Problem:
    where: dict[str, tuple[str, ...]] = {}
    sentences: list[str] = []
    for _ in range(facts):
        person = chance.choice(SCHOOL_PEOPLE)
        if chance.random() < 0.5:
            one, other = chance.sample(SCHOOL_PLACES, 2)
            where[person] = (one, other)
            sentences.append(f"{person} is either in the {one} or the {other}.")
        else:
            (place,) = where[person] = (chance.choice(SCHOOL_PLACES),)
            sentences.append(f"{person} {chance.choice(('is in', *MOVES))} the {place}.")
    person = chance.choice(sorted(where))
    place = chance.choice(where[person]) if chance.random() < 0.6 else chance.choice(SCHOOL_PLACES)
    known = where[person]
    answer = "no" if place not in known else "yes" if len(known) == 1 else "maybe"
    return Problem(task, tuple(sentences), f"Is {person} in the {place}?", answer)


TASKS: dict[str, tuple[Callable[[str, random.Random, int], Problem], tuple[int, int]]] = {
    "qa1": (_one_fact, (2, 10)),
    "qa2": (_two_facts, (4, 20)),
    "qa3": (_three_facts, (8, 40)),
    "qa4": (_two_argument_relations, (2, 2)),
    "qa5": (_three_argument_relations, (4, 20)),
    "qa6": (_yes_or_no, (2, 10)),
    "qa7": (_counting, (3, 12)),
    "qa8": (_lists, (3, 12)),
    "qa9": (_negation, (2, 10)),
    "qa10": (_indefinite, (2, 10)),
}
"""How each task is made, and between how many and how many facts it usually has."""
