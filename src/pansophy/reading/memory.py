"""What the model remembers of a question, before or beside any reading: asked a few times, believed if it agrees.

That samples which agree are more often right is from Kuhn et al. 2023, "Semantic Uncertainty", arXiv 2302.09664; a
small model's own word for how sure it is isn't asked. Knows nothing of texts.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from pansophy.conflicts.closed_book import belief_of, closed_book_prompt
from pansophy.conflicts.sampling import Sample
from pansophy.errors import EmptyReply
from pansophy.models import ChatModel
from pansophy.reading.answers import same_claim
from pansophy.reading.extagents.messages import echoes
from pansophy.reading.strategy import Session
from pansophy.types import Usage

SAMPLES = 5
TEMPERATURE = 0.7
ANSWER_TOKENS = 48


@dataclass(frozen=True, slots=True)
class Memory:
    """The answer that most of `SAMPLES` agree on ("" if it only repeats the question), their share (0..1), the cost."""

    answer: str
    sureness: float
    usage: Usage


async def recall(session: Session, model: ChatModel) -> Memory:
    """Ask the session's question without any text.

    Raises:
        ModelError, BudgetExceeded: as `Engine.complete`; no reply at all is an empty answer.
    """
    drawn = await asyncio.gather(*(_drawn(session, model, seed) for seed in range(SAMPLES)))
    belief = belief_of(session.question, [Sample(text) for text, _ in drawn], same_claim)
    answer = "" if echoes(belief.answer, session.question) else belief.answer
    return Memory(answer, belief.sureness if answer else 0.0, sum((usage for _, usage in drawn), Usage()))


async def _drawn(session: Session, model: ChatModel, seed: int) -> tuple[str, Usage]:
    prompt = closed_book_prompt(session.question)
    try:
        said = await session.engine.complete(
            model, prompt, max_tokens=ANSWER_TOKENS, temperature=TEMPERATURE, seed=seed
        )
    except EmptyReply:
        return "", Usage()
    return said.text.strip(), said.usage
