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
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from pansophy.corpus import Corpus
from pansophy.corpus.pages import Page, pages_by_rank, pages_in_order, with_links
from pansophy.errors import BudgetExceeded, ModelError, UsageError
from pansophy.events import RoundStarted
from pansophy.models import ChatModel, EmbeddedModel
from pansophy.papers import Paper
from pansophy.reading.cues import Time, time_of
from pansophy.reading.examples import nearest, topic_of
from pansophy.reading.extagents.messages import Message, by_rating, fused, in_text_order
from pansophy.reading.extagents.prompts import Language, language_of, reason_prompt, seek_prompt
from pansophy.reading.extagents.reasoning import ReasoningAgent, Try, evidence_of
from pansophy.reading.extagents.seeking import JUDGE_TOKENS, SeekingAgents
from pansophy.reading.extagents.sentences import (
    LEAST_SHARE,
    LEAST_SHARE_OF_TOPIC,
    like_examples,
    place_of,
    sentences_by_rank,
    sentences_with_links,
)
from pansophy.reading.extagents.settings import SMALL_MODEL, ExtAgentsSettings, Step, step_sizes
from pansophy.reading.strategy import Session, Strategy
from pansophy.tokens import BYTES_PER_TOKEN
from pansophy.types import Answer, Chunk, Example, Span, Verdict

PAPER = Paper(
    system="ExtAgents",
    title="Scaling External Knowledge Input Beyond Context Windows of LLMs via Multi-Agent Collaboration",
    authors="Liu, Wan, Li, Yan, Zhang, Huang, Liu",
    year=2025,
    arxiv="2505.21471",
    module="pansophy.reading.extagents",
    venue="ACL 2026",
)

FIRST_STEPS: tuple[Step, ...] = (1, 2, 4, 8, "all")
"""Section 3 of the paper: accumulation at t = 1."""
LATEST_STEPS: tuple[Step, ...] = (1, 2, 3, 4, 6, 8, 16, "all")
"""The last sentences mostly say how things stand, and each one before them is another to be misled by."""
LATER_STEPS: tuple[Step, ...] = ("all",)
"""Section 3 of the paper: one try with everything for t >= 2."""
MOST_SCENES = 6
LIKELY = 8
"""Where examples show what findings look like, so many times more sentences are looked through for such."""
FIRST_STEPS_WITH_EXTRACTS: tuple[Step, ...] = (5, "all")
"""Small models refuse too rarely for a try with less to be worth its time (docs/experiments.md)."""
LARGEST_CHUNK = 16_000
SMALL_MODEL_CHUNK = {"rank": 400, "document": 800}
"""Estimated tokens of a chunk for small models: a passage each when ranked, larger when every chunk is read."""
LEAST_CHUNK = 100
"""Estimated tokens down to which chunks are made smaller for a small window."""
SHORT_DOCUMENT_CHUNKS = 64
LINKS_FROM = 3
"""The best chunks whose mentions of other documents are followed."""
PARTIAL_FINDINGS = 8
QUERY_MESSAGES = 3
QUERY_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Plan:
    """The settings with every "auto" decided, for one question over one corpus."""

    settings: ExtAgentsSettings
    order: Literal["rank", "latest", "document"]
    extracts: bool
    measured: bool
    language: Language
    chunk_tokens: int
    rounds: int
    schedule: tuple[Step, ...]
    max_chunks: int | None
    cap: int | None
    judge: bool
    links: int
    links_later: bool
    by_topic: bool
    examples: tuple[Example, ...]
    read_ahead: bool
    reread: bool

    @property
    def rank(self) -> bool:
        """Whether a search chooses what is read."""
        return self.order != "document"


