"""Keys that clients show: made, kept as hashes, compared in constant time, each with its corpora and its rate.

A key file has a line for each key: `NAME HASH [corpora=A,B] [per-minute=N]`; lines that begin with # are remarks. Keys
are 256 random bits, so a plain SHA-256 of one can't be guessed backwards, and checking one costs nothing. The file is
read again when it changes. Knows nothing of HTTP.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from pansophy.errors import StoreError, UsageError

PREFIX = "pansophy-"
log = logging.getLogger("pansophy.server")
_NAME = re.compile(r"[\w.@-]{1,60}")
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Access:
    """What whoever makes a request may do. `name` is that of the key (None: no key is needed here), `corpora` are those
    that may be used (None: all), `per_minute` is how many requests a minute (None: any number)."""

    name: str | None = None
    corpora: frozenset[str] | None = None
    per_minute: int | None = None

    def may_use(self, corpus: str) -> bool:
        return self.corpora is None or corpus in self.corpora


EVERYBODY = Access()


def new_key(path: Path, name: str, *, corpora: Iterable[str] | None = None, per_minute: int | None = None) -> str:
    """Make a key, add its hash to the file, and return it: it can't be had again.

    Raises:
        UsageError: the name, a corpus or the rate is not fit for the file, or the name is taken.
        StoreError: the file can't be written.
    """
    corpora = None if corpora is None else list(corpora)
    if not all(_NAME.fullmatch(word) for word in (name, *(corpora or ()))):
        raise UsageError("a key's name and its corpora are letters, digits, '.', '@', '-' and '_', at most 60")
    if per_minute is not None and per_minute < 1:
        raise UsageError(f"a key's requests a minute must be at least 1, not {per_minute}")
    if path.exists() and any(access.name == name for _, access in _read(path)):
        raise UsageError(f"{path} has a key named {name!r} already: delete its line, or choose another name")
    key = PREFIX + secrets.token_urlsafe(32)
    words = [name, hash_of(key)]
    words += [] if corpora is None else [f"corpora={','.join(corpora)}"]
    words += [] if per_minute is None else [f"per-minute={per_minute}"]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8") as file:
            file.write(" ".join(words) + "\n")
    except OSError as error:
        raise StoreError(f"{path} can't be written: {error.strerror}") from error
    return key


def hash_of(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


class Keys:
    """The keys of a file.

    Raises:
        UsageError: the file can't be read, has no key, or a line that is none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries = _read(path)
        self._stamp = _stamp(path)
        if not self._entries:
            raise UsageError(f"{path} has no key: make one with pansophy serve --new-key NAME --api-key-file {path}")

    def access(self, key: str) -> Access | None:
        """What the holder of `key` may do; None for a key that there isn't."""
        self._look_again()
        shown, found = hash_of(key), None
        for known, access in self._entries:  # all of them, so that the time tells nothing
            if hmac.compare_digest(shown, known):
                found = access
        return found

    def _look_again(self) -> None:
        """Read the file if it has changed; one that is of no use now changes nothing until it is mended."""
        if (stamp := _stamp(self._path)) == self._stamp:
            return
        self._stamp = stamp
        try:
            self._entries = _read(self._path)
        except UsageError as error:
            log.error("the keys stay as they were: %s", error)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _read(path: Path) -> list[tuple[str, Access]]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        make = f"make a key with pansophy serve --new-key NAME --api-key-file {path}"
        raise UsageError(f"the key file {path} can't be read ({reason}): {make}") from error
    return [
        _entry(line.split(), f"{path}, line {number}")
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]


def _entry(words: list[str], where: str) -> tuple[str, Access]:
    options = dict(word.partition("=")[::2] for word in words[2:])
    rate = options.get("per-minute")
    if (
        len(words) < 2
        or not _NAME.fullmatch(words[0])
        or not _HASH.fullmatch(words[1])
        or not options.keys() <= {"corpora", "per-minute"}
        or (rate is not None and not (rate.isdecimal() and int(rate)))
    ):
        # the line itself is not shown: it may hold a key that somebody wrote there by mistake
        raise UsageError(f"{where} must be NAME HASH [corpora=A,B] [per-minute=N]: pansophy serve --new-key writes it")
    corpora = frozenset(filter(None, options["corpora"].split(","))) if "corpora" in options else None
    return words[1], Access(words[0], corpora, None if rate is None else int(rate))


class RateLimiter:
    """Counts requests of each key: `per_minute` at any speed, refilled evenly. Each process counts for itself."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}

    def wait(self, access: Access) -> float:
        """Seconds until the next request may be made; 0 if it may be made now, and then it is counted."""
        if access.name is None or access.per_minute is None:
            return 0.0
        now, rate = self._clock(), access.per_minute / 60
        left, before = self._left.get(access.name, (float(access.per_minute), now))
        left = min(float(access.per_minute), left + (now - before) * rate)
        allowed = left >= 1
        self._left[access.name] = (left - allowed, now)
        return 0.0 if allowed else (1 - left) / rate
