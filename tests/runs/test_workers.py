"""Workers and followers of a shared job table: each with a store of its own, as if in processes of their own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pansophy.errors import RunFailed, UnknownRun, UsageError
from pansophy.events import Warned
from pansophy.runs import Feed, Hold, JobStore, RunStore, Worker
from pansophy.runs.jobs import MOST_ATTEMPTS
from pansophy.runs.owner import Claim
from pansophy.types import Answer, Verdict

SOON = {"poll_seconds": 0.01, "beat_seconds": 0.01}


def answer(text: str = "Watson") -> Answer:
    return Answer("Who?", text, Verdict.ANSWERED)


@asynccontextmanager
async def working(jobs: JobStore, work: Callable[[Hold], Any], **options: Any) -> AsyncIterator[None]:
    task = asyncio.create_task(Worker(jobs, work, **{**SOON, **options}).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def kinds(jobs: JobStore, job_id: str, after: int = 0) -> list[str]:
    """The kinds of a job's events until it is over."""
    feed = Feed(jobs, poll_seconds=0.01)
    try:
        async with asyncio.timeout(20):
            return [json.loads(event.text)["kind"] async for event in feed.follow(job_id, after)]
    finally:
        feed.close()


async def started(jobs: JobStore, job_id: str) -> None:
    """Wait until a worker has taken the job up."""
    feed = Feed(jobs, poll_seconds=0.01)
    async for event in feed.follow(job_id):
        if json.loads(event.text)["kind"] == "job_started":
            break
    feed.close()


@pytest.fixture
def elsewhere(url):
    """The same jobs as another process sees them."""
    with RunStore(url) as store:
        yield store.jobs


async def test_what_is_asked_in_one_process_is_done_in_another_and_followed_in_order(jobs, elsewhere):
    async def work(hold: Hold) -> Answer:
        for number in range(50):
            hold.emit(Warned(message=str(number)))
            await asyncio.sleep(0)
        return answer()

    job = jobs.submit({})
    feed = Feed(jobs, poll_seconds=0.01)
    async with working(elsewhere, work):
        events = [event async for event in feed.follow(job.id)]
    feed.close()
    assert [event.number for event in events] == list(range(1, 54))
    told = [json.loads(event.text) for event in events]
    assert [event["message"] for event in told[2:-1]] == [str(number) for number in range(50)]
    assert (told[-1]["kind"], told[-1]["status"]) == ("job_ended", "finished")
    assert jobs.get(job.id).answer.text == "Watson"


async def test_a_follower_can_come_back_at_any_event(jobs):
    async def work(hold: Hold) -> Answer:
        hold.emit(Warned(message="one"))
        return answer()

    job = jobs.submit({})
    async with working(jobs, work):
        assert await kinds(jobs, job.id) == ["job_queued", "job_started", "warned", "job_ended"]
    for after in range(5):
        assert await kinds(jobs, job.id, after) == ["job_queued", "job_started", "warned", "job_ended"][after:]


async def test_two_workers_do_each_job_once(jobs, elsewhere):
    done: list[str] = []

    async def work(hold: Hold) -> Answer:
        done.append(hold.job.id)
        await asyncio.sleep(0)
        return answer()

    ids = [jobs.submit({}).id for _ in range(20)]
    async with working(jobs, work, at_once=2), working(elsewhere, work, at_once=2):
        for job_id in ids:
            await kinds(jobs, job_id)
    assert sorted(done) == sorted(ids)


async def test_no_more_jobs_than_allowed_are_done_at_once(jobs):
    now, most, full = 0, 0, asyncio.Event()

    async def work(hold: Hold) -> Answer:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await full.wait() if now < 2 and not full.is_set() else full.set()
        now -= 1
        return answer()

    ids = [jobs.submit({}).id for _ in range(6)]
    async with working(jobs, work, at_once=2):
        for job_id in ids:
            await kinds(jobs, job_id)
    assert most == 2


async def never(hold: Hold) -> Answer:
    await asyncio.Event().wait()
    raise AssertionError


@pytest.mark.parametrize("who", ["the same process", "another process"])
async def test_a_job_at_work_ends_when_it_is_cancelled(jobs, elsewhere, who):
    job = jobs.submit({})
    async with working(jobs, never):
        await started(jobs, job.id)
        (jobs if who == "the same process" else elsewhere).cancel(job.id)
        assert (await kinds(jobs, job.id))[-1] == "job_ended"
    assert jobs.get(job.id).status == "cancelled"


async def test_a_worker_that_stops_gives_its_jobs_back_to_be_continued_by_another(jobs, elsewhere):
    job = jobs.submit({})
    async with working(jobs, never):
        await started(jobs, job.id)
    assert jobs.get(job.id).status == "queued"

    async def work(hold: Hold) -> Answer:
        return answer("from the other one")

    async with working(elsewhere, work):
        assert await kinds(jobs, job.id) == ["job_queued", "job_started", "job_queued", "job_started", "job_ended"]
    assert jobs.get(job.id).answer.text == "from the other one"


async def test_a_worker_that_was_taken_for_dead_stops_its_work(jobs, elsewhere):
    stopped = asyncio.Event()

    async def work(hold: Hold) -> Answer:
        try:
            return await never(hold)
        finally:
            stopped.set()

    job, claim = jobs.submit({}), Claim()
    async with working(jobs, work, lease_seconds=-1.0, at_once=1):  # lapses at once
        await started(jobs, job.id)
        assert elsewhere.claim(claim.text).attempt == 2
        async with asyncio.timeout(20):
            await stopped.wait()
    assert jobs.get(job.id).status == "running"  # the other one's
    elsewhere.finish(job.id, claim.text, "finished", answer=answer())


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (UsageError("the question is empty"), "the question is empty"),
        (RunFailed("wrong key", answer()), "wrong key"),
        (ZeroDivisionError("secret detail"), "an internal error; the service's log has the details"),
    ],
)
async def test_an_error_ends_the_job_and_says_why(jobs, error, told):
    async def work(hold: Hold) -> Answer:
        raise error

    job = jobs.submit({})
    async with working(jobs, work):
        await kinds(jobs, job.id)
    ended = jobs.get(job.id)
    assert (ended.status, ended.error) == ("failed", told)


async def test_a_job_that_ends_every_worker_is_given_up(jobs):
    job = jobs.submit({})
    for _ in range(MOST_ATTEMPTS):
        assert jobs.claim(Claim().text) is not None  # whose claim is gone with this line
    async with working(jobs, never):
        await kinds(jobs, job.id)
    assert "given up" in jobs.get(job.id).error


async def test_a_feed_that_is_closed_lets_its_followers_go(jobs):
    job = jobs.submit({})
    feed = Feed(jobs)
    events = feed.follow(job.id)
    assert (await anext(events)).number == 1
    feed.close()
    assert [event async for event in events] == []


async def test_an_unknown_job_can_not_be_followed(jobs):
    with pytest.raises(UnknownRun):
        await kinds(jobs, "nowhere")
