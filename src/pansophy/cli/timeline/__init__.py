"""`pansophy timeline`: what a model knows of facts over time."""

from __future__ import annotations

import typer

from pansophy.cli.timeline.measure import probe, repair

app = typer.Typer(
    no_args_is_help=True, help="See what a model knows of facts year by year, and ask again what it half knows."
)
app.command()(probe)
app.command()(repair)
