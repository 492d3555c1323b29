"""The job table, in SQLite and in PostgreSQL: nothing is done twice, nothing is lost, nothing is out of order."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pansophy.errors import LeaseLost, RunError, UnknownRun
from pansophy.events import Warned
from pansophy.runs import Job, JobStore, RunStore
from pansophy.runs.owner import Claim
from pansophy.types import Answer, Verdict

LAPSED = -1.0
"""A lease of so many seconds has lapsed when it is taken."""
ELSEWHERE = "another-machine|1|0.00|"
"""How the lease of a worker on another machine begins."""


def answer(verdict: Verdict = Verdict.ANSWERED) -> Answer:
    return Answer("Who?", "Watson", verdict)


def log_of(jobs: JobStore, job: Job, after: int = 0) -> list[tuple[int, str]]:
    return [(event.number, json.loads(event.text)["kind"]) for event in jobs.events(job.id, after)]


def finished(jobs: JobStore, verdict: Verdict = Verdict.ANSWERED) -> Job:
    job, claim = jobs.submit({}), Claim()
    jobs.claim(claim.text)
    jobs.finish(job.id, claim.text, "finished", answer=answer(verdict))
    return jobs.get(job.id)


def test_a_job_goes_from_queued_over_running_to_finished(jobs):
    job = jobs.submit({"question": "Who?"}, owner="anna")
    assert (job.status, job.owner, job.request, job.attempt) == ("queued", "anna", {"question": "Who?"}, 0)
    claim = Claim()
    assert jobs.claim(claim.text).id == job.id
    jobs.append(job.id, claim.text, Warned(message="slow"))
    jobs.begun(job.id, claim.text, "20200101-0000-abcd")
    running = jobs.get(job.id)
    assert (running.status, running.attempt, running.run) == ("running", 1, "20200101-0000-abcd")
    jobs.finish(job.id, claim.text, "finished", answer=answer())
    done = jobs.get(job.id)
    assert (done.status, done.answer.text, done.events) == ("finished", "Watson", 4)
    assert log_of(jobs, job) == [(1, "job_queued"), (2, "job_started"), (3, "warned"), (4, "job_ended")]


def test_the_oldest_job_is_taken_first_and_each_only_once(jobs):
    first, second = jobs.submit({}), jobs.submit({})
    claims = [Claim(), Claim(), Claim()]
    taken = [jobs.claim(claim.text) for claim in claims]
    assert [job and job.id for job in taken] == [first.id, second.id, None]


CLAIMER = """
import sys
from pansophy.runs import RunStore
from pansophy.runs.owner import Claim

jobs = RunStore(sys.argv[1]).jobs
claims = [Claim() for _ in range(40)]  # kept: a claim that is forgotten is one of the dead
for claim in claims:
    job = jobs.claim(claim.text)
    if job is not None:
        jobs.finish(job.id, claim.text, "cancelled")
        print(job.id)
