"""`pansophy bench knowledge-solver`: whether walking a graph of facts helps a model to choose the right answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pansophy.cli.bench.options import BaseUrl, Model, ProblemSeed, write_result

if TYPE_CHECKING:
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

    Beside these stands somebody who takes any of the listed facts: what the graph answers by itself.

    For example: pansophy bench knowledge-solver --data facts.tsv --questions 60 -o walked.json
    """
    import asyncio

    from pansophy.models import open_model
    from pansophy.reading.knowledge_solver.benchmark import (
        fingerprint,
        make_choices,
        measure,
        read_graph,
        rows_before,
        summary,
    )

    graph = read_graph(data)
    asked = make_choices(graph, questions, seed)
    walker = open_model(model, base_url=base_url)
    made = {
        "benchmark": NAME,
        "model": walker.identity,
        "seed": seed,
        "questions": len(asked),
        "sha256": fingerprint(graph, asked),
    }

    def write(rows: Sequence[Row]) -> None:
        """Each answer is on disk before the next question is asked."""
        if output is not None:
            write_result(output, NAME, {**made, "summary": summary(rows), "rows": list(rows)})

    def tell(rows: Sequence[Row]) -> None:
        write(rows)
        row = rows[-1]
        mark = "right" if row["right"] else "wrong"
        typer.echo(f"{row['world']} {row['question'] + 1}/{len(asked)}  {mark}, {row['status']}", err=True)

    async def work() -> list[Row]:
        try:
            done = rows_before(output, made) if output is not None else []
            return await measure(graph, walker, asked, seed=seed, done=done, on_row=tell)
        finally:
            await walker.aclose()

    told = summary(asyncio.run(work()))
    typer.echo(f"{'':24}{'accuracy':>9}{'95 %':>14}{'reached':>9}{'right of these':>16}{'calls':>7}")
    for world, one in told.items():
        mean, low, high = one["accuracy"]
        given = one["accuracy_given_reached"]
        typer.echo(
            f"{world:24}{mean:9.2f}{f'{low:.2f} to {high:.2f}':>14}{one['reached']:9.2f}"
            f"{'' if given is None else f'{given:.2f}':>16}{one['mean_calls']:7.1f}"
        )
