"""Asks a model all items in one setting, into a folder that can be gone on with; every raw answer is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pansophy.conflicts.mmkc.items import Item
from pansophy.conflicts.mmkc.prompts import (
    AGREES,
    DetectionPrompt,
    Form,
    Setting,
    detection_parts,
    question_parts,
)
from pansophy.conflicts.reader import Part, Reader, read
from pansophy.conflicts.results import ResultFolder
from pansophy.runs.fingerprint import canonical_json

Row = dict[str, Any]


async def ask_items(
    reader: Reader,
    items: Sequence[Item],
    setting: Setting,
    folder: str | Path,
    *,
    model: str,
    form: Form = Form.CHOICE,
    images: bool = True,
    on_progress: Callable[[Row], None] | None = None,
) -> list[Row]:
    """Ask every item; those that the folder has are not asked again.

    Args:
        reader: answers.
        items: their ids must differ.
        setting: which external information is shown.
        folder: for the rows.
        model: the identity of what answers, recorded with the rows.
        form: options, or an open question.
        images: show the images; False measures a model of language alone.
        on_progress: is told of each row.

    Raises:
        RunError: the folder has answers of another model, setting, form or other items.
    """
    settings = {"setting": setting, "form": form}
    wanted = (
        (
            item.id,
            {"kind": item.kind, **settings, **_key(item, form)},
            question_parts(item, setting, form, images=images),
        )
        for item in items
    )
    return await _ask(reader, wanted, _folder(folder, items, model, images, settings), on_progress)


async def detect_conflicts(
    reader: Reader,
    items: Sequence[Item],
    folder: str | Path,
    *,
    model: str,
    fine: bool = False,
    prompt: DetectionPrompt = AGREES,
    images: bool = True,
    on_progress: Callable[[Row], None] | None = None,
) -> list[Row]:
    """Ask of each item's true text and of its first false one whether it conflicts with what the model knows.

    Args:
        reader, items, folder, model, images, on_progress: as for `ask_items`.
        fine: show only the sentence that says the answer.
        prompt: asks; its polarity is recorded with every row.

    Raises:
        RunError: as `ask_items`.
    """
    asked = {"fine": fine, "yes_is_conflict": prompt.yes_is_conflict}
    wanted = (
        (
            f"{item.id}/{'conflict' if conflict else 'true'}",
            {"kind": item.kind, "conflict": conflict, **asked},
            detection_parts(item, prompt, conflict=conflict, fine=fine, images=images),
        )
        for item in items
        for conflict in (False, True)
    )
    settings = {"setting": "detection", "instruction": prompt.instruction, **asked}
    rows = await _ask(reader, wanted, _folder(folder, items, model, images, settings), on_progress)
    return [{**row, "said": prompt.conflict_in(row["prediction"])} for row in rows]


def _folder(
    folder: str | Path, items: Sequence[Item], model: str, images: bool, settings: dict[str, Any]
) -> ResultFolder:
    digest = hashlib.sha256(canonical_json([asdict(item) for item in items]).encode()).hexdigest()
    made_with = {"measure": "mmkc", "model": model, "items": digest, "images": images, **settings}
    return ResultFolder(folder, made_with)


def _key(item: Item, form: Form) -> Row:
    """What the answers are scored by."""
    if form is Form.CHOICE:
        return {"options": list(item.options), "conflicts": [item.letter(one) for one in item.conflicts]}
    return {"options": None, "conflicts": list(item.conflicts)}


async def _ask(
    reader: Reader,
    wanted: Iterator[tuple[str, Row, Sequence[Part]]],
    results: ResultFolder,
    on_progress: Callable[[Row], None] | None,
) -> list[Row]:
    for identity, about, parts in wanted:
        if identity in results:
            continue
        row = {"id": identity, **about, "prediction": await read(reader, parts)}
        results.append(row)
        if on_progress is not None:
            on_progress(row)
    return results.rows
