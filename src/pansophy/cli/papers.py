"""`pansophy papers`: every system in the library, with its source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pansophy.papers import Paper


def papers(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array instead of a table.")] = False,
) -> None:
    """List the systems in the library and the papers they come from."""
    from pansophy.papers import all_papers

    found = all_papers()
    if as_json:
        import dataclasses
        import json

        entries = [{**dataclasses.asdict(paper), "url": paper.url} for paper in found]
        typer.echo(json.dumps(entries, ensure_ascii=False, indent=2))
    else:
        _print_table(found)


def _print_table(found: tuple[Paper, ...]) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    for number, paper in enumerate(found):
        if number:
            console.print()
        console.print(f"[bold]{paper.system}[/bold]  {paper.module}", soft_wrap=True)
        console.print(f"  {paper.title}", soft_wrap=True, markup=False)
        console.print(f"  {paper.authors} ({paper.published})", soft_wrap=True, markup=False)
        if paper.url:
            console.print(f"  {paper.url}", soft_wrap=True, markup=False)
