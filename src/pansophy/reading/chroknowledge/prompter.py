"""ChroKnowPrompt: what a model half knows of a timeline, coaxed out of it by its own answers for neighbouring stamps.

Only Partial Known timelines are touched, and of them only stamps that aren't correct. Right answers are never shown:
they only tell which stamps to ask again and, in the end, whether it helped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from pansophy.conflicts.sampling import Sampler
from pansophy.errors import UsageError
from pansophy.models import ChatModel
from pansophy.reading.chroknowledge.categories import Match, TimelineCategory, YearCategory, fuzzy
from pansophy.reading.chroknowledge.probe import ProbedFact, ProbedYear, most_common, sampler_of
from pansophy.reading.chroknowledge.prompts import Shown, candidate_in, neighbours_prompt, question, without_opener

ORDER = (YearCategory.INCORRECT, YearCategory.PARTIAL_2, YearCategory.PARTIAL_1)
"""In which stamps are asked again; of one category the earliest first."""


@dataclass(frozen=True, slots=True)
class RepairedYear:
    """What came of asking a stamp again.

    `candidates` has the answer after each step, `earlier` counts the steps by earlier stamps. `known` tells whether the
    last candidate is right, `known_by_earlier` whether the last one by earlier stamps alone is.
    """

    stamp: str
    candidates: tuple[str, ...]
    earlier: int
    known: bool
    known_by_earlier: bool

    @property
    def answer(self) -> str:
        return self.candidates[-1] if self.candidates else ""


@dataclass(frozen=True)
class Repair:
    """A probed fact with what came of its stamps; `years` is empty where there was nothing to ask again."""

    probed: ProbedFact
    years: tuple[RepairedYear, ...] = ()

    @cached_property
    def category(self) -> TimelineCategory:
        """The timeline's category with every known stamp taken as correct."""
        return self._category({year.stamp for year in self.years if year.known})

    @cached_property
    def category_by_earlier(self) -> TimelineCategory:
        """The same with earlier stamps shown only."""
        return self._category({year.stamp for year in self.years if year.known_by_earlier})

    def _category(self, known: set[str]) -> TimelineCategory:
        if known.union(year.stamp for year in self._correct) >= set(self.probed.fact.stamps):
            return TimelineCategory.KNOWN
        return self.probed.category  # an item becomes Known or stays what it was

    @property
    def _correct(self) -> list[ProbedYear]:
        return [year for year in self.probed.years if year.category is YearCategory.CORRECT]

    def to_dict(self) -> dict[str, Any]:
        return {"years": [asdict(year) for year in self.years]}

    @classmethod
    def from_dict(cls, probed: ProbedFact, data: Mapping[str, Any]) -> Repair:
        years = ({**year, "candidates": tuple(year["candidates"])} for year in data["years"])
        return cls(probed, tuple(RepairedYear(**year) for year in years))


class ChroKnowPrompter:
    """Asks again, with neighbouring stamps shown one after the other.

    Args:
        model: the one that was probed, or what draws its answers; it answers greedily.
        prev: how many earlier stamps are shown at the most.
        next: how many later ones.
        match: tells right answers.
        max_tokens: of an answer.
        seed: of the answers.
    """

    def __init__(
        self,
        model: Sampler | ChatModel,
        prev: int = 3,
        next: int = 3,
        *,
        match: Match | None = None,
        max_tokens: int = 50,
        seed: int = 42,
    ) -> None:
        if prev < 0 or next < 0 or max_tokens < 1:
            raise UsageError(f"spans can't be negative, and an answer needs a token: {prev}, {next}, {max_tokens}")
        self.sampler = sampler_of(model)
        self.prev, self.next = prev, next
        self._match = match or fuzzy()
        self._max_tokens = max_tokens
        self._seed = seed

    async def repair(self, probed: ProbedFact) -> Repair:
        """Ask every stamp again that is worth it: incorrect ones, then half known ones.

        Raises:
            ModelError, BudgetExceeded: as the sampler raises them.
        """
        if probed.category is not TimelineCategory.PARTIAL:
            return Repair(probed)
        repaired: dict[str, tuple[str, ...]] = {}
        years = []
        for category in ORDER:
            for place, year in enumerate(probed.years):
                if year.category is category and (asked := await self._year(probed, place, repaired)) is not None:
                    repaired[year.stamp] = asked.candidates
                    years.append(asked)
        return Repair(probed, tuple(sorted(years, key=lambda one: probed.fact.stamps.index(one.stamp))))

    async def _year(self, probed: ProbedFact, place: int, repaired: Mapping[str, Sequence[str]]) -> RepairedYear | None:
        earlier, later = probed.years[:place], probed.years[place + 1 :]
        before_usable, after_usable = (any(_usable(one, repaired) for one in part) for part in (earlier, later))
        if not (before_usable or after_usable):
            return None
        year = probed.years[place]
        asked = question(probed.fact, year.stamp)
        before: list[Shown] = []
        after: list[Shown] = []
        candidates: list[str] = []
        if before_usable:
            for one in reversed(earlier[max(len(earlier) - self.prev, 0) :]):
                before.insert(0, _shown(probed, one, repaired))
                await self._step(before, asked, candidates, after)
        by_earlier = len(candidates)
        if after_usable:
            for one in later[: self.next]:
                after.append(_shown(probed, one, repaired))
                await self._step(before, asked, candidates, after)
        if not candidates:
            return None
        known, known_by_earlier = (self._right(part, year) for part in (candidates, candidates[:by_earlier]))
        return RepairedYear(year.stamp, tuple(candidates), by_earlier, known, known_by_earlier)

    async def _step(self, before: list[Shown], asked: str, candidates: list[str], after: list[Shown]) -> None:
        """Ask once more and put the answer that stands then at the end of `candidates`."""
        current = candidates[-1] if candidates else ""
        drawn = await self.sampler.sample(
            neighbours_prompt(before, asked, current or None, after),
            count=1,
            temperature=0.0,
            max_tokens=self._max_tokens,
            seed=self._seed,
        )
        said = candidate_in(drawn[0].text)
        candidates.append(said if said and said.lower() != current.lower() else current)

    def _right(self, candidates: Sequence[str], year: ProbedYear) -> bool:
        return bool(candidates) and self._match(without_opener(candidates[-1]), year.gold)


def most_calls(facts: Sequence[ProbedFact], prev: int = 3, next: int = 3) -> int:
    """How many calls the repair of `facts` takes at most."""
    return sum(
        min(place, prev) + min(len(one.years) - place - 1, next)
        for one in facts
        if one.category is TimelineCategory.PARTIAL
        for place, year in enumerate(one.years)
        if year.category is not YearCategory.CORRECT
    )


def _usable(year: ProbedYear, repaired: Mapping[str, Sequence[str]]) -> bool:
    return year.category is not YearCategory.INCORRECT or year.stamp in repaired


def _shown(probed: ProbedFact, year: ProbedYear, repaired: Mapping[str, Sequence[str]]) -> Shown:
    """A neighbour's question with the model's own answer to it."""
    greedy = year.greedy if year.category is YearCategory.CORRECT else ()
    said = most_common(repaired.get(year.stamp, ())) or most_common(greedy) or most_common(year.sampled) or "None"
    return question(probed.fact, year.stamp), said.lower()
