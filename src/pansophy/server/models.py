"""`/api/v1/models`: what answers here, and does it."""

from __future__ import annotations

import dataclasses

from fastapi import APIRouter

from pansophy.models.checkup import check_model
from pansophy.models.discover import local_models
from pansophy.server.schemas import CheckUpOut, KnownModel, ModelList, ModelOut, ModelTest
from pansophy.server.service import TheService

router = APIRouter(prefix="/api/v1/models", tags=["models"])


@router.get("", summary="The models of this service, and those that it could be started with")
def list_models(service: TheService) -> ModelList:
    used = [
        ModelOut(role="reasons", name=service.model.name, window=service.model.window),
        ModelOut(role="reads", name=service.seeker_model.name, window=service.seeker_model.window),
    ]
    known = [
        KnownModel(name=found.model.name, fetched=found.path is not None, fits=str(found.fit))
        for found in local_models()
    ]
    return ModelList(used=used, known=known)


@router.post("/test", summary="Load a model, ask it a tiny question, measure it")
async def test_model(service: TheService, body: ModelTest) -> CheckUpOut:
    model = service.model if body.role == "reasons" else service.seeker_model
    async with service.at_once:
        result = await check_model(model)
    return CheckUpOut(
        **{
            name: value
            for name, value in dataclasses.asdict(result).items()
            if name in CheckUpOut.model_fields and name != "warnings"
        },
        remembers_prefixes=result.remembers_prefixes,
        warnings=list(result.warnings),
    )
