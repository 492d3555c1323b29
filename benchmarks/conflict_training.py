"""What training for conflicts changes in a model.

    python benchmarks/conflict_training.py kaft --data A.csv B.csv --work FOLDER --output FILE
    python benchmarks/conflict_training.py knowpo --data A.csv B.csv --work FOLDER --output FILE

The files are DYNAMICQA's. Subjects are split between training, choosing settings, and testing; every system is asked
the same questions.

kaft asks with the true passage, the edited one, an irrelevant one and none. Systems: base (the model as it is, behind
the three answered questions that it is shown when it is asked for its own answers); relevant (trained on true passages
alone); kaft (the whole mixture); no-counterfactual (without edited passages); gold-labels (the true answer taught where
the model's own is due); all from the same number of examples; and relevant-once, which sees each true passage once,
about as often as kaft does; and three-edits, the whole
mixture with three edited passages a question, each seen once.

knowpo asks with several passages, one of which tells the answer, or none. Systems: base (as above); sft (the examples);
knowpo (the pairs after them); adherence-only (only the pairs about relevant contexts after them); preferred-only (after
them the preferred answers of the pairs, as further examples).

The result is written after each system, and those that it has are not measured again; adapters and the model's own
answers stay in the work folder, so that a run broken off goes on. It holds ids and numbers, no texts.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from pansophy.conflicts.closed_book import few_shot_prompt
from pansophy.conflicts.decoding import Decoding, decode
from pansophy.conflicts.training.answering import answer_rows, own_answers
from pansophy.conflicts.training.items import Item, read_items, split_by_subject
from pansophy.conflicts.training.kaft import KaftSettings, build_kaft, evaluate_kaft
from pansophy.conflicts.training.knowpo import KnowpoSettings, build_knowpo
from pansophy.conflicts.training.knowpo_measures import evaluate_knowpo
from pansophy.conflicts.training.rows import Example, Pair, Row, counts
from pansophy.conflicts.training.settings import TrainingSettings
from pansophy.conflicts.training.train import Progress, Stage, train
from pansophy.evaluation import provenance
from pansophy.evaluation.files import refuse_difference, write_json
from pansophy.evaluation.metrics import contains
from pansophy.models import WhiteBoxModel
from pansophy.types import ChatMessage

MIXTURES = {
    "kaft": KaftSettings(),
    "relevant": KaftSettings(counterfactual=0, irrelevant=0, empty=0),
    "relevant-once": KaftSettings(counterfactual=0, irrelevant=0, empty=0),
    "three-edits": KaftSettings(counterfactual=3),
    "no-counterfactual": KaftSettings(counterfactual=0),
    "gold-labels": KaftSettings(gold_labels=True),
}
WHOLE = ("relevant-once", "three-edits")
"""Mixtures that are seen once, however many examples they have."""
RATIOS = {"knowpo": (24, 7), "adherence-only": (1, 0), "preferred-only": (24, 7)}


class Bench:
    """One run: the questions, what the model says to them on its own, and the result so far."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.work = options, Path(options.work)
        self.work.mkdir(parents=True, exist_ok=True)
        items = [item for path in options.data for item in read_items(path)]
        items = [item for item in items if len(item.context.split()) <= options.words]
        learnt, validated, tested = split_by_subject(items, (0.6, 0.1, 0.3), options.seed)
        self.learnt = _some(learnt, options.train, options.seed)
        self.validated = _some(validated, options.validate, options.seed)
        self.tested = _some(tested, options.test, options.seed)
        self.base = self.load(options.model)
        asked = [*self.learnt, *self.validated, *self.tested]
        self.own = own_answers(self.base, asked, self.work / "own.jsonl", batch=2 * options.at_once)
        self.training = TrainingSettings(
            learning_rate=options.learning_rate, epochs=options.epochs, batch=options.batch, max_tokens=options.tokens,
            seed=options.seed, save_every=20,
        )  # fmt: skip
        own_true = [contains(self.own[item.id], item.answers) for item in self.tested]
        self.result: dict[str, Any] = {
            "benchmark": f"conflict_training {options.method}",
            "command": provenance.command(),
            "measured": provenance.now(),
            "model": self.base.identity,
            "dtype": str(self.base.network.dtype).removeprefix("torch."),
            "training": dataclasses.asdict(self.training),
            "train_items": [item.id for item in self.learnt],
            "validation_items": [item.id for item in self.validated],
            "test_items": [item.id for item in self.tested],
            "own_answers_true": sum(own_true) / len(own_true),
            "systems": {},
            "machine": provenance.machine(),
            "versions": {**provenance.versions(), **provenance.versions_of("torch", "transformers", "trl", "peft")},
        }
        if options.output and Path(options.output).is_file():
            before = json.loads(Path(options.output).read_text("utf-8"))
            same = ("benchmark", "model", "training", "train_items", "validation_items", "test_items")
            refuse_difference(
                Path(options.output), *({name: one.get(name) for name in same} for one in (before, self.result))
            )
            self.result = before

    def load(self, name: str | Path) -> WhiteBoxModel:
        return WhiteBoxModel.load(name, device=self.options.device, dtype=self.options.dtype)

    def systems(self, names: Sequence[str]) -> list[str]:
        """Those to measure."""
        return [name for name in self.options.systems or names if name not in self.result["systems"]]

    def trained(self, name: str, stage: Stage, rows: Sequence[Row], after: str = "") -> dict[str, Any]:
        """Train an adapter, of the base or of another adapter."""
        started = time.perf_counter()
        settings, options = self.training, self.options
        if after:
            imitation = options.imitation if stage == "dpo" else 0.0
            settings = replace(settings, learning_rate=options.dpo_rate, epochs=1, imitation=imitation)
        model = self.work / after if after else self.base  # an adapter is trained on in full precision
        losses = train(model, stage, rows, self.work / name, settings, device=options.device, on_progress=_say).losses
        seconds = round(time.perf_counter() - started, 1)
        return {"rows": counts(rows), "training_seconds": seconds, "first_loss": losses[:1], "last_losses": losses[-5:]}

    def answers(self, name: str, rows: Sequence[Example]) -> list[str]:
        """What a system says to the rows."""
        if name == "base":
            return _few_shot(self.base, rows, self.options.at_once)
        return answer_rows(self.load(self.work / name), rows, batch=self.options.at_once, max_new_tokens=32)

    def slices(self) -> dict[str, list[Item]]:
        """The questions that every system is asked: to choose settings by, if wanted, and to report."""
        return {**({"validation": self.validated} if self.validated else {}), "test": self.tested}

    def told(self, name: str, trained: dict[str, Any], measured: dict[str, Any]) -> None:
        found = {part: dataclasses.asdict(one) for part, one in measured.items()}
        self.result["systems"][name] = {**trained, **found.pop("test"), **found}
        print(json.dumps({name: self.result["systems"][name]}, indent=1), flush=True)
        if self.options.output:
            write_json(Path(self.options.output), self.result)


