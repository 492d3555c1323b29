"""What tests of several floors share."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
import pytest

from pansophy.models.catalogue import find
from pansophy.models.pull import pull_model

if TYPE_CHECKING:
    from pansophy.models import WhiteBoxModel

# Numbers are compared with those of a CPU, so a GPU is only seen by the tests that are about it (make test-gpu).
if not os.environ.get("PANSOPHY_TEST_GPU"):
    os.environ["CUDA_VISIBLE_DEVICES"] = ""

# A shell that starts the tests in the background has them ignore Ctrl-C, and so would every command that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def models_home() -> Path:
    """Where tests keep model files: `PANSOPHY_TEST_MODELS` or the user's cache folder. Each is pulled once, ever."""
    return Path(
        os.environ.get("PANSOPHY_TEST_MODELS") or platformdirs.user_cache_dir("pansophy-tests", appauthor=False)
    )


@pytest.fixture(scope="session")
def half_billion_model_file(models_home: Path) -> Path:
    """The path of Qwen2.5-Coder-0.5B-Instruct."""
    model = find("qwen2.5-coder-0.5b")
    assert model is not None
    return pull_model(model, home=models_home)


@pytest.fixture(scope="session")
def smollm2_file(models_home: Path) -> Path:
    """The path of SmolLM2-135M-Instruct."""
    model = find("smollm2-135m")
    assert model is not None
    return pull_model(model, home=models_home)


@pytest.fixture(scope="session")
def smollm2(smollm2_file: Path, models_home: Path) -> WhiteBoxModel:
    """SmolLM2-135M-Instruct, to be looked into."""
    from pansophy.models import WhiteBoxModel

    return WhiteBoxModel.load(smollm2_file, home=models_home)
