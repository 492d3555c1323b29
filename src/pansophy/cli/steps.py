"""What comes before a run, as steps of the live view: reading sources, fetching a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pansophy.cli.wording import short_count

if TYPE_CHECKING:
    from pansophy.cli.live import LiveRun
    from pansophy.corpus import AddProgress
    from pansophy.models import PullProgress

MEGABYTE = 1_000_000


def reading_step(live: LiveRun) -> Callable[[AddProgress], None]:
    """A callback that shows how many sources have been read."""

    def show(progress: AddProgress) -> None:
        label = f"reading {progress.source}" if progress.source else progress.stage
        count = f"{progress.done:,} of {progress.total:,}, {short_count(progress.characters)} characters"
        live.step(label, progress.done, progress.total, count)

    return show


def fetching_step(live: LiveRun) -> Callable[[PullProgress], None]:
    """A callback that shows how much of a model file has arrived."""

    def show(progress: PullProgress) -> None:
        label = f"{progress.name}: {progress.phase}"
        done = f"{progress.done / MEGABYTE:,.0f}"
        total = progress.total or None
        count = f"{done} of {progress.total / MEGABYTE:,.0f} MB" if total else f"{done} MB"
        live.step(label, progress.done, total, count)

    return show
