"""Following jobs as they go, whichever process works on them.

What happens in this process is told at once; what happens in others is noticed by one small query for all the jobs that
are being followed. Knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from pansophy.errors import StoreError, UnknownRun
from pansophy.runs.jobs import ENDED, Change, JobEvent, JobStore

POLL_SECONDS = 0.2
BATCH = 500
log = logging.getLogger(__name__)


class Feed:
    """The events of jobs, from any number on, to any number of followers; belongs to one event loop.

    Args:
        jobs: where the jobs are kept.
        poll_seconds: how often to look for what other processes have done.
    """

    def __init__(self, jobs: JobStore, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._jobs = jobs
        self._poll_seconds = poll_seconds
        self._followers: dict[str, set[asyncio.Event]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._poller: asyncio.Task[None] | None = None
        self._closed = False
        jobs.listeners.append(self._changed)

    async def follow(self, job_id: str, after: int = 0) -> AsyncIterator[JobEvent]:
        """The events with numbers above `after`: those that there are, then each as it happens, until the job is over.

        Ends early when the feed is closed; whoever wants the rest goes on from the last number elsewhere.

        Raises:
            UnknownRun: there is no such job.
        """
        self._start()
        changed = asyncio.Event()
        self._followers.setdefault(job_id, set()).add(changed)
        try:
            while not self._closed:
                changed.clear()
                batch = await asyncio.to_thread(self._jobs.events, job_id, after, BATCH)
                for event in batch:
                    yield event
                    after = event.number
                if len(batch) == BATCH:
                    continue
                last, status = await asyncio.to_thread(self._head, job_id)
                if status in ENDED and after >= last:
                    return
                if after >= last:
                    await changed.wait()
        finally:
            followers = self._followers[job_id]
            followers.discard(changed)
            if not followers:
                del self._followers[job_id]

    def close(self) -> None:
        """End all that follow."""
        self._closed = True
        if self._poller is not None:
            self._poller.cancel()
        for job_id in list(self._followers):
            self._wake(job_id)

    def _head(self, job_id: str) -> tuple[int, str]:
        heads = self._jobs.heads([job_id])
        if job_id not in heads:
            raise UnknownRun(f"there is no job {job_id!r}")
        return heads[job_id]

    def _start(self) -> None:
        if self._poller is None:
            self._loop = asyncio.get_running_loop()
            self._poller = asyncio.create_task(self._poll())

    def _changed(self, job_id: str, change: Change) -> None:
        """Called in whatever thread has changed the job."""
        if self._loop is not None and job_id in self._followers:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and with it those who follow
                self._loop.call_soon_threadsafe(self._wake, job_id)

    def _wake(self, job_id: str) -> None:
        for changed in self._followers.get(job_id, ()):
            changed.set()

    async def _poll(self) -> None:
        known: dict[str, tuple[int, str]] = {}
        while True:
            await asyncio.sleep(self._poll_seconds)
            if not self._followers:
                known = {}
                continue
            followed = list(self._followers)
            try:
                found = await asyncio.to_thread(self._jobs.heads, followed)
            except StoreError as error:  # a database that is away comes back
                log.error("jobs can't be followed: %s", error)
                continue
            for job_id in followed:
                if found.get(job_id) != known.get(job_id):
                    self._wake(job_id)
            known = found
