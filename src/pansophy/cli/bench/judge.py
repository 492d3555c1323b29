"""`pansophy bench judge`: a chat model rates the answers of a bench."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pansophy.evaluation.judge import Judgement


def judge(
    folder: Annotated[Path, typer.Argument(help="The folder of a bench, finished or not.", show_default=False)],
    model: Annotated[str, typer.Option("--model", "-m", help="The judge; as for pansophy ask.")],
    base_url: Annotated[
        str | None, typer.Option(help="The endpoint (else OPENAI_BASE_URL).", show_default=False)
    ] = None,
    window: Annotated[
        int | None, typer.Option(min=256, help="Use this context window, in tokens.", show_default="the model's")
    ] = None,
) -> None:
    """Have a chat model rate every answer: correctness (0 to 3) times fluency (0 or 1), beside F1 in the report.

    What is judged already is not judged again. For example: pansophy bench judge results/first --model gpt-4o
    """
    from pansophy.evaluation.report import build_report

    failed = asyncio.run(_judge(folder, model, base_url, window))
    typer.echo(build_report([folder]).markdown())
    if failed:
        typer.echo(f"{failed} answers could not be judged; the same command tries them again", err=True)
        raise typer.Exit(1)


async def _judge(folder: Path, name: str, base_url: str | None, window: int | None) -> int:
    """How many answers could not be judged."""
    from pansophy.engine import Engine
    from pansophy.evaluation.judge import judge_folder
    from pansophy.models import open_pair, prepare

    model, _ = open_pair(name, None, base_url=base_url, window=window)
    try:
        await prepare(model)
        judged = await judge_folder(folder, model, Engine(), on_progress=_show)
    finally:
        await model.aclose()
    return sum(one.error is not None for all_of_one in judged.values() for one in all_of_one)


def _show(strategy: str, done: int, total: int, judgement: Judgement) -> None:
    from pansophy.cli.wording import one_line

    said = f"error: {judgement.error}" if judgement.error else f"{judgement.score} {judgement.reason}"
    typer.echo(f"{strategy} {done}/{total}  {one_line(said)[:90]}", err=True)
