"""What was made of a corpus at some cost, such as the questions that its chunks answer: kept beside it, line by line.

A record is a JSON object with a `key` (of the text that it was made from) and the `document` that the text stands in
("" where that may be several).
Each is on disk before the next is made, so a killed process loses one at most. Whoever removes a document from its
corpus removes the records with it. Knows nothing of what records hold.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pansophy import settings
from pansophy.errors import StoreError

FOLDER = "derived"
FORMAT = 1

Record = dict[str, Any]


class Derived:
    """The records of one kind for one corpus, made in one way. Ways that differ are kept side by side.

    Args:
        location: the folder or URI of the corpus.
        kind: what the records are, such as "atoms".
        made_by: all that decides them (model, settings, prompts), as plain JSON data. It goes into the manifest.

    Raises:
        StoreError: they can't be read or written.
    """

    def __init__(self, location: str, kind: str, made_by: Mapping[str, Any]) -> None:
        canonical = json.dumps({"format": FORMAT, **made_by}, sort_keys=True)
        digest = hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        self.path = folder_of(location) / f"{kind}-{digest}.jsonl"
        self.manifest = self.path.with_suffix(".json")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.records: dict[str, Record] = {record["key"]: record for record in _read(self.path)}
            if not self.manifest.exists():
                _write(self.manifest, json.dumps({"kind": kind, "format": FORMAT, **made_by}, indent=2) + "\n")
        except OSError as error:
            raise _failed(self.path, error) from error

    def add(self, key: str, document: str, **content: Any) -> None:
        """Put a record on disk."""
        record = {"key": key, "document": document, **content}
        try:
            with self.path.open("ab") as file:
                file.write(_line(record))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _failed(self.path, error) from error
        self.records[key] = record

    def keep(self, keys: Collection[str]) -> None:
        """Drop the records of texts that are no longer there."""
        wanted = set(keys)
        if not wanted >= self.records.keys():
            self.replace({key: record for key, record in self.records.items() if key in wanted})

    def replace(self, records: Mapping[str, Record]) -> None:
        """Put these records on disk instead of all others."""
        self.records = dict(records)
        _write(self.path, b"".join(map(_line, self.records.values())))


def forget(location: str, documents: Collection[str]) -> None:
    """Remove all records that were made of these documents of the corpus at `location`, or of nobody knows which."""
    for path in sorted(folder_of(location).glob("*.jsonl")):
        records = _read(path)
        kept = [record for record in records if record["document"] and record["document"] not in documents]
        if len(kept) < len(records):
            _write(path, b"".join(map(_line, kept)))


def folder_of(location: str) -> Path:
    """Where records of the corpus lie: in its folder, or for an object store in `PANSOPHY_HOME`."""
    if "://" not in location:
        return Path(location) / FOLDER
    return settings.home() / FOLDER / hashlib.sha256(location.encode()).hexdigest()[:16]


def _read(path: Path) -> list[Record]:
    """The whole records of a file; what a killed process left of a last line is cut off."""
    if not path.exists():
        return []
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        with path.open("rb+") as file:
            file.truncate(whole)
    try:
        records = [json.loads(line) for line in data[:whole].splitlines()]
    except ValueError as error:
        raise StoreError(f"{path} is damaged ({error}): delete it, and it is made again") from error
    if not all(isinstance(record, dict) and {"key", "document"} <= record.keys() for record in records):
        raise StoreError(f"{path} is damaged (a record without key or document): delete it, and it is made again")
    return records


def _line(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record).encode() + b"\n"  # ASCII alone: a lone surrogate has no other form


def _write(path: Path, content: str | bytes) -> None:
    """Write the whole file or nothing."""
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(partial, path)
    except OSError as error:
        raise _failed(path, error) from error


def _failed(path: Path, error: OSError) -> StoreError:
    return StoreError(f"{path} can't be used: {error.strerror or error}")
