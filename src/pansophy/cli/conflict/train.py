"""`pansophy conflict train`: teach a model when to believe a text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pansophy.conflicts.training.recipes import Recipe, Where

app = typer.Typer(
    no_args_is_help=True, help="Teach a model when to believe a text: an adapter, from questions with texts."
)

Data = Annotated[
    list[Path],
    typer.Argument(
        help=".jsonl with question, answers and context (perhaps id, subject, relation, replacement, title; [ENTITY] "
        "where the answer belongs), SQuAD's .json, or DYNAMICQA's .csv.",
        show_default=False,
    ),
]
Output = Annotated[
    Path, typer.Option("--output", "-o", help="The adapter's folder; what was broken off there goes on.")
]
Model = Annotated[str, typer.Option("--model", "-m", help="As for pansophy conflict ask.")]
Limit = Annotated[int | None, typer.Option("--limit", "-n", min=1, help="How many items.", show_default="all")]
Epochs = Annotated[float | None, typer.Option(help="How often every row is seen.", show_default="the method's")]
Rate = Annotated[float | None, typer.Option(help="The learning rate.", show_default="the method's")]
Batch = Annotated[int, typer.Option(min=1, help="Rows of a step.")]
AtOnce = Annotated[
    int | None, typer.Option(min=1, help="Rows computed at once; fewer take less memory.", show_default="the batch")
]
MaxTokens = Annotated[int | None, typer.Option(min=8, help="Of a prompt and its answer.", show_default="the method's")]
Rank = Annotated[int, typer.Option(min=1, help="Of the adapter's matrices.")]
Checkpointing = Annotated[bool, typer.Option("--checkpointing", help="Slower, in less memory.")]
SaveEvery = Annotated[int, typer.Option(min=1, help="Steps from one checkpoint to the next.")]
Seed = Annotated[int, typer.Option(help="Of everything that is drawn.")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, ...", show_default="a GPU if there is one")]
BuildOnly = Annotated[bool, typer.Option("--build-only", help="Write the material, and train nothing.")]


@app.command()
def kaft(
    data: Data,
    output: Output,
    model: Model = "smollm2-135m",
    limit: Limit = None,
    edits: Annotated[int, typer.Option(min=0, help="Edited passages a question, each to another answer.")] = 1,
    gold_labels: Annotated[
        bool, typer.Option("--gold-labels", help="Teach true answers where the model's own are due (for comparison).")
    ] = False,
    epochs: Epochs = None,
    learning_rate: Rate = None,
    batch: Batch = 16,
    at_once: AtOnce = None,
    max_tokens: MaxTokens = None,
    rank: Rank = 16,
    checkpointing: Checkpointing = False,
    save_every: SaveEvery = 50,
    seed: Seed = 0,
    device: Device = None,
    build_only: BuildOnly = False,
) -> None:
    """KAFT: a relevant text beats memory, and memory beats an irrelevant one.

    For example: pansophy conflict train kaft items.jsonl --model smollm2-135m -o adapter
    """
    items = _items(data, limit)
    from pansophy.conflicts.training.kaft import KaftSettings
    from pansophy.conflicts.training.recipes import Where, train_kaft
    from pansophy.conflicts.training.settings import KAFT

    common: dict[str, Any] = {
        "batch": batch,
        "at_once": at_once,
        "rank": rank,
        "alpha": 2 * rank,
        "checkpointing": checkpointing,
    }
    given = {"epochs": epochs, "learning_rate": learning_rate, "max_tokens": max_tokens}
    training = replace(KAFT, **common, **_told(given), save_every=save_every, seed=seed)
    where = Where(model, output, device, build_only=build_only)
    mixture = KaftSettings(counterfactual=edits, gold_labels=gold_labels, seed=seed)
    _report(train_kaft(items, where, mixture, training, _show), where)


@app.command()
def knowpo(
    data: Data,
    output: Output,
    model: Model = "smollm2-135m",
    limit: Limit = None,
    passages: Annotated[int, typer.Option(min=2, help="Of a context.")] = 4,
    ratio: Annotated[str, typer.Option(help="Pairs about relevant contexts to pairs about irrelevant ones.")] = "24:7",
    beta: Annotated[float, typer.Option(min=0.001, help="How strongly the model is held to the first stage.")] = 0.1,
    imitation: Annotated[
        float, typer.Option(min=0.0, help="Weight of the preferred answers' own loss beside that of the pairs.")
    ] = 0.0,
    epochs: Epochs = None,
    learning_rate: Rate = None,
    batch: Batch = 16,
    at_once: AtOnce = None,
    max_tokens: MaxTokens = None,
    rank: Rank = 16,
    checkpointing: Checkpointing = False,
    save_every: SaveEvery = 50,
    seed: Seed = 0,
    device: Device = None,
    build_only: BuildOnly = False,
    force: Annotated[
        bool, typer.Option("--force", help="Train although preferred answers are longer or shorter than the others.")
    ] = False,
) -> None:
    """KnowPO: examples first, then pairs of a right answer and one from memory or from the wrong place.

    --epochs and --learning-rate are those of the first stage; the second takes one epoch at half the rate.

    For example: pansophy conflict train knowpo squad.json --model smollm2-135m -o adapter
    """
    items = _items(data, limit)
    parts = _ratio(ratio)
    from pansophy.conflicts.training.knowpo import KnowpoSettings
    from pansophy.conflicts.training.recipes import Where, train_knowpo
    from pansophy.conflicts.training.settings import KNOWPO_DPO, KNOWPO_SFT

    common: dict[str, Any] = {
        "batch": batch,
        "at_once": at_once,
        "rank": rank,
        "alpha": 2 * rank,
        "checkpointing": checkpointing,
    }
    common |= {"save_every": save_every, "seed": seed, **_told({"max_tokens": max_tokens})}
    imitating = replace(KNOWPO_SFT, **common, **_told({"epochs": epochs, "learning_rate": learning_rate}))
    half = None if learning_rate is None else learning_rate / 2
    preferring = replace(KNOWPO_DPO, **common, **_told({"learning_rate": half}), beta=beta, imitation=imitation)
    where = Where(model, output, device, build_only=build_only, force=force)
    building = KnowpoSettings(passages=passages, ratio=parts, seed=seed)
    _report(train_knowpo(items, where, building, imitating, preferring, _show), where)


def _items(paths: list[Path], limit: int | None) -> list[Any]:
    from pansophy.conflicts.training.items import read_items
    from pansophy.errors import UsageError

    items = [item for path in paths for item in read_items(path)]
    if len({item.id for item in items}) < len(items):
        raise UsageError("an id occurs in two of the files: items must have ids of their own")
    return items[:limit]


def _ratio(text: str) -> tuple[int, int]:
    from pansophy.errors import UsageError

    first, _, second = text.partition(":")
    if not (first.strip().isdigit() and second.strip().isdigit()):
        raise UsageError(f"--ratio is two numbers with a colon between, such as 24:7, not {text!r}")
    return int(first), int(second)


def _told(given: dict[str, Any]) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in given.items() if value is not None}


def _show(step: str, done: int, total: int, loss: float | None) -> None:
    """A line on standard error now and then."""
    if done in (1, total) or done % max(total // 20, 1) == 0:
        names = {"asking": "asking the model itself", "sft": "learning examples", "dpo": "learning preferences"}
        typer.echo(f"{names[step]}: {done}/{total}" + ("" if loss is None else f", loss {loss:.3f}"), err=True)


def _report(recipe: Recipe, where: Where) -> None:
    typer.echo("rows: " + ", ".join(f"{count} {kind}" for kind, count in recipe.rows.items()))
    for title, found in (("left out", recipe.drops), ("noted", recipe.notes)):
        for reason, count in found.items():
            typer.echo(f"{title}: {reason}: {count}")
    if recipe.folder is None:
        typer.echo(f"material: {where.output / 'material'}")
    else:
        typer.echo(
            f"adapter: {recipe.folder}; ask it by: pansophy conflict ask ... --model {recipe.folder} --method none"
        )
