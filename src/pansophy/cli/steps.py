"""What comes before a run, as steps of the live view: reading sources, fetching a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pansophy.cli.wording import short_count

if TYPE_CHECKING:
    from pansophy.cli.live import LiveRun
    from pansophy.corpus import AddProgress
    from pansophy.models import PullProgress

MEGABYTE = 1_000_000


def show_step(live: LiveRun, progress: AddProgress | PullProgress) -> None:
    """Show in the live view how far reading the sources or fetching a model is."""
    from pansophy.models import PullProgress

    if isinstance(progress, PullProgress):
        total = progress.total or None
        done = f"{progress.done / MEGABYTE:,.0f}"
        shown = f"{done} of {progress.total / MEGABYTE:,.0f} MB" if total else f"{done} MB"
        live.step(f"{progress.name}: {progress.phase}", progress.done, total, shown)
    else:
        label = f"{progress.stage} {progress.source}"
        shown = f"{progress.done:,} of {progress.total:,}, {short_count(progress.characters)} characters"
        live.step(label, progress.done, progress.total, shown)
