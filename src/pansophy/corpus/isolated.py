"""Reads files from people whom nobody knows: what isn't plain text is converted in a process of its own.

That process may take only so much memory and time, has no keys in its environment, and is ended when it misbehaves: a
file that is made to bring down its reader brings down that one. It is kept for the next file, since it takes a second
to start. Knows nothing of where the files come from.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path, PurePath

from pansophy.corpus.readers import CONVERTED, Draft, read_file
from pansophy.errors import SourceError

SECONDS = 120.0
MEGABYTES = 2000
_ENVIRONMENT = ("PATH", "PYTHONPATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TEMP", "SYSTEMROOT")


class IsolatedReader:
    """Reads files as `read_file` does, the dangerous ones elsewhere. May be used from any thread; one file at a time.

    Args:
        seconds: how long one file may take.
        megabytes: how much memory all of it may take, where the system can limit it.
    """

    def __init__(self, *, seconds: float = SECONDS, megabytes: int = MEGABYTES) -> None:
        self._seconds = seconds
        self._megabytes = megabytes
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def read(self, path: Path, name: str) -> Iterator[Draft]:
        """The documents of the file at `path`, whose name is `name`.

        Raises:
            SourceError: as `read_file`, or it took too much time or memory.
        """
        if PurePath(name).suffix.lower() not in CONVERTED:
            yield from read_file(path, name)
            return
        with self._lock:
            reply = self._ask({"path": str(path), "name": name})
        if "error" in reply:
            raise SourceError(reply["error"])
        yield Draft(iter((reply["text"],)), title=reply["title"])

    def close(self) -> None:
        """End the process; the next file starts another."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _ask(self, request: dict[str, str]) -> dict[str, str]:
        process = self._process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        alarm = threading.Timer(self._seconds, process.kill)
        alarm.start()
        try:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps(request) + "\n")
                process.stdin.flush()
            line = process.stdout.readline()
        finally:
            alarm.cancel()
        if not line.endswith("\n"):
            self.close()
            raise SourceError(f"{request['name']} can't be read: it took more time or memory than a document does.")
        reply: dict[str, str] = json.loads(line)
        return reply

    def _start(self) -> subprocess.Popen[str]:
        kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        return subprocess.Popen(
            [sys.executable, "-m", __name__, str(self._megabytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="ascii",
            env={**kept, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )


def _serve(megabytes: int) -> None:
    """The process's own loop: a request a line, a reply a line."""
    out = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # what a library prints must not stand between the replies
    with contextlib.suppress(ImportError):  # Windows
        import resource

        with contextlib.suppress(ValueError, OSError):  # a lower limit holds already
            resource.setrlimit(resource.RLIMIT_DATA, (megabytes << 20, megabytes << 20))
    for line in sys.stdin:
        request = json.loads(line)
        out.write(json.dumps(_reply(Path(request["path"]), request["name"])) + "\n")
        out.flush()


def _reply(path: Path, name: str) -> dict[str, str]:
    try:
        draft = next(read_file(path, name))
        return {"text": "".join(draft.pieces), "title": draft.title}
    except SourceError as error:
        return {"error": str(error)}


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
