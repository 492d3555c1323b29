"""Triples from CSV files and from lines of JSON. A broken row is refused, and the error says where it stands."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pansophy.errors import SourceError, UsageError
from pansophy.evaluation.files import json_objects, text_of
from pansophy.reading.chroknowledge.facts import Triple

NEEDED = ("subject", "relation", "object")
OPTIONAL = ("start", "end", "aliases", "question")
"""`aliases` are parted by | in CSV; in JSON they may be a list."""


def read_triples(path: str | Path) -> list[Triple]:
    """The triples of a file, one a row.

    Args:
        path: a `.csv` file with a header, or a `.jsonl` file with one object a line; `NEEDED` and `OPTIONAL` are the
            names, others are ignored.

    Raises:
        SourceError: the file can't be read, has no rows, or a row is broken; says which and why.
    """
    place = Path(path).expanduser()
    if place.suffix.lower() not in _FORMATS:
        raise SourceError(f"{place} is neither {' nor '.join(_FORMATS)}: its name tells how it is read")
    triples = []
    for where, row in _FORMATS[place.suffix.lower()](place):
        try:
            triples.append(_triple(row))
        except UsageError as error:
            raise SourceError(f"{where}: {error}") from error
    if not triples:
        raise SourceError(f"{place} has no rows: expected {', '.join(NEEDED)}, and start and end where there is a time")
    return triples


def _csv(place: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text_of(place), newline=""), strict=True)
    try:
        if missing := [name for name in NEEDED if name not in (reader.fieldnames or ())]:
            raise SourceError(f"{place} has no column {', '.join(missing)}: expected {', '.join(NEEDED)}")
        for row in reader:
            where = f"{place}, line {reader.line_num}"
            if None in row:
                raise SourceError(f"{where} has more cells than the header: put quotes around text with a comma")
            yield where, row
    except csv.Error as error:
        raise SourceError(f"{place}: line {reader.line_num} is no CSV: {error}") from error


def _jsonl(place: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    return ((where, row) for _, where, row in json_objects(place, ", ".join(NEEDED)))


_FORMATS = {".csv": _csv, ".jsonl": _jsonl}


def _triple(row: Mapping[str, Any]) -> Triple:
    told = {name: _text(row, name) for name in (*NEEDED, "start", "end", "question")}
    if empty := [name for name in NEEDED if not told[name]]:
        raise UsageError(f"there is nothing in {', '.join(empty)}")
    aliases = row.get("aliases") or ()
    names = aliases.split("|") if isinstance(aliases, str) else aliases
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise UsageError("aliases must be texts, in CSV parted by |, in JSON a list")
    return Triple(**told, aliases=tuple(name.strip() for name in names if name.strip()))


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UsageError(f"{name} must be a text, not {json.dumps(value)}")
    return str(value).strip()
