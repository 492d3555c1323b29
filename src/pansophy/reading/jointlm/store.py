"""Entities of which some facts stand in a table and some in documents, under one name. Knows nothing of dialogues."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from pansophy.errors import SourceError, UsageError
from pansophy.evaluation.files import json_objects, write_atomically

NAME = "name"
"""The slot that stays in the table, come what may."""

Value = str | tuple[str, ...] | Mapping[str, str]
"""Of a slot: one, a list, or several under names of their own."""

Key = tuple[str, str]
"""An entity's domain and its folded name, by which it is found."""


@lru_cache(maxsize=100_000)
def fold(name: str) -> str:
    """A name as it is compared: lower case, single blanks, "&" as "and", no apostrophes, "guest house" in two words."""
    plain = re.sub(r"['’`]", "", name.lower().replace("&", " and ")).replace("guesthouse", "guest house")
    return " ".join(plain.split())


@dataclass(frozen=True, slots=True)
class Document:
    """A note on an entity: a question (or title) and what is said to it. `slot` is told where it was made of a slot."""

    title: str
    body: str
    slot: str = ""


@dataclass(frozen=True, slots=True)
class Entity:
    """`slots` are what the table says, the name left out; `documents` what notes say."""

    domain: str
    name: str
    slots: Mapping[str, Value] = field(default_factory=dict)
    documents: tuple[Document, ...] = ()

    @property
    def key(self) -> Key:
        return self.domain, fold(self.name)

    def text(self, *, titles: bool = False) -> str:
        """[e] of the paper: slots and values, then the documents' bodies, each behind its marker."""
        parts = ["<struct>", *(f"<slot> {slot} <val> {written(value)}" for slot, value in self.facts())]
        parts.append("<unstruct>")
        parts += [f"<doc> {' '.join([one.title] * titles + [one.body])}" for one in self.documents]
        return " ".join(" ".join(parts).split())

    def sentences(self) -> Iterator[str]:
        """The name and each fact, on its own."""
        yield f"{self.domain}: {self.name}"
        yield from (f"{self.name}, {slot}: {', '.join(parts_of(value))}" for slot, value in self.slots.items())
        yield from (f"{self.name}, {note.title} {note.body}" for note in self.documents)

    def facts(self) -> Iterator[tuple[str, Value]]:
        """The name and the slots."""
        yield NAME, self.name
        yield from self.slots.items()


def written(value: Value) -> str:
    """A value in the entity's text; parts of lists and of named values have markers of their own."""
    match value:
        case str():
            return value
        case Mapping():
            return " ".join(f"<key> {key} <part> {part}" for key, part in value.items())
    return " ".join(f"<item> {part}" for part in value)


def parts_of(value: Value) -> tuple[str, ...]:
    """A value's strings, one by one."""
    if isinstance(value, str):
        return (value,)
    return tuple(value.values()) if isinstance(value, Mapping) else tuple(value)


