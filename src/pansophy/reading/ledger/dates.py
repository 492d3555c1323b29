"""When a source is from: its metadata say, or its name, or a line near its beginning. A guess is never made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from dateutil import parser

KEYS = ("date", "published", "publication_date", "created", "updated", "modified", "time", "timestamp", "year")
"""Metadata that tell a date, the first one found counts."""
HEAD = 600
"""Characters from the beginning of a document in which a line with its date is looked for."""

_YEAR = r"(?:1[0-9]|20)\d\d"
_ISO = re.compile(rf"(?<!\d)({_YEAR})[-_./]?(0[1-9]|1[0-2])[-_./]?(0[1-9]|[12]\d|3[01])(?!\d)")
_MONTH = re.compile(rf"(?<!\d)({_YEAR})[-_./](0[1-9]|1[0-2])(?![-_./]?\d)")
_ONLY_YEAR = re.compile(rf"(?<!\d)({_YEAR})(?!\d)")
_CHINESE = re.compile(rf"({_YEAR})\s*年\s*(\d{{1,2}})\s*月(?:\s*(\d{{1,2}})\s*日)?")
_LINE = re.compile(r"^\W{0,4}(?:date|dated|published|updated|as of|datum|fecha)\b\W{0,4}(.{4,60})$", re.IGNORECASE)
_ALONE = re.compile(
    rf"(?:\w+,? )?(?:\d{{1,2}}(?:st|nd|rd|th|\.)? (?:of )?[A-Z][a-z]+\.?,? {_YEAR}|[A-Z][a-z]+\.? \d{{1,2}},? {_YEAR})"
)

_DEFAULTS = (datetime(1, 1, 1), datetime(1, 2, 2))
"""What isn't told is taken from these: where the results differ, nothing was told."""


def date_of(name: str, metadata: Mapping[str, str], head: str) -> str:
    """The date of a document, as ISO 8601 as precisely as it is told ("2024-05-01", "2024-05", "2024"); "" if it isn't.

    Args:
        name: the document's id.
        metadata: what is known about it; the keys in `KEYS` count.
        head: the beginning of its text. A line that begins with "Date:" or the like counts, and one that is nothing
            but a date.
    """
    told = {key.casefold(): value for key, value in metadata.items()}
    known = next((date for key in KEYS if (date := _parsed(told.get(key, "")))), "") or _in_name(name)
    written = next((date for line in head[:HEAD].splitlines() if (date := _of_line(line.strip()))), "")
    return written if written.startswith(known) else known  # the more precise of two that agree


def _in_name(name: str) -> str:
    for pattern in (_ISO, _MONTH, _ONLY_YEAR):
        if found := list(pattern.finditer(name)):
            return "-".join(found[-1].groups())
    return ""


def _of_line(line: str) -> str:
    if found := _LINE.match(line):
        return _parsed(found[1])
    if _ISO.fullmatch(line) or _CHINESE.fullmatch(line) or _ALONE.fullmatch(line):
        return _parsed(line)
    return ""


def _parsed(text: str) -> str:
    text = text.strip()
    if found := _CHINESE.search(text):
        year, *rest = (part for part in found.groups() if part)
        return "-".join([year, *(part.zfill(2) for part in rest)])
    for pattern in (_ISO, _MONTH):
        if found := pattern.search(text):
            return "-".join(found.groups())
    if _ONLY_YEAR.fullmatch(text):
        return text
    if re.fullmatch(r"\d{9,10}(?:\.\d+)?", text):  # seconds since 1970, as many tools write them
        return datetime.fromtimestamp(float(text), UTC).date().isoformat()
    if not _ONLY_YEAR.search(text):
        return ""
    try:
        one, other = (parser.parse(text, fuzzy=True, default=default) for default in _DEFAULTS)
    except (ValueError, OverflowError):
        return ""
    if one.month != other.month:
        return f"{one.year:04}"
    return f"{one:%Y-%m}" if one.day != other.day else f"{one:%Y-%m-%d}"
