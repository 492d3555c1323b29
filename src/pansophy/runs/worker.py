"""Works off the job table: takes jobs up, several at once, keeps their leases alive, and leaves nothing half done.

Any number of workers in any number of processes share one table. Knows nothing of what the work is: it is handed a
coroutine function that does it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from pansophy.errors import LeaseLost, PansophyError, RunFailed, StoreError
from pansophy.events import Event
from pansophy.runs.jobs import LEASE_SECONDS, MOST_ATTEMPTS, Change, Job, JobStore
from pansophy.runs.owner import Claim
from pansophy.types import Answer

POLL_SECONDS = 1.0
BEAT_SECONDS = 1.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Hold:
    """A job that is held by this worker: what whoever does the work tells of it."""

    job: Job
    jobs: JobStore
    claim: Claim = field(default_factory=Claim)

    def emit(self, event: Event) -> None:
        """Write `event` into the job's log. Raises LeaseLost: another worker has the job now."""
        self.jobs.append(self.job.id, self.claim.text, event)

    def begun(self, run_id: str) -> None:
        """Write down which run the job has begun or continues. Raises LeaseLost."""
        self.jobs.begun(self.job.id, self.claim.text, run_id)


Work = Callable[[Hold], Awaitable[Answer]]


class Worker:
    """Does the jobs of a table, `at_once` at the same time.

    Args:
        jobs: the table.
        work: does one job and returns its answer; is cancelled when the job is, or when the worker stops.
        at_once: the most jobs at the same time.
        lease_seconds: without a heartbeat for so long, this worker counts as dead.
        poll_seconds: how often to look for jobs that other processes have put into the table.
        beat_seconds: how often to keep leases alive, and to look which jobs shall be cancelled.
    """

    def __init__(
        self,
        jobs: JobStore,
        work: Work,
        *,
        at_once: int = 8,
        lease_seconds: float = LEASE_SECONDS,
        poll_seconds: float = POLL_SECONDS,
        beat_seconds: float = BEAT_SECONDS,
    ) -> None:
        self._jobs = jobs
        self._work = work
        self._at_once = at_once
        self._lease_seconds = lease_seconds
        self._poll_seconds = poll_seconds
        self._beat_seconds = beat_seconds
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._endings: dict[str, str] = {}
        self._wanted = asyncio.Event()
        self._beat_wanted = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        jobs.listeners.append(self._changed)

    async def run(self) -> None:
        """Work until cancelled; jobs at hand are then given back, to be continued by whoever takes them up."""
        self._loop = asyncio.get_running_loop()
        beating = asyncio.create_task(self._keep_beating())
        try:
            while True:
                await self._take_what_fits()
                await _until(self._wanted, self._poll_seconds)
        finally:
            beating.cancel()
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(beating, *tasks, return_exceptions=True)

    async def _take_what_fits(self) -> None:
        try:
            while len(self._tasks) < self._at_once:
                hold = await self._take_one()
                if hold is None:
                    return
                task = asyncio.create_task(self._carry_out(hold), name=f"job {hold.job.id}")
                self._tasks[hold.claim.text] = task
                task.add_done_callback(lambda _, lease=hold.claim.text: self._over(lease))  # type: ignore[misc]
        except StoreError as error:  # a database that is away comes back; the jobs are safe in it
            log.error("no job can be taken up: %s", error)

    async def _take_one(self) -> Hold | None:
        claim = Claim()
        taking = asyncio.ensure_future(asyncio.to_thread(self._jobs.claim, claim.text, self._lease_seconds))
        try:
            job = await asyncio.shield(taking)
        except asyncio.CancelledError:  # the thread goes on: what it takes is given back
            if (job := await taking) is not None:
                self._let_go(Hold(job, self._jobs, claim))
            raise
        return None if job is None else Hold(job, self._jobs, claim)

    async def _carry_out(self, hold: Hold) -> None:
        job, lease = hold.job, hold.claim.text
        try:
            if job.cancel:
                self._jobs.finish(job.id, lease, "cancelled")
            elif job.attempt > MOST_ATTEMPTS:
                self._jobs.finish(job.id, lease, "failed", error=f"given up: {MOST_ATTEMPTS} workers ended at this job")
            else:
                await self._finish(hold)
        except asyncio.CancelledError:
            self._let_go(hold)
            raise
        except LeaseLost:
            log.warning("job %s was taken over by another worker", job.id)
        except StoreError as error:  # the lease lapses, and the job is continued by whoever can write
            log.error("job %s can't be written to: %s", job.id, error)

    async def _finish(self, hold: Hold) -> None:
        job, lease = hold.job, hold.claim.text
        try:
            answer = await self._work(hold)
        except (LeaseLost, StoreError):
            raise
        except RunFailed as error:
            self._jobs.finish(job.id, lease, "failed", answer=error.answer, error=str(error))
        except PansophyError as error:
            self._jobs.finish(job.id, lease, "failed", error=str(error))
        except Exception:
            log.exception("job %s ended by a mistake of ours", job.id)
            self._jobs.finish(job.id, lease, "failed", error="an internal error; the service's log has the details")
        else:
            self._jobs.finish(job.id, lease, "finished", answer=answer)

    def _let_go(self, hold: Hold) -> None:
        """The work was cancelled: because somebody wants it so, the lease is lost, or this worker stops."""
        lease = hold.claim.text
        ending = self._endings.pop(lease, "stopping")
        try:
            if ending == "cancelled":
                self._jobs.finish(hold.job.id, lease, "cancelled")
            elif ending == "stopping":
                self._jobs.release(hold.job.id, lease)
        except (LeaseLost, StoreError) as error:
            log.warning("job %s could not be given back: %s", hold.job.id, error)

    def _over(self, lease: str) -> None:
        self._tasks.pop(lease, None)
        self._endings.pop(lease, None)
        self._wanted.set()

    async def _keep_beating(self) -> None:
        while True:
            await _until(self._beat_wanted, self._beat_seconds)
            try:
                await self._beat()
            except StoreError as error:
                log.error("leases can't be kept alive: %s", error)

    async def _beat(self) -> None:
        leases = list(self._tasks)
        if not leases:
            return
        held = await asyncio.to_thread(self._jobs.beat, leases, self._lease_seconds)
        for lease in leases:
            task = self._tasks.get(lease)
            if task is not None and held.get(lease, True):  # lost, or to be cancelled
                self._endings.setdefault(lease, "cancelled" if lease in held else "lost")
                task.cancel()

    def _changed(self, job_id: str, change: Change) -> None:
        """Called in whatever thread has changed the job."""
        wanted = {"queued": self._wanted, "to be cancelled": self._beat_wanted}.get(change)
        if self._loop is not None and wanted is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(wanted.set)


async def _until(wanted: asyncio.Event, seconds: float) -> None:
    """Wait until something is wanted, at most `seconds`."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await wanted.wait()
    wanted.clear()
