"""Aggregation: every part of the text is read into typed records, and exact code reduces the records to the answer:
counts, sums, extremes, most common values, sets, groups, joins, chains.

Zhang, Kraska and Khattab 2025, Recursive Language Models, arXiv 2512.24601, answer such questions by letting a model
write programs that split the text and call models on its parts. Here no model's code is run: the question becomes a
plan (`plan.py`, made in `planning.py` by one call, or given), readers fill in records (`prompts.py`, `records.py`), and
`reduce.py` does what the plan says. What only counts words asks no reader.

Departures: plans can do less than programs. In return a result is reproducible, each record rests on a quote that was
looked up in the text (not that its values follow from the quote: that is the reader's word), and what could not be
read, or had no quote, is told with the answer. The model that words the answer must repeat the result, else the result
is given as it is. A reply that is cut off is not counted: its part is read again in halves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pansophy.corpus import Corpus
from pansophy.corpus.pages import Page
from pansophy.engine import complete_as
from pansophy.errors import BudgetExceeded, ModelError, UsageError
from pansophy.events import ChunkRead, NoteWritten
from pansophy.papers import Paper
from pansophy.reading.aggregation.plan import Plan, read_plan
from pansophy.reading.aggregation.planning import planned
from pansophy.reading.aggregation.prompts import Extracted, read_prompt, read_schema
from pansophy.reading.aggregation.records import Record, records_of, word_records
from pansophy.reading.aggregation.reduce import Result, reduced
from pansophy.reading.aggregation.stating import evidence_of, plainly, stated
from pansophy.reading.passages import each, halves, pages_for
from pansophy.reading.strategy import Session, Strategy
from pansophy.types import Answer, Usage, Verdict

PAPER = Paper(
    system="Aggregation",
    title="Recursive Language Models",
    authors="Alex L. Zhang, Tim Kraska, Omar Khattab",
    year=2025,
    arxiv="2512.24601",
    module="pansophy.reading.aggregation",
)


@dataclass(frozen=True, slots=True)
class AggregationSettings:
    """What is looked for, how the text is cut, how long replies are.

    Args:
        plan: the plan as JSON data (see `pansophy.reading.aggregation.plan.Plan`); None to have the model make one.
        chunk_tokens: the most tokens of a part; fewer where the window asks for it.
        max_chunks: read only so many parts, those that fit the question best; None for all. The result is then a lower
            bound.
        plan_tokens: tokens reserved for the plan.
        record_tokens: tokens reserved for the records of a part; a part that has more is read in halves.
        answer_tokens: tokens reserved for the answer.
        phrase: have the model put the result into the words of the question; else it is given plainly.
    """

    plan: Mapping[str, Any] | None = None
    chunk_tokens: int = 1500  # ours: small models miss records in long parts
    max_chunks: int | None = None  # only who reads everything can count
    plan_tokens: int = 700  # ours
    record_tokens: int = 1000  # ours
    answer_tokens: int = 256  # ours
    phrase: bool = True  # ours

    def __post_init__(self) -> None:
        for name in ("chunk_tokens", "max_chunks", "plan_tokens", "record_tokens", "answer_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name} must be at least 1, not {value}")
        if self.plan is not None:
            read_plan(self.plan)


@dataclass(slots=True)
class Found:
    """What was read so far: `records` of `read` of the `pages`, `left_out` others without a quote.

    `whole` tells whether the pages are the whole text, `numbers` each document's place in it.
    """

    pages: int
    whole: bool
    numbers: Mapping[str, int]
    records: list[Record] = field(default_factory=list)
    read: int = 0
    left_out: int = 0


class Aggregation(Strategy[AggregationSettings]):
    """Reads every part into records, which exact code reduces."""

    name = "aggregation"
    contestable = False
    settings_class = AggregationSettings

    async def _read(self, session: Session) -> Answer:
        plan, usage = await self._plan(session)
        if plan is None:
            self._begin(session, chunks=0, order="document")
            return session.answer("", Verdict.NOTHING_FOUND, rounds=0)
        pages = await self._pages(session, plan)
        self._begin(session, chunks=len(pages), order="rank" if self.settings.max_chunks else "document")
        session.emit(NoteWritten(step=1, of=1, text=plan.model_dump_json(by_alias=True), usage=usage))
        numbers = {document.id: number for number, document in enumerate(session.corpus.documents())}
        whole = not plan.read or sum(len(page.text) for page in pages) == session.corpus.character_count
        found = Found(len(pages), whole, numbers)
        for kind in plan.kinds:
            if kind.source == "words":
                found.records += await asyncio.to_thread(word_records, kind, _texts(session.corpus))
        try:
            width = self.limits.concurrency or self.seeker_model.parallel
            await each(pages, lambda page: self._read_page(session, plan, page, found), width)
        except BudgetExceeded:
            result = reduced(plan, found.records)
            missing = self._missing(session, found)
            session.best = session.answer(
                plainly(session, plan, result, missing), Verdict.OUT_OF_BUDGET, evidence_of(result)
            )
            raise
        if pages and len(session.failures) == len(pages):
            raise session.failures[0]
        return await self._conclude(session, plan, found)

    async def _plan(self, session: Session) -> tuple[Plan | None, Usage]:
        if self.settings.plan is not None:
            return read_plan(self.settings.plan), Usage()
        made = await planned(session, self.model, self.settings.plan_tokens)
        if made.plan is None:
            session.warn(
                f"{self.model.name} made no plan for this question ({made.mistake}): give one (the setting plan), take "
                "a larger model or another strategy"
            )
        return made.plan, made.usage

    async def _pages(self, session: Session, plan: Plan) -> list[Page]:
        if not plan.read:
            return []
        return await pages_for(
            self.seeker_model,
            session.corpus,
            session.question,
            lambda pieces: [read_prompt(plan, pieces)],
            page_tokens=self.settings.chunk_tokens,
            max_tokens=self.settings.record_tokens,
            best=self.settings.max_chunks,
        )

    # ---- read ----

    async def _read_page(self, session: Session, plan: Plan, page: Page, found: Found) -> None:
        """Add the records of one page to `found`; a failure is put on record."""
        try:
            items, usage = await self._extract(session, plan, page)
        except ModelError as error:
            session.chunk_failed(page.number, page.pieces, error, 1)
            return
        records, left_out = records_of(items, page.pieces, plan, found.numbers)
        found.records += records
        found.left_out += left_out
        found.read += 1
        place = records[0].places[0] if records else None
        session.emit(
            ChunkRead(
                round=1,
                chunk=page.number,
                document=place.document if place else page.pieces[0].document,
                start=place.start if place else page.pieces[0].start,
                end=place.end if place else page.pieces[0].end,
                found=bool(records),
                rating=100.0 if records else 0.0,
                statement="; ".join(record.statement for record in records),
                quote=place.quote if place else "",
                usage=usage,
            )
        )

    async def _extract(self, session: Session, plan: Plan, page: Page) -> tuple[list[dict[str, Any]], Usage]:
        reply, completion = await complete_as(
            session.engine,
            self.seeker_model,
            read_prompt(plan, page.pieces),
            Extracted,
            max_tokens=self.settings.record_tokens,
            schema=read_schema(plan),
            priority=1,
        )
        if completion.finish_reason != "length":
            if reply is None:
                raise ModelError(f"{self.seeker_model.name} did not follow the form of the reply")
            return reply.records, completion.usage
        if (parts := halves(page)) is None:
            raise ModelError(
                f"the records of even the shortest part are longer than {self.settings.record_tokens} tokens"
            )
        items, usage = [], completion.usage
        for half in parts:
            more, spent = await self._extract(session, plan, half)
            items += more
            usage += spent
        return items, usage

    # ---- conclude ----

    def _missing(self, session: Session, found: Found) -> bool:
        """Whether the result may lack something; the user is told what."""
        reasons = []
        if found.read < found.pages:
            reasons.append(f"{found.pages - found.read} of {found.pages} parts of the text were not read")
        if not found.whole:
            reasons.append(f"only the {found.pages} parts that fit the question best were to be read")
        if found.left_out:
            number = found.left_out + len(found.records)
            reasons.append(f"{found.left_out} of {number} records were left out: their quotes don't stand in the text")
        for reason in reasons:
            session.warn(f"{reason}, so the result is a lower bound")
        return bool(reasons)

    async def _conclude(self, session: Session, plan: Plan, found: Found) -> Answer:
        missing = self._missing(session, found)
        result = reduced(plan, found.records)
        _warn_of(session, plan, result)
        if result.empty:
            return session.answer("", Verdict.NOTHING_FOUND)
        if self.settings.phrase:
            text = await stated(session, self.model, plan, result, missing, self.settings.answer_tokens)
        else:
            text = plainly(session, plan, result, missing)
        return session.answer(text, Verdict.ANSWERED, evidence_of(result))


def _warn_of(session: Session, plan: Plan, result: Result) -> None:
    if result.empty:
        session.warn("no record was found that the result could be made of")
    if result.lacking:
        session.warn(f"{result.lacking} records lack a value that the plan needs; they were left out")
    if result.tied:
        session.warn(f"{result.tied} more are equal to the last one that was taken (the plan takes {plan.take or 1})")


def _texts(corpus: Corpus) -> Iterator[tuple[str, str]]:
    return ((document.id, corpus.document(document.id).text) for document in corpus.documents())