class ExtAgents(Strategy[ExtAgentsSettings]):
    """Answers a question by many seeking agents and one reasoning agent; see the module's docstring.

    Takes the arguments of `Strategy`; `seeker_model` reads the chunks and `model` reasons (table 6 of the paper: a
    small seeker with a larger reasoner keeps most of the quality at a third of the time).
    """

    name = "extagents"
    settings_class = ExtAgentsSettings

    async def _read(self, session: Session) -> Answer:
        plan = await self._fitted(session, self._plan(session))
        pages = await asyncio.to_thread(Pages, session.corpus, session.question, plan)
        if not len(pages):
            session.warn(f"no {plan.settings.unit[:-1]} has a word of the question")
        steps = step_sizes(plan.schedule, len(pages))
        self._begin(session, chunks=len(pages), order=plan.order, steps=steps)
        reading = _Reading(self, session, plan, pages)
        try:
            return await reading.answer()
        except BudgetExceeded:
            reading.keep_findings()
            raise

    def _plan(self, session: Session) -> Plan:
        settings = self.settings
        extracts = settings.findings == "extracts" or (settings.findings == "auto" and is_small(self.seeker_model))
        single = settings.unit == "sentences"
        time = time_of(session.question)
        short = len(session.corpus.documents()) == 1 and session.corpus.chunk_count <= SHORT_DOCUMENT_CHUNKS
        order = settings.order if settings.order != "auto" else _usual_order(single, short, time)
        rank = order != "document"
        links = settings.links if settings.links is not None else 4 if single else 2
        room = min(self.seeker_model.window // 2, LARGEST_CHUNK)
        usual = min(SMALL_MODEL_CHUNK["rank" if rank else "document"], room) if extracts else room
        local = isinstance(self.model, EmbeddedModel)
        measured = settings.verdict == "measured" or (settings.verdict == "auto" and is_small(self.model))
        return Plan(
            settings=settings,
            order=order,
            extracts=extracts,
            measured=measured,
            language=language_of(session.question) if settings.language == "auto" else settings.language,
            chunk_tokens=settings.chunk_tokens or usual,
            schedule=settings.schedule or _usual_steps(order, single, extracts),
            rounds=settings.rounds or (2 if extracts else 5),
            max_chunks=settings.max_chunks
            or (_usual_chunks(single, extracts) if rank and not settings.exhaustive else None),
            cap=4 if settings.max_synchronised is None and extracts else settings.max_synchronised,
            reread=not extracts if settings.reread is None else settings.reread,
            judge=not single if settings.judge is None else settings.judge,
            links=links,
            links_later=single and time is not Time.EARLIER,
            by_topic=single and time is Time.ONCE and bool(settings.examples),
            examples=nearest(settings.examples, session.question, settings.most_examples) if measured else (),
            read_ahead=not local if settings.read_ahead is None else settings.read_ahead,
        )

    async def _fitted(self, session: Session, plan: Plan) -> Plan:
        """`plan` with chunks that fit the seeker's window beside the question and the reply.

        Chunks of no given size are halved until they fit: questions of different lengths should share their chunks.

        Raises:
            UsageError: a window can't hold one chunk, or one finding, with the question and the reply. Says the
                smallest that can.
        """
        nothing = Page((Chunk("", 0, 0, "", 0),), 0)
        prompt = seek_prompt(nothing, session.question, (), plan.language, judge=plan.extracts)
        needed = await self.seeker_model.count_prompt(prompt)
        needed += JUDGE_TOKENS if plan.extracts else self.settings.seek_tokens
        size = plan.chunk_tokens
        while self.settings.chunk_tokens is None and needed + size > self.seeker_model.window and size > LEAST_CHUNK:
            size = max(LEAST_CHUNK, size // 2)
        to_read = needed + size, f"a chunk of {size} tokens"
        finding = min(size, self.settings.extract_tokens) if plan.extracts else self.settings.seek_tokens
        blank = Message(0, 1, 0.0, "", "", "", Span("", 0, 0), 0, "")
        prompt = reason_prompt(
            [blank],
            session.question,
            plan.language,
            ask="weigh" if plan.measured else "judge",
            total=1,
            examples=plan.examples,
        )
        needed = await self.model.count_prompt(prompt) + self.settings.answer_tokens + finding
        to_reason = needed, f"a finding of {finding} tokens"
        _check_window(self.seeker_model, *(max(to_read, to_reason) if self.seeker_model is self.model else to_read))
        _check_window(self.model, *to_reason)
        return replace(plan, chunk_tokens=size)


class Pages:
    """The chunks of a question, numbered in the order in which they are read; `found` of them before any was read.

    In rank order a list that `search_again` may lengthen; in document order they are cut anew for every pass, so that a
    corpus larger than memory can be read.
    """

    def __init__(self, corpus: Corpus, question: str, plan: Plan) -> None:
        self._corpus = corpus
        self._question = question
        self._plan = plan
        self._list: list[Page] | None = None
        self._limit = plan.max_chunks or corpus.chunk_count
        if plan.rank:
            self._list = self._first()
            self._count = len(self._list)
        else:
            self._count = sum(1 for _ in self._in_order())
        self.found = self._count
        self.total = self._count if not plan.rank else max(1, corpus.chunk_count)

    def __len__(self) -> int:
        return self._count

    def numbered(self) -> Iterable[tuple[int, Page]]:
        """(chunk number, page) for all chunks."""
        return enumerate(self._list if self._list is not None else self._in_order())

    def page(self, number: int) -> Page:
        """A page in rank order."""
        assert self._list is not None
        return self._list[number]

    def _first(self) -> list[Page]:
        plan = self._plan
        if plan.by_topic:
            query = topic_of(self._question, plan.settings.examples)
            found = self._best(query, self._limit, least=LEAST_SHARE_OF_TOPIC)
        else:
            found = self._best(self._question, self._limit)
        if not plan.links_later:
            found = self._linked(found)
        if plan.order == "rank":
            return found
        return sorted((page for page in found if page.score is not None), key=place_of, reverse=True)

    def _best(self, query: str, limit: int, *, least: float = LEAST_SHARE) -> list[Page]:
        settings = self._plan.settings
        if settings.unit == "sentences":
            ranked = sentences_by_rank(self._corpus, query, limit * LIKELY if settings.examples else limit, least=least)
            return like_examples(ranked, settings.examples)[:limit]
        return pages_by_rank(self._corpus, query, self._plan.chunk_tokens, limit)

    def _linked(self, found: list[Page]) -> list[Page]:
        """What was found, with what it leads to."""
        links = self._plan.links
        if self._plan.settings.unit == "sentences":
            rank = partial(self._best, limit=self._limit)
            return sentences_with_links(found, self._question, rank, most=links, enough=self._limit)
        if links:
            return with_links(self._corpus, found, self._plan.chunk_tokens, first=LINKS_FROM, most=links)
        return found

    def search_again(self, query: str) -> None:
        """Append the sentences that those found lead to, in the order of `latest`; else the best pages for `query` that
        aren't there yet, at most a quarter as many (sentences are short: of them as many as a question gets)."""
        if self._list is None:
            return
        known = {place_of(page) for page in self._list}
        if self._plan.links_later and self._plan.links:
            self._list += [page for page in self._linked(self._list) if place_of(page) not in known]
        else:
            more = self._limit if self._plan.settings.unit == "sentences" else max(1, len(self._list) // 4)
            # what was found is itself the best match for what was found, so any share of it counts
            found = self._best(query, len(self._list) + more, least=0.0)
            new = [page for page in found if page.score is not None and place_of(page) not in known]
            self._list += new[:more]
        self._count = len(self._list)

    def _in_order(self) -> Iterator[Page]:
        pages = pages_in_order(self._corpus, self._plan.chunk_tokens)
        for number, page in enumerate(pages):
            if self._plan.max_chunks is not None and number >= self._plan.max_chunks:
                return
            yield page


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


def _check_window(model: ChatModel, smallest: int, what: str) -> None:
    if smallest > model.window:
        raise UsageError(
            f"the window of {model.name} is {model.window} tokens, but {what} with the question and the reply needs "
            f"{smallest}: use a window of at least {smallest}, or smaller chunks (chunk_tokens) or replies"
        )


def _usual_chunks(single: bool, extracts: bool) -> int:
    return 24 if single else 10 if extracts else 32


def _usual_order(single: bool, short: bool, time: Time) -> Literal["rank", "latest", "document"]:
    if single:
        return "latest" if time is Time.NOW else "rank"
    return "document" if short else "rank"


def _usual_steps(order: str, single: bool, extracts: bool) -> tuple[Step, ...]:
    if order == "latest":
        return LATEST_STEPS
    if single:
        return ("all",)
    return FIRST_STEPS_WITH_EXTRACTS if extracts else FIRST_STEPS


def _parameters(model: ChatModel) -> float | None:
    """Billions of parameters, where the model knows."""
    value = getattr(model, "parameters", None)
    return float(value) if value else None


def is_small(model: ChatModel) -> bool:
    """Whether the model is known to have fewer than `SMALL_MODEL` billion parameters."""
    parameters = _parameters(model)
    return parameters is not None and parameters < SMALL_MODEL
