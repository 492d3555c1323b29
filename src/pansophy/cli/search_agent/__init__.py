"""`pansophy search-agent`: a model that searches only for what it doesn't know."""

from __future__ import annotations

import typer

from pansophy.cli.search_agent.ask import ask
from pansophy.cli.search_agent.measure import measure
from pansophy.cli.search_agent.probe import probe
from pansophy.cli.search_agent.train import train

app = typer.Typer(
    no_args_is_help=True, help="Train and ask a model that uses its own knowledge first and searches past its boundary."
)
app.command()(probe)
app.command()(train)
app.command()(ask)
app.command()(measure)
