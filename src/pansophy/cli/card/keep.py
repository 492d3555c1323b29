"""`pansophy card list`, `add` and `remove`: which cards there are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def list_(as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False) -> None:
    """List the cards, and those that can't be used with the reason."""
    from pansophy.cli.wording import one_line
    from pansophy.reading.cook import CardPool

    pool = CardPool.open()
    if as_json:
        damaged = [{"name": name, "damaged": reason} for name, reason in pool.damaged.items()]
        typer.echo(json.dumps([*(card.described() for card in pool), *damaged], ensure_ascii=False, indent=2))
        return
    if not len(pool) and not pool.damaged:
        typer.echo("There are no cards: pansophy card train makes one.")
    for card in pool:
        licence = f" [{card.licence}]" if card.licence else ""
        typer.echo(
            one_line(f"{card.name}: {card.description}{licence} ({card.base or card.model}, {card.digest[:19]})")
        )
    for name, reason in pool.damaged.items():
        typer.echo(one_line(f"{name}: can't be used: {reason}"))


def add(
    folder: Annotated[Path | None, typer.Argument(help="A card's folder; it is copied.", show_default=False)] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Instead of a folder: a chat model.", show_default=False)
    ] = None,
    name: Annotated[str, typer.Option("--name", "-n", help="Of a chat model's card.", show_default=False)] = "",
    description: Annotated[
        str, typer.Option("--description", "-d", help="Of a chat model's card.", show_default=False)
    ] = "",
    base_url: Annotated[str | None, typer.Option(help="The chat model's endpoint.", show_default=False)] = None,
) -> None:
    """Add a card from a folder, or make one of a chat model.

    For example: pansophy card add medicine-card
    or: pansophy card add --model med-7b --base-url http://localhost:8000/v1 --name medicine -d "medicine and drugs"
    """
    from pansophy.errors import UsageError
    from pansophy.reading.cook import Card, CardPool

    if (folder is None) == (model is None):
        raise UsageError("give a card's folder, or --model with --name and --description")
    if folder is not None:
        card = Card.at(folder)
    else:
        assert model is not None
        card = Card.of(name, description, model, base_url=base_url)
    typer.echo(f"{CardPool.open().add(card).name} is added")


def remove(name: Annotated[str, typer.Argument(help="The card's name.", show_default=False)]) -> None:
    """Remove a card; the others are left as they are."""
    from pansophy.reading.cook import CardPool

    CardPool.open().remove(name)
    typer.echo(f"{name} is removed")
