"""The reasoning agent: is given ranked messages, more of them try after try, until it can answer (section 2.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field

from pansophy.engine.structured import complete_as, schema_of
from pansophy.errors import ContextOverflow
from pansophy.events import ReasoningStarted, ReasoningTried
from pansophy.models import ChatModel
from pansophy.reading.extagents.messages import Message, in_text_order, largest_fitting, supporting_sentence
from pansophy.reading.extagents.prompts import Language, reason_prompt
from pansophy.reading.strategy import Session
from pansophy.types import Evidence, Span

FULL_SUPPORT = 0.99
MOST_NAMED = 4
"""Findings that a small model may name: left alone it counts on until its reply is used up."""


class ForcedReply(BaseModel):
    """The reasoning agent's last word."""

    answer: str = ""
    findings: list[int] = Field(default_factory=list)


class ReasonReply(BaseModel):
    """The reasoning agent's verdict, and its answer if it has one. The verdict comes first: it is decided first."""

    answerable: bool = True
    answer: str = ""
    findings: list[int] = Field(default_factory=list)


def _schema(forced: bool, *, most_findings: int | None) -> dict[str, Any]:
    schema = schema_of(ForcedReply if forced else ReasonReply)
    if most_findings is None:
        return schema
    properties = schema["properties"]
    findings = {**properties["findings"], "maxItems": most_findings}
    return {**schema, "properties": {**properties, "findings": findings}}


@dataclass(frozen=True, slots=True)
class Try:
    """What came of one try: `answered` is the verdict; `answer` may be a guess where it is False. With `forced` the
    agent had no way out."""

    answered: bool
    forced: bool
    answer: str
    shown: tuple[Message, ...]
    cited: frozenset[int]


@dataclass(slots=True)
class ReasoningAgent:
    """The reasoning agent of one question.

    Args:
        text_order: messages are shown in the order of the text (a story), not in that of their choice.
        extracts: messages are chunks' own words, so that an answer can be checked against them.
        total: how many chunks the text has.
    """

    session: Session
    model: ChatModel
    language: Language
    text_order: bool
    extracts: bool
    reply_tokens: int
    total: int
    tries: int = 0

    async def attempt(self, chosen: Sequence[Message], round_: int, *, forced: bool) -> Try:
        """One try with the messages `chosen`, best first. The last ones are left out if they don't fit the window.

        Raises:
            ModelError: the call failed.
            BudgetExceeded: a limit is reached.
        """
        shown = await self._fitting(chosen, forced)
        self.tries += 1
        self.session.emit(
            ReasoningStarted(
                round=round_, attempt=self.tries, shown=tuple(message.chunk for message in shown), forced=forced
            )
        )
        prompt = reason_prompt(shown, self.session.question, self.language, forced=forced, total=self.total)
        kind: type[ForcedReply | ReasonReply] = ForcedReply if forced else ReasonReply
        reply, completion = await complete_as(
            self.session.engine,
            self.model,
            prompt,
            kind,
            max_tokens=self.reply_tokens,
            schema=_schema(forced, most_findings=MOST_NAMED if self.extracts else None),
        )
        if reply is None:
            self.session.warn(f"{self.model.name} did not follow the form of the reasoning agent's reply")
            reply = ForcedReply(answer=completion.text.strip()) if forced else ReasonReply(answerable=False)
        answer = reply.answer.strip()
        answered = bool(answer) and (forced or (isinstance(reply, ReasonReply) and reply.answerable))
        cited = self._cited(reply, shown, answer)
        self.session.emit(
            ReasoningTried(
                round=round_,
                attempt=self.tries,
                answered=answered,
                forced=forced,
                answer=answer,
                cited=tuple(sorted(cited)) if answered else (),
                usage=completion.usage,
            )
        )
        return Try(answered, forced, answer, tuple(shown), frozenset(cited))

    async def _fitting(self, chosen: Sequence[Message], forced: bool) -> list[Message]:
        room = self.model.window - self.reply_tokens

        async def fits(count: int) -> bool:
            prompt = reason_prompt(
                self._ordered(chosen[:count]), self.session.question, self.language, forced=forced, total=self.total
            )
            return await self.model.count_prompt(prompt) <= room

        count = len(chosen) if await fits(len(chosen)) else await largest_fitting(len(chosen), fits)
        if count < 1:
            raise ContextOverflow(
                f"not even one finding fits the window of {self.model.window} tokens of {self.model.name} beside the "
                "question"
            )
        return self._ordered(chosen[:count])

    def _ordered(self, messages: Sequence[Message]) -> list[Message]:
        return in_text_order(messages) if self.text_order else list(messages)

    def _cited(self, reply: ForcedReply | ReasonReply, shown: Sequence[Message], answer: str) -> set[int]:
        """Chunk numbers that the answer rests on: those that the agent names and that exist.

        Extracts can be checked: those named that don't hold the answer give way to those that do.
        """
        invented = sorted({number for number in reply.findings if not 1 <= number <= len(shown)})
        if invented and answer:
            names = ", ".join(map(str, invented[:5]))
            self.session.warn(f"the reasoning agent named findings that don't exist ({names}): they were removed")
        named = [shown[number - 1] for number in dict.fromkeys(reply.findings) if 1 <= number <= len(shown)]
        if not self.extracts or not answer:
            return {message.chunk for message in named}
        support = {m.chunk: supporting_sentence(m.text, answer, self.session.question)[1] for m in shown}
        holding = [m.chunk for m in named if support[m.chunk] >= FULL_SUPPORT]
        if not holding:
            best = max(shown, key=lambda m: support[m.chunk])  # max keeps the first of equals: the best ranked
            holding = [best.chunk] if support[best.chunk] > 0 else [m.chunk for m in named] or [best.chunk]
        return set(holding)


def evidence_of(
    messages: Sequence[Message], cited: frozenset[int], answer: str, question: str, *, extracts: bool
) -> tuple[Evidence, ...]:
    """The evidence behind an answer: cited findings first, each group by rating.

    With extracts the quote is the sentence that supports the answer best.
    """
    ranked = sorted(messages, key=lambda m: (m.chunk not in cited, -m.rating, m.chunk))
    return tuple(_evidence(message, message.chunk in cited, answer, question, extracts) for message in ranked)


def _evidence(message: Message, cited: bool, answer: str, question: str, extracts: bool) -> Evidence:
    quote, span = message.quote, message.span
    if extracts and answer and message.origin is not None:
        (start, end), _ = supporting_sentence(message.text, answer, question)
        quote, span = message.text[start:end], Span(span.document, message.origin + start, message.origin + end)
    return Evidence(
        document=span.document,
        start=span.start,
        end=span.end,
        quote=quote,
        statement=message.gist if not extracts else quote,
        rating=message.rating,
        round=message.round,
        cited=cited,
    )
