"""The control flow of ExtAgents.

Liu, Wan, Li, Yan, Zhang, Huang and Liu, "Scaling External Knowledge Input Beyond Context Windows of LLMs via
Multi-Agent Collaboration", 2025, arXiv 2505.21471. Section 2.2 (synchronisation) is `by_rating` and
`SeekingAgents._synchronised`, section 2.3 (accumulation) is `step_sizes` and `_Reading._round`, section 3's pipeline
is `read_ahead`.

Where we depart from the paper: rating comes with the seek reply, not by a second call; the chunk stands first in every
prompt; in rank order chunks are read only when a step needs them; a step may choose its messages among more chunks
(`lookahead`); later rounds search again (`requery`); a round that changed nothing ends the rounds; findings are
kept over rounds; quotes are checked. Each is a setting or is proven equal in the tests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from pansophy.corpus.pages import Page
from pansophy.errors import BudgetExceeded, ModelError
from pansophy.events import NoteWritten, RoundStarted
from pansophy.papers import Paper
from pansophy.reading.extagents.chain import Chain, chain_of, examples_for
from pansophy.reading.extagents.messages import Message, by_rating, fused, in_text_order
from pansophy.reading.extagents.pages import Pages, Step
from pansophy.reading.extagents.plan import LATER_STEPS, Plan, fitted, plan_of
from pansophy.reading.extagents.reasoning import ReasoningAgent, Try, evidence_of
from pansophy.reading.extagents.seeking import SeekingAgents
from pansophy.reading.extagents.settings import ExtAgentsSettings, step_sizes
from pansophy.reading.strategy import Session, Strategy
from pansophy.tokens import BYTES_PER_TOKEN
from pansophy.types import Answer, Evidence, Example, Span, Usage, Verdict

PAPER = Paper(
    system="ExtAgents",
    title="Scaling External Knowledge Input Beyond Context Windows of LLMs via Multi-Agent Collaboration",
    authors="Liu, Wan, Li, Yan, Zhang, Huang, Liu",
    year=2025,
    arxiv="2505.21471",
    module="pansophy.reading.extagents",
    venue="ACL 2026",
)

PARTIAL_FINDINGS = 8
QUERY_MESSAGES = 3
QUERY_CHARACTERS = 300
MOST_SCENES = 6


class ExtAgents(Strategy[ExtAgentsSettings]):
    """Answers a question by many seeking agents and one reasoning agent; see the module's docstring.

    Takes the arguments of `Strategy`; `seeker_model` reads the chunks and `model` reasons (table 6 of the paper: a
    small seeker with a larger reasoner keeps most of the quality at a third of the time).
    """

    name = "extagents"
    settings_class = ExtAgentsSettings

    async def _read(self, session: Session) -> Answer:
        stepwise = self.settings.stepwise if self.settings.stepwise is not None else self.settings.unit == "sentences"
        chain = chain_of(session.question) if stepwise else None
        if chain and (answer := await self._one_by_one(session, chain)):
            return answer
        plan = await self._plan(session, self.settings)
        return await self._at_once(session, plan, announced=None if chain else session)

    async def _one_by_one(self, session: Session, chain: Chain) -> Answer | None:
        """The answer of the last of a chain of questions, each about the answer to the one before it.

        None where one before the last has no answer that is believed, or the last none at all: then the question itself
        is to be asked.
        """
        # each question is about one relation, so nothing is followed further and all that is told of it counts: only
        # the question as a whole may be one of how things stand
        order = "rank" if self.settings.order == "auto" else self.settings.order
        settings = replace(self.settings, order=order, links=0, requery=False, rounds=2, examples=())
        known, rounds = chain.start, 0
        evidence: list[Evidence] = []
        for number in range(len(chain.relations)):
            asked = session.asking(chain.question(number, known))
            plan = await self._plan(asked, settings, examples=examples_for(chain))
            used = frozenset(Span(item.document, item.start, item.end) for item in evidence if item.cited)
            try:
                answer = await self._at_once(
                    asked, plan, announced=session if number == 0 else None, step=Step(known, used)
                )
            except BudgetExceeded:
                found = (*evidence, *asked.best.evidence)
                session.best = replace(session.best, evidence=tuple(found), rounds=rounds + asked.best.rounds)
                raise
            told = f"{asked.question} {answer.text or '?'}"
            session.emit(NoteWritten(step=number + 1, of=len(chain.relations), text=told, usage=Usage()))
            last = number == len(chain.relations) - 1
            if not answer.text or (answer.verdict is Verdict.FORCED and not last):
                return None
            known, rounds = answer.text.rstrip(".。"), rounds + answer.rounds
            evidence += answer.evidence
        evidence.sort(key=lambda item: not item.cited)
        return session.answer(answer.text, answer.verdict, tuple(evidence), rounds=rounds)

    async def _plan(self, session: Session, settings: ExtAgentsSettings, examples: tuple[Example, ...] = ()) -> Plan:
        """What `settings` mean for the session's question; a small model is shown `examples`, if any are given."""
        models = (self.model, self.seeker_model)
        plan = plan_of(settings, session.question, session.corpus, *models)
        if examples and plan.measured:
            plan = replace(plan, examples=examples)
        return await fitted(plan, session.question, *models)

    async def _at_once(
        self, session: Session, plan: Plan, *, announced: Session | None, step: Step | None = None
    ) -> Answer:
        """All rounds for the session's question, which may be a `step` of another.

        The first reading of a run says that it has begun, in the name of the session that is to be `announced`.
        """
        pages = await asyncio.to_thread(Pages, session.corpus, session.question, plan, step)
        if announced is not None:
            self._begin(announced, chunks=len(pages), order=plan.order, steps=step_sizes(plan.schedule, len(pages)))
        if not len(pages):
            session.warn(f'no {plan.settings.unit[:-1]} has a word of the question "{session.question}"')
        reading = _Reading(self, session, plan, pages)
        try:
            return await reading.answer()
        except BudgetExceeded:
            reading.keep_findings()
            raise