class HybridStore:
    """Entities by domain and name.

    Args:
        tables: by domain, rows with a `name`; empty cells (None) count as absent.
        documents: by domain, then by entity's name, its notes: `Document`s or objects with `title` and `body`. They
            join a row of the same folded name, or stand alone.

    Raises:
        UsageError: a row has no name or no usable value, two rows of a domain have one name, or a note has no body.
    """

    def __init__(
        self,
        tables: Mapping[str, Iterable[Mapping[str, Any]]],
        documents: Mapping[str, Mapping[str, Iterable[Document | Mapping[str, Any]]]] | None = None,
    ) -> None:
        found: dict[Key, Entity] = {}
        for domain, rows in tables.items():
            for number, row in enumerate(rows, start=1):
                entity = _entity(domain, row, f"row {number} of {domain!r}")
                if entity.key in found:
                    raise UsageError(f"two rows of {domain!r} are named {entity.name!r}: give each a name of its own")
                found[entity.key] = entity
        for domain, named in (documents or {}).items():
            for name, notes in named.items():
                before = found.get((domain, fold(name)), Entity(domain, name))
                added = tuple(_document(note, f"{name!r} of {domain!r}") for note in notes)
                found[before.key] = Entity(domain, before.name, before.slots, before.documents + added)
        self._entities = found

    @classmethod
    def of(cls, entities: Iterable[Entity]) -> HybridStore:
        """A store of these entities."""
        store = cls({})
        store._entities = {one.key: one for one in entities}
        return store

    @property
    def entities(self) -> tuple[Entity, ...]:
        return tuple(self._entities.values())

    @property
    def domains(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one.domain for one in self.entities))

    def __len__(self) -> int:
        return len(self._entities)

    def __contains__(self, key: object) -> bool:
        return key in self._entities

    def __getitem__(self, key: Key) -> Entity:
        return self._entities[key]

    def averages(self) -> dict[str, tuple[float, float]]:
        """By domain: structured slots (the name among them) and documents of an entity, on average."""
        shares = {}
        for domain in self.domains:
            ours = [one for one in self.entities if one.domain == domain]
            slots = sum(1 + len(one.slots) for one in ours)
            shares[domain] = (slots / len(ours), sum(len(one.documents) for one in ours) / len(ours))
        return shares

    def write(self, path: str | Path) -> None:
        """One line of JSON for each entity. Raises StoreError if the file can't be written."""
        lines = (json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in self.entities)
        write_atomically(Path(path).expanduser(), "".join(lines))

    @classmethod
    def read(cls, path: str | Path) -> HybridStore:
        """A store as `write` left it, or one of your own: lines with domain, name, slots and documents.

        Raises:
            SourceError: the file can't be read, or a line is no entity; says which.
        """
        place = Path(path).expanduser()
        found: dict[Key, Entity] = {}
        for _, where, row in json_objects(place, "domain, name, slots and documents"):
            domain, slots, notes = row.get("domain"), row.get("slots", {}), row.get("documents", [])
            if not isinstance(domain, str) or not isinstance(slots, Mapping) or not isinstance(notes, list):
                raise SourceError(f"{where} is no entity: expected domain, name, slots {{...}} and documents [...]")
            try:
                (entity,) = cls(
                    {domain: [{**slots, NAME: row.get(NAME)}]}, {domain: {str(row.get(NAME)): notes}}
                ).entities
            except UsageError as error:
                raise SourceError(f"{where} is no entity: {error}") from error
            if entity.key in found:
                raise SourceError(f"{where} is another {entity.name!r} of {domain!r}: give each a name of its own")
            found[entity.key] = entity
        return cls.of(found.values())


def _entity(domain: str, row: Mapping[str, Any], where: str) -> Entity:
    name = row.get(NAME)
    if not isinstance(name, str) or not name.strip():
        raise UsageError(f"{where} has no {NAME!r}: every entity needs one")
    slots = {slot: _value(value, f"{slot!r} in {where}") for slot, value in row.items() if slot != NAME}
    return Entity(domain, name, {slot: value for slot, value in slots.items() if value is not None})


def _value(value: Any, where: str) -> Value | None:
    match value:
        case None:
            return None
        case bool():
            return "yes" if value else "no"
        case str() | int() | float():
            return str(value)
        case Mapping():
            return {str(key): str(part) for key, part in value.items()}
        case list() | tuple():
            return tuple(map(str, value))
    raise UsageError(f"{where} must be text, a number, a list or an object, not {type(value).__name__}")


def _document(note: Document | Mapping[str, Any], where: str) -> Document:
    if isinstance(note, Document):
        return note
    if not isinstance(note, Mapping) or not isinstance(note.get("body"), str):
        raise UsageError(f"a document of {where} needs a body: expected {{title: ..., body: ...}}")
    return Document(str(note.get("title", "")), note["body"], str(note.get("slot", "")))
