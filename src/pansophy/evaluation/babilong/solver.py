"""Answers a problem from its facts' sentences alone: it reads them and knows nothing of the world that they came from.

A text whose facts this solver can't answer from is a broken text: the checks on the generator and the haystack use it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from pansophy.errors import UsageError
from pansophy.evaluation.babilong.tasks import DROPS, GIVES, MOVES, NUMBERS, OPPOSITE, TAKES


def _any(words: Sequence[str]) -> str:
    return "(?:" + "|".join(sorted(map(re.escape, words), key=len, reverse=True)) + ")"


_NAME = r"([A-Z][a-z]+)"
_WORD = r"([a-z]+)"
_MOVE = re.compile(rf"{_NAME} (?:{_any(MOVES)}|is in) the {_WORD}\.")
_TAKE = re.compile(rf"{_NAME} {_any(TAKES)} the {_WORD}(?: there)?\.")
_DROP = re.compile(rf"{_NAME} {_any(DROPS)} the {_WORD}(?: there)?\.")
_GIVE = re.compile(rf"{_NAME} {_any(GIVES)} the {_WORD} to {_NAME}\.")
_NOT = re.compile(rf"{_NAME} is (?:not|no longer) in the {_WORD}\.")
_EITHER = re.compile(rf"{_NAME} is either in the {_WORD} or the {_WORD}\.")
_RELATION = re.compile(rf"The {_WORD} is {_any(tuple(OPPOSITE)).replace('(?:', '(')} of the {_WORD}\.")


class _Story:
    """What the sentences say, in their order."""

    def __init__(self, sentences: Sequence[str]) -> None:
        self.place_of: dict[str, str] = {}
        self.may_be: dict[str, set[str]] = {}
        self.is_not: dict[str, str] = {}
        self.holder_of: dict[str, str] = {}
        self.path_of: dict[str, list[str]] = {}
        self.gifts: list[tuple[str, str, str]] = []
        self.relations: list[tuple[str, str, str]] = []
        for sentence in sentences:
            self._read(sentence)

    def _read(self, sentence: str) -> None:
        for pattern, take_in in (
            (_EITHER, self._either), (_NOT, self._not), (_MOVE, self._move), (_TAKE, self._take),
            (_GIVE, self._give), (_DROP, self._drop), (_RELATION, self._relation),
        ):  # fmt: skip
            if found := pattern.fullmatch(sentence):
                take_in(*found.groups())
                return
        raise UsageError(f"this is no fact of a task: {sentence!r}")

    def _move(self, person: str, place: str) -> None:
        self.place_of[person], self.may_be[person] = place, {place}
        self.is_not.pop(person, None)
        for thing, holder in self.holder_of.items():
            if holder == person:
                self._at(thing, place)

    def _either(self, person: str, one: str, other: str) -> None:
        self.may_be[person] = {one, other}

    def _not(self, person: str, place: str) -> None:
        self.is_not[person] = place

    def _take(self, person: str, thing: str) -> None:
        self.holder_of[thing] = person
        if person in self.place_of:
            self._at(thing, self.place_of[person])

    def _drop(self, person: str, thing: str) -> None:
        self.holder_of.pop(thing, None)

    def _give(self, giver: str, thing: str, taker: str) -> None:
        self.holder_of[thing] = taker
        self.gifts.append((giver, thing, taker))

    def _relation(self, one: str, way: str, other: str) -> None:
        self.relations += [(one, way, other), (other, OPPOSITE[way], one)]

    def _at(self, thing: str, place: str) -> None:
        path = self.path_of.setdefault(thing, [])
        if path[-1:] != [place]:
            path.append(place)

    # --- questions ---

    def before(self, thing: str, place: str) -> str:
        path = self.path_of[thing]
        return path[len(path) - 1 - path[::-1].index(place) - 1]

    def is_in(self, person: str, place: str) -> str:
        if person in self.is_not:
            return "no"
        places = self.may_be[person]
        return "no" if place not in places else "yes" if len(places) == 1 else "maybe"

    def carried(self, person: str) -> list[str]:
        return sorted(thing for thing, holder in self.holder_of.items() if holder == person)

    def gift(self, giver: str | None = None, thing: str | None = None, taker: str | None = None) -> tuple[str, ...]:
        """The last gift that fits."""
        wanted = (giver, thing, taker)
        return next(
            g for g in reversed(self.gifts) if all(w in (None, have) for w, have in zip(wanted, g, strict=True))
        )

    def related(self, one: str | None, way: str, other: str | None) -> str:
        found = next(r for r in self.relations if r[1] == way and (one in (None, r[0])) and (other in (None, r[2])))
        return found[0] if one is None else found[2]


_WAY = "(" + "|".join(OPPOSITE) + ")"
_QUESTIONS: tuple[tuple[str, Callable[..., str]], ...] = (
    (rf"Where was the {_WORD} before the {_WORD}\?", lambda s, thing, place: s.before(thing, place)),
    (rf"Where is the {_WORD}\?", lambda s, thing: s.path_of[thing][-1]),
    (rf"Where is {_NAME}\?", lambda s, person: s.place_of[person]),
    (rf"Is {_NAME} in the {_WORD}\?", lambda s, person, place: s.is_in(person, place)),
    (rf"How many objects is {_NAME} carrying\?", lambda s, person: NUMBERS[len(s.carried(person))]),
    (rf"What is {_NAME} carrying\?", lambda s, person: ",".join(s.carried(person)) or "nothing"),
    (rf"What is the {_WORD} {_WAY} of\?", lambda s, one, way: s.related(one, way, None)),
    (rf"What is {_WAY} of the {_WORD}\?", lambda s, way, other: s.related(None, way, other)),
    (rf"What did {_NAME} give to {_NAME}\?", lambda s, giver, taker: s.gift(giver=giver, taker=taker)[1]),
    (rf"Who gave the {_WORD} to {_NAME}\?", lambda s, thing, taker: s.gift(thing=thing, taker=taker)[0]),
    (rf"Who did {_NAME} give the {_WORD} to\?", lambda s, giver, thing: s.gift(giver=giver, thing=thing)[2]),
    (rf"Who gave the {_WORD}\?", lambda s, thing: s.gift(thing=thing)[0]),
    (rf"Who received the {_WORD}\?", lambda s, thing: s.gift(thing=thing)[2]),
)


def is_fact(sentence: str) -> bool:
    """Whether `sentence` is a fact of a task."""
    try:
        _Story([sentence])
    except UsageError:
        return False
    return True


def solve(facts: Sequence[str], question: str) -> str:
    """The answer to `question` by the sentences `facts`, in their order.

    Raises:
        UsageError: a sentence is no fact of a task, the question is none of theirs, or the facts don't answer it.
    """
    story = _Story(facts)
    for pattern, answer in _QUESTIONS:
        if found := re.fullmatch(pattern, question):
            try:
                return answer(story, *found.groups())
            except (KeyError, IndexError, ValueError, StopIteration):
                raise UsageError(f"the facts don't answer {question!r}") from None
    raise UsageError(f"this is no question of a task: {question!r}")
