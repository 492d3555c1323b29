from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from pansophy.engine import Engine, Limits


@pytest.fixture
def new_engine() -> Callable[..., Engine]:
    """Makes engines on the running loop's clock: `new_engine(concurrency=4, journal=...)`."""

    def make(journal: Any = None, emit: Any = None, prices: Any = None, **limits: Any) -> Engine:
        clock = asyncio.get_running_loop().time
        return Engine(Limits(**limits), journal=journal, emit=emit, prices=prices, clock=clock)

    return make
