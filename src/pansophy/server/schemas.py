"""The REST API's data, as pydantic models: what OpenAPI describes is what is checked and what is sent."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pansophy.corpus import AddReport, CorpusInfo, DocumentInfo, ScoredChunk
from pansophy.engine import Limits
from pansophy.runs import Job
from pansophy.runs.jobs import ENDED
from pansophy.types import Answer, Trust

CorpusName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$", description="Letters, digits, '-', '_' and '.'.")
]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1, le=2**31 - 1)]
Duration = Annotated[float, Field(gt=0, le=1e9)]


def example(**values: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [values]})


class FailureDetail(BaseModel):
    message: str = Field(description="What was wrong and what to do, for a person.")
    type: str = Field(description="The sort of failure, in OpenAI's words.")
    param: str | None = Field(description="The parameter that was wrong, where it was one.")
    code: str = Field(description="What was wrong, for a program.")


class Failure(BaseModel):
    """The form of every failure, which is that of OpenAI's API."""

    model_config = example(
        error={
            "message": "There is no corpus named 'letters'.",
            "type": "invalid_request_error",
            "param": None,
            "code": "corpus_not_found",
        }
    )
    error: FailureDetail


# ---- corpora ---------------------------------------------------------------------------------------------------------


class NewCorpus(BaseModel):
    model_config = ConfigDict(extra="forbid", **example(name="letters", chunk_tokens=400))
    name: CorpusName
    chunk_tokens: int = Field(default=400, ge=8, le=100_000, description="The most tokens of a chunk, by estimate.")


class CorpusOut(BaseModel):
    model_config = example(
        name="letters", documents=2, chunks=14, characters=20144, created="2026-01-05T12:00:00+00:00", size=61440
    )
    name: str
    documents: Count
    chunks: Count
    characters: Count
    created: str = Field(description="ISO time in UTC.")
    size: Count = Field(description="Bytes on disk.")

    @classmethod
    def of(cls, info: CorpusInfo) -> CorpusOut:
        return cls(
            name=info.name,
            documents=info.documents,
            chunks=info.chunks,
            characters=info.characters,
            created=info.created,
            size=info.size,
        )


class CorpusList(BaseModel):
    corpora: list[CorpusOut]


class DocumentOut(BaseModel):
    model_config = example(
        id="1887/march.txt",
        title="march",
        characters=10072,
        chunks=7,
        language="en",
        added="2026-01-05T12:00:00+00:00",
        sha256="0" * 64,
        metadata={},
    )
    id: str
    title: str
    characters: Count
    chunks: Count
    language: str = Field(description='A guess (ISO 639-1); "" if none is probable.')
    added: str
    sha256: str
    metadata: dict[str, str]

    @classmethod
    def of(cls, info: DocumentInfo) -> DocumentOut:
        return cls(
            id=info.id,
            title=info.title,
            characters=info.characters,
            chunks=info.chunks,
            language=info.language,
            added=info.added,
            sha256=info.sha256,
            metadata=dict(info.metadata),
        )


class DocumentList(BaseModel):
    total: Count
    documents: list[DocumentOut]


class Unread(BaseModel):
    name: str
    reason: str


class AddedOut(BaseModel):
    """What became of an upload. A file that can't be read doesn't stop the others."""

    model_config = example(
        added=["1887/march.txt"],
        unchanged=[],
        failed=[{"name": "scan.pdf", "reason": "scan.pdf holds no text."}],
        documents=1,
        chunks=7,
        characters=10072,
        seconds=0.2,
    )
    added: list[str] = Field(description="Ids of the documents that were added or replaced.")
    unchanged: list[str]
    failed: list[Unread]
    documents: Count
    chunks: Count
    characters: Count
    seconds: float

    @classmethod
    def of(cls, report: AddReport, refused: list[Unread]) -> AddedOut:
        return cls(
            added=list(report.added),
            unchanged=list(report.unchanged),
            failed=refused + [Unread(name=_name_of(item.source), reason=item.reason) for item in report.failed],
            documents=report.documents,
            chunks=report.chunks,
            characters=report.characters,
            seconds=round(report.seconds, 3),
        )


def _name_of(source: str) -> str:
    return source.partition(":")[2] or source


class RemovedOut(BaseModel):
    removed: Count


class Hit(BaseModel):
    model_config = example(document="1887/march.txt", start=0, end=52, text="Anna Holm lit the lamp ...", score=7.1)
    document: str
    start: Count
    end: Count
    text: str
    score: float

    @classmethod
    def of(cls, found: ScoredChunk) -> Hit:
        chunk = found.chunk
        return cls(document=chunk.document, start=chunk.start, end=chunk.end, text=chunk.text, score=found.score)


class Hits(BaseModel):
    hits: list[Hit]


class TextOut(BaseModel):
    model_config = example(document="1887/march.txt", start=0, end=9, characters=10072, text="Anna Holm")
    document: str
    start: Count
    end: Count
    characters: Count = Field(description="Of the whole document.")
    text: str


# ---- questions -------------------------------------------------------------------------------------------------------


