"""Reads the files that datasets come in: JSON, and JSON lines of any size, one line in memory at a time.

Whatever is wrong with a file is said in one line that names the file, the place and the field. Knows nothing of what
the fields mean.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pansophy.errors import SourceError

DATA_VARIABLE = "PANSOPHY_DATA"


@dataclass(frozen=True, slots=True)
class Entry:
    """One object of a file.

    `where` names it in errors, `number` counts from 1, `offset` is the byte that it begins at (0 where the file is one
    JSON value).
    """

    where: str
    number: int
    fields: dict[str, Any]
    offset: int = 0

    def without_fields(self) -> Entry:
        """Where the entry stands, for `read_line_at`, without holding its texts in memory."""
        return Entry(self.where, self.number, {}, self.offset)

    def text(self, field: str) -> str:
        """The field's text without the blanks around it.

        Raises:
            SourceError: it is missing, empty or no string.
        """
        text = self.fields.get(field)
        if not isinstance(text, str) or not text.strip():
            raise SourceError(f"{self.where} has no text in {field!r}")
        return text.strip()

    def texts(self, field: str) -> tuple[str, ...]:
        """The field's texts: one, or a list of them.

        Raises:
            SourceError: it is missing or empty, or has something that is no text.
        """
        value = self.fields.get(field)
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list) or not texts or not all(isinstance(one, str) and one.strip() for one in texts):
            raise SourceError(f"{self.where} has no {field!r}: expected a string or a list of strings, none empty")
        return tuple(texts)

    def label(self, field: str) -> str:
        """A short text or a number that names something (an id, a kind); "" when there is none.

        Raises:
            SourceError: it is neither.
        """
        value = self.fields.get(field, "")
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise SourceError(f"{self.where}: {field!r} must be a string or a whole number")
        return str(value)


def find_data(name: str, path: str | Path | None = None) -> Path:
    """The folder or file of a dataset: `path` when given, else `PANSOPHY_DATA` or the folder `name` in it.

    Raises:
        SourceError: when nothing is there, saying where it looked.
    """
    if path is not None:
        given = Path(path).expanduser()
        if not given.exists():
            raise SourceError(f"there is no dataset at {given}")
        return given / name if (given / name).is_dir() else given
    if not (folder := os.environ.get(DATA_VARIABLE)):
        raise SourceError(
            f"where is the dataset {name}? Give its path, or set {DATA_VARIABLE} to the folder that has it"
        )
    for candidate in (Path(folder).expanduser() / name, Path(folder).expanduser()):
        if (candidate / "questions.json").is_file():
            return candidate
    raise SourceError(f"no dataset {name} in {folder} (from {DATA_VARIABLE}): expected {name}/questions.json there")


def read_json(path: Path, digest: hashlib._Hash) -> Any:
    """The value in a file; `digest` takes in its bytes.

    Raises:
        SourceError: it can't be read or is no JSON.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error
    digest.update(data)
    try:
        return json.loads(data)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} is not valid JSON: {error}") from error


def entries_of(value: Any, path: Path) -> list[Entry]:
    """The objects of a JSON list of questions.

    Raises:
        SourceError: it is no list, empty, or has something else in it.
    """
    if not isinstance(value, list) or not value:
        raise SourceError(f"{path}: expected a list of questions")
    return [_entry(one, f"{path}: question {number}", number) for number, one in enumerate(value, start=1)]


def read_json_lines(path: Path, digest: hashlib._Hash) -> Iterator[Entry]:
    """The objects of a file with one on each line, empty lines left out; `digest` takes in the file's bytes.

    Raises:
        SourceError: the file can't be read or has none, or a line is not an object: cut off, in another encoding.
    """
    offset, empty = 0, True
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                digest.update(line)
                if line.strip():
                    empty = False
                    yield _line(line, path, number, offset)
                offset += len(line)
    except OSError as error:
        raise _unreadable(path, error) from error
    if empty:
        raise SourceError(f"{path} is empty: expected a JSON object on each line")


def read_line_at(path: Path, entry: Entry) -> Entry:
    """The entry of a file of JSON lines once more, for what was not kept of it.

    Raises:
        SourceError: the file can't be read, or has no entry there any more.
    """
    try:
        with path.open("rb") as file:
            file.seek(entry.offset)
            line = file.readline()
    except OSError as error:
        raise _unreadable(path, error) from error
    return _line(line, path, entry.number, entry.offset)


def check_unique(identities: Sequence[str], path: Path) -> None:
    """Refuse a file in which two questions have the same id.

    Raises:
        SourceError: says which.
    """
    seen: set[str] = set()
    for identity in identities:
        if identity in seen:
            raise SourceError(f"{path}: the question id {identity!r} occurs more than once")
        seen.add(identity)


def _line(line: bytes, path: Path, number: int, offset: int) -> Entry:
    where = f"{path}: line {number}"
    try:
        value = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise SourceError(f"{where} is not UTF-8 text ({error.reason}): save the file as UTF-8") from error
    except json.JSONDecodeError as error:
        raise SourceError(f"{where} is not a whole JSON object: {error}") from error
    return _entry(value, where, number, offset)


def _entry(value: Any, where: str, number: int, offset: int = 0) -> Entry:
    if not isinstance(value, dict):
        raise SourceError(f"{where} is not an object")
    return Entry(where, number, value, offset)


def _unreadable(path: Path, error: OSError) -> SourceError:
    if isinstance(error, FileNotFoundError):
        return SourceError(f"{path} is missing")
    return SourceError(f"{path} can't be read: {error.strerror or error}")
