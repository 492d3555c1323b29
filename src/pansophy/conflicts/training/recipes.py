"""From items to an adapter: ask the model what it says on its own, build the material, train.

The model's own answers are kept under `PANSOPHY_HOME`, the material in the adapter's folder; each step that was broken
off is gone on with by the same call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pansophy.conflicts.training.answering import own_answers
from pansophy.conflicts.training.folder import IMITATED, MATERIAL
from pansophy.conflicts.training.items import Item
from pansophy.conflicts.training.kaft import KaftSettings, build_kaft
from pansophy.conflicts.training.knowpo import KnowpoSettings, build_knowpo
from pansophy.conflicts.training.rows import Row, counts, write_rows
from pansophy.conflicts.training.settings import KAFT, KNOWPO_DPO, KNOWPO_SFT, TrainingSettings
from pansophy.conflicts.training.train import Progress, Stage, train
from pansophy.errors import StoreError, UsageError
from pansophy.models.white_box import WhiteBoxModel
from pansophy.settings import home as default_home

Told = Callable[[str, int, int, float | None], None]
"""Told the step ("asking", "sft", "dpo"), how many of how many are done, and the loss where there is one."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What was made: rows by kind, items and rows left out by reason, and the adapter's folder (None if only built)."""

    rows: Mapping[str, int]
    drops: Mapping[str, int]
    notes: Mapping[str, float] = field(default_factory=dict)
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class Where:
    """The model to train (as for `WhiteBoxModel.load`), where, and the adapter's folder.

    `build_only` stops before the training; `force` trains on pairs of different lengths.
    """

    model: str
    output: Path
    device: str | None = None
    home: Path | None = None
    build_only: bool = False
    force: bool = False


def train_kaft(
    items: Sequence[Item],
    where: Where,
    mixture: KaftSettings = KaftSettings(),  # noqa: B008 - frozen
    training: TrainingSettings = KAFT,
    told: Told | None = None,
) -> Recipe:
    """KAFT's adapter for a model. Raises what `build_kaft` and `train` raise."""
    built = build_kaft(items, _own(items, where, told), mixture)
    _write(where.output, {"mixture": built.rows})
    long = 0
    if not where.build_only:
        long = _train(where.model, "sft", built.rows, where.output, training, where, told)
    return _recipe(built.rows, built.drops, {}, where, long)


def train_knowpo(
    items: Sequence[Item],
    where: Where,
    building: KnowpoSettings = KnowpoSettings(),  # noqa: B008 - frozen
    imitating: TrainingSettings = KNOWPO_SFT,
    preferring: TrainingSettings = KNOWPO_DPO,
    told: Told | None = None,
) -> Recipe:
    """KnowPO's adapter for a model, in two stages; that of the first stays in the folder `sft` of the second.

    Raises:
        UsageError: a stage has nothing to learn from.
        What `build_knowpo` and `train` raise.
    """
    built = build_knowpo(items, _own(items, where, told), building)
    _write(where.output, {"examples": built.examples, "pairs": built.pairs})
    long = 0
    if not where.build_only:
        if not built.examples or not built.pairs:
            missing = "pairs" if built.examples else "examples"
            reasons = "; ".join(f"{reason}: {count}" for reason, count in built.drops.items())
            raise UsageError(f"there are no {missing} to learn from: give more items ({reasons or 'nothing dropped'})")
        imitated = where.output / IMITATED
        long = _train(where.model, "sft", built.examples, imitated, imitating, where, told)
        long += _train(imitated, "dpo", built.pairs, where.output, preferring, where, told)
    notes = {f"words that chosen has more, {kind}": round(gap, 1) for kind, gap in built.gaps.items()}
    return _recipe([*built.examples, *built.pairs], built.drops, {**built.fallbacks, **notes}, where, long)


def _recipe(
    rows: Sequence[Row], drops: Mapping[str, int], notes: Mapping[str, float], where: Where, long: int
) -> Recipe:
    if long:
        drops = {**drops, "a row is longer than max_tokens": long}
    return Recipe(counts(rows), drops, notes, None if where.build_only else where.output)


def _own(items: Sequence[Item], where: Where, told: Told | None) -> dict[str, str]:
    """What the model says to the items, asked only where it hasn't been before."""
    model = WhiteBoxModel.load(where.model, device=where.device, home=where.home)
    kept = (where.home or default_home()) / "conflicts" / "own-answers.jsonl"
    _made(kept.parent)
    count = None if told is None else lambda done, total: told("asking", done, total, None)
    return own_answers(model, items, kept, on_progress=count)


def _made(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"can't write into {folder}: {error.strerror or error}") from error


def _write(output: Path, material: Mapping[str, Sequence[Row]]) -> None:
    folder = output.expanduser() / MATERIAL
    _made(folder)
    for name, rows in material.items():
        write_rows(folder / f"{name}.jsonl", rows)


def _train(
    model: str | Path,
    stage: Stage,
    rows: Sequence[Row],
    output: Path,
    settings: TrainingSettings,
    where: Where,
    told: Told | None,
) -> int:
    """Train one stage; how many rows were too long for it."""

    def step(progress: Progress) -> None:
        if told is not None:
            told(stage, progress.step, progress.steps, progress.loss)

    shared: dict[str, Any] = {"device": where.device, "home": where.home, "force": where.force}
    return train(model, stage, rows, output, settings, **shared, on_progress=step).too_long
