"""A PostgreSQL server of our own, on a free port and in a temporary folder, for the tests that need a real one."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

UNPRIVILEGED = ("postgres", "nobody")


def find_binaries() -> Path | None:
    """The newest folder with `initdb` and `pg_ctl`: on the path, or where Debian keeps them."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).parent
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


@contextlib.contextmanager
def running_postgres(binaries: Path) -> Iterator[str]:
    """Start a server, yield its URL, stop it. PostgreSQL refuses to run as root: then another user runs it."""
    user = _user()
    with tempfile.TemporaryDirectory(prefix="pansophy-pg-") as folder:
        if user is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)
        data = Path(folder) / "data"
        port = _free_port()
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        run = _Runner(user, folder)
        run(binaries / "initdb", "-D", data, "-U", "tester", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
        run(binaries / "pg_ctl", "-D", data, "-o", options, "-l", Path(folder) / "log", "-w", "-t", "60", "start")
        try:
            yield f"postgresql://tester@127.0.0.1:{port}/postgres"
        finally:
            run(binaries / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")


class _Runner:
    def __init__(self, user: pwd.struct_passwd | None, folder: str) -> None:
        self._who = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self._folder = folder

    def __call__(self, *command: str | Path) -> None:
        # the server inherits the streams: a pipe would never end
        with open(os.path.join(self._folder, "output"), "ab") as output:
            words = [str(word) for word in command]
            done = subprocess.run(words, stdout=output, stderr=output, cwd=self._folder, timeout=120, **self._who)
        if done.returncode:
            raise RuntimeError(f"{words} failed: {Path(self._folder, 'output').read_text()[-2000:]}")


def _user() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    for name in UNPRIVILEGED:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise RuntimeError("PostgreSQL refuses to run as root, and there is no other user to run it")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
