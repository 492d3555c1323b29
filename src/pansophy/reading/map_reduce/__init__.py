"""Map-reduce: every part of the text is read by itself into a message with a confidence; the messages are merged until
they fit into one prompt, from which the answer is given.

Zhou et al. 2024, LLMxMapReduce, arXiv 2410.09342 (ACL 2025): map = `MapReduce._map`, collapse = `collapse.py`, reduce =
`MapReduce._reduce`. The confidence of a message is 0..5 and calibrated by examples (`messages.py`), so that confidences
of different parts can be compared.

Departures: the part comes first in every prompt, so that a prefix cache serves it for all questions; a part that holds
nothing leaves its fields empty; each message keeps the numbers of the parts that it comes from, through all merges; the
copied sentences are looked up in the text and become evidence; a merge that makes nothing shorter ends the collapse
(the most confident messages are kept, and the user is told); a refusal is followed by one call that must answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from pansophy.corpus.pages import Page
from pansophy.engine import complete_as
from pansophy.errors import ModelError, UsageError
from pansophy.events import ChunkRead
from pansophy.papers import Paper
from pansophy.reading.conclusion import Asking, conclude
from pansophy.reading.map_reduce.collapse import Collapse, measured
from pansophy.reading.map_reduce.messages import (
    JudgedReduced,
    MapReply,
    Message,
    Reduced,
    evidence_of,
    map_prompt,
    message_of,
    rating_of,
    reduce_prompt,
    whole_pages,
)
from pansophy.reading.passages import each, pages_for
from pansophy.reading.strategy import Session, Strategy
from pansophy.types import Answer, Completion, Verdict

PAPER = Paper(
    system="Map-reduce",
    title="LLMxMapReduce: Simplified Long-Sequence Processing using Large Language Models",
    authors="Zihan Zhou, Chong Li, Xinyi Chen, et al.",
    year=2024,
    arxiv="2410.09342",
    module="pansophy.reading.map_reduce",
    venue="ACL 2025",
)


@dataclass(frozen=True, slots=True)
class MapReduceSettings:
    """How the text is cut, how long messages are, how to answer.

    Args:
        chunk_tokens: the most tokens of a part; fewer where the window asks for it.
        max_chunks: read only so many parts, those that fit the question best; None for all.
        message_tokens: tokens reserved for a message, mapped or merged.
        answer_tokens: tokens reserved for the answer.
        force: answer even after a refusal.
    """

    chunk_tokens: int = 4096  # the authors' code: chunk_size
    max_chunks: int | None = None  # the paper reads everything
    message_tokens: int = 300  # the authors' code: max_tokens
    answer_tokens: int = 256  # ours
    force: bool = True  # ours, as ExtAgents' last round does

    def __post_init__(self) -> None:
        for name in ("chunk_tokens", "max_chunks", "message_tokens", "answer_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name} must be at least 1, not {value}")


class MapReduce(Strategy[MapReduceSettings]):
    """Reads every part by itself, then merges what they say, trusting the more confident ones."""

    name = "map_reduce"
    settings_class = MapReduceSettings

    async def _read(self, session: Session) -> Answer:
        settings = self.settings
        pages = await pages_for(
            self.seeker_model,
            session.corpus,
            session.question,
            lambda pieces: [map_prompt(session.question, pieces)],
            page_tokens=settings.chunk_tokens,
            max_tokens=settings.message_tokens,
            best=settings.max_chunks,
        )
        self._begin(session, chunks=len(pages), order="rank" if settings.max_chunks else "document")
        width = self.limits.concurrency or self.seeker_model.parallel
        found: dict[int, Message] = {}
        await each(pages, lambda page: self._map(session, page, found), width)
        if not found and len(session.failures) == len(pages):
            raise session.failures[0]
        messages = await Collapse(session, self.model, settings.message_tokens, settings.answer_tokens, width).run(
            [found[number] for number in sorted(found)]
        )
        if not messages:
            return session.answer("", Verdict.NOTHING_FOUND)
        return await self._reduce(session, messages, pages)

    # ---- map ----

    async def _map(self, session: Session, page: Page, found: dict[int, Message]) -> None:
        """Put the message of one page into `found`, unless it holds nothing; a failure is put on record."""
        try:
            reply, completion = await complete_as(
                session.engine,
                self.seeker_model,
                map_prompt(session.question, page.pieces),
                MapReply,
                max_tokens=self.settings.message_tokens,
                priority=1,
            )
            if reply is None:
                raise ModelError(f"{self.seeker_model.name} did not follow the form of the reply")
        except ModelError as error:
            session.chunk_failed(page.number, page.pieces, error, 1)
            return
        message = message_of(reply, page)
        _tell(session, page, message, completion)
        if message is None:
            return
        found[page.number] = await measured(self.model, message)
        best = max(found.values(), key=lambda one: (bool(one.answer), one.confidence))
        session.best = session.answer(best.answer, Verdict.OUT_OF_BUDGET, evidence_of(found.values(), [best]))

    # ---- reduce ----

    async def _reduce(self, session: Session, messages: Sequence[Message], pages: Sequence[Page]) -> Answer:
        def named(reply: BaseModel) -> list[Message]:
            numbers = getattr(reply, "messages", [])
            return [messages[number - 1] for number in numbers if 1 <= number <= len(messages)]

        def chunks_of(reply: BaseModel) -> tuple[int, ...]:
            return tuple(sorted({number for message in named(reply) for number in message.chunks}))

        asking = Asking(
            lambda forced: reduce_prompt(session.question, messages, forced),
            JudgedReduced,
            Reduced,
            self.settings.answer_tokens,
            self.settings.force,
            chunks_of,
        )
        shown = [number for message in messages for number in message.chunks]
        concluded = await conclude(session, self.model, asking, shown)
        cited = named(concluded.reply) if concluded.reply is not None else []
        if concluded.reply is not None and len(cited) < len(getattr(concluded.reply, "messages", [])):
            session.warn("the answer names reports that don't exist; they were left out")
        evidence = evidence_of(messages, cited) or whole_pages(cited or messages, pages)
        return session.answer(concluded.text, concluded.verdict, evidence)


def _tell(session: Session, page: Page, message: Message | None, completion: Completion) -> None:
    place = message.evidence[0] if message is not None and message.evidence else None
    where = place or page.pieces[0]
    session.emit(
        ChunkRead(
            round=1,
            chunk=page.number,
            document=where.document,
            start=where.start,
            end=where.end,
            found=message is not None,
            rating=rating_of(message.confidence) if message else 0.0,
            statement=(message.answer or message.information) if message else "",
            quote=place.quote if place else "",
            usage=completion.usage,
        )
    )
