"""Whether whoever holds a run is still there."""

from __future__ import annotations

import os
import socket

import psutil
import pytest

from pansophy.runs.owner import is_running


@pytest.mark.parametrize(
    ("seconds", "running"), [(0.0, True), (1.0, True), (-1.0, True), (60.0, False), (-60.0, False)]
)
def test_a_process_is_known_by_its_start_though_the_clock_may_have_been_set_meanwhile(seconds: float, running: bool):
    other = psutil.Process(os.getppid())
    claim = f"{socket.gethostname()[:80]}|{other.pid}|{other.create_time() + seconds:.2f}|a"
    assert is_running(claim) == running
