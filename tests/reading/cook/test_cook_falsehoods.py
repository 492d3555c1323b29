"""Cards of which half of what they write is false: what the selectors are good for, with a corpus that knows better.

The one that answers reads no more than the first words of the knowledge, and believes what most documents say.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import pytest

from pansophy import Corpus, ScriptedModel
from pansophy.reading.cook import Card, CardPool, CooK, CookSettings, CorpusEvidence, Judges
from pansophy.types import ChatMessage

LEADS, ENDS = ["Ash", "Bol", "Cor", "Dun", "El", "Fos"], ["burg", "mar", "vik", "holt"]
TOWNS = [lead + end for lead in LEADS for end in ENDS]
FIRST = ["Ida", "Per", "Una", "Ole", "Mia", "Tor"]
LAST = ["Voss", "Lind", "Dahl", "Moe"]
MAYORS = dict(zip(TOWNS, [f"{first} {last}" for last in LAST for first in FIRST], strict=True))
NOISE = (
    "Rain fell on most mornings that spring, and the lanes behind the market were wet until noon.",
    "People like to talk about prices, about the weather and about what the neighbours had for supper.",
)
SELECTORS = ("relevance", "pruning", "factuality")
READ = 40
"""Words of the knowledge that the answering model reads."""
WRITES = [(about, true) for about in ("it", "another") for true in (True, False)] * 2
"""What a card writes about a town, in an order of its own: of this or of another one, the truth or not."""


def question(town: str) -> str:
    return f"Who is the mayor of {town}?"


def claim(town: str, mayor: str) -> str:
    return f"The mayor of {town} is {mayor}."


def write(asked: str, card: str) -> list[str]:
    """All that a card writes about a town: claims with noise behind them, now and then before them."""
    source = random.Random(f"{asked}/{card}")
    documents = []
    for number, (about, true) in enumerate(source.sample(WRITES, len(WRITES))):
        town = asked if about == "it" else source.choice([other for other in TOWNS if other != asked])
        mayor = MAYORS[town] if true else source.choice([one for one in MAYORS.values() if one != MAYORS[town]])
        told, noise = f"Letter {number}: {claim(town, mayor)}", " ".join(NOISE)
        documents.append(f"{noise} {told}" if source.random() < 0.25 else f"{told} {noise}")
    return documents


def is_true(text: str) -> bool:
    return any(claim(*fact) in text for fact in MAYORS.items())


class Liar(ScriptedModel):
    """A card that writes the next of its documents at each call."""

    def __init__(self, name: str) -> None:
        super().__init__(self._next, name=name)
        self._left: list[str] = []

    def _next(self, messages: Sequence[ChatMessage], _: object) -> str:
        town = re.search(r"mayor of (\w+)\?", messages[-1].content)
        assert town is not None
        self._left = self._left or write(town[1], self.name)
        return self._left.pop(0)


def reader(messages: Sequence[ChatMessage], _: object) -> str:
    told = messages[-1].content
    town = re.search(r"mayor of (\w+)\?\Z", told)
    assert town is not None
    read = " ".join(told.split()[:READ])
    said = Counter(re.findall(rf"mayor of {town[1]} is (\w+ \w+)", read))
    return said.most_common(1)[0][0] if said else "unknown"


@dataclass(frozen=True)
class Outcome:
    """Shares: of true documents among those kept, and of right answers."""

    true: float
    right: float


@cache
def corpus() -> Corpus:
    return Corpus.from_texts({town: f"{town} lies by the sea. {claim(town, MAYORS[town])}" for town in TOWNS})


@cache
def evidence(document: str, most: int) -> list[str]:
    return CorpusEvidence(corpus())(document, most)


@cache
def outcome(off: str = "") -> Outcome:
    """With all selectors, or without one of them."""
    settings = CookSettings(
        documents=len(WRITES), relevant=8, kept=2, summary_characters=60, **({off: False} if off else {})
    )
    pool = CardPool([Card.of(name, "Knows mayors.", Liar(name)) for name in ("gazette", "herald")])
    cook = CooK(pool, ScriptedModel(reader), judges=Judges(retrieve=evidence), settings=settings)
    found = [cook.answer(question(town)) for town in TOWNS]
    kept = [is_true(one.text) for each in found for one in each.kept]
    right = [each.text == MAYORS[town] for town, each in zip(TOWNS, found, strict=True)]
    return Outcome(sum(kept) / len(kept), sum(right) / len(right))


def test_half_of_what_is_written_is_false() -> None:
    written = [one for town in TOWNS for name in ("gazette", "herald") for one in write(town, name)]
    assert sum(map(is_true, written)) == len(written) / 2


def test_the_check_of_facts_keeps_the_truth() -> None:
    assert outcome().true >= 0.8
    assert 0.35 <= outcome("factuality").true <= 0.65
    assert outcome().right >= outcome("factuality").right + 0.3


@pytest.mark.parametrize("selector", SELECTORS)
def test_every_selector_helps_and_the_check_of_facts_most(selector: str) -> None:
    lost = {name: outcome().right - outcome(name).right for name in SELECTORS}
    assert lost[selector] > 0
    assert max(lost, key=lambda name: lost[name]) == "factuality"
