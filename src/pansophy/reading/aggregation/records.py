"""Records: what readers or code found in the text, each with the place where it stands.

A record whose quote doesn't stand in the text that its reader was given is none. Records with the same values at
overlapping places are one; a reader that gives the same quote twice means its next occurrence, if there is one.
Knows nothing of models.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pansophy.reading.aggregation.plan import WORD, Plan, RecordKind
from pansophy.reading.aggregation.values import Value, key_of, read_value, shown
from pansophy.reading.quotes import locate
from pansophy.types import Chunk

_CJK = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_LETTER = rf"[^\W\d_{_CJK}]"
_WORDS = re.compile(rf"[{_CJK}]|{_LETTER}+(?:['’-]{_LETTER}+)*")
_BEFORE = rf"(?<![^\W{_CJK}])(?<!\d[.,])"
_AFTER = rf"(?![^\W{_CJK}])(?![.,]\d)"


@dataclass(frozen=True, slots=True)
class Place:
    """`quote` is what stands in `document` from `start` to `end`, in characters."""

    document: str
    start: int
    end: int
    quote: str


@dataclass(frozen=True, slots=True)
class Record:
    """`values` by field (None: not told), `places` where it stands (two after a join), `times` how often.

    `position` orders records as they stand in the text: the document's number and the first character.
    """

    kind: str
    values: Mapping[str, Value | None]
    places: tuple[Place, ...]
    position: tuple[int, int]
    times: int = 1

    @property
    def statement(self) -> str:
        """The record in plain text."""
        told = ", ".join(f"{name}: {shown(value)}" for name, value in self.values.items() if value is not None)
        return told or self.kind


def records_of(
    found: Iterable[Mapping[str, Any]], pieces: Sequence[Chunk], plan: Plan, numbers: Mapping[str, int]
) -> tuple[list[Record], int]:
    """What a reader found in `pieces` as records.

    Args:
        found: the objects of its reply: the fields, "quote", and "kind" where there are two.
        pieces: the text that it was given.
        plan: says which records are wanted.
        numbers: each document's number in reading order.

    Returns:
        The records, and how many others were left out because their quote doesn't stand in the text or they are of no
        kind that was asked for. What repeats a record is not counted at all.
    """
    kinds = {kind.name.casefold(): kind for kind in plan.read}
    records: list[Record] = []
    left_out = 0
    for item in found:
        named = str(item.get("kind", "")).strip().casefold()
        kind = plan.read[0] if len(kinds) == 1 else kinds.get(named)
        places = list(_occurrences(str(item.get("quote") or ""), pieces))
        if kind is None or not places:
            left_out += 1
            continue
        values = {name: read_value(item.get(name), type_) for name, type_ in kind.types.items()}
        same = [one for one in records if one.kind == kind.name and _keys(one.values) == _keys(values)]
        free = (place for place in places if not any(_overlap(place, one.places[0]) for one in same))
        if (place := next(free, None)) is not None:
            records.append(Record(kind.name, values, (place,), (numbers[place.document], place.start)))
    return records, left_out


def word_records(kind: RecordKind, documents: Iterable[tuple[str, str]]) -> list[Record]:
    """One record for each word of the documents (id and text, in reading order), at its first place.

    A word is a run of letters, also with apostrophes and hyphens inside, or a single Chinese or Japanese character,
    Korean ones included. Words that the kind names are looked for as they are (white space and case aside), whole.
    """
    pattern = whole(kind.words) if kind.words else _WORDS
    first: dict[Value, tuple[Place, tuple[int, int]]] = {}
    times: dict[Value, int] = {}
    for number, (document, text) in enumerate(documents):
        for match in pattern.finditer(text):
            key = key_of(match[0])
            times[key] = times.get(key, 0) + 1
            if key not in first:
                first[key] = Place(document, match.start(), match.end(), match[0]), (number, match.start())
    return [
        Record(kind.name, {WORD: " ".join(place.quote.split())}, (place,), position, times[key])
        for key, (place, position) in first.items()
    ]


def whole(words: Iterable[str]) -> re.Pattern[str]:
    """Finds any of the words or phrases, the longest first, but not inside a longer word or number.

    Nothing in them is a pattern: the search takes linear time.
    """
    longest = sorted(words, key=len, reverse=True)
    return re.compile("|".join(_bounded(r"\s+".join(map(re.escape, word.split()))) for word in longest), re.IGNORECASE)


def _bounded(escaped: str) -> str:
    before = _BEFORE if re.match(rf"[^\W{_CJK}]", escaped) else ""
    after = _AFTER if re.search(rf"[^\W{_CJK}]\Z", escaped) else ""
    return f"{before}{escaped}{after}"


def _occurrences(quote: str, pieces: Sequence[Chunk]) -> Iterator[Place]:
    """Where the quote stands, then everywhere else where the same words do."""
    words = next((words for piece in pieces if (words := _standing(quote, piece.text))), "")
    if not words:
        return
    pattern = whole([words])
    for piece in pieces:
        for match in pattern.finditer(piece.text):
            yield Place(piece.document, piece.start + match.start(), piece.start + match.end(), match[0])


def _standing(quote: str, text: str) -> str:
    """The words of `text` that `quote` is, or nearly is; a quote too short for that must be whole words."""
    if found := locate(quote, text):
        return text[slice(*found)]
    short = quote.strip()
    match = whole([short]).search(text) if any(character.isalnum() for character in short) else None
    return match[0] if match else ""


def _keys(values: Mapping[str, Value | None]) -> dict[str, Value | None]:
    return {name: None if value is None else key_of(value) for name, value in values.items()}


def _overlap(one: Place, other: Place) -> bool:
    return one.document == other.document and one.start < other.end and other.start < one.end
