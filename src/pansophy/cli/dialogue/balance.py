"""`pansophy dialogue rebalance`: facts move between tables and notes, so that no slot is always in the table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pansophy.reading.jointlm import HybridStore

Dialogues = Annotated[
    Path,
    typer.Argument(
        help='Lines of JSON: {"id": ..., "turns": [{"user": ..., "system": ..., "belief": {domain: {slot: value}}}]}.',
        show_default=False,
    ),
]
Store = Annotated[
    list[Path],
    typer.Option(
        "--store",
        "-s",
        help="The entities; give it for each file: .csv tables with a column name, called after their domain, or lines "
        "of JSON with domain, name, slots {...} and documents [{title, body}].",
        show_default=False,
    ),
]
Seed = Annotated[int, typer.Option(help="Of everything that is drawn.")]


def rebalance(
    dialogues: Dialogues,
    store: Store,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file of the new store, .jsonl.")],
    seed: Seed = 0,
    everything: Annotated[
        bool, typer.Option("--everything", help="Move all slots, of all entities, whatever is told together.")
    ] = False,
) -> None:
    """Move facts of a table into notes: of values that are told together, some (a max-cut).

    For example: pansophy dialogue rebalance said.jsonl -s inn.csv -s notes.jsonl -o balanced.jsonl
    """
    from pansophy.reading.jointlm import read_dialogues, read_store, unstructured
    from pansophy.reading.jointlm import rebalance as cut

    before = read_store(store)
    if everything:
        after = unstructured(before)
    else:
        after, report = cut(before, read_dialogues(dialogues), seed)
        typer.echo(
            f"{report.vertices:,} values, told together in {report.edges:,} pairs of weight {report.weight:,}; "
            f"{report.cut:,} of it ({100 * report.share:.1f} %) is cut"
        )
        for slot, count in report.moved.items():
            typer.echo(f"  {slot}: {count:,} values became notes")
    after.write(output)
    _averages(before, after)


def _averages(before: HybridStore, after: HybridStore) -> None:
    new = after.averages()
    for domain, (slots, notes) in before.averages().items():
        typer.echo(f"{domain}: slots {slots:.2f} -> {new[domain][0]:.2f}, notes {notes:.2f} -> {new[domain][1]:.2f}")