class LimitsIn(BaseModel):
    """What one question may take. Where a limit is reached, the best partial answer is given."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, **example(deadline=300, max_calls=200))
    concurrency: int | None = Field(default=None, ge=1, le=256, description="The most calls to one model at once.")
    call_timeout: Duration | None = Field(default=None, description="Seconds for one call.")
    deadline: Duration | None = Field(default=None, description="Seconds for the whole question.")
    max_calls: Positive | None = Field(default=None, description="The most model calls.")
    max_tokens: int | None = Field(
        default=None, ge=1, le=2**53 - 1, description="The most tokens, prompts and replies together."
    )
    max_cost: Duration | None = Field(default=None, description="The most US dollars, where prices are known.")

    def given(self) -> dict[str, Any]:
        return self.model_dump(exclude_none=True)

    def as_limits(self) -> Limits:
        return Limits(**self.given())


class NewQuestion(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        **example(corpus="letters", question="Who relieved the keeper in March?", strategy="auto", limits={}),
    )
    corpus: CorpusName
    question: str = Field(pattern=r"\S", max_length=100_000)
    strategy: str | None = Field(default=None, description="How to read; the service's default if none is given.")
    settings: dict[str, Any] = Field(default_factory=dict, description="Of the strategy, where they differ.")
    trust: Trust | None = Field(
        default=None,
        description="Look for contradictions, and whose word counts; the answer then has a ledger. Not looked for if "
        "none is given.",
    )
    limits: LimitsIn = LimitsIn()
    fresh: bool = Field(default=False, description="Ask again even if the same question has been answered before.")


class Continuation(BaseModel):
    model_config = ConfigDict(extra="forbid", **example(limits={"max_calls": 500}))
    limits: LimitsIn | None = Field(default=None, description="New limits; the old ones hold if none are given.")


class EvidenceOut(BaseModel):
    document: str
    start: Count
    end: Count
    quote: str = Field(description="Exactly what stands there.")
    statement: str
    rating: float
    round: int
    cited: bool


class ClaimOut(BaseModel):
    answer: str
    evidence: list[EvidenceOut] = Field(description="The passages that tell it.")
    dates: list[str] = Field(description='Of their documents, in their order, as ISO 8601; "" for one without a date.')
    remembered: bool = Field(description="Whether the model says the same without any text.")


class LedgerOut(BaseModel):
    """What the passages, and the model's memory, each say to the question."""

    trust: Trust
    claims: list[ClaimOut]
    settled: Count | None = Field(description="The number of the claim that counts, from 0; null if none does.")
    reason: str
    before: str = Field(description="What had been answered before the contradictions were looked for.")


class UsageOut(BaseModel):
    calls: Count
    prompt_tokens: Count
    cached_tokens: Count
    completion_tokens: Count
    seconds: float
    cost: float | None


class AnswerOut(BaseModel):
    answer: str
    verdict: str
    evidence: list[EvidenceOut]
    ledger: LedgerOut | None
    rounds: int
    usage: UsageOut
    warnings: list[str]
    seconds: float
    settings: dict[str, Any]

    @classmethod
    def of(cls, answer: Answer) -> AnswerOut:
        return cls.model_validate(answer.to_dict())


class QuestionOut(BaseModel):
    """A question and how it stands."""

    model_config = example(
        id="20260105-1200-9f3a61c2d4e5",
        status="running",
        corpus="letters",
        question="Who relieved the keeper in March?",
        strategy="auto",
        settings={},
        trust=None,
        limits={},
        created=1767614400.0,
        started=1767614400.1,
        ended=None,
        attempt=1,
        run="20260105-1200-ab12",
        last_event=4,
        error=None,
        answer=None,
        can_be_resumed=False,
    )
    id: str
    status: Literal["queued", "running", "finished", "failed", "cancelled"]
    corpus: str
    question: str
    strategy: str
    settings: dict[str, Any]
    trust: Trust | None
    limits: dict[str, Any]
    created: float = Field(description="Seconds since 1970, as the other times.")
    started: float | None
    ended: float | None
    attempt: int = Field(description="How many workers have taken it up; the later ones continue.")
    run: str | None = Field(description="Its run, as `pansophy runs` shows it.")
    last_event: int = Field(description="The id of its newest event.")
    error: str | None
    answer: AnswerOut | None
    can_be_resumed: bool

    @classmethod
    def of(cls, job: Job) -> QuestionOut:
        request = job.request
        return cls(
            id=job.id,
            status=job.status,
            corpus=request["corpus"],
            question=request["question"],
            strategy=request["strategy"],
            settings=request["settings"],
            trust=request.get("trust"),
            limits=request["limits"],
            created=job.created,
            started=job.started,
            ended=job.ended,
            attempt=job.attempt,
            run=job.run,
            last_event=job.events,
            error=job.error,
            answer=None if job.answer is None else AnswerOut.of(job.answer),
            can_be_resumed=job.status in ENDED and job.can_be_continued,
        )


class QuestionList(BaseModel):
    questions: list[QuestionOut]


class QuestionExport(BaseModel):
    """All that is kept of a question."""

    question: QuestionOut
    events: list[dict[str, Any]]
    run: dict[str, Any] | None = Field(description="As `pansophy runs export` gives it.")


# ---- models and health -----------------------------------------------------------------------------------------------


class ModelOut(BaseModel):
    model_config = example(role="reasons", name="qwen2.5-1.5b", window=8192)
    role: Literal["reasons", "reads"]
    name: str
    window: int = Field(description="Tokens, as far as is known before it is loaded.")


class KnownModel(BaseModel):
    name: str
    fetched: bool
    fits: str = Field(description="Whether it fits in the memory that is free now.")


class ModelList(BaseModel):
    used: list[ModelOut]
    known: list[KnownModel] = Field(description="Embedded models that the service could be started with.")


class ModelTest(BaseModel):
    model_config = ConfigDict(extra="forbid", **example(role="reasons"))
    role: Literal["reasons", "reads"] = "reasons"


class CheckUpOut(BaseModel):
    name: str
    answer: str
    window: int
    parallel: int
    counts_exactly: bool
    load_seconds: float
    prefill_speed: float = Field(description="Prompt tokens a second.")
    generation_speed: float = Field(description="Generated tokens a second.")
    remembers_prefixes: bool
    warnings: list[str]


class Health(BaseModel):
    model_config = example(status="ok")
    status: Literal["ok"]
