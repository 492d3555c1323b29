"""`pansophy graph`: answers from graphs of facts."""

from __future__ import annotations

import typer

from pansophy.cli.graph.ask import ask
from pansophy.cli.graph.train import train

app = typer.Typer(no_args_is_help=True, help="Answer questions by walking a graph of facts.")
app.command()(ask)
app.command()(train)
