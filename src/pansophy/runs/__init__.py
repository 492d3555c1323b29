"""The record of runs: events, resume, export."""

from pansophy.runs.fingerprint import fingerprint_of
from pansophy.runs.run import Run, RunInfo
from pansophy.runs.store import RunStore

__all__ = ["Run", "RunInfo", "RunStore", "fingerprint_of"]
