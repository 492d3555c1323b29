"""Top-k: the chunks that the search ranks highest, one call. Plain retrieval-augmented generation.

Reference: Lewis et al. 2020, arXiv 2005.11401, in the form that is common now: no training, the passages in the prompt.

Departures: the judgement whether the passages answer the question is a field of the reply; a refusal is followed by one
call that must answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from pansophy.corpus.pages import pages_by_rank
from pansophy.errors import UsageError
from pansophy.papers import Paper
from pansophy.reading.conclusion import answer_from, prompts_of
from pansophy.reading.passages import most_that_fit
from pansophy.reading.strategy import Session, Strategy
from pansophy.types import Answer, ChatMessage, Chunk, Verdict

PAPER = Paper(
    system="Top-k",
    title="Retrieval-Augmented Generation for Knowledge-Intensive NLP Tasks",
    authors="Patrick Lewis, Ethan Perez, Aleksandra Piktus, et al.",
    year=2020,
    arxiv="2005.11401",
    module="pansophy.reading.top_k",
    venue="NeurIPS 2020",
)


@dataclass(frozen=True, slots=True)
class TopKSettings:
    """How many passages of which size, and how to answer.

    Args:
        max_chunks: k, how many passages are read.
        chunk_tokens: tokens of a passage, by estimate.
        answer_tokens: tokens reserved for the reply.
        force: answer even after a refusal.
    """

    max_chunks: int = 5  # the paper trains with 5 or 10 passages
    chunk_tokens: int = 400  # ours: the corpus's own chunks
    answer_tokens: int = 256  # ours
    force: bool = True  # ours, as ExtAgents' last round does

    def __post_init__(self) -> None:
        for name in ("max_chunks", "chunk_tokens", "answer_tokens"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, not {getattr(self, name)}")


class TopK(Strategy[TopKSettings]):
    """Answers from the best ranked passages and never sees the rest."""

    name = "top_k"
    settings_class = TopKSettings

    async def _read(self, session: Session) -> Answer:
        def build(passages: Sequence[Chunk]) -> Sequence[Sequence[ChatMessage]]:
            return prompts_of(session.question, passages)

        settings = self.settings
        pages = await asyncio.to_thread(
            pages_by_rank, session.corpus, session.question, settings.chunk_tokens, settings.max_chunks
        )
        scored = [(piece, page.score) for page in pages if page.score is not None for piece in page.pieces]
        kept = await most_that_fit(self.model, [piece for piece, _ in scored], build, settings.answer_tokens)
        self._begin(session, chunks=len(kept), order="rank")
        if not kept:
            session.warn("no chunk has a word of the question")
            return session.answer("", Verdict.NOTHING_FOUND)
        if len(kept) < len(scored) or kept[-1] != scored[len(kept) - 1][0]:
            session.warn(f"only {len(kept)} of the {len(scored)} passages fit the window")
        best = max(score for _, score in scored) or 1.0
        ratings = [100 * score / best for _, score in scored[: len(kept)]]
        return await answer_from(
            session, self.model, kept, ratings, max_tokens=settings.answer_tokens, force=settings.force
        )
