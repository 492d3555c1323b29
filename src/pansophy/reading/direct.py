"""Direct: as much of the text as the window holds, one call. The baseline that every reader has to beat.

Reference for how too long a text is cut: Zhang et al. 2024, arXiv 2402.13718 (keep the head and the tail halves), as in
the experiments of ExtAgents (Liu et al. 2025, arXiv 2505.21471), where passages in retrieval order keep the front.

Departures: whole chunks are kept, not token slices, so that no word is cut; the judgement whether the text answers the
question is a field of the reply; a refusal is followed by one call that must answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from pansophy.corpus import Corpus
from pansophy.errors import UsageError
from pansophy.models import ChatModel
from pansophy.papers import Paper
from pansophy.reading.conclusion import answer_from, prompts_of
from pansophy.reading.passages import Build, beginning_that_fits, fits, joined, most_that_fit, room
from pansophy.reading.strategy import Session, Strategy
from pansophy.types import Answer, ChatMessage, Chunk

PAPER = Paper(
    system="Direct",
    title="∞Bench: Extending Long Context Evaluation Beyond 100K Tokens",
    authors="Xinrong Zhang, Yingfa Chen, Shengding Hu, et al.",
    year=2024,
    arxiv="2402.13718",
    module="pansophy.reading.direct",
    venue="ACL 2024",
)

ORDERS = ("auto", "document", "rank")
READ_AHEAD = 64
"""Chunks that are fetched from the corpus at a time."""


@dataclass(frozen=True, slots=True)
class DirectSettings:
    """How to fill the window and how to answer.

    Args:
        order: "document" keeps the head and the tail of the text, "rank" the chunks that the search ranks highest, then
            those that it doesn't find; "auto" takes document order for a corpus of one document.
        answer_tokens: tokens reserved for the reply.
        force: answer even after a refusal.
    """

    order: str = "auto"  # the papers: head and tail of one long text, the front of retrieved passages
    answer_tokens: int = 256  # ours
    force: bool = True  # ours, as ExtAgents' last round does

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise UsageError(f"order must be one of {', '.join(ORDERS)}, not {self.order!r}")
        if self.answer_tokens < 1:
            raise UsageError(f"answer_tokens must be at least 1, not {self.answer_tokens}")


class Direct(Strategy[DirectSettings]):
    """Answers from the text that fits into one prompt and never sees the rest."""

    name = "direct"
    settings_class = DirectSettings

    async def _read(self, session: Session) -> Answer:
        settings = self.settings
        order = settings.order
        if order == "auto":
            order = "document" if len(session.corpus.documents()) == 1 else "rank"
        passages, scores = await self._passages(session, order)
        self._begin(session, chunks=len(passages), order=order)
        seen = sum(len(piece.text) for piece in passages)
        if seen < session.corpus.character_count:
            session.warn(f"only {seen:,} of the corpus's {session.corpus.character_count:,} characters fit the window")
        return await answer_from(
            session, self.model, passages, scores, max_tokens=settings.answer_tokens, force=settings.force
        )

    async def _passages(self, session: Session, order: str) -> tuple[list[Chunk], list[float]]:
        def build(passages: Sequence[Chunk]) -> Sequence[Sequence[ChatMessage]]:
            return prompts_of(session.question, passages)

        reserved = self.settings.answer_tokens
        if order == "rank":
            deep = max(READ_AHEAD, self.model.window // READ_AHEAD)
            hits = await asyncio.to_thread(session.corpus.search, session.question, deep)
            if hits:
                # what shares no word with the question is read as well, if there is room for it
                found = {hit.chunk.index for hit in hits}
                others = [number for number in range(session.corpus.chunk_count) if number not in found]
                rest = await asyncio.to_thread(session.corpus.read, others[: deep - len(hits)])
                kept = await most_that_fit(self.model, [hit.chunk for hit in hits] + rest, build, reserved)
                best = max(hit.score for hit in hits) or 1.0
                return kept, [*(100 * hit.score / best for hit in hits), *(0.0 for _ in rest)][: len(kept)]
            session.warn("no chunk has a word of the question: read in the order of the text instead")
        left = await room(self.model, build, reserved)
        chunks = await head_and_tail(self.model, session.corpus, left)
        passages = joined(await _without_middle(self.model, chunks, build, reserved))
        return passages, [50.0] * len(passages)


async def head_and_tail(model: ChatModel, corpus: Corpus, tokens: int) -> list[Chunk]:
    """The chunks of the first `tokens // 2` tokens and of the last `ceil(tokens / 2)`; all of them if all fit.

    At least one chunk, even if it is too long.
    """
    head = await _take(model, corpus, tokens, corpus.chunk_count)
    if len(head) < corpus.chunk_count:
        head = await _take(model, corpus, tokens // 2, corpus.chunk_count)
        tail = await _take(model, corpus, tokens - tokens // 2, corpus.chunk_count - len(head), backwards=True)
        head += tail[::-1]
    return head or corpus.read([0])


async def _take(model: ChatModel, corpus: Corpus, tokens: int, most: int, *, backwards: bool = False) -> list[Chunk]:
    """Chunks from one end of the corpus until the next would exceed `tokens`; at most `most`, from that end inwards."""
    taken: list[Chunk] = []
    while len(taken) < most:
        begin, end = len(taken), min(most, len(taken) + READ_AHEAD)
        if backwards:
            begin, end = corpus.chunk_count - end, corpus.chunk_count - begin
        block = await asyncio.to_thread(corpus.read, range(begin, end))
        for chunk in reversed(block) if backwards else block:
            tokens -= await model.count_tokens(chunk.text)
            if tokens < 0:
                return taken
            taken.append(chunk)
    return taken


async def _without_middle(model: ChatModel, chunks: list[Chunk], build: Build, max_tokens: int) -> list[Chunk]:
    """As many of the chunks as fit, dropped from the middle: their titles and the joints take room as well."""

    def without(dropped: int) -> list[Chunk]:
        first = (len(chunks) - dropped) // 2
        return chunks[:first] + chunks[first + dropped :]

    low, high = 0, len(chunks) - 1
    while low < high:
        middle = (low + high) // 2
        if await fits(model, build(joined(without(middle))), max_tokens):
            high = middle
        else:
            low = middle + 1
    kept = without(low)
    if len(kept) == 1 and not await fits(model, build(kept), max_tokens):
        kept = [await beginning_that_fits(model, kept[0], build, max_tokens)]
    return kept
