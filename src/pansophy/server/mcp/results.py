"""What the tools return, as types: a client gets them as structured content, with their JSON schemas."""

from __future__ import annotations

import dataclasses

from pydantic import BaseModel, Field

from pansophy.corpus import CorpusInfo, ScoredChunk
from pansophy.types import Answer, Evidence, Ledger, Verdict

CLOSEST = 3
"""How many findings are told when the answer names none."""


class Citation(BaseModel):
    """Where the words of a document stand on which an answer rests: characters `start` to `end` (exclusive)."""

    number: int
    document: str
    start: int
    end: int
    quote: str = Field(description="The document's own words, verbatim; empty where none could be verified.")
    statement: str = Field(description="What the reading agent said of them.")
    rating: float = Field(description="0 to 100: how much the reading agent thought that it bears on the question.")

    @classmethod
    def of(cls, number: int, item: Evidence) -> Citation:
        return cls(
            number=number,
            document=item.document,
            start=item.start,
            end=item.end,
            quote=item.quote,
            statement=item.statement,
            rating=item.rating,
        )


class UsageTold(BaseModel):
    """What the calls cost; all zero when the answer was stored."""

    calls: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    seconds: float
    cost: float | None = Field(description="US dollars, where prices are known.")


class ClaimTold(BaseModel):
    """One of the answers that contradict each other, and who gives it."""

    answer: str
    counts: bool = Field(description="Whether it is the one that was settled on.")
    sources: list[Citation] = Field(description="The passages that tell it.")
    dates: list[str] = Field(description="Of the sources, in their order; empty where none is known.")
    remembered: bool = Field(description="Whether the model says so without any text.")


class AskResult(BaseModel):
    question: str
    answer: str
    verdict: Verdict = Field(description="How the question ended; 'forced' is a guess, the answer may then be wrong.")
    citations: list[Citation] = Field(description="What the answer rests on.")
    closest: list[Citation] = Field(description="The closest findings, where the answer rests on none.")
    contradictions: list[ClaimTold] = Field(
        description="The answers that contradict each other, if `trust` was given and there are several."
    )
    settled: str = Field(
        description="How, or why not, the contradiction was settled; empty where `trust` wasn't given."
    )
    rounds: int
    unread_chunks: int = Field(description="How many chunks could not be read.")
    warnings: list[str]
    usage: UsageTold
    seconds: float
    run_id: str | None

    @classmethod
    def of(cls, answer: Answer) -> AskResult:
        cited = answer.citations
        others = () if cited else sorted(answer.evidence, key=lambda item: -item.rating)[:CLOSEST]
        return cls(
            question=answer.question,
            answer=answer.text,
            verdict=answer.verdict,
            citations=[Citation.of(number, item) for number, item in enumerate(cited, start=1)],
            closest=[Citation.of(number, item) for number, item in enumerate(others, start=1)],
            contradictions=_contradictions(answer.ledger),
            settled="" if answer.ledger is None else answer.ledger.reason,
            rounds=answer.rounds,
            unread_chunks=len(answer.failed_chunks),
            warnings=list(answer.warnings),
            usage=UsageTold(**dataclasses.asdict(answer.usage)),
            seconds=answer.seconds,
            run_id=answer.run_id,
        )


def _contradictions(ledger: Ledger | None) -> list[ClaimTold]:
    if ledger is None or not ledger.is_contested:
        return []
    return [
        ClaimTold(
            answer=claim.answer,
            counts=number == ledger.settled,
            sources=[Citation.of(place, item) for place, item in enumerate(claim.evidence, start=1)],
            dates=list(claim.dates),
            remembered=claim.remembered,
        )
        for number, claim in enumerate(ledger.claims)
    ]


class Hit(BaseModel):
    document: str
    title: str
    start: int
    end: int
    score: float = Field(description="Compares with the other scores of the same search only.")
    text: str

    @classmethod
    def of(cls, found: ScoredChunk) -> Hit:
        chunk = found.chunk
        return cls(
            document=chunk.document,
            title=chunk.title,
            start=chunk.start,
            end=chunk.end,
            score=found.score,
            text=chunk.text,
        )


class SearchResult(BaseModel):
    hits: list[Hit] = Field(description="The passages that fit best, best first.")


class SpanRead(BaseModel):
    document: str
    start: int
    end: int
    characters: int = Field(description="How many characters the whole document has.")
    text: str


class CorpusTold(BaseModel):
    name: str
    documents: int
    chunks: int
    characters: int
    created: str

    @classmethod
    def of(cls, info: CorpusInfo) -> CorpusTold:
        return cls(
            name=info.name,
            documents=info.documents,
            chunks=info.chunks,
            characters=info.characters,
            created=info.created,
        )


class CorporaListed(BaseModel):
    corpora: list[CorpusTold]
