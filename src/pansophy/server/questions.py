"""`/api/v1/questions`: ask, follow, stop, continue. A question is a job: it outlives the request and the process."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from pansophy.errors import UnknownRun
from pansophy.reading.ask import check_settings
from pansophy.runs import Job
from pansophy.server.keys import Access
from pansophy.server.schemas import Continuation, NewQuestion, QuestionExport, QuestionList, QuestionOut
from pansophy.server.service import Service, TheAccess, TheService, require
from pansophy.server.streaming import MEDIA_TYPE, event_stream

router = APIRouter(prefix="/api/v1/questions", tags=["questions"])
QuestionId = Annotated[str, Path(description="The question's id.", examples=["20260105-1200-9f3a61c2d4e5"])]
EVENTS = {
    200: {
        "description": "Server-sent events. Each has an id (1, 2, ...) and a JSON object with a `kind`; the last one "
        "is of the kind `job_ended`.",
        "content": {
            MEDIA_TYPE: {
                "schema": {"type": "string"},
                "example": 'id: 1\ndata: {"kind":"job_queued","seconds":0.0}\n\n',
            }
        },
    }
}


@router.post("", status_code=202, summary="Ask a question over a corpus")
def ask(service: TheService, access: TheAccess, body: NewQuestion, response: Response) -> QuestionOut:
    job = submit(service, access, body)
    response.headers["Location"] = f"{router.prefix}/{job.id}"
    return QuestionOut.of(job)


def submit(service: Service, access: Access, body: NewQuestion) -> Job:
    """Take a question in as a job.

    Raises:
        Refusal: the corpus is not for this key.
        UnknownCorpus, UsageError: no such corpus, strategy, setting or limit.
    """
    service.shelf.open(require(access, body.corpus))  # so that a wrong name is an error now, not later
    strategy = check_settings(body.strategy or service.settings.strategy, body.settings, body.trust)
    body.limits.as_limits()
    request = {
        "corpus": body.corpus,
        "question": body.question.strip(),
        "strategy": strategy,
        "settings": body.settings,
        "trust": None if body.trust is None else str(body.trust),
        "limits": body.limits.given(),
        "fresh": body.fresh,
    }
    return service.jobs.submit(request, owner=access.name)


@router.get("", summary="The newest questions, newest first")
def list_questions(
    service: TheService,
    access: TheAccess,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    status: Annotated[Literal["queued", "running", "finished", "failed", "cancelled"] | None, Query()] = None,
    before: Annotated[str | None, Query(description="Only those that are older than the question of this id.")] = None,
) -> QuestionList:
    if before is not None:
        find(service, access, before)
    jobs = service.jobs.list(limit, owner=owner_seen(access), status=status, before=before)
    return QuestionList(questions=[QuestionOut.of(job) for job in jobs])


@router.get("/{question_id}", summary="A question and how it stands")
def show(service: TheService, access: TheAccess, question_id: QuestionId) -> QuestionOut:
    return QuestionOut.of(find(service, access, question_id))


@router.get(
    "/{question_id}/events",
    summary="What happens, as it happens; can be left and joined again at any event",
    response_class=StreamingResponse,
    responses=EVENTS,  # type: ignore[arg-type]
)
def events(
    request: Request,
    service: TheService,
    access: TheAccess,
    question_id: QuestionId,
    last_event_id: Annotated[int | None, Header(ge=0, le=2**31 - 1, description="Begin after this event.")] = None,
    after: Annotated[int, Query(ge=0, le=2**31 - 1, description="The same, for those who can't set headers.")] = 0,
) -> StreamingResponse:
    find(service, access, question_id)
    begin = after if last_event_id is None else last_event_id
    return event_stream(service, question_id, begin)


@router.post("/{question_id}/cancel", status_code=202, summary="Stop reading; what was read is kept")
def cancel(service: TheService, access: TheAccess, question_id: QuestionId) -> QuestionOut:
    find(service, access, question_id)
    return QuestionOut.of(service.jobs.cancel(question_id))


@router.post("/{question_id}/resume", status_code=202, summary="Go on; what was read is not read again")
def resume(
    service: TheService, access: TheAccess, question_id: QuestionId, body: Continuation | None = None
) -> QuestionOut:
    job = find(service, access, question_id)
    request: dict[str, Any] | None = None
    if body is not None and body.limits is not None:
        body.limits.as_limits()
        request = {**job.request, "limits": body.limits.given()}
    return QuestionOut.of(service.jobs.resume(question_id, request))


@router.get("/{question_id}/export", summary="All that is kept of a question, as one JSON object")
def export(service: TheService, access: TheAccess, question_id: QuestionId) -> QuestionExport:
    job = find(service, access, question_id)
    told = [json.loads(event.text) | {"id": event.number} for event in service.jobs.events(job.id, limit=job.events)]
    run = None
    if job.run is not None:
        try:
            run = service.runs.open(job.run).export()
        except UnknownRun:  # deleted since, with `pansophy runs delete`
            run = None
    return QuestionExport(question=QuestionOut.of(job), events=told, run=run)


@router.delete("/{question_id}", status_code=204, summary="Forget a question that is over")
def delete(service: TheService, access: TheAccess, question_id: QuestionId) -> None:
    find(service, access, question_id)
    service.jobs.delete(question_id)


def owner_seen(access: Access) -> str | None:
    """Whose questions may be seen: a key for some corpora alone sees none but its own (None: everybody's)."""
    return None if access.corpora is None else access.name


def find(service: Service, access: Access, question_id: str) -> Job:
    """The question of this id.

    Raises:
        UnknownRun: there is none, or it is not for these eyes.
    """
    job = service.jobs.get(question_id)
    if access.corpora is not None and (job.owner != access.name or not access.may_use(job.request["corpus"])):
        raise UnknownRun(f"there is no job {question_id!r}")
    return job
