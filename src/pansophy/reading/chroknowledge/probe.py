"""Asks a model of every fact at every stamp, greedily and with some heat, and says what it knows of each.

Knows nothing of files: `run.py` keeps what comes of it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from pansophy.conflicts.sampling import ChatSampler, Sampler
from pansophy.engine import Engine
from pansophy.errors import UsageError
from pansophy.models import ChatModel
from pansophy.reading.chroknowledge.bench import ChronoBench
from pansophy.reading.chroknowledge.categories import (
    Match,
    TimelineCategory,
    YearCategory,
    fuzzy,
    says_true,
    timeline_category,
    year_category,
)
from pansophy.reading.chroknowledge.facts import TimelineFact
from pansophy.reading.chroknowledge.prompts import TEMPLATES, probe_prompt, probed_answer


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """How facts are asked about.

    Args:
        template: "generation", "choice" among four options, or "true_false".
        prompts: of each fact and stamp, with other examples in each; each is answered twice.
        shots: examples in a prompt.
        temperature: of the second answer; the first is greedy.
        max_tokens: of an answer.
        threshold: of token_set_ratio, 0..100, from which on an answer is right.
        seed: of the sampled answers.
    """

    template: str = "generation"  # the paper asks in all three ways
    prompts: int = 5  # the paper
    shots: int = 4  # the paper
    temperature: float = 0.7  # the paper
    max_tokens: int = 50  # the paper
    threshold: float = 70.0  # the paper
    seed: int = 42  # the paper

    def __post_init__(self) -> None:
        if self.template not in TEMPLATES:
            raise UsageError(f"there is no template {self.template!r}: choose one of {', '.join(TEMPLATES)}")
        if self.prompts < 1 or self.shots < 0 or self.max_tokens < 1:
            raise UsageError("at least one prompt and one token are needed, and shots can't be negative")
        if self.temperature <= 0:
            raise UsageError("at temperature 0 the second answer is the first one again: give one above 0")
        if not 0 < self.threshold <= 100:
            raise UsageError(f"the threshold lies above 0 and at most at 100, not at {self.threshold}")

    @property
    def match(self) -> Match:
        return says_true if self.template == "true_false" else fuzzy(self.threshold)


@dataclass(frozen=True, slots=True)
class ProbedYear:
    """The answers of one stamp; `formless` counts the replies that had none in the form of the examples."""

    stamp: str
    gold: tuple[str, ...]
    greedy: tuple[str, ...]
    sampled: tuple[str, ...]
    category: YearCategory
    formless: int = 0

    @property
    def usual(self) -> str:
        """What the model says most often, greedy answers first; "" if it says nothing."""
        return most_common(self.greedy) or most_common(self.sampled)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ProbedYear:
        texts = {name: tuple(data[name]) for name in ("gold", "greedy", "sampled")}
        return cls(data["stamp"], **texts, category=YearCategory(data["category"]), formless=data["formless"])


@dataclass(frozen=True)
class ProbedFact:
    """A fact with what a model says of it; `years` are in order."""

    fact: TimelineFact
    years: tuple[ProbedYear, ...]

    @cached_property
    def category(self) -> TimelineCategory:
        return timeline_category([year.category for year in self.years])


class TimelineProbe:
    """Asks a chat model, or whatever draws answers, about the facts of `bench`."""

    def __init__(
        self, model: Sampler | ChatModel, bench: ChronoBench, settings: ProbeSettings = ProbeSettings()
    ) -> None:
        self.sampler = sampler_of(model)
        self.bench = bench
        self.settings = settings

    @property
    def calls(self) -> int:
        """How many calls probing all facts takes: two for each prompt of each stamp."""
        return calls_of(self.bench, self.settings)

    async def year(self, fact: TimelineFact, stamp: str) -> ProbedYear:
        """What the model says of `fact` at `stamp`.

        Raises:
            UsageError: the template needs wrong options and there are none.
            ModelError, BudgetExceeded: as the sampler raises them.
        """
        draws = range(self.settings.prompts)
        greedy = [self._reply(fact, stamp, draw, 0.0) for draw in draws]
        sampled = [self._reply(fact, stamp, draw, self.settings.temperature) for draw in draws]
        replies = await asyncio.gather(*greedy, *sampled)
        answers = [probed_answer(reply) for reply in replies]
        split = len(greedy)
        likely, drawn = (tuple(one for one in part if one is not None) for part in (answers[:split], answers[split:]))
        gold = fact.gold(stamp)
        category = year_category(gold, likely, drawn, self.settings.match)
        return ProbedYear(stamp, gold, likely, drawn, category, answers.count(None))

    async def fact(self, fact: TimelineFact) -> ProbedFact:
        """What the model says of `fact` at all its stamps."""
        return ProbedFact(fact, tuple([await self.year(fact, stamp) for stamp in fact.stamps]))

    async def _reply(self, fact: TimelineFact, stamp: str, draw: int, temperature: float) -> str:
        asked = self.settings
        prompt = probe_prompt(self.bench, fact, stamp, draw, shots=asked.shots, template=asked.template)
        drawn = await self.sampler.sample(
            prompt, count=1, temperature=temperature, max_tokens=asked.max_tokens, seed=asked.seed + draw
        )
        return drawn[0].text


def sampler_of(model: Sampler | ChatModel) -> Sampler:
    """What draws answers from `model`: a chat model's are drawn through an engine of its own."""
    return ChatSampler(model, Engine()) if isinstance(model, ChatModel) else model


def calls_of(bench: ChronoBench, settings: ProbeSettings = ProbeSettings()) -> int:
    """How many calls a probe takes."""
    return bench.moments * settings.prompts * 2


def short_of_examples(bench: ChronoBench, settings: ProbeSettings = ProbeSettings()) -> int:
    """How many of the bench's stamps have fewer examples than there should be shots."""
    return sum(
        len(bench.examples(fact, stamp, 0, settings.shots)) < settings.shots
        for fact in bench.facts
        for stamp in fact.stamps
    )


def most_common(answers: Sequence[str]) -> str:
    """The most frequent answer, of equally frequent ones the first; "" of none."""
    return Counter(answers).most_common(1)[0][0] if answers else ""
