"""Measures how long `import pansophy` and `pansophy --help` take: `python benchmarks/startup.py [FILE]`.

Writes the medians and minima of repeated processes as JSON, with the machine, its load and the versions.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

from pansophy.evaluation import provenance

TIMES = 15
COMMANDS = {
    "python": ["-c", "pass"],
    "import pansophy": ["-c", "import pansophy"],
    "pansophy --help": ["-m", "pansophy", "--help"],
    "pansophy ask --help": ["-m", "pansophy", "ask", "--help"],
}
GOALS = {"import pansophy": 0.15, "pansophy --help": 0.25}


def seconds(arguments: list[str]) -> list[tuple[float, float]]:
    """Wall and processor seconds of `TIMES` runs of the interpreter; the first, which may compile, is not counted."""
    taken = []
    for _ in range(TIMES + 1):
        began, used = time.perf_counter(), processor_seconds()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        taken.append((time.perf_counter() - began, processor_seconds() - used))
    return taken[1:]


def processor_seconds() -> float:
    """Processor time of all children so far: what a busy machine does not lengthen."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "results" / "startup.json"
    rows = []
    for name, arguments in COMMANDS.items():
        taken = seconds(arguments)
        wall = [one for one, _ in taken]
        rows.append(
            {
                "command": name,
                "median_seconds": round(statistics.median(wall), 4),
                "min_seconds": round(min(wall), 4),
                "median_processor_seconds": round(statistics.median(used for _, used in taken), 4),
                "goal_seconds": GOALS.get(name),
            }
        )
        row = rows[-1]
        print(f"{name:24} median {row['median_seconds']:.3f} s, processor {row['median_processor_seconds']:.3f} s")
    result = {
        "benchmark": "startup",
        "runs_each": TIMES,
        "load_average": os.getloadavg()[0],
        "machine": provenance.machine(),
        "versions": provenance.versions(),
        "command": provenance.command(),
        "measured": provenance.now(),
        "rows": rows,
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    partial.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    partial.replace(target)


if __name__ == "__main__":
    main()
