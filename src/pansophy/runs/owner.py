"""Who executes a run: tells a run that another process is working on from one whose process died."""

from __future__ import annotations

import os
import socket
import time
import uuid
import weakref

import psutil

SAME_START = 2.0
"""Seconds by which the start of one process may seem to vary: the kernel tells it by a clock that is set and rounds."""
SILENCE = 300.0
"""Seconds without a sign after which a run on another machine counts as dead."""

_claims: weakref.WeakValueDictionary[str, Claim] = weakref.WeakValueDictionary()


class Claim:
    """A hold on a run by this process, as long as this object lives; `text` says so to others."""

    def __init__(self) -> None:
        created = psutil.Process().create_time()
        self.text = f"{socket.gethostname()[:80]}|{os.getpid()}|{created:.2f}|{uuid.uuid4().hex}"
        _claims[self.text] = self


def is_alive(owner: str | None, last_sign: float) -> bool:
    """Whether the holder of the claim `owner` still works on its run; `last_sign` is when it last wrote (epoch)."""
    if owner is None:
        return False
    return is_running(owner) if is_here(owner) else time.time() - last_sign < SILENCE


def is_here(owner: str) -> bool:
    """Whether the claim `owner` is one of this machine."""
    return owner.rsplit("|", 3)[0] == socket.gethostname()[:80]


def is_running(owner: str) -> bool:
    """Whether the claim `owner`, one of this machine, is still held by a running process."""
    _, pid, created, _ = owner.rsplit("|", 3)
    if int(pid) == os.getpid():
        return owner in _claims
    try:
        return bool(abs(psutil.Process(int(pid)).create_time() - float(created)) < SAME_START)
    except psutil.NoSuchProcess:
        return False


def describe(owner: str) -> str:
    """The claim `owner` in words."""
    host, pid, _, _ = owner.rsplit("|", 3)
    return f"process {pid} on {host}"
