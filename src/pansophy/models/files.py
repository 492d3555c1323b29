"""Model files on disk: `home()/models/<sha256>.gguf`, and the hashes written down at first use.

A file has its name only when its bytes have that hash. Knows nothing of where files come from.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from pansophy.errors import StoreError
from pansophy.models.catalogue import CatalogueModel
from pansophy.settings import home as default_home

BLOCK = 2**20


class ModelFiles:
    """The model files under `home` (default: `PANSOPHY_HOME`)."""

    def __init__(self, home: Path | None = None) -> None:
        self.folder = (home or default_home()) / "models"

    def sha256(self, model: CatalogueModel) -> str | None:
        """The hash that `model` must have: the catalogue's, else the one written down at first use, else None."""
        if model.sha256 is not None:
            return model.sha256
        pin = self._pins().get(model.uri)
        return pin["sha256"] if pin else None

    def path(self, model: CatalogueModel) -> Path | None:
        """Where `model` lies, None when it has not been pulled (or its file was truncated since)."""
        digest = self.sha256(model)
        if digest is None:
            return None
        path = self.of_hash(digest)
        size = model.size if model.sha256 else self._pins()[model.uri]["size"]
        return path if path.is_file() and path.stat().st_size == size else None

    def of_hash(self, digest: str) -> Path:
        return self.folder / f"{digest}.gguf"

    def partial(self, model: CatalogueModel, source: str) -> Path:
        """Where an unfinished download of `model` from `source` grows; the same on every try, so that it resumes."""
        key = model.sha256 or hashlib.sha256(model.uri.encode()).hexdigest()
        return self.folder / f"{key}.{source}.partial"

    def accept(self, partial: Path, model: CatalogueModel, digest: str) -> Path:
        """Give a finished download, whose hash is `digest`, its name; write an unknown hash down."""
        target = self.of_hash(digest)
        with storing(self.folder):
            size = partial.stat().st_size
            os.replace(partial, target)
            if model.sha256 is None:
                self._pin(model.uri, digest, size)
        return target

    def _pins(self) -> dict[str, dict[str, Any]]:
        try:
            data = json.loads((self.folder / "pins.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise StoreError(
                f"{self.folder / 'pins.json'} can't be read ({error}): it holds the hashes of pulled models; mend it, "
                "or delete it and pull again"
            ) from None
        return dict(data)

    def _pin(self, uri: str, digest: str, size: int) -> None:
        pins = self._pins() | {uri: {"sha256": digest, "size": size, "pinned": time.strftime("%Y-%m-%d")}}
        temporary = self.folder / f"pins.json.{os.getpid()}"
        temporary.write_text(json.dumps(pins, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        os.replace(temporary, self.folder / "pins.json")


@contextlib.contextmanager
def storing(folder: Path) -> Iterator[None]:
    """Turn failures to write under `folder` into `StoreError`s that say what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreError(f"no space left under {folder}: free some, or set PANSOPHY_HOME to another disk") from None
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise StoreError(
                f"{folder} can't be written ({error.strerror}): set PANSOPHY_HOME to a folder of yours"
            ) from None
        raise StoreError(f"{folder} can't be used: {error}") from None


@contextlib.contextmanager
def locked(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the lock file `path` (between processes; freed by the system when its holder dies).

    `waiting` is called about five times a second while another process holds it; it may raise to give up.
    """
    with path.open("a+b") as file:
        while not _try_lock(file):
            waiting()
            time.sleep(0.2)
        try:
            yield
        finally:
            _unlock(file)


if os.name == "nt":  # pragma: no cover - needs Windows
    import msvcrt

    def _try_lock(file: IO[bytes]) -> bool:
        try:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
        except OSError:
            return False
        return True

    def _unlock(file: IO[bytes]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined, unused-ignore]

else:
    import fcntl

    def _try_lock(file: IO[bytes]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
