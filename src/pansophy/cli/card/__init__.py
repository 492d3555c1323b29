"""`pansophy card`: small models that know one field each, and answers with what they know."""

from __future__ import annotations

import typer

from pansophy.cli.card.ask import ask
from pansophy.cli.card.keep import add, list_, remove
from pansophy.cli.card.train import train

app = typer.Typer(
    no_args_is_help=True,
    help="Train small models on texts of their own, and let them tell another model what they know.",
)
app.command()(train)
app.command("list")(list_)
app.command()(add)
app.command()(remove)
app.command()(ask)
