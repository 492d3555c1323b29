"""Lazy seeking against exhaustive reading in random scripted runs: `python benchmarks/lazy_equals_exhaustive.py`.

Each run draws a corpus, a question, settings and agents whose replies are a pure function of a seed and their prompt,
and is read in both ways. Writes how many answers (text, verdict, evidence, rounds) were equal, how many runs stopped
early and how many calls that saved, with the machine and the versions.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.reading.extagents.random_runs import Script, both

from pansophy.evaluation import provenance

TARGET = Path(__file__).parent / "results" / "lazy_equals_exhaustive.json"


async def measure(runs: int, seed: int) -> dict[str, object]:
    """The numbers of `runs` random runs."""
    unequal: list[int] = []
    early = fewer = saved = lazy_calls = exhaustive_calls = 0
    verdicts: dict[str, int] = {}
    for number in range(seed, seed + runs):
        outcome = await both(Script.of(number))
        if not outcome.equal:
            unequal.append(number)
        verdicts[outcome.lazy.verdict] = verdicts.get(outcome.lazy.verdict, 0) + 1
        lazy_calls += outcome.lazy_calls
        exhaustive_calls += outcome.exhaustive_calls
        if outcome.chunks_left:
            early += 1
            fewer += outcome.lazy_calls < outcome.exhaustive_calls
            saved += outcome.exhaustive_calls - outcome.lazy_calls
    return {
        "runs": runs,
        "equal": runs - len(unequal),
        "unequal_seeds": unequal,
        "verdicts": dict(sorted(verdicts.items())),
        "stopped_early": early,
        "stopped_early_with_fewer_calls": fewer,
        "calls_saved": saved,
        "lazy_calls": lazy_calls,
        "exhaustive_calls": exhaustive_calls,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="of the first run; the others count up")
    parser.add_argument("--output", type=Path, default=TARGET)
    arguments = parser.parse_args()
    began = time.perf_counter()
    results = asyncio.run(measure(arguments.runs, arguments.seed))
    result = {
        "benchmark": "lazy_equals_exhaustive",
        "command": provenance.command(),
        "measured": provenance.now(),
        "seed": arguments.seed,
        "seconds": round(time.perf_counter() - began, 1),
        "results": results,
        "machine": provenance.machine(),
        "versions": provenance.versions(),
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    partial = arguments.output.with_suffix(".partial")
    partial.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    partial.replace(arguments.output)
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
