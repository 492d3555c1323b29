"""The small model for tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from pansophy.models.catalogue import CatalogueModel, find
from pansophy.models.pull import pull_model


def small_model() -> CatalogueModel:
    model = find("smollm2-135m")
    assert model is not None
    return model


@pytest.fixture(scope="session")
def model_file(models_home: Path) -> Path:
    """The path of SmolLM2-135M-Instruct."""
    return pull_model(small_model(), home=models_home)
