"""Random scripted runs: agents that are pure functions of a seed and of what stands in their prompt."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tests.reading.scripted import Prompt, answered, findings_of, is_seek, judged, nothing, refused, seen, weighed

from pansophy import Corpus, ScriptedModel
from pansophy.errors import RequestRefused, RunFailed
from pansophy.reading.extagents import ExtAgents
from pansophy.types import Answer

WORDS = ("lamp", "hall", "keeper", "ridge", "clock", "stair", "cellar", "garden")
SIZES = (1, 2, 3, 5, 8, 13, 21, 34)


@lru_cache
def corpus_of(count: int) -> Corpus:
    """`count` documents, most of them of one chunk, the same in every run of the program."""
    chance = random.Random(count)
    texts = {}
    for number in range(count):
        sentences = [
            f"In place {number} the {chance.choice(WORDS)} is near the {chance.choice(WORDS)} {chance.randint(1, 99)}."
            for _ in range(chance.choice((1, 1, 1, 4)))
        ]
        texts[f"document {number}"] = " ".join(sentences)
    return Corpus.from_texts(texts, chunk_tokens=60)


def hashed(*parts: object) -> random.Random:
    """A source of chance that is a pure function of `parts`."""
    return random.Random(hashlib.sha256(repr(parts).encode()).digest())


@dataclass(frozen=True)
class Script:
    """One random run: how often chunks are relevant, how soon the reasoning agent answers, what fails."""

    seed: int
    question: str
    size: int
    relevance: float
    answering: float
    failing: float
    settings: dict[str, Any]

    @classmethod
    def of(cls, seed: int) -> Script:
        chance = random.Random(seed)
        settings: dict[str, Any] = {
            "order": "rank",
            "findings": chance.choice(("statements", "extracts")),
            "verdict": chance.choice(("stated", "measured")),
            "rounds": chance.randint(1, 3),
            "lookahead": chance.randint(1, 3),
            "links": chance.randint(0, 2),
            "requery": chance.random() < 0.5,
            "reread": chance.choice((None, True, False)),
            "chunk_tokens": 60,
            "max_chunks": chance.choice((16, 4, 50)),  # the same for both: without it, exhaustive reading has no bound
            "stop_when_settled": chance.random() < 0.7,
            "exclude_empty": chance.random() < 0.8,
            "schedule": chance.choice(((1, 2, 4, 8, "all"), ("all",), (1, 2), (2, 6, "all"), (1, 3, 9))),
        }
        return cls(
            seed,
            f"Which {chance.choice(WORDS)} is near the {chance.choice(WORDS)}?",
            chance.choice(SIZES),
            chance.choice((0.1, 0.3, 0.6, 1.0)),
            chance.choice((0.0, 0.2, 0.5, 0.9)),
            chance.choice((0.0, 0.0, 0.1)),
            settings,
        )

    def reply(self, prompt: Prompt) -> Any:
        """The reply to `prompt`: nothing else but the seed decides it."""
        chance = hashed(self.seed, prompt[1].content)
        if not is_seek(prompt):
            text = f"{chance.choice(WORDS)} {chance.randint(1, 3)}"
            cited = range(1, chance.randint(1, len(findings_of(prompt))) + 1)
            if self.settings["verdict"] == "measured" and chance.random() < 0.9:
                certain = chance.random() < self.answering
                return weighed(text, chance.uniform(0.6, 1.0) if certain else chance.uniform(0.01, 0.59))
            return (
                answered(text, *cited)
                if chance.random() < self.answering
                else refused(chance.choice(("", text, text, text)))
            )
        if chance.random() < self.failing:
            return RequestRefused("this chunk is refused")
        relevant = chance.random() < self.relevance
        if self.settings["findings"] == "extracts":
            return judged(chance.uniform(0.02, 1.0) if relevant else 0.001)
        sentence = prompt[1].content.partition("</text>")[0].splitlines()[2].partition(".")[0]
        return (
            seen(f"Found: {sentence} ({chance.randint(1, 9)}).", sentence, chance.randint(1, 100))
            if relevant
            else nothing()
        )

    def model(self, pause: Callable[[Prompt], float] | None = None) -> ScriptedModel:
        """A model that replies so, each time after `pause` seconds."""

        async def slowly(prompt: Prompt, schema: Any) -> Any:
            assert pause is not None
            await asyncio.sleep(pause(prompt))
            return self.reply(prompt)

        return ScriptedModel((lambda prompt, schema: self.reply(prompt)) if pause is None else slowly)

    async def run(self, model: ScriptedModel, **settings: Any) -> Answer:
        try:
            return await ExtAgents(model, settings=self.settings | settings).run(self.question, corpus_of(self.size))
        except RunFailed as failure:
            return failure.answer


def essence(answer: Answer) -> tuple[Any, ...]:
    """What must be equal however the chunks were read."""
    return answer.text, answer.verdict, answer.evidence, answer.rounds


@dataclass(frozen=True)
class Outcome:
    """One script read lazily and exhaustively. `chunks_left` is how many chunks the lazy run never read."""

    lazy: Answer
    exhaustive: Answer
    lazy_calls: int
    exhaustive_calls: int
    chunks_left: int

    @property
    def equal(self) -> bool:
        return essence(self.lazy) == essence(self.exhaustive)


async def both(script: Script, **settings: Any) -> Outcome:
    """Run `script` in both ways."""
    lazy_model, exhaustive_model = script.model(), script.model()
    lazy = await script.run(lazy_model, **{"read_ahead": False} | settings)
    exhaustive = await script.run(exhaustive_model, exhaustive=True, **settings)
    in_round_one = [e for e in exhaustive.trace if e.kind in ("chunk_read", "chunk_failed") and e.round == 1]
    lazily = [e for e in lazy.trace if e.kind in ("chunk_read", "chunk_failed") and e.round == 1]
    return Outcome(
        lazy, exhaustive, len(lazy_model.calls), len(exhaustive_model.calls), len(in_round_one) - len(lazily)
    )
