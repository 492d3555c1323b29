"""Does training in three stages make a document model's answers agree with its own reading, and would less do as well?

    python benchmarks/cp_consistency.py --work cp-work --output benchmarks/results/conflicts/consistency-toy.json

Cards of two fields, read by a model that is trained here (`cp_toy.py`): its encoder of images learns the letters first
and is frozen. Every arm begins with the same model, which has read and answered a little (`--pretrain` samples of other
cards; with 0 it has not, and the stages forget one another at the high rate that it needs). Compared on cards that none
was trained on: questions alone, questions and readings mixed (the control that the paper lacks), the three stages, the
stages' samples in one heap, and the stages with one left out. The first three and the heap learn from equally many
samples. What is broken off goes on.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from cp_toy import NAMES, Toy, cards, pixels, toy
from torch import nn

from pansophy.conflicts.consistency import ConsistencySettings, CPConsistency, Page, build_stages
from pansophy.conflicts.consistency.page_model import PageModel
from pansophy.conflicts.consistency.stages import STAGES
from pansophy.conflicts.consistency.train import read_samples, train_stages
from pansophy.conflicts.training.settings import TrainingSettings
from pansophy.evaluation import provenance
from pansophy.evaluation.report.statistics import Estimate

TASKS = {"perception": {"read", "which_text"}, "cognition": {"answer", "which_answer"}, "connector": {"which_box"}}


def main() -> None:
    options = _options()
    torch.set_num_threads(1)
    work = Path(options.work)
    pages, questions = cards(work / "cards", options.cards, options.seed)
    tested, asked = cards(work / "cards", options.test, options.seed + 1)
    built = build_stages(pages, questions, work / "data", _form(options))
    arms = _arms({stage: read_samples(path) for stage, path in built.files.items()}, options.seed)
    settings = TrainingSettings(
        learning_rate=options.learning_rate, epochs=1, batch=32, max_tokens=90, save_every=500, seed=options.seed
    )
    model = toy(options.seed)
    letters = _learn_letters(model.network, pages, options.seed)
    results = []

    def measured(name: str, of: PageModel, samples: int, started: float) -> None:
        measure = CPConsistency(of.reader(max_tokens=16), model=f"{name} {options.seed}", box_form="line").measure
        found = asyncio.run(measure(tested, asked, work / "rows" / name))
        told = {key: _shown(getattr(found, key)) for key in ("consistency", "perception", "cognition")}
        both = found.consistent_cells[True, True] / sum(found.cells.values())
        spent = round(time.process_time() - started, 1)
        results.append({"arm": name, "samples": samples, **told, "consistent_and_right": round(both, 4)})
        results[-1]["cpu_seconds"] = spent
        print(json.dumps(results[-1]), flush=True)

    if options.pretrain:
        started = time.process_time()
        others = build_stages(*cards(work / "cards", options.cards, options.seed + 2), work / "before", _form(options))
        plain = [one for stage in ("perception", "cognition") for one in read_samples(others.files[stage])]
        rows = _as_many([one for one in plain if one["task"] in ("read", "answer")], options.pretrain, random.Random(0))
        files = {"all": _written(work / "data" / "before.jsonl", rows)}
        fast = dataclasses.replace(settings, learning_rate=2e-3)
        trained = train_stages(model, files, work / "models" / "before", fast, stages=("all",), lora=False)
        model = _loaded(model, trained["all"].folder)
        measured("before", model, options.pretrain, started)
    for name, stages in arms.items():
        started = time.process_time()
        files = {stage: _written(work / "data" / f"{name}-{stage}.jsonl", rows) for stage, rows in stages.items()}
        trained = train_stages(model, files, work / "models" / name, settings, stages=tuple(stages), lora=False)
        last = _loaded(model, list(trained.values())[-1].folder)
        measured(name, last, sum(map(len, stages.values())), started)
    means = {one["arm"]: one["consistency"]["mean"] for one in results}
    result = {
        "benchmark": "cp_consistency",
        "command": provenance.command(),
        "measured": provenance.now(),
        "cards": options.cards,
        "pretrained_on_samples": options.pretrain,
        "test_cards": options.test,
        "seed": options.seed,
        "settings": dataclasses.asdict(settings),
        "letters_told_by_the_frozen_encoder": letters,
        "results": results,
        "points": {
            "stages over questions alone": _points(means["stages"] - means["questions"]),
            "stages over questions and readings": _points(means["stages"] - means["plain"]),
            "stages over their samples in one heap": _points(means["stages"] - means["heap"]),
            **{f"lost without {stage}": _points(means["stages"] - means[f"without {stage}"]) for stage in STAGES},
        },
        "machine": provenance.machine(),
        "versions": {**provenance.versions(), **provenance.versions_of("torch", "transformers", "pillow")},
    }
    print(json.dumps(result["points"], indent=2))
    if options.output:
        Path(options.output).write_text(json.dumps(result, indent=2) + "\n")


def _form(options: argparse.Namespace) -> ConsistencySettings:
    return ConsistencySettings(box_form="line", seed=options.seed)


def _loaded(model: PageModel, folder: Path) -> PageModel:
    return dataclasses.replace(model, network=Toy.from_pretrained(folder).eval())


def _arms(staged: dict[str, list[dict[str, Any]]], seed: int) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """What each arm learns from, stage by stage."""
    source = random.Random(seed)
    every = [one for rows in staged.values() for one in rows]
    questions = [one for one in staged["cognition"] if one["task"] == "answer"]
    readings = [one for one in staged["perception"] if one["task"] == "read"]
    arms = {
        "questions": {"all": _as_many(questions, len(every), source)},
        "plain": {"all": _as_many([*questions, *readings], len(every), source)},
        "stages": staged,
        "heap": {"all": every},
    }
    for left_out in STAGES:
        kept = {stage: rows for stage, rows in staged.items() if stage != left_out}
        arms[f"without {left_out}"] = {
            stage: [one for one in rows if one["task"] not in TASKS[left_out]] for stage, rows in kept.items()
        }
    return arms


def _as_many(rows: Sequence[dict[str, Any]], count: int, source: random.Random) -> list[dict[str, Any]]:
    """So many rows: all of them as often as they fit, then some."""
    times, rest = divmod(count, len(rows))
    return [*(list(rows) * times), *source.sample(list(rows), rest)]


def _written(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


def _learn_letters(network: Any, pages: Sequence[Page], seed: int) -> float:
    """One epoch of naming the letter at each place, for the encoder alone; the share that is right in the end."""
    letters = sorted({*"".join(NAMES), *"0123456789 "})
    length = len(pages[0].lines[0].text)
    head = nn.Linear(network.config.width, len(letters))
    steps = torch.optim.AdamW([*network.vision.parameters(), *head.parameters()], 2e-3)
    order = random.Random(seed).sample(list(pages), len(pages))
    right: list[float] = []
    for begin in range(0, len(order), 32):
        some = order[begin : begin + 32]
        seen = network.vision(torch.stack([pixels(page.image) for page in some]))
        scores = head(seen.unflatten(1, (2, -1))[:, :, :length])  # [cards, lines, letters of a line, letters]
        true = torch.tensor([[[letters.index(one) for one in line.text] for line in page.lines] for page in some])
        loss = nn.functional.cross_entropy(scores.flatten(0, 2), true.flatten())
        steps.zero_grad()
        loss.backward()
        steps.step()
        right.append(float((scores.argmax(-1) == true).float().mean()))
    return round(sum(right[-10:]) / len(right[-10:]), 4)


def _shown(one: Estimate) -> dict[str, float]:
    return {name: round(getattr(one, name), 4) for name in ("mean", "low", "high")}


def _points(share: float) -> float:
    return round(100 * share, 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", required=True, help="a folder for cards, samples, models and rows")
    parser.add_argument("--output", help="write the result there as JSON")
    parser.add_argument("--cards", type=int, default=4000)
    parser.add_argument("--test", type=int, default=300)
    parser.add_argument("--pretrain", type=int, default=15000, help="samples of reading and answering before all arms")
    parser.add_argument("--learning-rate", type=float, default=5e-4, help="of the arms")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
