"""PIKE-RAG: a knowledge base is indexed by the questions that its chunks answer, and a question is decomposed step by
step into what the knowledge base can answer.

Wang, Fu, Wang, Song and Bian 2025, PIKE-RAG: sPecIalized KnowledgE and Rationale Augmented Generation, arXiv
2501.11551: knowledge atomizing = `making.py`, chunking with forward summaries = `units.py`, retrieval on several layers
= `knowledge.py`, knowledge-aware decomposition (algorithm 1) = `decomposing.py`, data for a trainable decomposer
(algorithms 2 and 3) = `collecting.py`, the levels 3 and 4 = `levels.py` and `forecasting.py`. Ours: a small model has
the question taken apart by its words (`relations.py`).

What a second question costs: no call for the knowledge base, in any process, since it is kept with the corpus.

Departures: replies are typed objects; likeness is a true cosine (the authors' code takes 1 - d / sqrt(2) of squared
distances for one), of words where the corpus has no embedder; prompts show worked examples, and a model on this machine
must propose something as long as nothing has been found; one that proposes nothing all the same answers
from the chunks that fit the question best on all layers, not from nothing; a chunk that doesn't fit the window beside
those found ends the decomposition; a refusal is followed by one call that must answer. Not built: tagging, the graph of
files, tables and triples, and the iterative baselines that the authors ship.
"""

from __future__ import annotations

from pansophy.papers import Paper
from pansophy.reading.conclusion import answer_from, prompts_of
from pansophy.reading.extagents.chain import chain_of
from pansophy.reading.extagents.plan import is_small
from pansophy.reading.passages import most_that_fit, room
from pansophy.reading.pike_rag.decomposing import Decomposition
from pansophy.reading.pike_rag.knowledge import KnowledgeBase
from pansophy.reading.pike_rag.levels import agents, forecast, join
from pansophy.reading.pike_rag.making import Making
from pansophy.reading.pike_rag.prompts import propose_prompt
from pansophy.reading.pike_rag.relations import Relations
from pansophy.reading.pike_rag.settings import PikeRagSettings
from pansophy.reading.pike_rag.trail import Trail
from pansophy.reading.strategy import Session, Strategy
from pansophy.types import Answer, Chunk, Verdict

__all__ = ["PAPER", "PikeRag", "PikeRagSettings"]

PAPER = Paper(
    system="PIKE-RAG",
    title="PIKE-RAG: sPecIalized KnowledgE and Rationale Augmented Generation",
    authors="Jinyu Wang, Jingjing Fu, Rui Wang, Lei Song, Jiang Bian",
    year=2025,
    arxiv="2501.11551",
    module="pansophy.reading.pike_rag",
)


class PikeRag(Strategy[PikeRagSettings]):
    """Asks a base of questions what it can answer, until it has what the question needs."""

    name = "pike_rag"
    settings_class = PikeRagSettings
    _remembered: tuple[str, KnowledgeBase] | None = None  # the fingerprint of the corpus that was asked last, its base

    async def _read(self, session: Session) -> Answer:
        await self._check_room(session.question)
        knowledge = await self.knowledge(session)
        return await self._answered(session, knowledge)

    async def knowledge(self, session: Session) -> KnowledgeBase:
        """The knowledge base of the session's corpus, made as far as it isn't kept; tells how far it is."""
        self._begin(session, chunks=session.corpus.chunk_count, order="rank")
        fingerprint = session.corpus.fingerprint
        if self._remembered is not None and self._remembered[0] == fingerprint:
            return self._remembered[1]
        width = self.limits.concurrency or self.seeker_model.parallel
        made = await Making(session, self.seeker_model, self.settings, width).run()
        if self.settings.max_chunks is None and not session.failed:
            self._remembered = (fingerprint, made)
        return made

    async def _check_room(self, question: str) -> None:
        """Raises UsageError where the window holds no chunk beside the question."""
        await room(self.model, lambda _: [propose_prompt(question, [])], self.settings.reply_tokens)
        await room(self.model, lambda _: prompts_of(question, []), self.settings.answer_tokens)

    async def _answered(self, session: Session, knowledge: KnowledgeBase) -> Answer:
        trail = Trail()
        if self.settings.level == 4:
            trails, views = await agents(session, self.model, knowledge, self.settings)
            found = list(dict.fromkeys(chunk for one in trails for chunk in one.chunks))
            if found:
                return await join(session, self.model, found, views, self.settings)
        elif self.settings.level > 1:

            def told(found: Trail) -> None:
                session.described = {**session.described, "decomposition": found.describe()}

            relations = self._relations(session)
            trail = await Decomposition(
                session, self.model, knowledge, self.settings, relations=relations, told=told
            ).run()
            if relations is not None and self.settings.level == 2:
                await relations.next(trail.chunks)  # what the last chunk answers, if the rounds were used up
                if relations.answer:
                    return session.answer(relations.answer, Verdict.ANSWERED, tuple(relations.evidence))
        if self.settings.level == 3 and trail.chunks:
            return await forecast(session, self.model, trail.chunks, self.settings)
        return await self._conclude(session, knowledge, trail.chunks)

    def _relations(self, session: Session) -> Relations | None:
        """The question taken apart by its words, where the model is too small to do it."""
        stepwise = self.settings.stepwise if self.settings.stepwise is not None else is_small(self.model)
        chain = chain_of(session.question) if stepwise else None
        return Relations(session, self.model, chain) if chain else None

    async def _conclude(self, session: Session, knowledge: KnowledgeBase, found: list[Chunk]) -> Answer:
        """Answer from the chunks of the decomposition; without any, from those that fit the question best."""
        ratings = [100.0] * len(found)
        if not found:
            best = knowledge.best_units(session.question, self.settings.weights, self.settings.retrieve_k)
            found, ratings = [unit.chunk for unit, _ in best], [100 * score for _, score in best]
            session.described = {**session.described, "retrieved": [unit.chunk.document for unit, _ in best]}
        if not found:
            session.warn("no chunk has anything in common with the question")
            return session.answer("", Verdict.NOTHING_FOUND)
        kept = await most_that_fit(
            self.model, found, lambda chunks: prompts_of(session.question, chunks), self.settings.answer_tokens
        )
        if len(kept) < len(found):
            session.warn(f"only {len(kept)} of the {len(found)} chunks found fit the window beside the answer")
        return await answer_from(
            session,
            self.model,
            kept,
            ratings[: len(kept)],
            max_tokens=self.settings.answer_tokens,
            force=self.settings.force,
        )
