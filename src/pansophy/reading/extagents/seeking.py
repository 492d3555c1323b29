"""Seeking agents: each reads one chunk and reports what it holds on the question (section 2 of the paper).

A statement is worded, quoted and rated by the agent in one reply. With extracts the agent only says whether its chunk
is relevant: the probability of its yes is the rating, and the message is the chunk's own words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from pansophy.corpus.pages import Page
from pansophy.engine.structured import Rating, complete_as
from pansophy.errors import BudgetExceeded, ContextOverflow, ModelError
from pansophy.events import ChunkRead
from pansophy.models import ChatModel
from pansophy.reading.extagents.messages import (
    Message,
    extract,
    largest_fitting,
    supporting_sentence,
    terms,
    yes_probability,
)
from pansophy.reading.extagents.prompts import Language, seek_prompt
from pansophy.reading.passages import halves
from pansophy.reading.quotes import holds_numbers, locate, sentences, widen
from pansophy.reading.strategy import Session
from pansophy.types import Chunk, Completion, Span, Usage

JUDGE_TOKENS = 4
NEUTRAL_RATING = 50.0
LEAST_SUPPORT = 0.5
"""Share of a statement's words that a sentence must hold to stand in for a quote that isn't in the chunk."""
LEAST_PROBABILITY = 0.02
"""Probability of yes below which a chunk is left out. A small model's yes ranks well but is not calibrated."""
SEEK_PRIORITY = 10


class SeekReply(BaseModel):
    """What a seeking agent says of its chunk."""

    relevant: bool = True
    quote: str = ""
    statement: str = ""
    rating: Rating | None = None


