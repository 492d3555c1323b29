"""`pansophy bench knowledge-solver`: whether walking a graph of facts helps a model to choose the right answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pansophy.cli.bench.options import BaseUrl, Model, ProblemSeed, write_result

if TYPE_CHECKING:
    from pansophy.conflicts.training.train import Progress
    from pansophy.reading.knowledge_solver.benchmark import Row

NAME = "knowledge_solver"


def knowledge_solver(
    data: Annotated[
        Path,
        typer.Option(
            help="A graph: triples as for pansophy graph ask, or a folder with QA-GNN's Disease Database.",
            show_default=False,
        ),
    ],
    questions: Annotated[int, typer.Option("--questions", "-n", min=1, help="How many are made of the graph.")] = 60,
    model: Model = "default",
    base_url: BaseUrl = None,
    near: Annotated[
        bool,
        typer.Option("--near", help="Wrong options are as near as the right one, and linked by facts of another kind."),
    ] = False,
    learn: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="First teach the model on dialogues about so many other questions; it must be a white-box model.",
            show_default="none",
        ),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="With --learn: the adapter's; what was broken off there goes on.")
    ] = None,
    epochs: Annotated[float, typer.Option(min=0.01, help="With --learn: how often every turn is seen.")] = 1.0,
    learning_rate: Annotated[float, typer.Option(help="With --learn: the highest; it falls to 0.")] = 2e-4,
    batch: Annotated[int, typer.Option(min=1, help="With --learn: turns of a step.")] = 16,
    device: Annotated[
        str | None, typer.Option(help="With --learn: cpu, cuda, ...", show_default="a GPU if there is one")
    ] = None,
    seed: ProblemSeed = 0,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Write the result there as JSON; what was broken off there goes on.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Measure how many questions over a graph a model answers with it, without it, and with a wrong one.

    Beside these stands somebody who takes any of the listed facts: what the graph answers by itself. With --learn, also
    the model before it was taught.

    For example: pansophy bench knowledge-solver --data facts.tsv --questions 60 -o walked.json
    """
    import asyncio

    from pansophy.errors import UsageError
    from pansophy.models import ChatModel, open_model
    from pansophy.reading.knowledge_solver.benchmark import (
        fingerprint,
        make_choices,
        measure,
        read_graph,
        rows_before,
        summary,
    )

    if (learn is None) != (folder is None):
        raise UsageError("--learn and --folder go together: what is learnt needs a place")
    if learn is not None and base_url is not None:
        raise UsageError("a model behind an endpoint can't be taught: leave out --learn, or --base-url")
    graph = read_graph(data)
    made_of_graph = make_choices(graph, questions + (learn or 0), seed, near=near)
    asked, others = made_of_graph[:questions], made_of_graph[questions:]
    untaught: ChatModel | None = None
    taught: dict[str, Any] = {}
    packages: tuple[str, ...] = ()
    if folder is None:
        walker = open_model(model, base_url=base_url)
    else:
        from dataclasses import asdict

        from pansophy.conflicts.training.settings import TrainingSettings
        from pansophy.conflicts.training.train import train
        from pansophy.models import ScriptedModel, WhiteBoxChat
        from pansophy.reading.knowledge_solver import KnowledgeSolver
        from pansophy.reading.knowledge_solver.dialogues import build_dialogues, training_rows

        settings = TrainingSettings(learning_rate, epochs, batch, max_tokens=1024, rank=16, alpha=32, seed=seed)
        seen = {one.question for one in asked}
        others = [one for one in others if one.question not in seen]
        solver = KnowledgeSolver(graph, ScriptedModel([]))  # the dialogues are written by the graph, not by a model
        rows = training_rows(build_dialogues(solver, others, seed=seed))
        train(model, "sft", rows, folder, settings, device=device, on_progress=_show_step)
        walker, untaught = WhiteBoxChat(folder, device=device), WhiteBoxChat(model, device=device)
        packages = ("torch", "transformers", "trl", "peft")
        taught = {"learnt_questions": len(others), "training": asdict(settings)}
    made = {
        "benchmark": NAME,
        "model": walker.identity,
        "seed": seed,
        "questions": len(asked),
        "sha256": fingerprint(graph, asked),
        **({"near": True} if near else {}),
        **taught,
    }

    def write(rows: Sequence[Row]) -> None:
        """Each answer is on disk before the next question is asked."""
        if output is not None:
            write_result(output, NAME, {**made, "summary": summary(rows), "rows": list(rows)}, *packages)

    def tell(rows: Sequence[Row]) -> None:
        write(rows)
        row = rows[-1]
        mark = "right" if row["right"] else "wrong"
        typer.echo(f"{row['world']} {row['question'] + 1}/{len(asked)}  {mark}, {row['status']}", err=True)

    async def work() -> list[Row]:
        try:
            done = rows_before(output, made) if output is not None else []
            return await measure(graph, walker, asked, untaught=untaught, seed=seed, done=done, on_row=tell)
        finally:
            for one in (walker, untaught):
                if one is not None:
                    await one.aclose()

    walked = asyncio.run(work())
    write(walked)  # in order, also where some were there before
    told = summary(walked)
    typer.echo(f"{'':24}{'accuracy':>9}{'95 %':>14}{'reached':>9}{'right of these':>16}{'calls':>7}")
    for world, one in told.items():
        mean, low, high = one["accuracy"]
        given = one["accuracy_given_reached"]
        typer.echo(
            f"{world:24}{mean:9.2f}{f'{low:.2f} to {high:.2f}':>14}{one['reached']:9.2f}"
            f"{'' if given is None else f'{given:.2f}':>16}{one['mean_calls']:7.1f}"
        )


def _show_step(progress: Progress) -> None:
    typer.echo(f"step {progress.step} of {progress.steps}: loss {progress.loss:.3f}", err=True)
