"""`pansophy graph`: answers from graphs of facts."""

from __future__ import annotations

import typer

from pansophy.cli.graph.ask import ask

app = typer.Typer(no_args_is_help=True, help="Answer questions by walking a graph of facts.")
app.callback()(lambda: None)  # a group even with one command
app.command()(ask)
