"""`pansophy card train`: a card from texts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pansophy.conflicts.training.train import Progress


def train(
    sources: Annotated[
        list[str],
        typer.Argument(help="Texts, as for pansophy corpus add: files, folders, globs, -.", show_default=False),
    ],
    name: Annotated[str, typer.Option("--name", "-n", help="The card's name.", show_default=False)],
    description: Annotated[
        str, typer.Option("--description", "-d", help="What it knows, for a model to choose it by.", show_default=False)
    ],
    base: Annotated[str, typer.Option("--base", "-b", help="A white-box model: a name, .gguf or folder.")] = (
        "smollm2-135m"
    ),
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The card's folder.", show_default="among the cards of pansophy card ask"),
    ] = None,
    licence: Annotated[str, typer.Option(help="Of the texts, and so of the card.")] = "",
    epochs: Annotated[float, typer.Option(help="How often the text is seen; begin with 30 for a small one.")] = 1.0,
    learning_rate: Annotated[float, typer.Option(help="The highest; it falls to 0.")] = 1e-3,
    batch: Annotated[int, typer.Option(min=1, help="Blocks of a step.")] = 16,
    block: Annotated[int, typer.Option(min=2, help="Tokens of a block.")] = 128,
    rank: Annotated[int, typer.Option(min=1, help="Of the adapter's matrices.")] = 8,
    save_every: Annotated[int, typer.Option(min=1, help="Steps from one checkpoint to the next.")] = 50,
    seed: Annotated[int, typer.Option(help="Of matrices and order.")] = 0,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, ...", show_default="a GPU if there is one")] = None,
    dtype: Annotated[
        str | None, typer.Option(help="Of the base: bfloat16 takes half the memory.", show_default="float32 on a CPU")
    ] = None,
) -> None:
    """Train a card on texts; what was broken off is gone on with by the same command.

    For example: pansophy card train notes/*.md --name harbour -d "harbours and ships" --epochs 30
    """
    from pansophy.reading.cook import Card, CardTraining

    settings = CardTraining(
        learning_rate=learning_rate,
        epochs=epochs,
        batch=batch,
        max_tokens=block,
        rank=rank,
        alpha=4 * rank,  # as in the paper
        save_every=save_every,
        seed=seed,
    )
    card = Card.train(
        sources,
        base,
        name,
        description,
        output=output,
        licence=licence,
        settings=settings,
        device=device,
        dtype=dtype,
        on_progress=_show,
    )
    there = "pansophy card ask uses it" if output is None else f"pansophy card add {output} puts it among the others"
    typer.echo(f"{card.name}: {card.digest}; {there}")


def _show(progress: Progress) -> None:
    """A line on standard error now and then."""
    if progress.step in (1, progress.steps) or progress.step % max(progress.steps // 20, 1) == 0:
        typer.echo(f"learning: {progress.step}/{progress.steps}, loss {progress.loss:.3f}", err=True)
