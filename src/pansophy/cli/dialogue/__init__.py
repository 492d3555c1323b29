"""`pansophy dialogue`: agents that reply from tables and notes alike."""

from __future__ import annotations

import typer

from pansophy.cli.dialogue.agents import evaluate, respond, train
from pansophy.cli.dialogue.balance import rebalance

app = typer.Typer(
    no_args_is_help=True, help="Train, ask and measure an agent that replies from tables and notes alike."
)
app.command()(rebalance)
app.command()(train)
app.command()(respond)
app.command()(evaluate)
