"""A store from several files: tables as CSV, entities or notes as lines of JSON."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from pansophy.errors import SourceError, UsageError
from pansophy.reading.jointlm.store import Entity, HybridStore, Key


def read_store(paths: Sequence[str | Path]) -> HybridStore:
    """The entities of all files; those of one domain and folded name are one.

    Args:
        paths: `.csv` files with a header and a column `name`, each a table of the domain that the file is named after,
            in which empty cells count as absent; other files as `HybridStore.read` takes them.

    Raises:
        SourceError: a file can't be read, has no entities, or tells a slot of an entity that another file tells too.
    """
    found: dict[Key, Entity] = {}
    for place in (Path(path).expanduser() for path in paths):
        entities = HybridStore.read(place).entities if place.suffix.lower() != ".csv" else tuple(_rows(place))
        if not entities:
            raise SourceError(f"{place} has no entities")
        for one in entities:
            before = found.get(one.key, Entity(one.domain, one.name))
            if both := sorted(set(before.slots) & set(one.slots)):
                raise SourceError(f"{place} tells {', '.join(both)} of {one.name!r} ({one.domain}) a second time")
            slots, notes = {**before.slots, **one.slots}, before.documents + one.documents
            found[one.key] = Entity(one.domain, before.name if before.slots else one.name, slots, notes)
    return HybridStore.of(found.values())


def _rows(place: Path) -> Iterator[Entity]:
    try:
        with place.open(encoding="utf-8-sig", newline="") as file:
            rows = [{slot: cell or None for slot, cell in row.items()} for row in csv.DictReader(file, strict=True)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{place} can't be read as CSV: {error}") from error
    if any(None in row for row in rows):
        raise SourceError(f"{place} has a row with more cells than the header: put quotes around text with a comma")
    try:
        yield from HybridStore({place.stem: rows}).entities
    except UsageError as error:
        raise SourceError(f"{place}: {error}") from error
