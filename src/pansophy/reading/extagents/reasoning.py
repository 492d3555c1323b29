"""The reasoning agent: is given ranked messages, more of them try after try, until it can answer (section 2.3).

A large model says whether it can answer. A small one says yes to anything; what it is worth shows in the probabilities
of its answer's tokens. So it is asked for its answer alone in every try, is believed when it is certain enough, and
when no try is, the most certain one counts. Its answer is plain text: the form of an object costs a small model time
and, where the form and the words share tokens, the words (docs/experiments.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel, Field

from pansophy.engine.structured import complete_as, schema_of
from pansophy.errors import ContextOverflow
from pansophy.events import ReasoningStarted, ReasoningTried
from pansophy.models import ChatModel
from pansophy.reading.extagents.messages import (
    Message,
    echoes,
    in_text_order,
    largest_fitting,
    says_yes_or_no,
    supporting_sentence,
    terms,
)
from pansophy.reading.extagents.prompts import Ask, Language, reason_prompt
from pansophy.reading.strategy import Session
from pansophy.types import ChatMessage, Evidence, Example, Span, TokenLogprob, Usage

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


def _schema(reply: type[BaseModel], *, most_findings: int | None) -> dict[str, Any]:
    schema = schema_of(reply)
    if most_findings is None:
        return schema
    properties = schema["properties"]
    findings = {**properties["findings"], "maxItems": most_findings}
    return {**schema, "properties": {**properties, "findings": findings}}


@dataclass(frozen=True, slots=True)
class Try:
    """What came of one try.

    `answered` is the verdict; `answer` may be a guess where it is False. With `forced` the agent had no way out.
    `certainty` is the probability of the answer's least probable token, where it was asked for and is known; `sound`
    is False for what no finding says, or what only repeats the question.
    """

    answered: bool
    forced: bool
    answer: str
    shown: tuple[Message, ...]
    cited: frozenset[int]
    certainty: float | None = None
    sound: bool = True


@dataclass(frozen=True, slots=True)
class _Said:
    """A reply, understood. `findings` are the numbers that it names, counted from 1."""

    answer: str
    believed: bool
    certainty: float | None
    findings: tuple[int, ...]
    usage: Usage


@dataclass(slots=True)
class ReasoningAgent:
    """The reasoning agent of one question.

    Args:
        text_order: messages are shown in the order of the text (a story), not in that of their choice.
        extracts: messages are chunks' own words, so that an answer can be checked against them.
        least_certainty: the certainty at which an answer is believed; None to go by what the agent says.
        total: how many chunks the text has.
        examples: what it is shown before the messages.
        compact: messages are told without the part of the text that they come from.
    """

    session: Session
    model: ChatModel
    language: Language
    text_order: bool
    extracts: bool
    least_certainty: float | None
    reply_tokens: int
    total: int
    examples: tuple[Example, ...] = ()
    compact: bool = False
    tries: int = 0
    weighed: list[Try] = field(default_factory=list)

    async def attempt(self, chosen: Sequence[Message], round_: int, *, forced: bool) -> Try:
        """One try with the messages `chosen`, best first. The last ones are left out if they don't fit the window.

        Returns:
            What came of it. A forced try of an agent whose certainty is measured gives way to an earlier, more certain
            one.

        Raises:
            ModelError: the call failed.
            BudgetExceeded: a limit is reached.
        """
        ask: Ask = "weigh" if self.least_certainty is not None else "force" if forced else "judge"
        shown = await self._fitting(chosen, ask)
        self.tries += 1
        self.session.emit(
            ReasoningStarted(
                round=round_, attempt=self.tries, shown=tuple(message.chunk for message in shown), forced=forced
            )
        )
        prompt = self._prompt(shown, ask)
        said = await (self._weighed(prompt) if ask == "weigh" else self._stated(prompt, forced=forced))
        sound = ask != "weigh" or self._sound(said.answer, shown)
        said = replace(said, believed=said.believed and sound)
        answered = bool(said.answer) and (forced or said.believed)
        cited = self._cited(said, shown)
        self.session.emit(
            ReasoningTried(
                round=round_,
                attempt=self.tries,
                answered=answered,
                forced=forced,
                answer=said.answer,
                certainty=said.certainty,
                cited=tuple(sorted(cited)) if answered else (),
                usage=said.usage,
            )
        )
        done = Try(answered, forced, said.answer, tuple(shown), frozenset(cited), said.certainty, sound)
        if ask != "weigh":
            return done
        self.weighed.append(replace(done, forced=not said.believed))
        return self.best() if forced else done

    async def _stated(self, prompt: list[ChatMessage], *, forced: bool) -> _Said:
        """The agent says whether it can answer, and with which findings; `forced` leaves it no way out."""
        kind: type[ForcedReply | ReasonReply] = ForcedReply if forced else ReasonReply
        reply, completion = await complete_as(
            self.session.engine,
            self.model,
            prompt,
            kind,
            max_tokens=self.reply_tokens,
            schema=_schema(kind, most_findings=MOST_NAMED if self.extracts else None),
        )
        if reply is None:
            self.session.warn(f"{self.model.name} did not follow the form of the reasoning agent's reply")
            reply = ForcedReply(answer=completion.text.strip()) if forced else ReasonReply(answerable=False)
        believed = isinstance(reply, ReasonReply) and reply.answerable
        return _Said(reply.answer.strip(), believed, None, tuple(reply.findings), completion.usage)

    async def _weighed(self, prompt: list[ChatMessage]) -> _Said:
        """The agent answers, and the probability of its answer says whether it is believed."""
        completion = await self.session.engine.complete(self.model, prompt, max_tokens=self.reply_tokens, logprobs=True)
        certainty = certainty_of(completion.logprobs)
        if certainty is None:
            self.session.warn(
                f"{self.model.name} gives no probabilities, so its answers can't be weighed (verdict='stated' goes by "
                "what it says)"
            )
        believed = certainty is not None and self.least_certainty is not None and certainty >= self.least_certainty
        return _Said(completion.text.strip(), believed, certainty, (), completion.usage)

    def _sound(self, answer: str, shown: Sequence[Message]) -> bool:
        """Whether an extract has a word of the answer, else it comes from the model's memory, and whether it says
        something, and something that the question doesn't, unless that offers a choice. A yes or a no needs neither.
        """
        if says_yes_or_no(answer):
            return True
        if not terms(answer) or echoes(answer, self.session.question):  # "there" names no place
            return False
        return not self.extracts or any(self._support(shown, answer).values())

    def _support(self, shown: Sequence[Message], answer: str) -> dict[int, float]:
        """How well each message's best sentence supports the answer (0..1), by chunk number."""
        return {m.chunk: supporting_sentence(m.text, answer, self.session.question)[1] for m in shown}

    def best(self) -> Try:
        """The most certain of the tries that were weighed, as a verdict; the last one where certainty isn't known. What
        isn't sound counts only where nothing is."""
        found = [(one.sound, one.certainty or 0.0, number) for number, one in enumerate(self.weighed) if one.answer]
        best = self.weighed[max(found)[2]] if found else self.weighed[-1]
        return replace(best, answered=bool(best.answer))

    async def _fitting(self, chosen: Sequence[Message], ask: Ask) -> list[Message]:
        room = self.model.window - self.reply_tokens

        async def fits(count: int) -> bool:
            return await self.model.count_prompt(self._prompt(self._ordered(chosen[:count]), ask)) <= room

        count = len(chosen) if await fits(len(chosen)) else await largest_fitting(len(chosen), fits)
        if count < 1:
            raise ContextOverflow(
                f"not even one finding fits the window of {self.model.window} tokens of {self.model.name} beside the "
                "question"
            )
        return self._ordered(chosen[:count])

    def _prompt(self, shown: Sequence[Message], ask: Ask) -> list[ChatMessage]:
        return reason_prompt(
            shown,
            self.session.question,
            self.language,
            ask=ask,
            total=self.total,
            examples=self.examples,
            compact=self.compact,
        )

    def _ordered(self, messages: Sequence[Message]) -> list[Message]:
        return in_text_order(messages) if self.text_order else list(messages)

    def _cited(self, said: _Said, shown: Sequence[Message]) -> set[int]:
        """Chunk numbers that the answer rests on: those that the agent names and that exist.

        Extracts can be checked: those named that don't hold the answer give way to those that do.
        """
        answer = said.answer
        invented = sorted({number for number in said.findings if not 1 <= number <= len(shown)})
        if invented and answer:
            names = ", ".join(map(str, invented[:5]))
            self.session.warn(f"the reasoning agent named findings that don't exist ({names}): they were removed")
        named = [shown[number - 1] for number in dict.fromkeys(said.findings) if 1 <= number <= len(shown)]
        if not self.extracts or not answer:
            return {message.chunk for message in named}
        support = self._support(shown, answer)
        holding = [m.chunk for m in named if support[m.chunk] >= FULL_SUPPORT]
        if not holding:
            asked = terms(self.session.question)
            # max keeps the first of equals: in rank order the best ranked
            best = max(shown, key=lambda m: (support[m.chunk], len(terms(m.text) & asked)))
            holding = [best.chunk] if support[best.chunk] > 0 else [m.chunk for m in named] or [best.chunk]
        return set(holding)


def certainty_of(logprobs: Sequence[TokenLogprob] | None) -> float | None:
    """The probability of the least probable token of a reply that is an answer and nothing else.

    One doubtful word makes an answer doubtful, however sure the words around it are. None without log-probabilities.
    """
    found = [token.logprob for token in logprobs or () if token.token.strip()]
    return math.exp(min(found)) if found else None


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
