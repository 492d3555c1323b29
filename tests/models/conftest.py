"""The small model for tests: pulled once, into `PANSOPHY_TEST_MODELS` or the user's cache folder."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs
import pytest

from pansophy.models.catalogue import CatalogueModel, find
from pansophy.models.pull import pull_model


def small_model() -> CatalogueModel:
    model = find("smollm2-135m")
    assert model is not None
    return model


@pytest.fixture(scope="session")
def model_file() -> Path:
    """The path of SmolLM2-135M-Instruct."""
    home = os.environ.get("PANSOPHY_TEST_MODELS") or platformdirs.user_cache_dir("pansophy-tests", appauthor=False)
    return pull_model(small_model(), home=Path(home))
