"""What both ways of asking need: cards that write, a model that replies, and the record of what happened."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from pansophy.engine import Engine
from pansophy.errors import AuthenticationFailed, EmptyReply, ModelError, UnknownModel
from pansophy.models import ChatModel
from pansophy.reading.cook.cards import Card
from pansophy.reading.cook.knowledge import Knowledge, Step
from pansophy.reading.cook.pool import CardPool
from pansophy.reading.cook.selectors import Judges, judged, pruned, unlike
from pansophy.reading.cook.settings import CookSettings
from pansophy.reading.cook.writing import Draw
from pansophy.types import ChatMessage


@dataclass(slots=True)
class Session:
    """One question. `cards` may be asked, and `llm` answers; `knowledge` fills up with all documents."""

    question: str
    cards: Sequence[Card]
    pool: CardPool
    llm: ChatModel
    engine: Engine
    judges: Judges
    settings: CookSettings
    knowledge: list[Knowledge] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def chance(self, round_: int = 0) -> random.Random:
        """Random numbers of a round: they depend on the question and the seed, not on which cards there are."""
        return random.Random(f"{self.settings.seed}/{self.question}/{round_}")

    async def write(self, cards: Sequence[Card], round_: int = 0) -> list[Knowledge]:
        """The documents of these cards; a card that fails is a warning, unless all do.

        Raises:
            AuthenticationFailed, UnknownModel: a card can never be asked.
            ModelError: all cards failed; the error of the first.
        """
        settings = self.settings
        draw = Draw(settings.documents, settings.card_tokens, settings.card_temperature, settings.seed + 1000 * round_)
        writers = [self.pool.writer(card, self.engine) for card in cards]
        asked = (writer.write([self.question], draw) for writer in writers)
        found: list[Knowledge] = []
        failures: list[ModelError] = []
        for card, said in zip(cards, await asyncio.gather(*asked, return_exceptions=True), strict=True):
            if isinstance(said, ModelError) and not isinstance(said, AuthenticationFailed | UnknownModel):
                failures.append(said)
                self.warnings.append(f"the card {card.name} wrote nothing: {said}")
            elif isinstance(said, BaseException):
                raise said
            else:
                found += [Knowledge(card.name, number, text, round_) for number, text in enumerate(said[0])]
        if len(failures) == len(cards):
            raise failures[0]
        return unlike(found)

    async def judge(self, documents: Sequence[Knowledge]) -> list[Knowledge]:
        """Prunes and scores documents, as far as the settings say so; off the event loop, since judges may be slow."""
        settings = self.settings
        found = list(documents)
        if settings.pruning:
            found = pruned(found, self.question, settings.summary_characters, self.judges.summarise)
        if settings.factuality:
            found = await asyncio.to_thread(judged, found, self.judges, settings.evidence)
        return found

    async def reply(self, messages: Sequence[ChatMessage]) -> str:
        """What the model says about what it needs; nothing, where it says nothing. Raises as `Engine.complete`."""
        settings = self.settings
        try:
            completion = await self.engine.complete(
                self.llm,
                messages,
                max_tokens=settings.reply_tokens,
                temperature=settings.temperature,
                seed=settings.seed,
            )
        except EmptyReply:
            return ""
        return completion.text.strip()
