"""Whether coherent persuasion tells a context that says something from one that doesn't.

    python benchmarks/dynamicqa.py --data STATIC.csv TEMPORAL.csv DISPUTABLE.csv [--limit N] [--output FILE]

The files are DYNAMICQA's. Each question is asked without a context, with its context about another answer, and with a
sentence that has nothing to do with it. The result holds ids and numbers, and is written after every question: what was
broken off goes on.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pansophy.conflicts.dynamicqa import ConflictProbe, Context, Fact, load_facts
from pansophy.conflicts.white_box_sampler import WhiteBoxSampler
from pansophy.evaluation import provenance
from pansophy.evaluation.files import write_json
from pansophy.evaluation.report.statistics import bootstrap
from pansophy.models import WhiteBoxModel

NEUTRAL = "The library opens at nine in the morning and closes at six."


def main() -> None:
    options = _options()
    facts = [fact for path in options.data for fact in _drawn(load_facts(path), options.limit, options.seed)]
    model = WhiteBoxModel.load(options.model)
    place = Path(options.output) if options.output else None
    rows = json.loads(place.read_text("utf-8"))["rows"] if place is not None and place.is_file() else []

    def write() -> None:
        if place is not None:
            write_json(place, _result(options, model, rows))

    asyncio.run(_run(ConflictProbe(WhiteBoxSampler(model)), facts, rows, write))
    print(json.dumps(_result(options, model, rows)["summary"], indent=2))


def _result(options: argparse.Namespace, model: WhiteBoxModel, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "benchmark": "dynamicqa",
        "command": provenance.command(),
        "measured": provenance.now(),
        "model": model.identity,
        "seed": options.seed,
        "summary": {
            partition: _summary([row for row in rows if partition in ("all", row["partition"])])
            for partition in ("all", *dict.fromkeys(row["partition"] for row in rows))
        },
        "rows": list(rows),
        "machine": provenance.machine(),
        "versions": {**provenance.versions(), **provenance.versions_of("torch", "transformers")},
    }


def _drawn(facts: Sequence[Fact], limit: int, seed: int) -> list[Fact]:
    sound = [fact for fact in facts if not fact.flags]
    return random.Random(seed).sample(sound, min(limit, len(sound)))


async def _run(
    probe: ConflictProbe, facts: Sequence[Fact], rows: list[dict[str, Any]], write: Callable[[], None]
) -> None:
    """Adds a row for each fact that has none yet."""
    done = {(row["partition"], row["id"]) for row in rows}
    for number, fact in enumerate(fact for fact in facts if (fact.partition, fact.id) not in done):
        started = time.perf_counter()
        told = Context(fact.context(fact.substitute), fact.substitute)
        conflict = await probe.measure(fact.question, [told, NEUTRAL], about=fact.subject)
        real, neutral = conflict.contexts
        rows.append(
            {
                "partition": fact.partition,
                "id": fact.id,
                "persuasion": real.persuasion,
                "neutral": neutral.persuasion,
                "behaviour": real.behaviour,
                "discrete_entropy": conflict.without.discrete_entropy,
                "seconds": round(time.perf_counter() - started, 2),
            }
        )
        print(number, rows[-1], flush=True)
        write()


def _summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    def mean(name: str) -> dict[str, float]:
        return asdict(bootstrap([row[name] for row in rows]))

    behaviours = sorted({row["behaviour"] for row in rows})
    return {
        "questions": len(rows),
        "above_neutral": asdict(bootstrap([float(row["persuasion"] > row["neutral"]) for row in rows])),
        **{name: mean(name) for name in ("persuasion", "neutral", "discrete_entropy")},
        "behaviours": {name: sum(row["behaviour"] == name for row in rows) for name in behaviours},
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", required=True)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--limit", type=int, default=60, help="questions of each file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output")
    return parser.parse_args()


if __name__ == "__main__":
    main()
