"""Does training in three stages make a small language model's answers about pages of text agree with its copying?

    python benchmarks/cp_text.py --work cp-text --output benchmarks/results/conflicts/consistency-smollm2.json

Pages are invented slips of a few numbered lines; "perception" is to copy the line of this number, "cognition" to answer
a question that the line answers. Measured before the training and after each stage, on pages that it never saw. What is
broken off goes on.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import random
import time
from pathlib import Path
from typing import Any

import torch

from pansophy.conflicts.consistency import (
    ConsistencySettings,
    CPConsistency,
    Line,
    Page,
    PageQuestion,
    build_stages,
)
from pansophy.conflicts.consistency.page_model import PageModel
from pansophy.conflicts.consistency.train import train_stages
from pansophy.conflicts.training.settings import TrainingSettings
from pansophy.evaluation import provenance
from pansophy.evaluation.report.statistics import Estimate

TOWNS = ("Ashburg", "Bolm", "Corvik", "Dunmar", "Elster", "Fahlen", "Gorring", "Hask")
PEOPLE = ("Ida Voss", "Per Lind", "Una Dahl", "Ole Brandt", "Mia Thorn", "Jan Rook", "Eva Holt", "Tom Sand")
GOODS = ("lamps", "ropes", "saws", "bricks", "pipes", "nails", "tiles", "hinges")
MONTHS = ("January", "March", "April", "June", "July", "August", "October", "December")


def slips(count: int, seed: int) -> tuple[list[Page], list[PageQuestion]]:
    """Delivery slips in lines of changing order, with a question about one line each."""
    source = random.Random(seed)
    pages, questions = [], []
    for number in range(count):
        fields = {
            "To which town": (town := source.choice(TOWNS), f"Deliver to {town}"),
            "Who signed": (person := source.choice(PEOPLE), f"Signed by {person}"),
            "Which goods": (goods := source.choice(GOODS), f"Goods: {goods}"),
            "Which order number": (order := str(source.randint(1000, 9999)), f"Order {order}"),
            "Which date": (date := f"{source.randint(1, 28)} {source.choice(MONTHS)}", f"Date: {date}"),
        }
        lines = source.sample([line for _, line in fields.values()], 4)
        asked = source.choice([name for name, (_, line) in fields.items() if line in lines])
        identity = f"{seed}-{number}"
        pages.append(Page(identity, tuple(map(Line, lines))))
        questions.append(PageQuestion(identity, identity, f"{asked} is on the slip?", (fields[asked][0],)))
    return pages, questions


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    work = Path(options.work)
    pages, questions = slips(options.pages, options.seed)
    tested, asked = slips(options.test, options.seed + 1)
    built = build_stages(pages, questions, work / "data", ConsistencySettings(box_form="line", seed=options.seed))
    settings = TrainingSettings(
        learning_rate=options.learning_rate, epochs=1, batch=8, at_once=4, save_every=10, seed=options.seed
    )

    def measured(name: str, model: PageModel) -> dict[str, Any]:
        started = time.process_time()
        measure = CPConsistency(model.reader(max_tokens=24), model=model.identity, box_form="line").measure
        found = asyncio.run(measure(tested, asked, work / "rows" / name))
        told = {key: _shown(getattr(found, key)) for key in ("consistency", "perception", "cognition")}
        both = {"both": found.cells[True, True], "none": found.cells[False, False]}
        row = {"model": name, **told, "right": both, "cpu_seconds": round(time.process_time() - started, 1)}
        print(json.dumps(row), flush=True)
        return row

    results = [measured("before", PageModel.load(options.model))]
    started = time.process_time()
    trained = train_stages(
        options.model,
        built.files,
        work / "trained",
        settings,
        on_progress=lambda stage, one: print(f"{stage} {one.step}/{one.steps} {one.loss:.3f}", flush=True),
    )
    spent = round(time.process_time() - started, 1)
    results += [measured(f"after {stage}", PageModel.load(one.folder)) for stage, one in trained.items()]
    result = {
        "benchmark": "cp_text",
        "command": provenance.command(),
        "measured": provenance.now(),
        "model": options.model,
        "pages": options.pages,
        "test_pages": options.test,
        "samples": built.counts,
        "settings": dataclasses.asdict(settings),
        "training_cpu_seconds": spent,
        "results": results,
        "machine": provenance.machine(),
        "versions": {**provenance.versions(), **provenance.versions_of("torch", "transformers", "peft")},
    }
    if options.output:
        Path(options.output).write_text(json.dumps(result, indent=2) + "\n")


def _shown(one: Estimate) -> dict[str, float]:
    return {name: round(getattr(one, name), 4) for name in ("mean", "low", "high")}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", required=True, help="a folder for samples, adapters and rows")
    parser.add_argument("--output", help="write the result there as JSON")
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--pages", type=int, default=24)
    parser.add_argument("--test", type=int, default=24)
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