@dataclass(slots=True)
class _Reading:
    """One question on its way through the rounds."""

    strategy: ExtAgents
    session: Session
    plan: Plan
    pages: Pages
    messages: dict[int, Message] = field(default_factory=dict)
    was_read: set[int] = field(default_factory=set)
    shown: list[Message] = field(default_factory=list)
    told: set[frozenset[int]] = field(default_factory=set)
    seekers: SeekingAgents = field(init=False)
    reasoner: ReasoningAgent = field(init=False)

    def __post_init__(self) -> None:
        settings, plan = self.plan.settings, self.plan
        self.seekers = SeekingAgents(
            self.session,
            self.strategy.seeker_model,
            plan.language,
            extracts=plan.extracts,
            judge=plan.judge,
            reply_tokens=settings.seek_tokens,
            extract_size=int(settings.extract_tokens * BYTES_PER_TOKEN * 1.4),
            exclude_empty=settings.exclude_empty,
            cap=plan.cap,
        )
        self.reasoner = ReasoningAgent(
            self.session,
            self.strategy.model,
            plan.language,
            text_order=plan.order != "rank" or settings.unit == "sentences",
            examples=plan.examples,
            compact=settings.unit == "sentences",
            extracts=plan.extracts,
            least_certainty=settings.least_certainty if plan.measured else None,
            reply_tokens=settings.answer_tokens,
            total=self.pages.total,
        )

    async def answer(self) -> Answer:
        """All rounds."""
        settings = self.plan.settings
        round_ = 1
        while True:
            before = {number: message.gist for number, message in self.messages.items()}
            known = by_rating(self.messages.values())
            if round_ > 1 and settings.requery:
                query = " ".join((self.session.question, *(m.gist[:QUERY_CHARACTERS] for m in known[:QUERY_MESSAGES])))
                await asyncio.to_thread(self.pages.search_again, query)
            shown = len(known) if self.plan.cap is None else min(len(known), self.plan.cap)
            self.session.emit(RoundStarted(round=round_, synchronised=shown))
            last = round_ >= self.plan.rounds
            done = await self._round(round_, known, last=last)
            if done is not None:
                return self._result(done, round_)
            self._fail_if_nothing_was_read()
            if not self.messages:
                return self.session.answer("", Verdict.NOTHING_FOUND, rounds=round_)
            settled = before == {number: message.gist for number, message in self.messages.items()}
            if settled and settings.stop_when_settled:
                return self._result(await self._concluded(round_), round_)
            round_ += 1

    async def _round(self, round_: int, known: Sequence[Message], *, last: bool) -> Try | None:
        """Seek and reason; the try that answered, or the forced one of the last round; None to go on."""
        settings = self.plan.settings
        readers = _Readers(self, round_, known)
        lazy = self.plan.rank and round_ == 1 and not settings.exhaustive
        # where messages stay as they were, a round goes on with what the round before has shown (prefix law)
        shown = [] if self.plan.reread or self.plan.order == "latest" else self.shown
        try:
            if not lazy:
                await readers.read_all()
            sizes = self._sizes(round_)
            for index, size in enumerate(sizes):
                final = index == len(sizes) - 1
                chosen = await self._choose(readers, size, shown, everything=size >= len(self.pages), lazy=lazy)
                if last and final and not chosen:  # a schedule without "all" met empty chunks alone
                    chosen = await self._choose(readers, size, shown, everything=True, lazy=lazy)
                if not chosen or (len(chosen) == len(shown) and not (last and final)):
                    continue
                told = frozenset(message.chunk for message in chosen)
                if told in self.told and not self.plan.reread and self.plan.measured:  # it has answered this already
                    if last and final:
                        return self.reasoner.best()
                    continue
                self.told.add(told)
                shown = self.shown = chosen
                if lazy and self.plan.read_ahead and not final:
                    readers.start(self._reach(sizes[index + 1]))
                done = await self.reasoner.attempt(shown, round_, forced=last and final)
                if done.answer and not done.answered:
                    self._keep_best(done)
                if done.answered or (last and final):
                    return done
            if lazy:  # the next round shares the messages of all chunks, even where the schedule ends before "all"
                await readers.read(len(self.pages))
        finally:
            await readers.cancel()
        return None

    async def _concluded(self, round_: int) -> Try:
        """The last word where nothing new is to be had."""
        if self.plan.measured:  # it has answered already
            return self.reasoner.best()
        return await self.reasoner.attempt(self._ranked(), round_, forced=True)

    def _sizes(self, round_: int) -> list[int]:
        """How many messages the tries of a round are given."""
        settings = self.plan.settings
        if round_ > 1 and self.plan.order == "latest" and not settings.later_schedule:
            return self._scenes()
        available = len(self.pages) if self.plan.rank else len(self.messages)
        steps = self.plan.schedule if round_ == 1 else settings.later_schedule or LATER_STEPS
        return step_sizes(steps, available)

    def _scenes(self) -> list[int]:
        """The end of the text from shortly before the last sentence that the question found, then from before the one
        before it, and so on: what leads to it names nothing that the question asks for."""
        told = in_text_order(self.messages.values())
        found = [place for place, message in enumerate(told) if message.chunk < self.pages.found][::-1]
        sizes = [min(len(told), len(told) - place + 1) for place in found[:MOST_SCENES]]
        return list(dict.fromkeys([*sizes, len(told)]))

    def _reach(self, size: int) -> int:
        """How many chunks a step of `size` messages chooses from."""
        return min(len(self.pages), size * self.plan.settings.lookahead)

    async def _choose(
        self, readers: _Readers, size: int, shown: list[Message], *, everything: bool, lazy: bool
    ) -> list[Message]:
        """The messages of a step: those shown before, and new ones after them, best first."""
        if not self.plan.rank:
            return by_rating(self.messages.values())[:size]
        if self.plan.order == "latest":
            size = len(self.pages) if everything else size
            if lazy:
                await readers.read(size)
            if readers.round == 1:  # the pages are in this order
                return [message for number, message in sorted(self.messages.items()) if number < size]
            return in_text_order(self.messages.values())[::-1][:size]
        reach = len(self.pages) if everything else self._reach(size)
        if lazy:
            await readers.read(reach)
        before = {message.chunk for message in shown}
        new = [m for number, m in sorted(self.messages.items()) if number < reach and number not in before]
        if self.plan.settings.lookahead > 1:
            order = fused([m.chunk for m in new], [m.rating for m in new])
            new = [new[index] for index in order]
        if not everything:
            new = new[: max(0, size - len(shown))]
        return [*shown, *new]

    def _ranked(self) -> list[Message]:
        if not self.plan.rank:
            return by_rating(self.messages.values())
        found = [message for _, message in sorted(self.messages.items())]
        return [found[index] for index in fused([m.chunk for m in found], [m.rating for m in found])]

    def keep(self, number: int, message: Message | None) -> None:
        """A message replaces the earlier one of its chunk; a chunk that now holds nothing new keeps its old one."""
        self.was_read.add(number)
        if message is not None:
            self.messages[number] = message

    def keep_findings(self) -> None:
        """What is found so far is the best answer where the reasoning agent hasn't even guessed."""
        best = by_rating(self.messages.values())[:PARTIAL_FINDINGS]
        if best and not self.session.best.rounds:
            evidence = evidence_of(best, frozenset(), "", "", extracts=self.plan.extracts)
            self.session.best = replace(self.session.best, text=best[0].gist, evidence=evidence)

    def _keep_best(self, done: Try) -> None:
        evidence = evidence_of(done.shown, done.cited, done.answer, self.session.question, extracts=self.plan.extracts)
        self.session.best = replace(self.session.best, text=done.answer, evidence=evidence, rounds=done.shown[0].round)

    def _result(self, done: Try, round_: int) -> Answer:
        if not done.answer:
            return self.session.answer("", Verdict.NOTHING_FOUND, rounds=round_)
        evidence = evidence_of(done.shown, done.cited, done.answer, self.session.question, extracts=self.plan.extracts)
        verdict = Verdict.FORCED if done.forced else Verdict.ANSWERED
        return self.session.answer(done.answer, verdict, evidence, rounds=round_)

    def _fail_if_nothing_was_read(self) -> None:
        failed = self.session.failures
        if failed and len(failed) >= len(self.pages) and not self.messages:
            raise failed[0]


