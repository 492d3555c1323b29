"""`pansophy graph train`: a model learns to walk a graph from questions with known answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pansophy.cli.graph.ask import Graph

if TYPE_CHECKING:
    from pansophy.conflicts.training.train import Progress


def train(
    questions: Annotated[
        Path, typer.Argument(help=".jsonl with question, options and answer, one of these.", show_default=False)
    ],
    graph: Graph,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The adapter's folder; what was broken off there goes on.")
    ],
    model: Annotated[str, typer.Option("--model", "-m", help="As for pansophy conflict ask.")] = "smollm2-135m",
    epochs: Annotated[float, typer.Option(min=0.01, help="How often every turn is seen.")] = 1.0,
    learning_rate: Annotated[float, typer.Option(help="The highest.")] = 2e-4,
    batch: Annotated[int, typer.Option(min=1, help="Turns of a step.")] = 16,
    max_tokens: Annotated[int, typer.Option(min=8, help="Of a dialogue up to a turn; longer are left out.")] = 1024,
    candidates: Annotated[int, typer.Option(min=1, help="The most neighbours that are shown at once.")] = 20,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, ...", show_default="a GPU if there is one")] = None,
) -> None:
    """Teach a model to walk: dialogues that reach the right answer, and an adapter that imitates them.

    For example: pansophy graph train questions.jsonl -g facts.tsv -m smollm2-135m -o walker
    """
    from pansophy.cli.wording import counted
    from pansophy.conflicts.training.settings import TrainingSettings
    from pansophy.conflicts.training.train import train as learn
    from pansophy.models import ScriptedModel
    from pansophy.reading.knowledge_solver import KnowledgeGraph, KnowledgeSolver
    from pansophy.reading.knowledge_solver.dialogues import build_dialogues, read_choices, training_rows

    asked = read_choices(questions)
    nobody = ScriptedModel([])  # the dialogues are written by the graph, not by a model
    solver = KnowledgeSolver(KnowledgeGraph.from_file(graph), nobody, settings={"candidates": candidates})
    dialogues = build_dialogues(solver, asked, seed=seed)
    for reason, count in dialogues.drops.items():
        typer.echo(f"{counted(count, 'question')} left out: {reason}", err=True)
    rows = training_rows(dialogues)
    settings = TrainingSettings(
        learning_rate=learning_rate, epochs=epochs, batch=batch, max_tokens=max_tokens, rank=16, alpha=32, seed=seed
    )
    done = learn(model, "sft", rows, output, settings, device=device, on_progress=_show)
    if done.too_long:
        typer.echo(f"{counted(done.too_long, 'turn')} left out: longer than {max_tokens} tokens", err=True)
    typer.echo(f"learnt from {counted(done.rows, 'turn')} of {counted(len(dialogues.chats), 'dialogue')}: {output}")
    typer.echo(f"ask it: pansophy graph ask QUESTION -g {graph} -m {output}")


def _show(progress: Progress) -> None:
    typer.echo(f"step {progress.step} of {progress.steps}: loss {progress.loss:.3f}", err=True)