@dataclass(slots=True)
class SeekingAgents:
    """The seeking agents of one question.

    Args:
        extracts: messages are extracts, and the agents only judge them.
        judge: with extracts, False takes them unjudged, at the search's word.
        reply_tokens: reserved for a reply.
        extract_size: the most characters of an extract.
        cap: the most messages that they are shown.
    """

    session: Session
    model: ChatModel
    language: Language
    extracts: bool
    judge: bool
    reply_tokens: int
    extract_size: int
    exclude_empty: bool
    cap: int | None

    async def read(self, number: int, page: Page, round_: int, known: Sequence[Message]) -> Message | None:
        """m_{i,t} of chunk `number`: None when it holds nothing, or could not be read (then that is on record).

        Raises:
            BudgetExceeded, AuthenticationFailed, UnknownModel.
        """
        try:
            message, usage = await self._read(number, page, round_, known)
        except BudgetExceeded:
            raise
        except ModelError as error:
            self.session.chunk_failed(number, page.pieces, error, round_)
            return None
        self.session.chunk_read(page.pieces)
        first = page.pieces[0]
        span = message.span if message else Span(first.document, first.start, first.end)
        self.session.emit(
            ChunkRead(
                round=round_,
                chunk=number,
                document=span.document,
                start=span.start,
                end=span.end,
                found=message is not None,
                rating=message.rating if message else 0.0,
                statement=message.gist if message else "",
                quote=message.quote if message else "",
                usage=usage,
            )
        )
        return message

    async def _read(
        self, number: int, page: Page, round_: int, known: Sequence[Message]
    ) -> tuple[Message | None, Usage]:
        if self.extracts and not self.judge:
            return self._extract(number, page, round_, known, NEUTRAL_RATING), Usage()
        shown = await self._synchronised(page, known)
        if shown is None:
            return await self._read_halves(number, page, round_, known)
        prompt = seek_prompt(page, self.session.question, shown, self.language, judge=self.extracts)
        if self.extracts:
            completion = await self.session.engine.complete(
                self.model, prompt, max_tokens=JUDGE_TOKENS, logprobs=True, priority=SEEK_PRIORITY
            )
            return self._judged(number, page, round_, known, completion), completion.usage
        reply, completion = await complete_as(
            self.session.engine, self.model, prompt, SeekReply, max_tokens=self.reply_tokens, priority=SEEK_PRIORITY
        )
        return self._stated(number, page, round_, reply, completion), completion.usage

    async def _synchronised(self, page: Page, known: Sequence[Message]) -> Sequence[Message] | None:
        """Top_k(M_{t-1}) with the largest k that fits the window; None if not even the chunk alone fits."""
        known = known[: self.cap]
        room = self.model.window - (JUDGE_TOKENS if self.extracts else self.reply_tokens)

        async def fits(count: int) -> bool:
            prompt = seek_prompt(page, self.session.question, known[:count], self.language, judge=self.extracts)
            return await self.model.count_prompt(prompt) <= room

        if not known:  # the usual case in round 1: the engine counts anyway, only a huge chunk needs a look
            return known if await fits(0) else None
        k = await largest_fitting(len(known), fits)
        return None if k < 0 else known[:k]

    async def _read_halves(
        self, number: int, page: Page, round_: int, known: Sequence[Message]
    ) -> tuple[Message | None, Usage]:
        """A chunk with more tokens than its estimate is read in two; the better message counts."""
        if (parts := halves(page)) is None:
            raise ContextOverflow(
                f"not even a piece of a chunk fits the window of {self.model.window} tokens beside the question"
            )
        found: list[Message] = []
        usage = Usage()
        for half in parts:
            message, spent = await self._read(number, half, round_, known)
            usage += spent
            if message is not None:
                found.append(message)
        return (max(found, key=lambda m: m.rating) if found else None), usage

    def _judged(
        self, number: int, page: Page, round_: int, known: Sequence[Message], completion: Completion
    ) -> Message | None:
        probability = yes_probability(completion.text, completion.logprobs)
        if probability is None:
            self.session.warn(f"{self.model.name} said neither yes nor no: such chunks are rated {NEUTRAL_RATING:g}")
            probability = NEUTRAL_RATING / 100
        if self.exclude_empty and probability < LEAST_PROBABILITY:
            return None
        return self._extract(number, page, round_, known, round(100 * probability, 1))

    def _extract(self, number: int, page: Page, round_: int, known: Sequence[Message], rating: float) -> Message:
        question = self.session.question
        wanted = terms(question).union(*(terms(m.quote) for m in known[: self.cap]))
        piece = max(page.pieces, key=lambda p: (len(terms(p.text) & wanted), -p.start))
        start, end = extract(piece.text, wanted, self.extract_size)
        (low, high), _ = supporting_sentence(piece.text[start:end], "", question)
        return Message(
            chunk=number,
            round=round_,
            rating=rating,
            text=piece.text[start:end],
            gist=piece.text[start + low : start + high],
            quote=piece.text[start + low : start + high],
            span=Span(piece.document, piece.start + start + low, piece.start + start + high),
            position=page.number,
            title=piece.title or piece.document,
            origin=piece.start + start,
        )

    def _stated(
        self, number: int, page: Page, round_: int, reply: SeekReply | None, completion: Completion
    ) -> Message | None:
        if reply is None:
            self.session.warn(
                f"{self.model.name} did not follow the reply's form: such chunks are rated {NEUTRAL_RATING:g}"
            )
            reply = SeekReply(statement=completion.text.strip()[:600], rating=None)
        statement = reply.statement.strip() or reply.quote.strip()
        empty = not reply.relevant or not statement or reply.rating == 0
        if empty and (self.exclude_empty or not statement):
            return None
        if reply.rating is None:
            self.session.warn(f"{self.model.name} gave no rating for some chunks: they count as {NEUTRAL_RATING:g}")
        place = verified(page, reply.quote, statement)
        if place is None:
            self.session.warn("findings without support in their chunk were left out")
            return None
        piece, start, end = place
        quote = piece.text[start:end]
        return Message(
            chunk=number,
            round=round_,
            rating=NEUTRAL_RATING if reply.rating is None else float(reply.rating),
            text=statement if quote in statement else f"{statement}\n“{quote}”",
            gist=statement,
            quote=quote,
            span=Span(piece.document, piece.start + start, piece.start + end),
            position=page.number,
            title=piece.title or piece.document,
        )


def verified(page: Page, quote: str, statement: str) -> tuple[Chunk, int, int] | None:
    """Where `quote` truly stands: a piece of `page` and a span of its text, widened to whole sentences.

    When the quote isn't there, the sentence that holds most of the statement's words stands in, if it holds at least
    `LEAST_SUPPORT` of them and all its numbers; else None.
    """
    for piece in page.pieces:
        found = locate(quote, piece.text)
        if found is not None:
            return piece, *widen(found, sentences(piece.text))
    best = max(
        ((piece, *supporting_sentence(piece.text, statement, "")) for piece in page.pieces), key=lambda item: item[2]
    )
    piece, (start, end), support = best
    supported = support >= LEAST_SUPPORT and holds_numbers(statement, piece.text[start:end])
    return (piece, start, end) if supported else None
