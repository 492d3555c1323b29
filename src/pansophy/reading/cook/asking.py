"""Questions answered with cards: `CooK`, and `answer` for a single one."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Mapping
from typing import Any, TypeVar

from pansophy.engine import Engine, Limits
from pansophy.errors import UsageError
from pansophy.models import ChatModel, open_model
from pansophy.reading.cook.bottom_up import bottom_up
from pansophy.reading.cook.knowledge import CookAnswer
from pansophy.reading.cook.pool import CardPool
from pansophy.reading.cook.prompts import Examples, knowledge_prompt
from pansophy.reading.cook.selectors import Judges
from pansophy.reading.cook.session import Session
from pansophy.reading.cook.settings import CookSettings
from pansophy.reading.cook.top_down import top_down

MODES = ("bottom-up", "auto", "explicit")

T = TypeVar("T")


class CooK:
    """A model that answers with what cards know.

    Args:
        pool: the cards.
        llm: a chat model or its name, which answers.
        judges: who judges documents; by default words are compared, and there is no evidence.
        settings: how, or a mapping of those that differ.
        examples: questions with their answers, shown as earlier turns.
        limits: what one question may take.

    Raises:
        UsageError: impossible settings.
    """

    def __init__(
        self,
        pool: CardPool,
        llm: str | ChatModel = "default",
        *,
        judges: Judges | None = None,
        settings: CookSettings | Mapping[str, Any] | None = None,
        examples: Examples = (),
        limits: Limits = Limits(),  # noqa: B008 - frozen
    ) -> None:
        self.pool = pool
        self.llm = open_model(llm) if isinstance(llm, str) else llm
        self.judges = judges or Judges()
        self.settings = settings if isinstance(settings, CookSettings) else CookSettings(**(settings or {}))
        self.examples = examples
        self.limits = limits

    def answer(self, question: str, mode: str = "bottom-up", *, cards: Collection[str] = ()) -> CookAnswer:
        """`aanswer` for code without an event loop."""
        return run(self.aanswer(question, mode, cards=cards))

    async def aanswer(self, question: str, mode: str = "bottom-up", *, cards: Collection[str] = ()) -> CookAnswer:
        """Answer a question.

        Args:
            question: what is asked; the answering model gets it as it is.
            mode: "bottom-up" asks all cards; "auto" and "explicit" ask one at a time, as the model wants it.
            cards: the names of those that may be asked; all by default.

        Returns:
            The answer with every document that was written, its scores, and why it was dropped. Where no document is
            left the model answers from the bare question, and a warning says so.

        Raises:
            UsageError: the question is empty, the mode unknown, or there are no such cards.
            ModelError: the model failed, or all cards that were asked.
            BudgetExceeded: a limit is reached.
        """
        if not question.strip():
            raise UsageError("the question is empty")
        if mode not in MODES:
            raise UsageError(f"mode must be one of {', '.join(MODES)}, not {mode!r}")
        settings, asked = self.settings, self.pool.only(cards)
        session = Session(question, asked, self.pool, self.llm, Engine(self.limits), self.judges, settings)
        kept = await (bottom_up(session) if mode == "bottom-up" else top_down(session, explicit=mode == "explicit"))
        if session.knowledge and not kept:
            session.warnings.append("no document was left: the answer is the model's own")
        prompt = knowledge_prompt(question, [one.shown for one in kept], self.examples)
        completion = await session.engine.complete(
            self.llm,
            prompt,
            max_tokens=settings.answer_tokens,
            temperature=settings.temperature,
            seed=settings.seed,
        )
        wrote = {one.card for one in session.knowledge}
        return CookAnswer(
            question,
            completion.text.strip(),
            mode,
            tuple(prompt),
            tuple(kept),
            tuple(session.knowledge),
            {card.name: card.digest for card in asked if card.name in wrote},
            tuple(session.steps),
            tuple(session.warnings),
            session.engine.usage,
        )

    async def aclose(self) -> None:
        """Free the models."""
        await self.llm.aclose()
        await self.pool.aclose()


def answer(
    query: str, mode: str = "bottom-up", *, llm: str | ChatModel = "default", pool: CardPool | None = None, **how: Any
) -> CookAnswer:
    """Answer one question with the stored cards, or those of a pool; `how` are the further arguments of `CooK`.

    Raises:
        As `CooK.aanswer`.
    """

    async def work() -> CookAnswer:
        cook = CooK(CardPool.open() if pool is None else pool, llm, **how)
        try:
            return await cook.aanswer(query, mode)
        finally:
            if isinstance(llm, str):
                await cook.llm.aclose()
            if pool is None:
                await cook.pool.aclose()

    return run(work())


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run it to its end, where no event loop is running."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    work.close()
    raise UsageError("an event loop is running already: await CooK(...).aanswer(...) there")
