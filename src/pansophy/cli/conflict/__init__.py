"""`pansophy conflict`: what a model believes against what it is told."""

from __future__ import annotations

import typer

from pansophy.cli.conflict.ask import ask
from pansophy.cli.conflict.consistency import app as consistency
from pansophy.cli.conflict.mislead import mislead
from pansophy.cli.conflict.probe import probe
from pansophy.cli.conflict.train import app as train

app = typer.Typer(
    no_args_is_help=True, help="See and settle conflicts between what a model believes and what it is told."
)
app.command()(ask)
app.command()(probe)
app.command()(mislead)
app.add_typer(train, name="train")
app.add_typer(consistency, name="consistency")
