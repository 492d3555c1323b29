"""`pansophy bench chroknowledge`: whether gaps that were planted in a model are found, and filled by asking again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pansophy.cli.bench.options import ResultFile, write_result

if TYPE_CHECKING:
    from pansophy.conflicts.training.train import Progress
    from pansophy.reading.chroknowledge.run import TimelineProgress

ADAPTER, ANSWERS = "adapter", "answers"


def chroknowledge(
    folder: Annotated[
        Path,
        typer.Option(
            help="For the taught adapter, the answers and their report; what was broken off there goes on.",
            show_default=False,
        ),
    ],
    model: Annotated[
        str, typer.Option("--model", "-m", help="Who is taught: a white-box model with a chat template.")
    ] = "smollm2-135m",
    timelines: Annotated[int, typer.Option(min=2, help="Invented people of whom one thing is true each year.")] = 24,
    left_out: Annotated[float, typer.Option(min=0, max=1, help="The share of years that become gaps.")] = 0.3,
    epochs: Annotated[float, typer.Option(help="How often each year is taught.")] = 40.0,
    batch: Annotated[int, typer.Option(min=1, help="Years of a step.")] = 8,
    learning_rate: Annotated[float, typer.Option(help="The highest; it falls to 0.")] = 1e-3,
    save_every: Annotated[int, typer.Option(min=1, help="Steps from one checkpoint to the next.")] = 50,
    prompts: Annotated[int, typer.Option(min=1, help="For each fact and year; each is answered twice.")] = 5,
    seed: Annotated[int, typer.Option(help="Of timelines, gaps and matrices.")] = 0,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, ...", show_default="a GPU if there is one")] = None,
    output: ResultFile = None,
) -> None:
    """Measure whether gaps planted in a small model are found year by year, and what asking again makes of them.

    For example: pansophy bench chroknowledge --folder planted -o chroknowledge.json
    """
    import time
    from dataclasses import asdict, replace

    from pansophy.models import WhiteBoxChat
    from pansophy.reading.chroknowledge.benchmark import SETTINGS, measure, plant, teach

    settings = replace(
        SETTINGS, epochs=epochs, batch=batch, learning_rate=learning_rate, save_every=save_every, seed=seed
    )
    planted = plant(timelines, left_out, seed)
    started = time.process_time()
    trained = teach(model, planted, folder / ADAPTER, settings, device=device, on_progress=_show_step)
    taught = time.process_time()
    chat = WhiteBoxChat(trained.folder, device=device)
    found = measure(chat, planted, folder / ANSWERS, prompts=prompts, tell=_show_answer, say=_say)
    answered = time.process_time()
    typer.echo(_table(found))
    if output is not None:
        told = {
            "model": chat.identity,
            "options": {"timelines": timelines, "left_out": left_out, "prompts": prompts, **asdict(settings)},
            "loss": [round(loss, 3) for loss in trained.losses],
            **found,
            "cpu_seconds": {"teaching": round(taught - started, 1), "asking": round(answered - taught, 1)},
        }
        write_result(output, "chroknowledge", told, "torch", "transformers", "trl", "peft")


def _say(words: str) -> None:
    typer.echo(words, err=True)


def _show_step(progress: Progress) -> None:
    _say(f"{progress.step}/{progress.steps}  loss {progress.loss:.3f}")


def _show_answer(progress: TimelineProgress) -> None:
    row = progress.row
    said = f"error: {row['error']}" if row["error"] else row.get("category", "asked again")
    _say(f"{progress.done}/{progress.total}  {row['id']}  {said}")


def _table(found: dict[str, Any]) -> str:
    from pansophy.reading.chroknowledge.report import NAMES

    lines = [f"{'timelines, %':16}{'planted':>9}{'probed':>9}"]
    lines += [
        f"{name:16}{found['timelines'][kind]['planted']:9.1f}{found['timelines'][kind]['probed']:9.1f}"
        for kind, name in NAMES.items()
    ]
    lines += [f"years as planted: {found['years_as_planted']:.1f} %", ""]
    lines.append(
        f"{'Known, %':16}{'timelines':>9}{'before':>9}{'after':>9}{'by earlier':>12}{'years asked':>13}{'right':>7}"
    )
    for kind, gain in found["repair"].items():
        shares = f"{gain['known']:9.1f}{gain['known_after']:9.1f}{gain['known_by_earlier']:12.1f}"
        asked = f"{gain['asked_again']:13}{gain['right_when_asked_again']:7}"
        lines.append(f"{kind:16}{gain['timelines']:9}{shares}{asked}")
    return "\n".join(lines)
