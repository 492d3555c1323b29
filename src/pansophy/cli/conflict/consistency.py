"""`pansophy conflict consistency`: does a document model's answer agree with its reading; training that it does."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pansophy.conflicts.training.train import Progress

app = typer.Typer(no_args_is_help=True, help="See, and train, that answers about a page agree with the reading of it.")

Data = Annotated[
    Path,
    typer.Argument(
        help=".jsonl with a page a line: id, lines (text, and box where there is an image), perhaps image, questions "
        "(question, answers).",
        show_default=False,
    ),
]
Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="An image-text-to-text model of transformers (a folder or owner/name), or as for pansophy conflict ask.",
    ),
]
BoxForm = Annotated[
    str | None,
    typer.Option(
        help="How a line is pointed at: pixels, qwen, internvl, line, or (to measure) drawn.",
        show_default="pixels with images, line without",
    ),
]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, ...", show_default="a GPU if there is one")]


@app.command()
def measure(
    data: Data,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder for the rows; what is there goes on.")],
    model: Model = "smollm2-135m",
    box_form: BoxForm = None,
    device: Device = None,
) -> None:
    """Ask every question, have the answer's place read, and count how often the two agree.

    For example: pansophy conflict consistency measure pages.jsonl --model ./my-model -o results/consistency
    """
    from pansophy.conflicts.consistency import CPConsistency
    from pansophy.conflicts.consistency.files import read_pages
    from pansophy.conflicts.consistency.page_model import PageModel
    from pansophy.evaluation.report.markdown import markdown_table

    pages, questions = read_pages(data)
    loaded = PageModel.load(model, device=device)
    form = box_form or ("pixels" if pages[0].image else "line")
    measuring = CPConsistency(loaded.reader(), model=loaded.identity, box_form=form)
    found = asyncio.run(measuring.measure(pages, questions, output))
    table = found.table()
    typer.echo("\n\n".join((markdown_table(table), *table.notes)))
    for one in found.dropped:
        typer.echo(f"left out: {one.question}: {one.reason}", err=True)


@app.command()
def train(
    data: Data,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The stages' folders; what was broken off there goes on.")
    ],
    model: Model = "smollm2-135m",
    box_form: BoxForm = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Train all weights but the encoder of images, instead of an adapter.")
    ] = False,
    link_tokens: Annotated[
        bool, typer.Option("--link-tokens", help="Mark what a reading and an answer share.")
    ] = False,
    epochs: Annotated[float, typer.Option(help="Of each stage.")] = 1.0,
    learning_rate: Annotated[float, typer.Option(help="Of each stage.")] = 1e-5,
    batch: Annotated[int, typer.Option(min=1, help="Samples of a step.")] = 128,
    at_once: Annotated[
        int | None,
        typer.Option(min=1, help="Samples computed at once; fewer take less memory.", show_default="the batch"),
    ] = None,
    max_tokens: Annotated[int, typer.Option(min=8, help="Of the text of a prompt and its answer.")] = 1024,
    rank: Annotated[int, typer.Option(min=1, help="Of the adapter's matrices.")] = 16,
    save_every: Annotated[int, typer.Option(min=1, help="Steps from one checkpoint to the next.")] = 50,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    device: Device = None,
    build_only: Annotated[bool, typer.Option("--build-only", help="Write the samples, and train nothing.")] = False,
) -> None:
    """Train in three stages: reading, answering, and what connects them; the last folder is the trained model.

    For example: pansophy conflict consistency train pages.jsonl --model ./my-model -o trained
    """
    from pansophy.conflicts.consistency import ConsistencySettings, build_stages
    from pansophy.conflicts.consistency.files import read_pages
    from pansophy.conflicts.training.settings import CONSISTENCY

    pages, questions = read_pages(data)
    form = box_form or ("pixels" if pages[0].image else "line")
    samples = ConsistencySettings(box_form=form, link_tokens=link_tokens, seed=seed)
    built = build_stages(pages, questions, output / "material", samples)
    for stage, counts in built.counts.items():
        typer.echo(f"{stage}: " + ", ".join(f"{count} {task}" for task, count in counts.items()))
    for one in built.dropped:
        typer.echo(f"left out: {one.question}: {one.reason}", err=True)
    if build_only:
        return
    from pansophy.conflicts.consistency.train import train_stages

    settings = replace(
        CONSISTENCY,
        learning_rate=learning_rate,
        epochs=epochs,
        batch=batch,
        at_once=at_once,
        max_tokens=max_tokens,
        rank=rank,
        alpha=2 * rank,
        save_every=save_every,
        seed=seed,
    )
    trained = train_stages(model, built.files, output, settings, lora=not whole, device=device, on_progress=_show)
    for stage, done in trained.items():
        if done.too_long:
            typer.echo(f"{stage}: left out {done.too_long} samples longer than --max-tokens", err=True)
    typer.echo(f"trained: {list(trained.values())[-1].folder}")


def _show(stage: str, progress: Progress) -> None:
    """A line on standard error now and then."""
    if progress.step in (1, progress.steps) or progress.step % max(progress.steps // 20, 1) == 0:
        typer.echo(f"{stage}: {progress.step}/{progress.steps}, loss {progress.loss:.3f}", err=True)