"""


def test_processes_that_share_the_table_never_take_the_same_job(url, store, jobs):
    ids = {jobs.submit({}).id for _ in range(40)}
    store.close()
    command = [sys.executable, "-c", CLAIMER, url]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    taken = [line for worker in workers for line in worker.communicate(timeout=60)[0].split()]
    assert [worker.returncode for worker in workers] == [0, 0]
    assert sorted(taken) == sorted(ids)


def test_threads_that_claim_at_the_same_time_never_take_the_same_job(jobs):
    for _ in range(30):
        jobs.submit({})
    claims = [Claim() for _ in range(40)]
    with ThreadPoolExecutor(8) as pool:
        taken = [job.id for job in pool.map(lambda claim: jobs.claim(claim.text), claims) if job is not None]
    assert len(taken) == len(set(taken)) == 30


def test_a_job_whose_lease_has_lapsed_is_taken_up_again_and_its_old_worker_can_change_nothing(jobs):
    job = jobs.submit({})
    old, new = f"{ELSEWHERE}old", Claim()
    jobs.claim(old, LAPSED)
    assert jobs.claim(new.text).attempt == 2
    for change in (
        lambda: jobs.append(job.id, old, Warned(message="late")),
        lambda: jobs.begun(job.id, old, "run"),
        lambda: jobs.finish(job.id, old, "finished", answer=answer()),
        lambda: jobs.release(job.id, old),
    ):
        with pytest.raises(LeaseLost):
            change()
    jobs.append(job.id, new.text, Warned(message="on time"))
    assert log_of(jobs, job) == [(1, "job_queued"), (2, "job_started"), (3, "job_started"), (4, "warned")]


def test_a_heartbeat_keeps_the_lease(jobs):
    jobs.submit({})
    lease = f"{ELSEWHERE}a"
    jobs.claim(lease, LAPSED)
    assert jobs.beat([lease, f"{ELSEWHERE}b"], 60) == {lease: False}
    assert jobs.claim(Claim().text) is None


def test_the_job_of_a_process_of_this_machine_that_is_gone_is_taken_up_before_its_lease_lapses(jobs):
    job = jobs.submit({})
    gone = Claim()
    jobs.claim(gone.text, 1000)
    living = Claim()
    assert jobs.claim(living.text) is None
    del gone
    assert jobs.claim(living.text).id == job.id


def test_taking_a_job_up_again_frees_the_run_that_its_dead_worker_held(store, jobs):
    run = store.start(question="Who?", strategy="s", settings={}, fingerprint="f" * 64, sources={})
    lease = run._claim.text.rpartition("|")[0] + "|another claim of the same process"
    job = jobs.submit({})
    jobs.claim(lease, LAPSED)
    jobs.begun(job.id, lease, run.id)
    assert run.info.status == "running"
    assert jobs.claim(Claim().text).run == run.id
    assert store.unfinished("f" * 64).id == run.id


def test_a_run_that_another_process_has_continued_since_stays_with_it(store, jobs):
    run = store.start(question="Who?", strategy="s", settings={}, fingerprint="f" * 64, sources={})
    job = jobs.submit({})
    jobs.claim(f"{ELSEWHERE}a", LAPSED)
    jobs.begun(job.id, f"{ELSEWHERE}a", run.id)
    jobs.claim(Claim().text)
    assert run.info.status == "running"


def test_a_job_that_was_given_back_is_continued_as_the_same_attempt(jobs):
    job = jobs.submit({})
    first, second = Claim(), Claim()
    jobs.claim(first.text)
    jobs.release(job.id, first.text)
    assert jobs.claim(second.text).attempt == 1


def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_is_asked_to_end(jobs):
    waiting = jobs.cancel(jobs.submit({}).id)
    assert (waiting.status, log_of(jobs, waiting)[-1]) == ("cancelled", (2, "job_ended"))
    running, claim = jobs.submit({}), Claim()
    jobs.claim(claim.text)
    assert jobs.cancel(running.id).status == "running"
    assert jobs.beat([claim.text]) == {claim.text: True}


def test_cancelling_what_is_over_changes_nothing(jobs):
    job = finished(jobs)
    assert jobs.cancel(job.id) == job


@pytest.mark.parametrize("status", ["cancelled", "failed"])
def test_a_job_that_ended_without_an_answer_can_be_continued(jobs, status):
    job, claim = jobs.submit({"limits": 1}), Claim()
    jobs.claim(claim.text)
    jobs.finish(job.id, claim.text, status, error="broken")
    again = jobs.resume(job.id, {"limits": 2})
    assert (again.status, again.error, again.ended, again.request) == ("queued", None, None, {"limits": 2})
    assert log_of(jobs, again, after=2) == [(3, "job_ended"), (4, "job_queued")]
    assert jobs.claim(Claim().text).id == job.id


def test_only_an_answer_that_could_become_another_is_sought_again(jobs):
    with pytest.raises(RunError, match="has its answer"):
        jobs.resume(finished(jobs).id)
    unfinished = jobs.resume(finished(jobs, Verdict.OUT_OF_BUDGET).id)
    assert unfinished.status == "queued"
    with pytest.raises(RunError, match="is queued"):
        jobs.resume(unfinished.id)


def test_jobs_are_listed_newest_first_by_owner_status_and_page(jobs):
    mine = [jobs.submit({}, owner="me").id for _ in range(4)][::-1]
    jobs.submit({}, owner="other")
    assert [job.id for job in jobs.list(owner="me")] == mine
    assert [job.id for job in jobs.list(2, owner="me", before=mine[1])] == mine[2:]
    jobs.cancel(mine[0])
    assert [job.id for job in jobs.list(status="cancelled")] == mine[:1]
    assert jobs.count() == {"queued": 4}


def test_an_unknown_job_is_an_error(jobs):
    for use in (jobs.get, jobs.cancel, jobs.resume, jobs.delete, lambda job_id: jobs.list(before=job_id)):
        with pytest.raises(UnknownRun, match="there is no job 'nowhere'"):
            use("nowhere")


def test_a_deleted_job_leaves_nothing_and_one_at_work_is_not_deleted(jobs):
    job = finished(jobs)
    jobs.delete(job.id)
    assert jobs.events(job.id) == []
    assert jobs.heads([job.id]) == {}
    with pytest.raises(RunError, match="is queued: cancel it first"):
        jobs.delete(jobs.submit({}).id)


def test_keys_are_never_stored_in_a_request(url, store, jobs, tmp_path):
    job = jobs.submit({"limits": {}, "api_key": "sk-secret-1", "url": "https://user:sk-secret-2@host/"})
    assert "sk-" not in json.dumps(dict(jobs.get(job.id).request))


def test_a_database_of_the_first_version_gets_its_job_table_and_keeps_its_runs(tmp_path):
    path = str(tmp_path / "runs.sqlite")
    with RunStore(path) as store:
        run: Any = store.start(question="Who?", strategy="s", settings={}, fingerprint="f" * 64, sources={})
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "DROP TABLE pansophy_jobs; DROP TABLE pansophy_job_events; UPDATE pansophy_schema SET version = 1"
        )
    with RunStore(path) as store:
        assert store.open(run.id).info.question == "Who?"
        assert store.jobs.submit({}).status == "queued"
