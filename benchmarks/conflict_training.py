"""What KAFT changes in a model: `python benchmarks/conflict_training.py --data A.csv B.csv --work FOLDER`.

The files are DYNAMICQA's. Subjects are split between training and testing. Systems, each asked the same questions with
the true passage, the edited one, an irrelevant one and none:

- base: the model as it is, shown two answered questions before (it answers at length otherwise);
- relevant: trained on true passages alone;
- kaft: the whole mixture; no-counterfactual: without edited passages; gold-labels: the true answer taught where the
  model's own is due.

Every mixture of one run has the same number of examples. The result is written after each system; adapters and the
model's own answers stay in the work folder, so that a run broken off goes on. It holds ids and numbers, no texts.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import time
from pathlib import Path
from typing import Any

import torch

from pansophy.conflicts.closed_book import closed_book_prompt
from pansophy.conflicts.decoding import Decoding, decode
from pansophy.conflicts.training.answering import answer_rows, own_answers
from pansophy.conflicts.training.items import Item, read_items, split_by_subject
from pansophy.conflicts.training.kaft import KaftSettings, build_kaft, evaluate_kaft
from pansophy.conflicts.training.rows import Example
from pansophy.conflicts.training.settings import TrainingSettings
from pansophy.conflicts.training.train import Progress, train
from pansophy.evaluation import provenance
from pansophy.evaluation.files import write_json
from pansophy.evaluation.metrics import contains
from pansophy.models import WhiteBoxModel
from pansophy.types import ChatMessage

MIXTURES = {
    "relevant": KaftSettings(counterfactual=0, irrelevant=0, empty=0),
    "kaft": KaftSettings(),
    "no-counterfactual": KaftSettings(counterfactual=0),
    "gold-labels": KaftSettings(gold_labels=True),
}
SHOTS = (
    ("Rosa Lind is a potter from Graz.", "What is Rosa Lind's occupation?", "potter"),
    ("", "What is the capital of Japan?", "Tokyo"),
)


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    work = Path(options.work)
    work.mkdir(parents=True, exist_ok=True)
    items = [item for path in options.data for item in read_items(path)]
    items = [item for item in items if len(item.context.split()) <= options.words]
    learnt, _, tested = split_by_subject(items, (0.6, 0.1, 0.3), options.seed)  # a tenth for choosing settings
    learnt, tested = _some(learnt, options.train, options.seed), _some(tested, options.test, options.seed)
    model = WhiteBoxModel.load(options.model, device=options.device)
    own = own_answers(model, [*learnt, *tested], work / "own.jsonl")
    rows = list(build_kaft(tested, own, KaftSettings(empty=1, seed=options.seed)).rows)
    training = TrainingSettings(
        learning_rate=options.learning_rate,
        epochs=options.epochs,
        batch=options.batch,
        max_tokens=options.tokens,
        seed=options.seed,
        save_every=20,
    )
    result: dict[str, Any] = {
        "benchmark": "conflict_training",
        "command": provenance.command(),
        "measured": provenance.now(),
        "model": model.identity,
        "training": dataclasses.asdict(training),
        "train_items": [item.id for item in learnt],
        "test_items": sorted({row.item for row in rows}),
        "own_answers_true": sum(contains(own[item.id], item.answers) for item in tested) / len(tested),
        "systems": {},
        "machine": provenance.machine(),
        "versions": {**provenance.versions(), **provenance.versions_of("torch", "transformers", "trl", "peft")},
    }
    for system in options.systems:
        result["systems"][system] = _measured(system, model, learnt, own, rows, training, work, options)
        print(json.dumps({system: result["systems"][system]}, indent=1), flush=True)
        if options.output:
            write_json(Path(options.output), result)


def _measured(
    system: str,
    model: WhiteBoxModel,
    learnt: list[Item],
    own: dict[str, str],
    rows: list[Example],
    training: TrainingSettings,
    work: Path,
    options: argparse.Namespace,
) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if system != "base":
        mixture = build_kaft(learnt, own, dataclasses.replace(MIXTURES[system], seed=options.seed))
        examples = mixture.rows[: options.examples] if options.examples else mixture.rows
        if options.examples and len(examples) < options.examples:
            examples = (examples * options.examples)[: options.examples]
        started = time.perf_counter()
        folder = work / system
        if not (folder / "adapter_model.safetensors").is_file():
            train(model, "sft", examples, folder, training, on_progress=_say)
        told = {"kept": mixture.kept, "drops": mixture.drops, "examples": len(examples)}
        told["training_seconds"] = round(time.perf_counter() - started, 1)
        model = WhiteBoxModel.load(folder, device=options.device)
    started = time.perf_counter()
    replies = answer_rows(model, rows, max_new_tokens=20) if told else _few_shot(model, rows)
    report = dataclasses.asdict(evaluate_kaft(rows, replies))
    return {**told, "answering_seconds": round(time.perf_counter() - started, 1), **report}


def _few_shot(model: WhiteBoxModel, rows: list[Example]) -> list[str]:
    """What the untrained model says."""
    shots = [
        ChatMessage(role, text)
        for context, question, answer in SHOTS
        for role, text in (("user", _put(question, context)), ("assistant", answer))
    ]
    replies = []
    for begin in range(0, len(rows), 8):
        turns = [[*shots, ChatMessage("user", _put(row.question, row.context))] for row in rows[begin : begin + 8]]
        prompts = [model.chat_prompt(one) for one in turns]
        said = decode(model, prompts, prompts, None, Decoding(max_new_tokens=20))
        replies += [one.text.strip() for one in said]
    return replies


def _put(question: str, context: str) -> str:
    asked = closed_book_prompt(question)[0].content
    return f"Background: {context}\n\n{asked}" if context else asked


def _some(items: list[Item], count: int, seed: int) -> list[Item]:
    drawn = items[:]
    random.Random(seed).shuffle(drawn)
    return drawn[:count]


def _say(progress: Progress) -> None:
    if progress.step % 5 == 0:
        print(f"step {progress.step}/{progress.steps}, loss {progress.loss:.3f}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--systems", nargs="+", default=["base", *MIXTURES], choices=["base", *MIXTURES])
    parser.add_argument("--train", type=int, default=300, help="questions")
    parser.add_argument("--test", type=int, default=100, help="questions")
    parser.add_argument("--examples", type=int, default=0, help="of every mixture; 0 for as many as it has")
    parser.add_argument("--words", type=int, default=35, help="of a passage; longer ones are left out")
    parser.add_argument("--tokens", type=int, default=160)
    parser.add_argument("--epochs", type=float, default=1)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device")
    parser.add_argument("--output", help="write the result there as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
