"""The record of runs: events, resume, export; and the table of jobs, which are runs that outlive their process."""

from pansophy.runs.feed import Feed
from pansophy.runs.fingerprint import fingerprint_of
from pansophy.runs.jobs import Job, JobStore
from pansophy.runs.run import Run, RunInfo
from pansophy.runs.store import RunStore
from pansophy.runs.worker import Hold, Worker

__all__ = ["Feed", "Hold", "Job", "JobStore", "Run", "RunInfo", "RunStore", "Worker", "fingerprint_of"]
