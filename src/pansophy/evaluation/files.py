"""Files that a crash can't spoil: JSON written whole, and lines of JSON of which at most the last is lost.

What users give is read by `text_of` and `json_objects`. Knows nothing of what the lines hold.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pansophy.errors import RunError, SourceError, StoreError

T = TypeVar("T")


def read_lines(path: Path, of: Callable[[dict[str, Any]], T]) -> list[T]:
    """What the complete lines of a file hold; nothing if there is no such file.

    Args:
        path: a file of JSON lines.
        of: makes an entry of a line's object.

    Raises:
        RunError: a line in the middle is damaged; says which.
    """
    if not path.exists():
        return []
    lines = path.read_text("utf-8").split("\n")[:-1]  # what follows the last line break is a torn line or nothing
    found: list[T] = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(of(json.loads(line)))
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise RunError(f"{path}, line {number} is damaged ({error}); mend or delete it") from error
    return found


def text_of(path: Path) -> str:
    """The text of a user's file.

    Raises:
        SourceError: it can't be read.
    """
    try:
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise SourceError(f"{path} can't be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} can't be read as UTF-8 text: {error}") from error


def json_objects(path: Path, needed: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """The objects of a user's file of JSON lines, each with its line's number and its place ("facts.jsonl, line 3");
    empty lines are left out.

    Args:
        path: the file.
        needed: what an object should have, for the error.

    Raises:
        SourceError: the file can't be read, or a line is no object; says which.
    """
    # not splitlines, which also parts texts that hold a Unicode line separator
    for number, line in enumerate(text_of(path).split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except ValueError as error:
            raise SourceError(f"{where} is no JSON: {error}") from error
        if not isinstance(row, dict):
            raise SourceError(f"{where} is no object with {needed}: {line[:40]!r}")
        yield number, where, row


def write_atomically(path: Path, text: str) -> None:
    """Write a whole file or nothing.

    Raises:
        StoreError: it can't be written.
    """
    partial = path.with_suffix(".partial")
    try:
        partial.write_text(text, "utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise StoreError(f"can't write {path}: {error.strerror or error}") from error


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """`write_atomically` for JSON data."""
    write_atomically(path, json.dumps(data, ensure_ascii=False, indent=2) + "\n")


def append_line(path: Path, data: Mapping[str, Any]) -> None:
    """Put `data` on disk as one more line of JSON.

    Raises:
        StoreError: it can't be written.
    """
    line = json.dumps(data, ensure_ascii=False) + "\n"
    try:
        # A lone surrogate can't be encoded; its backslash form is a valid JSON escape.
        with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StoreError(f"can't write {path}: {error.strerror or error}") from error


def drop_torn_line(path: Path) -> None:
    """Cut off a last line without a line break: the process died while writing it."""
    if not path.exists():
        return
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        with path.open("rb+") as file:
            file.truncate(data.rfind(b"\n") + 1)


def refuse_difference(folder: Path, before: Mapping[str, Any], now: Mapping[str, Any], name: str = "") -> None:
    """Results that were made in different ways must not stand in one folder.

    Raises:
        RunError: `before` and `now` differ; says in what.
    """
    different = sorted(_differences(before, now))
    if different:
        what = f"results of {name} " if name else "results "
        raise RunError(
            f"{folder} has {what}made with another {', '.join(different)}; "
            "use another folder, or the settings of the first time"
        )


def _differences(before: Any, now: Any, path: str = "") -> list[str]:
    """Dotted names of the values that are not equal."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        found = []
        for key in sorted({*before, *now}):
            found += _differences(before.get(key), now.get(key), f"{path}.{key}" if path else str(key))
        return found
    return [] if before == now else [path]
