"""No context: the question alone, one call, without a word of the text. The control that shows what a model knows.

Reference for closed-book question answering: Roberts, Raffel and Shazeer 2020, arXiv 2002.08910. A strategy that reads
is worth what it scores above this one: the rest the model remembers or guesses.

Departures: no fine-tuning, as is usual with chat models; the judgement whether the model knows the answer is a field of
the reply; a refusal is followed by one call that must answer. Knows nothing of the corpus, which may be empty.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel

from pansophy.errors import UsageError
from pansophy.papers import Paper
from pansophy.reading.conclusion import ANSWER_ALONE, Asking, conclude
from pansophy.reading.strategy import Session, Strategy
from pansophy.types import Answer, ChatMessage

PAPER = Paper(
    system="No context",
    title="How Much Knowledge Can You Pack Into the Parameters of a Language Model?",
    authors="Adam Roberts, Colin Raffel, Noam Shazeer",
    year=2020,
    arxiv="2002.08910",
    module="pansophy.reading.no_context",
    venue="EMNLP 2020",
)

SYSTEM = "You answer questions from what you know."

JUDGED = f"""\
No text is given. First decide whether you know the answer with confidence. Reply with a JSON object:
"answerable": true or false;
{ANSWER_ALONE}."""

FORCED = f"""\
No text is given. Give your best answer, even if you are not sure. Reply with a JSON object:
{ANSWER_ALONE}."""


class Guess(BaseModel):
    """An answer."""

    answer: str = ""


class Knowing(BaseModel):
    """First whether the model knows the answer, then the answer."""

    answerable: bool = True
    answer: str = ""


@dataclass(frozen=True, slots=True)
class NoContextSettings:
    """How to answer.

    Args:
        answer_tokens: tokens reserved for the reply.
        force: answer even after a refusal.
    """

    answer_tokens: int = 256  # ours
    force: bool = True  # ours, as the strategies do that it is a control of

    def __post_init__(self) -> None:
        if self.answer_tokens < 1:
            raise UsageError(f"answer_tokens must be at least 1, not {self.answer_tokens}")


class NoContext(Strategy[NoContextSettings]):
    """Answers from what the model knows, without evidence."""

    name = "no_context"
    settings_class = NoContextSettings
    reads = False

    async def _read(self, session: Session) -> Answer:
        self._begin(session, chunks=0, order="document")

        def prompt(forced: bool) -> list[ChatMessage]:
            rules = FORCED if forced else JUDGED
            return [ChatMessage("system", SYSTEM), ChatMessage("user", f"Question: {session.question}\n\n{rules}")]

        asking = Asking(prompt, Knowing, Guess, self.settings.answer_tokens, self.settings.force)
        concluded = await conclude(session, self.model, asking, ())
        return session.answer(concluded.text, concluded.verdict)
