"""`pansophy conflict mislead`: does a model keep its answer when it is shown false texts, and does it notice?"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pansophy.errors import UsageError

if TYPE_CHECKING:
    from pansophy.conflicts.mmkc import Item


def mislead(
    facts: Annotated[
        Path,
        typer.Argument(
            help=".jsonl with a fact a line: id, kind, type (answers of one type can stand for each other), question, "
            "answer, text (which says the answer).",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder for answers and report; what is there goes on.")
    ],
    models: Annotated[
        list[str], typer.Option("--model", "-m", help="As for pansophy ask; several stand side by side in the report.")
    ] = ["default"],  # noqa: B006 - typer copies it
    base_url: Annotated[
        str | None, typer.Option(help="The endpoint (else OPENAI_BASE_URL).", show_default=False)
    ] = None,
    open_answers: Annotated[bool, typer.Option("--open", help="Ask for a phrase, without four options.")] = False,
    seed: Annotated[int, typer.Option(help="Of the false answers that are drawn.")] = 0,
) -> None:
    """Ask every fact without a text, with a false one, and with two; write how often the answer is kept, and a report.

    For example: pansophy conflict mislead facts.jsonl --model embedded -o results/false-texts
    """
    from pansophy.conflicts.mmkc import build_items, read_known, write_report

    items = build_items(read_known(facts), seed=seed)
    if any(item.images for item in items):
        raise UsageError("chat models read no images here: from Python any function of texts and images can be asked")
    folders: list[Path] = []
    names: dict[str, str] = {}
    for model in models:
        identity, made = asyncio.run(_ask(items, output, model, base_url, open_answers))
        names[identity] = model
        folders += made
    typer.echo(write_report(folders, output, names=names))


async def _ask(
    items: list[Item], output: Path, model: str, base_url: str | None, open_answers: bool
) -> tuple[str, list[Path]]:
    """A model's identity, and the folders with its answers."""
    from pansophy.conflicts.mmkc import Form, Setting, ask_items, chat_reader, detect_conflicts
    from pansophy.engine import Engine
    from pansophy.models import open_model

    chat = open_model(model, base_url=base_url)
    place = output / "".join(letter if letter.isalnum() or letter in "-._" else "-" for letter in model)
    form = Form.OPEN if open_answers else Form.CHOICE
    try:
        engine = Engine()
        await engine.prepare(chat)
        reader = chat_reader(chat, engine)
        folders = [place / setting for setting in Setting]
        for setting, folder in zip(Setting, folders, strict=True):
            show = _Shown(f"{model}, {setting.replace('_', ' ')}", len(items))
            await ask_items(reader, items, setting, folder, model=chat.identity, form=form, on_progress=show)
        show = _Shown(f"{model}, detection", 2 * len(items))
        await detect_conflicts(reader, items, place / "detection", model=chat.identity, on_progress=show)
    finally:
        await chat.aclose()
    return chat.identity, [*folders, place / "detection"]


class _Shown:
    """One line on standard error for each answer."""

    def __init__(self, name: str, total: int) -> None:
        self._name, self._total, self._done = name, total, 0

    def __call__(self, row: dict[str, Any]) -> None:
        self._done += 1
        said = " ".join(row["prediction"].split())[:80]
        typer.echo(f"{self._name} {self._done}/{self._total}  {row['id']}: {said}", err=True)
