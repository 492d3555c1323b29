"""What a measurement was made with: machine, versions, command. Recorded beside every number."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

# Packages whose version can change an answer or a timing.
_WATCHED_PACKAGES = ("pansophy", "xllamacpp", "openai", "lancedb", "json-repair", "rapidfuzz")


def machine() -> dict[str, Any]:
    """Processor, cores, memory, system, and GPUs where there are any. No host or user name: results are published."""
    import psutil

    found = {
        "processor": _processor_name(),
        "cores": _usable_cores(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
    }
    return {**found, "gpus": gpus} if (gpus := _gpu_names()) else found


def versions() -> dict[str, str]:
    """Python's version and those of the installed packages that a result can depend on."""
    return {"python": platform.python_version(), **versions_of(*_WATCHED_PACKAGES)}


def versions_of(*packages: str) -> dict[str, str]:
    """The installed versions of these packages."""
    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def command(arguments: Sequence[str] | None = None) -> list[str]:
    """The command line (default: this process's), with absolute paths and the program's folder cut off."""
    words = [_without_folder(argument) for argument in (sys.argv if arguments is None else arguments)]
    ours = bool(words) and Path(words[0]).name in ("pansophy", "__main__.py")  # the latter of python -m pansophy
    return ["pansophy", *words[1:]] if ours else words


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _without_folder(argument: str) -> str:
    option, equals, value = argument.rpartition("=")
    shortened = Path(value).name if Path(value).is_absolute() else value
    return f"{option}{equals}{shortened}"


def _processor_name() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:  # only Linux has this file
        found = None
    return found.group(1).strip() if found else platform.processor() or platform.machine()


def _gpu_names() -> list[str]:
    """NVIDIA's GPUs, by its own tool; none where the tool isn't there or fails."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    asked = [tool, "--query-gpu=name", "--format=csv,noheader"]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in said.splitlines() if line.strip()]


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
