"""`pansophy graph ask`: a model walks a graph of facts to the answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pansophy.reading.knowledge_solver import Solution

Graph = Annotated[
    Path,
    typer.Option("--graph", "-g", help="Triples: .csv or .tsv (head, relation, tail), or .jsonl.", show_default=False),
]
TOLD = {
    "reached": "",
    "answered_early": "The model answered before it had reached an option.",
    "limit": "No option was reached within the hops allowed: the model's guess from the facts found.",
    "no_entity": "The graph has nothing that question and options name: the model's own guess.",
    "disconnected": "The graph has no way from the question to an option: the model's own guess.",
}


def ask(
    question: Annotated[str, typer.Argument(help="What you want to know.", show_default=False)],
    graph: Graph,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", "-o", help="One of the answers to choose from; give it for each.", show_default=False),
    ] = None,
    model: Annotated[
        str, typer.Option("--model", "-m", help="As for pansophy ask; of the default pair the one that reasons.")
    ] = "default",
    base_url: Annotated[str | None, typer.Option(help="An OpenAI-compatible endpoint.", show_default=False)] = None,
    hops: Annotated[int, typer.Option(min=1, help="The most hops.")] = 6,
    candidates: Annotated[int, typer.Option(min=1, help="The most neighbours that are shown at once.")] = 20,
    seed: Annotated[int, typer.Option(help="Chooses where the walk begins, if the question names several.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, with the dialogue.")] = False,
) -> None:
    """Answer a question by walking a graph of facts, one hop a turn; the path explains the answer.

    For example: pansophy graph ask "Which food helps against scurvy?" -g facts.tsv -o bread -o lemon
    """
    import asyncio

    from pansophy.models import open_model
    from pansophy.reading.knowledge_solver import KnowledgeGraph, KnowledgeSolver

    known = KnowledgeGraph.from_file(graph)
    walker = open_model(model, base_url=base_url)
    settings = {"hops": hops, "candidates": candidates, "seed": seed}

    async def work() -> Solution:
        try:
            return await KnowledgeSolver(known, walker, settings=settings).asolve(question, option or ())
        finally:
            await walker.aclose()

    solution = asyncio.run(work())
    typer.echo(json.dumps(solution.to_dict(), ensure_ascii=False, indent=2) if as_json else _shown(solution))


def _shown(solution: Solution) -> str:
    from pansophy.cli.wording import counted, one_line

    lines = [one_line(solution.answer)]
    if told := TOLD[solution.status]:
        lines.append(told)
    lines += [f"  {one_line(edge.start)}  --{one_line(edge.relation)}{' (of)' if edge.inverse else ''}-->  "
              f"{one_line(edge.end)}" for edge in solution.path]  # fmt: skip
    lines.append(f"{solution.status} · {counted(len(solution.path), 'hop')} · {counted(solution.usage.calls, 'call')}")
    return "\n".join(lines)
