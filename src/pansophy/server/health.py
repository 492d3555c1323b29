"""Is the service alive, is it ready, what has it counted."""

from __future__ import annotations

from fastapi import APIRouter, Response

from pansophy.server.failures import Refusal
from pansophy.server.metrics import CONTENT_TYPE
from pansophy.server.schemas import Health
from pansophy.server.service import TheService

router = APIRouter(tags=["operations"])
PROMETHEUS = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "The metrics."}}


@router.get("/health/live", summary="Does the process answer?")
async def live() -> Health:
    return Health(status="ok")


@router.get("/health/ready", summary="Can it work: is the database there, are questions taken up?")
@router.get("/health", summary="The same as /health/ready")
def ready(service: TheService) -> Health:
    service.jobs.count()
    if not service.is_working:
        raise Refusal(503, "questions are not taken up: the service is starting or stopping")
    return Health(status="ok")


@router.get("/metrics", summary="Counters for Prometheus", responses=PROMETHEUS, response_class=Response)  # type: ignore[arg-type]
def metrics(service: TheService) -> Response:
    return Response(service.metrics.text(service.jobs.count()), media_type=CONTENT_TYPE)
