"""Knowledge-aware decomposition (the paper's algorithm 1): what to ask next is proposed by the model, and chosen from
what the knowledge base can answer.

Each step adds one whole chunk to the context, never an answer. It ends for one of the reasons in `Stop`; a reply that
isn't understood is one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from pansophy.engine import complete_as
from pansophy.events import NoteWritten
from pansophy.models import ChatModel
from pansophy.reading.passages import fits
from pansophy.reading.pike_rag.knowledge import Candidate, KnowledgeBase, without
from pansophy.reading.pike_rag.prompts import (
    Choice,
    Proposal,
    choose_paragraph_prompt,
    choose_prompt,
    first_schema,
    propose_prompt,
)
from pansophy.reading.pike_rag.relations import Relations
from pansophy.reading.pike_rag.settings import PikeRagSettings
from pansophy.reading.pike_rag.trail import Step, Stop, Trail
from pansophy.reading.pike_rag.units import Unit
from pansophy.reading.strategy import Session
from pansophy.types import ChatMessage, Usage

MOST_PROPOSALS = 10
"""A small model can repeat itself until its tokens are used up."""


class Explorer(Protocol):
    """Looks beyond the best of each retrieval, when data for training are collected."""

    def beyond(self, settings: PikeRagSettings, knowledge: KnowledgeBase, proposals: Sequence[str], most: int) -> None:
        """Take note of what else the proposals would find."""
        ...

    def sample(self, step: int, trail: Trail) -> Unit | None:
        """A chunk to put into the context beside the chosen one; told of what is in it already."""
        ...


@dataclass(frozen=True, slots=True)
class Decomposition:
    """Finds the chunks that `session.question` needs.

    Args:
        session: the question being read.
        model: who proposes and chooses.
        knowledge: what is asked.
        settings: how often and how deep.
        role: how an agent of level 4 looks at the question.
        temperature: of the proposals.
        seed: of the proposals, for several trails of one question.
        explorer: samples further chunks.
        relations: propose and choose instead of the model.
        told: is shown the trail after every step.
    """

    session: Session
    model: ChatModel
    knowledge: KnowledgeBase
    settings: PikeRagSettings
    role: str = ""
    temperature: float = 0.0
    seed: int = 0
    explorer: Explorer | None = None
    relations: Relations | None = None
    told: Callable[[Trail], None] = lambda trail: None

    async def run(self) -> Trail:
        """The trail, as far as it came. Raises ModelError, BudgetExceeded as `Engine.complete`."""
        trail = Trail()
        for number in range(1, self.settings.rounds + 1):
            step, stop = await self._step(trail, number)
            trail.steps.append(step)
            if stop is not None:
                trail.stop = stop
            self.told(trail)
            self._tell(number, step, stop)
            if stop is not None:
                break
        return trail

    async def _step(self, trail: Trail, number: int) -> tuple[Step, Stop | None]:
        step, understood = await self._proposed(trail)
        if not step.proposals:
            return step, Stop.ENOUGH if understood else Stop.NOT_UNDERSTOOD
        candidates, found_by = self._retrieve(trail, step.proposals)
        step = replace(step, candidates=tuple(candidates), found_by=found_by)
        if not candidates:
            return step, Stop.NOTHING_RETRIEVED
        chosen, usage, stop = await self._choose(trail, candidates)
        step = replace(step, chosen=chosen, usage=step.usage + usage)
        if chosen is None:
            return step, stop
        if not await self._add(trail, chosen.unit):
            return replace(step, chosen=None), Stop.WINDOW
        if self.explorer is not None:
            sampled = self.explorer.sample(number, trail)
            if sampled is not None and await self._add(trail, sampled):
                step = replace(step, explored=sampled)
        return step, None

    async def _proposed(self, trail: Trail) -> tuple[Step, bool]:
        """What to ask next, and whether the reply was understood."""
        if self.relations is not None:
            question = await self.relations.next(trail.chunks)
            return Step((question,) if question else (), usage=self.relations.spent()), bool(self.relations.answer)
        reply, completion = await complete_as(
            self.session.engine,
            self.model,
            propose_prompt(self.session.question, trail.chunks, self.role),
            Proposal,
            max_tokens=self.settings.reply_tokens,
            temperature=self.temperature,
            seed=self.seed,
            # only models on this machine are sure to take a schema with a least length
            schema=None if trail.context or not getattr(self.model, "local", False) else first_schema(),
        )
        asked = [one.strip() for one in reply.sub_questions] if reply is not None else []
        proposals = tuple(dict.fromkeys(one for one in asked if one))[:MOST_PROPOSALS]
        return Step(proposals, usage=completion.usage), reply is not None

    def _retrieve(self, trail: Trail, proposals: Sequence[str]) -> tuple[list[Candidate], str]:
        """What the knowledge base offers that isn't in the context, and by what it was found."""
        settings, knowledge = self.settings, self.knowledge
        # a relation's question names what was found; the whole question doesn't
        question = self.session.question if self.relations is None else proposals[0]
        known = {chunk.text for chunk in trail.chunks}
        most = settings.atom_retrieve_k if len(proposals) > 1 else settings.retrieve_k
        if self.explorer is not None:
            self.explorer.beyond(settings, knowledge, proposals, most)
        search = knowledge.atoms_for if settings.index == "atoms" else knowledge.chunks_for
        found = without([one for proposal in proposals for one in search(proposal, most)], known)
        if found:
            return found, "proposals"
        if settings.index == "atoms" and (found := without(knowledge.atoms_for(question, settings.retrieve_k), known)):
            return found, "question"
        found = without(knowledge.chunks_for(question, settings.retrieve_k), known)
        return found, "chunks" if found else ""

    async def _choose(
        self, trail: Trail, candidates: Sequence[Candidate]
    ) -> tuple[Candidate | None, Usage, Stop | None]:
        """One of the candidates by its question alone; failing that, by the paragraphs themselves."""
        if self.relations is not None:
            best = await self.relations.choose(candidates)
            return best, self.relations.spent(), None if best else Stop.NOTHING_CHOSEN
        question, context = self.session.question, trail.chunks
        of_units = {one.unit.number: one for one in reversed(candidates)}
        paragraphs = sorted(of_units.values(), key=lambda one: -one.score)
        spent, understood = Usage(), False

        def by_question(offered: Sequence[Candidate]) -> list[ChatMessage]:
            return choose_prompt(question, context, [one.question for one in offered])

        def by_paragraph(offered: Sequence[Candidate]) -> list[ChatMessage]:
            return choose_paragraph_prompt(question, context, [one.unit.chunk for one in offered])

        for offered, prompt in ((candidates, by_question), (paragraphs, by_paragraph)):
            while offered and not await fits(self.model, [prompt(offered)], self.settings.reply_tokens):
                offered = offered[:-1]  # the worst last
            if not offered:
                continue
            reply, completion = await complete_as(
                self.session.engine, self.model, prompt(offered), Choice, max_tokens=self.settings.reply_tokens
            )
            spent += completion.usage
            if reply is not None and 1 <= reply.number <= len(offered):
                return offered[reply.number - 1], spent, None
            understood = understood or (reply is not None and reply.number == 0)
        return None, spent, Stop.NOTHING_CHOSEN if understood else Stop.CHOICE_NOT_UNDERSTOOD

    async def _add(self, trail: Trail, unit: Unit) -> bool:
        """Put the chunk into the context if the next proposal still has room."""
        prompt = propose_prompt(self.session.question, [*trail.chunks, unit.chunk], self.role)
        if not await fits(self.model, [prompt], self.settings.reply_tokens):
            self.session.warn("the window has no room for another chunk: the question is answered from those found")
            return False
        trail.context.append(unit)
        return True

    def _tell(self, number: int, step: Step, stop: Stop | None) -> None:
        asked = " / ".join(step.proposals)
        if step.chosen is not None:
            text = f"{asked} -> {step.chosen.question} ({step.chosen.unit.chunk.document})"
        else:
            text = asked
        text = f"{text} · {stop}" if stop is not None and text else text or str(stop)
        self.session.emit(NoteWritten(step=number, of=self.settings.rounds, text=text, usage=step.usage))
