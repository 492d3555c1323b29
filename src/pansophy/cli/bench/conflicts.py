"""`pansophy bench conflicts`: whom each way of decoding follows when a model is told a lie about what it knows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pansophy.cli.bench.options import ResultFile, write_result

FEWEST_FOR_HEADS = 20
"""Known facts, half of which locate heads and half of which judge them."""


def conflicts(
    data: Annotated[
        Path,
        typer.Option(help="Facts with lies: a JSON file as JUICE's relation sets, or JSON lines.", show_default=False),
    ],
    model: Annotated[str, typer.Option("--model", "-m", help="As for pansophy conflict ask.")] = "smollm2-135m",
    output: ResultFile = None,
) -> None:
    """Measure on known facts whom each way of decoding follows: RM (memory) and RC (the lie), in percent.

    For example: pansophy bench conflicts --data world_capital.json --model smollm2-135m
    """
    from pansophy.conflicts.benchmark import CONTEXTS, as_rows, measure, measure_heads, step_cost
    from pansophy.conflicts.facts import known_facts, read_facts
    from pansophy.models import WhiteBoxModel

    facts = read_facts(data)
    white = WhiteBoxModel.load(model)
    known = known_facts(white, facts)
    typer.echo(f"{len(known.facts)} of {len(facts)} facts are known ({known.alike} begin like their lies)", err=True)
    kinds = [kind for kind in CONTEXTS if all(getattr(one.fact, kind) for one in known.facts)]
    found = {kind: measure(white, known.facts, kind) for kind in kinds}
    if len(known.facts) >= FEWEST_FOR_HEADS:
        found["heads, the other half of substituted"] = measure_heads(white, known.facts)
    cost = step_cost(white, known.facts)
    for kind, told in found.items():
        typer.echo(f"\n{kind}\n{'':24}    RM     RC  other")
        for name, share in told.items():
            typer.echo(f"{name:24}{share.memory.mean:6.1%} {share.context.mean:6.1%} {share.other.mean:6.1%}")
    typer.echo(f"\na step of two streams takes {cost:.2f} times a plain one")
    if output is not None:
        result = {
            "model": white.identity,
            "facts": len(facts),
            "known": len(known.facts),
            "alike": known.alike,
            "results": {kind: as_rows(told) for kind, told in found.items()},
            "two_streams_over_one": round(cost, 3),
        }
        write_result(output, "conflicts", result, "torch", "transformers")
