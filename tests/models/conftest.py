"""The small model for tests."""

from __future__ import annotations

from pansophy.models.catalogue import CatalogueModel, find


def small_model() -> CatalogueModel:
    model = find("smollm2-135m")
    assert model is not None
    return model
