"""Choosing what goes beside an item: another answer of the same kind, and passages that don't answer the question.

Everything is drawn by rule from the other items, with a given source of random numbers; no language model is asked.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Collection, Sequence

from pansophy.conflicts.training.items import Item
from pansophy.conflicts.training.substitution import mentions

K1, B = 1.2, 0.75
"""BM25's, at their usual values."""
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"[\d.,]*\d[\d.,]*%?")
_YEAR = re.compile(r"\b\d{4}\b")
_MONTH = re.compile("January|February|March|April|May|June|July|August|September|October|November|December")
_SPAN = re.compile(r"\d[\d.,]*\d|\d|[^\W\d_a-z][\w’'-]*(?: (?:(?:of|the|de|van) )?[^\W\d_a-z][\w’'-]*)*")


def kind_of(answer: str) -> str:
    """The kind of an answer, told by its letters: "number", "date", "name" (with a capital) or "word"."""
    if _NUMBER.fullmatch(answer.strip()) and not re.fullmatch(r"\d{4}", answer.strip()):
        return "number"
    if _YEAR.search(answer):
        return "date"
    return "name" if answer[:1].isupper() else "word"


class Alternatives:
    """Answers of other items, by what they answer."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._answers: dict[tuple[str, str], list[str]] = {}
        for item in items:
            for answer in item.answers[:1]:
                for key in dict.fromkeys([(item.relation, kind_of(answer)), ("", kind_of(answer))]):
                    self._answers.setdefault(key, []).append(answer)
        self._answers = {key: sorted(set(found)) for key, found in self._answers.items()}

    def mentioned(self, item: Item, text: str) -> list[str]:
        """Answers to what the item asks, of other items, that the text mentions."""
        pool = self._answers.get((item.relation, kind_of(item.answers[0])), []) if item.answers else []
        return [one for one in pool if one in text and mentions(text, [one])]

    def replacement(self, item: Item, source: random.Random, tries: int = 20) -> str:
        """Another answer for the item: its own replacement if it has one, else one drawn from items that ask the same,
        or have an answer of the same kind; a number or a year is changed by a little. Empty if none fits its passage.
        """
        if item.replacement:
            return item.replacement
        kind = kind_of(item.answers[0])
        if kind in ("number", "date"):
            drawn = [_near(item.answers[0], source) for _ in range(tries)]
        else:
            pools = (self._answers.get((item.relation, kind), []), self._answers.get(("", kind), []))
            drawn = [source.choice(pool) for pool in pools if pool for _ in range(tries)]
        return next((one for one in drawn if item.saying(one).refusal is None), "")


def _near(text: str, source: random.Random) -> str:
    """The text with its last whole number (its year, if it has one) moved by 1 to 20."""
    found = list(_YEAR.finditer(text)) or list(re.finditer(r"\d+", text))
    place = found[-1]
    number = int(place.group())
    moved = max(number + source.choice((-1, 1)) * source.randint(1, 20), 0)
    return text[: place.start()] + str(moved) + text[place.end() :]


class Passages:
    """The items' passages, to take those from that don't belong to a question."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._items = list(items)
        self._bags = [Counter(_WORD.findall(item.context.casefold())) for item in items]
        self._lengths = [bag.total() for bag in self._bags]
        self._mean = max(sum(self._lengths) / max(len(items), 1), 1)
        self._places: dict[str, list[int]] = {}  # word -> the items that have it
        self._articles: dict[str, list[int]] = {}
        for place, bag in enumerate(self._bags):
            for word in bag:
                self._places.setdefault(word, []).append(place)
            self._articles.setdefault(self._items[place].article.casefold(), []).append(place)

    def found(self, item: Item, banned: Collection[str]) -> str:
        """BM25's best passage of another article for the question which mentions none of `banned`; empty if none."""
        scores: dict[int, float] = {}
        for word in set(_WORD.findall(item.question.casefold())):
            places = self._places.get(word, [])
            weight = math.log(1 + (len(self._items) - len(places) + 0.5) / (len(places) + 0.5))
            for place in places:
                often = self._bags[place][word]
                norm = K1 * (1 - B + B * self._lengths[place] / self._mean)
                scores[place] = scores.get(place, 0.0) + weight * often * (K1 + 1) / (often + norm)
        for place in sorted(scores, key=lambda place: (-scores[place], place)):
            if self._other(place, item) and self._fits(place, item, banned):
                return self._items[place].context
        return ""

    def beside(self, item: Item, banned: Collection[str], source: random.Random) -> str:
        """Another passage of the same article (where it asks for another relation, if relations are told); empty if
        there is none that mentions none of `banned`."""
        if not item.article:
            return ""
        places = [
            place
            for place in self._articles.get(item.article.casefold(), [])
            if (not item.relation or self._items[place].relation != item.relation) and self._fits(place, item, banned)
        ]
        return self._items[source.choice(places)].context if places else ""

    def drawn(
        self, item: Item, banned: Collection[str], source: random.Random, count: int = 1, tries: int = 50
    ) -> list[str]:
        """Up to `count` different passages of other articles that mention none of `banned`."""
        taken: dict[str, None] = {}
        for _ in range(tries * count):
            if len(taken) == count or not self._items:
                break
            place = source.randrange(len(self._items))
            if self._other(place, item) and self._fits(place, item, banned):
                taken[self._items[place].context] = None
        return list(taken)

    def _other(self, place: int, item: Item) -> bool:
        other = self._items[place]
        return other.id != item.id and (not item.article or other.article.casefold() != item.article.casefold())

    def _fits(self, place: int, item: Item, banned: Collection[str]) -> bool:
        context = self._items[place].context
        return context != item.context and not mentions(context, banned)


def spans(text: str, kind: str) -> list[str]:
    """Names, numbers or years that stand in the text, by `kind_of`; a month is no name, nor is a word at the beginning
    of a sentence unless another follows it."""
    found = []
    for match in _SPAN.finditer(text):
        begins = match.start() == 0 or text[: match.start()].rstrip()[-1:] in ".!?\n"
        if begins and " " not in match.group() and not match.group()[0].isdigit():
            continue
        if kind_of(match.group()) == kind and not _MONTH.fullmatch(match.group()):
            found.append(match.group())
    return list(dict.fromkeys(found))