class _Readers:
    """The seeking agents' tasks of one round. Each chunk is read at most once; what is pending can be cancelled."""

    def __init__(self, reading: _Reading, round_: int, known: Sequence[Message]) -> None:
        self._reading = reading
        self.round = round_
        self._known = known
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def start(self, count: int) -> None:
        """Begin to read the first `count` chunks (rank order)."""
        for number in range(count):
            if number not in self._tasks:
                self._tasks[number] = asyncio.create_task(self._read(number, self._reading.pages.page(number)))

    async def read(self, count: int) -> None:
        """Have the first `count` chunks read (rank order).

        Raises:
            As `SeekingAgents.read`; the other readers are cancelled.
        """
        self.start(count)
        await _all_of([self._tasks[number] for number in range(count)])

    async def read_all(self) -> None:
        """Have all chunks read, with no more tasks (and chunks in memory) at a time than the model can use."""
        most = 2 * max(1, self._reading.session.engine.limits.concurrency or self._reading.seekers.model.parallel)
        pending: set[asyncio.Task[None]] = set()
        try:
            for number, page in self._reading.pages.numbered():
                if number in self._reading.was_read and not self._reading.plan.reread:
                    continue
                if len(pending) >= most:
                    done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        task.result()
                pending.add(asyncio.create_task(self._read(number, page)))
            await _all_of(pending)
        finally:
            await _cancel(pending)

    async def cancel(self) -> None:
        """Stop what is pending and wait until it has stopped."""
        await _cancel(self._tasks.values())

    async def _read(self, number: int, page: Page) -> None:
        self._reading.keep(number, await self._reading.seekers.read(number, page, self.round, self._known))


async def _all_of(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Wait for all `tasks`; the first error ends the wait."""
    waiting = set(tasks)
    while waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()


async def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel `tasks` and take up what they end with: an error of a read that nobody needs any more is no error."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception) and not isinstance(outcome, BudgetExceeded | ModelError):
            raise outcome
