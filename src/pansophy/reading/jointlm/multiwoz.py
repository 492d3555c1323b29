"""Readers of what the paper's data is made of: MultiWOZ's tables, DSTC9's FAQs, SeKnow's annotated dialogues."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pansophy.errors import SourceError, UsageError
from pansophy.evaluation.files import text_of
from pansophy.reading.jointlm.dialogues import Belief, Dialogue, Turn
from pansophy.reading.jointlm.store import HybridStore

SLOTS = (
    "name",
    "address",
    "area",
    "internet",
    "parking",
    "phone",
    "postcode",
    "pricerange",
    "stars",
    "takesbookings",
    "type",
    "entrance fee",
    "openhours",
    "food",
    "signature",
)
"""What the paper takes of the tables: ids, places on the map, prices of rooms and introductions are left out."""

REQUESTABLE = {
    "hotel": ("name", "address", "area", "internet", "parking", "phone", "postcode", "pricerange", "stars"),
    "restaurant": ("name", "address", "area", "food", "phone", "postcode", "pricerange"),
    "attraction": ("name", "address", "area", "phone", "postcode", "pricerange", "type"),
}
"""Whose values the paper's metrics search in replies."""

_BELIEF = re.compile(r"([\w ]+?) \{([^}]*)\}")
_SLOT = re.compile(r"(?:^|, )([a-z ]+) = ")


def read_multiwoz(tables: Mapping[str, str | Path], faqs: str | Path | None = None) -> HybridStore:
    """The store of MultiWOZ's tables, one file a domain, and of DSTC9's FAQs of these domains.

    Raises:
        SourceError: a file can't be read, or isn't of this form.
    """
    rows = {domain: [_kept(row, path) for row in _json(path, list)] for domain, path in tables.items()}
    told = _json(faqs, dict).items() if faqs is not None else ()
    documents = {domain: _notes(entities, f"{faqs}, {domain!r}") for domain, entities in told if domain in tables}
    for domain, path in tables.items():
        _store(path, {domain: rows[domain]}, {})  # so that the error names the file
    return _store(faqs, rows, documents)


def _store(
    path: str | Path | None, rows: Mapping[str, Any], documents: Mapping[str, Mapping[str, list[Mapping[str, Any]]]]
) -> HybridStore:
    try:
        return HybridStore(rows, documents)
    except UsageError as error:
        raise SourceError(f"{path}: {error}") from error


def _notes(entities: Any, where: str) -> dict[str, list[Mapping[str, Any]]]:
    try:
        named = [(one["name"], list(one["docs"].values())) for one in entities.values()]
    except (AttributeError, KeyError, TypeError) as error:
        raise SourceError(f"{where} must hold an object for each entity, with name and docs {{...}}") from error
    if not all(isinstance(name, str) for name, _ in named):
        raise SourceError(f"{where} has an entity without a name")
    return dict(named)


def _kept(row: Any, path: str | Path) -> dict[str, Any]:
    if not isinstance(row, Mapping):
        raise SourceError(f"{path} must hold a list of objects, one for each entity")
    return {slot: value for slot, value in row.items() if slot in SLOTS}


def _json(path: str | Path, kind: type) -> Any:
    try:
        found = json.loads(text_of(Path(path).expanduser()))
    except ValueError as error:
        raise SourceError(f"{path} is no JSON: {error}") from error
    if not isinstance(found, kind):
        raise SourceError(f"{path} must hold a {kind.__name__}, not a {type(found).__name__}")
    return found


def read_seknow(path: str | Path) -> list[Dialogue]:
    """The user's (U), gold system's (GT) utterances and gold beliefs (GBF) of a file of SeKnow's predictions.

    Raises:
        SourceError: the file can't be read, or has no dialogues.
    """
    return [Dialogue(name, tuple(_turns(lines))) for name, lines in _told(path)]


def read_seknow_replies(path: str | Path) -> dict[tuple[str, int], str]:
    """SeKnow's own replies (R) of such a file, by the id of the dialogue and the number of the turn, from 0.

    Raises:
        SourceError: as for `read_seknow`, or not every turn has a reply.
    """
    replies: dict[tuple[str, int], str] = {}
    for name, lines in _told(path):
        said = [line.removeprefix("R:").strip() for line in lines if line.startswith("R:")]
        if len(said) != (turns := sum(1 for _ in _turns(lines))):
            raise SourceError(f"{path}, dialogue {name} has {turns} turns (GBF:) and {len(said)} replies (R:)")
        replies.update(((name, number), text) for number, text in enumerate(said))
    return replies


def _told(path: str | Path) -> list[tuple[str, list[str]]]:
    """The dialogues, each with its number and lines."""
    parts = re.split(r"^=+ dialogue \d+ =+\n", text_of(Path(path).expanduser()), flags=re.MULTILINE)[1:]
    if not parts:
        raise SourceError(f'{path} has no line like "======== dialogue 1 ========"')
    return [(str(number), part.split("\n")) for number, part in enumerate(parts, start=1)]


def _turns(lines: Iterable[str]) -> Iterable[Turn]:
    told = {"U": "", "GT": ""}
    for line in lines:
        tag, _, said = line.partition(":")
        if tag in told:
            told[tag] = said.strip()
        elif tag == "GBF":  # the last of a turn that we need
            yield Turn(told["U"], told["GT"], _belief(said))


def _belief(text: str) -> Belief:
    belief: dict[str, dict[str, str]] = {}
    for domain, slots in _BELIEF.findall(text):
        _, *rest = _SLOT.split(slots.strip())
        belief[domain.strip()] = dict(zip(rest[::2], (value.strip() for value in rest[1::2]), strict=True))
    return belief