def kaft(bench: Bench) -> None:
    options = bench.options
    settings = KaftSettings(empty=1, seed=options.seed)
    asked = {name: build_kaft(items, bench.own, settings).rows for name, items in bench.slices().items()}
    examples = options.examples or len(build_kaft(bench.learnt, bench.own, MIXTURES["kaft"]).rows)
    for name in bench.systems(("base", *MIXTURES)):
        told: dict[str, Any] = {}
        if name != "base":
            built = build_kaft(bench.learnt, bench.own, replace(MIXTURES[name], seed=options.seed))
            many = built.rows if name in WHOLE else (built.rows * (examples // len(built.rows) + 1))[:examples]
            told = {"drops": built.drops, **bench.trained(name, "sft", many)}
        bench.told(name, told, {part: evaluate_kaft(rows, bench.answers(name, rows)) for part, rows in asked.items()})


def knowpo(bench: Bench) -> None:
    options = bench.options
    settings = KnowpoSettings(passages=options.passages, seed=options.seed)
    every = replace(settings, imitate=1, robust=0.5, empty=0)
    asked = {name: build_knowpo(items, bench.own, every).examples for name, items in bench.slices().items()}
    for name in bench.systems(("base", "sft", *RATIOS)):
        told: dict[str, Any] = {}
        if name == "sft":
            built = build_knowpo(bench.learnt, bench.own, settings)
            told = {"drops": built.drops, **bench.trained(name, "sft", built.examples)}
        elif name != "base":
            built = build_knowpo(bench.learnt, bench.own, replace(settings, ratio=RATIOS[name]))
            told = {"drops": built.drops, "gaps": built.gaps}
            if name == "preferred-only":
                told |= bench.trained(name, "sft", [_preferred(pair) for pair in built.pairs], after="sft")
            else:
                told |= bench.trained(name, "dpo", built.pairs, after="sft")
        bench.told(name, told, {part: evaluate_knowpo(rows, bench.answers(name, rows)) for part, rows in asked.items()})


def _preferred(pair: Pair) -> Example:
    return Example(pair.id, pair.kind, pair.item, pair.question, pair.context, pair.chosen)


def _few_shot(model: WhiteBoxModel, rows: Sequence[Example], at_once: int) -> list[str]:
    """What the untrained model says, asked as for its own answers, with the context before the question."""
    replies = []
    for begin in range(0, len(rows), at_once):
        prompts = []
        for row in rows[begin : begin + at_once]:
            *shots, asked = few_shot_prompt(row.question)
            given = f"Background: {row.context}\n\n{asked.content}" if row.context else asked.content
            prompts.append(model.chat_prompt([*shots, ChatMessage("user", given)]))
        said = decode(model, prompts, prompts, None, Decoding(max_new_tokens=16))
        replies += [one.text.strip() for one in said]
    return replies


def _some(items: list[Item], count: int, seed: int) -> list[Item]:
    drawn = items[:]
    random.Random(seed).shuffle(drawn)
    return drawn[:count]


def _say(progress: Progress) -> None:
    if progress.step % 5 == 0:
        print(f"step {progress.step}/{progress.steps}, loss {progress.loss:.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("method", choices=("kaft", "knowpo"))
    parser.add_argument("--data", nargs="+", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--systems", nargs="+", help="some of them; all by default")
    parser.add_argument("--train", type=int, default=200, help="questions")
    parser.add_argument("--validate", type=int, default=0, help="questions, to choose settings by")
    parser.add_argument("--test", type=int, default=80, help="questions")
    parser.add_argument("--examples", type=int, help="of every mixture of KAFT; all of kaft's by default")
    parser.add_argument("--passages", type=int, default=2, help="of a context of KnowPO")
    parser.add_argument("--words", type=int, default=35, help="of a passage; longer ones are left out")
    parser.add_argument("--tokens", type=int, default=256, help="of a prompt and its answer")
    parser.add_argument("--epochs", type=float, default=1, help="of examples; pairs are seen once")
    parser.add_argument("--batch", type=int, default=8, help="rows of a training's step")
    parser.add_argument("--at-once", type=int, default=8, help="questions asked together")
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--dpo-rate", type=float, default=2e-4)
    parser.add_argument("--imitation", type=float, default=0.0, help="weight of the preferred answers' own loss")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device")
    parser.add_argument("--dtype", help="of the base model: bfloat16 takes less than half the time on some processors")
    parser.add_argument("--output", help="write the result there as JSON")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    {"kaft": kaft, "knowpo": knowpo}[options.method](Bench(options))


if __name__ == "__main__":
    main()
