"""The authors' later, cheap variant (model_collaboration, MoCo): no selectors and no cards, several chat models.

Every model writes a paragraph of what it knows, and the one that was best on questions with known answers answers from
a list of all paragraphs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from pansophy.engine import Engine, Limits
from pansophy.errors import UsageError
from pansophy.evaluation.metrics import contains
from pansophy.models import ChatModel
from pansophy.reading.cook.knowledge import CookAnswer, Knowledge
from pansophy.reading.cook.prompts import Examples, bullets_prompt, knowledge_prompt
from pansophy.reading.cook.settings import CookSettings
from pansophy.reading.cook.writing import ChatWriter, Draw
from pansophy.types import ChatMessage


class MoCo:
    """Several models that tell one of them what they know.

    Args:
        models: at least two, by name.
        exclude_self: leave out the answering model's own paragraph.
        settings: of which the numbers of tokens, the temperatures and the seed count.
        examples: questions with their answers, shown as earlier turns.
        limits: what one call of a method may take.

    Raises:
        UsageError: there are fewer than two models.
    """

    def __init__(
        self,
        models: Mapping[str, ChatModel],
        *,
        exclude_self: bool = False,
        settings: CookSettings | None = None,
        examples: Examples = (),
        limits: Limits = Limits(),  # noqa: B008 - frozen
    ) -> None:
        if len(models) < 2:
            raise UsageError(f"models that tell each other something are two or more, not {len(models)}")
        self.models = dict(models)
        self.exclude_self = exclude_self
        self.settings = settings or CookSettings()
        self.examples = examples
        self.limits = limits

    async def best(
        self, questions: Sequence[tuple[str, str]], score: Callable[[str, str], float] = contains
    ) -> tuple[str, dict[str, float]]:
        """The model that answers questions with known answers best on its own, of equals the first; and all scores.

        Raises:
            UsageError: there is no question.
            ModelError, BudgetExceeded: as `Engine.complete`.
        """
        if not questions:
            raise UsageError("the best model is found by questions with known answers: give at least one")
        engine = Engine(self.limits)
        scores = {}
        for name, model in self.models.items():
            prompts = [knowledge_prompt(question, (), self.examples) for question, _ in questions]
            said = await asyncio.gather(*(self._said(engine, model, prompt) for prompt in prompts))
            total = sum(score(reply, gold) for reply, (_, gold) in zip(said, questions, strict=True))
            scores[name] = total / len(questions)
        return max(scores, key=lambda name: scores[name]), scores

    async def aanswer(self, question: str, answerer: str) -> CookAnswer:
        """Answer a question by the model `answerer` (`best` finds one) from what all models write.

        Raises:
            UsageError: there is no such model.
            ModelError, BudgetExceeded: as `Engine.complete`.
        """
        if answerer not in self.models:
            raise UsageError(f"there is no model {answerer!r}; there are {', '.join(self.models)}")
        engine, settings = Engine(self.limits), self.settings
        writers = [name for name in self.models if name != answerer or not self.exclude_self]
        draw = Draw(1, settings.card_tokens, settings.card_temperature, settings.seed)
        asked = (ChatWriter(self.models[name], engine).write([question], draw) for name in writers)
        wrote = [
            Knowledge(name, 0, said[0][0], dropped="" if said[0][0] else "empty")
            for name, said in zip(writers, await asyncio.gather(*asked), strict=True)
        ]
        kept = tuple(one for one in wrote if not one.dropped)
        prompt = bullets_prompt(question, [one.shown for one in kept], self.examples)
        text = await self._said(engine, self.models[answerer], prompt)
        digests = {name: self.models[name].identity for name in writers}
        return CookAnswer(question, text, "moco", tuple(prompt), kept, tuple(wrote), digests, usage=engine.usage)

    async def _said(self, engine: Engine, model: ChatModel, prompt: Sequence[ChatMessage]) -> str:
        completion = await engine.complete(
            model,
            prompt,
            max_tokens=self.settings.answer_tokens,
            temperature=self.settings.temperature,
            seed=self.settings.seed,
        )
        return completion.text.strip()
