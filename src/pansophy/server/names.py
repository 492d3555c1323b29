"""By which names a service's models are opened again, when a run is gone on with elsewhere."""

from __future__ import annotations

from typing import Protocol

from pansophy.models import ChatModel


class Named(Protocol):
    """Whatever says which models are used."""

    @property
    def model(self) -> str | ChatModel: ...

    @property
    def seeker_model(self) -> str | ChatModel | None: ...

    @property
    def base_url(self) -> str | None: ...


def names_of(settings: Named) -> dict[str, str | None]:
    """What `aask` is to write into a run, so that `pansophy runs resume` can go on with it."""
    model, seeker = settings.model, settings.seeker_model
    if not isinstance(model, str) or not (seeker is None or isinstance(seeker, str)):
        return {}  # objects: nobody else can open them
    return {"model": model, "seeker_model": seeker, "base_url": settings.base_url}
