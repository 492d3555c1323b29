"""Readers of what the paper's data is made of: MultiWOZ's tables, DSTC9's FAQs, SeKnow's annotated dialogues."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pansophy.errors import SourceError
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
    documents: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for domain, entities in (_json(faqs, dict) if faqs is not None else {}).items():
        if domain in tables:
            documents[domain] = {one["name"]: list(one["docs"].values()) for one in entities.values()}
    return HybridStore(rows, documents)


def _kept(row: Any, path: str | Path) -> dict[str, Any]:
    if not isinstance(row, Mapping):
        raise SourceError(f"{path} must hold a list of objects, one for each entity")
    return {slot: value for slot, value in row.items() if slot in SLOTS}


def _json(path: str | Path, kind: type) -> Any:
    try:
        found = json.loads(Path(path).expanduser().read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} can't be read as JSON: {error}") from error
    if not isinstance(found, kind):
        raise SourceError(f"{path} must hold a {kind.__name__}, not a {type(found).__name__}")
    return found


def read_seknow(path: str | Path) -> list[Dialogue]:
    """The user's (U), gold system's (GT) utterances and gold beliefs (GBF) of a file of SeKnow's predictions.

    Raises:
        SourceError: the file can't be read, or has no dialogues.
    """
    try:
        text = Path(path).expanduser().read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} can't be read as UTF-8 text: {error}") from error
    found = [
        Dialogue(str(number), tuple(_turns(part.split("\n"))))
        for number, part in enumerate(re.split(r"^=+ dialogue \d+ =+\n", text, flags=re.MULTILINE)[1:], start=1)
    ]
    if not found:
        raise SourceError(f'{path} has no line like "======== dialogue 1 ========"')
    return found


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
