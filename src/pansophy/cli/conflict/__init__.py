"""`pansophy conflict`: whom a model trusts, what it is told or what it remembers."""

from __future__ import annotations

import typer

from pansophy.cli.conflict.ask import ask

app = typer.Typer(no_args_is_help=True, help="Turn a dial between what a model remembers and what it is told.")
app.command()(ask)


@app.callback()
def _group() -> None:
    """Without a second command typer would take the first one's name away."""
