"""The values of a record's fields: read from what a model or a user wrote, compared, shown.

A string is compared without regard to case, white space and width (Unicode NFKC); shown as it was first written. A
number is an exact fraction, so that sums don't depend on their order. A date is ISO 8601: a year, a month or a day.
Knows nothing of models.
"""

from __future__ import annotations

import datetime
import json
import math
import re
import unicodedata
from fractions import Fraction
from typing import Literal, TypeAlias

FieldType: TypeAlias = Literal["string", "number", "date", "boolean"]
Value: TypeAlias = str | Fraction | bool

DECIMALS = 4
"""Digits after the point of a number whose decimals never end."""
LONGEST_NUMBER = 100
"""Characters."""

_NUMBER = re.compile(r"-?(?:\d+(?:\.\d+)?|\.\d+)")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_MAGNITUDE = re.compile(r"\d\s*(?:[kmb]\b|hundred|thousand|million|billion|trillion|dozen|[百千万亿])", re.IGNORECASE)
_DATE = re.compile(r"(\d{4})(?:[-/.年](\d{1,2})(?:[-/.月](\d{1,2})日?|月)?|年)?")
_TRUTHS = {"true": True, "yes": True, "是": True, "false": False, "no": False, "否": False}


def read_value(raw: object, kind: FieldType) -> Value | None:
    """`raw`, as it came from JSON, as a value of this type; None where it is none ("1.2 million" is no number)."""
    if raw is None or raw == "":
        return None
    match kind:
        case "string":
            text = raw if isinstance(raw, str) else json.dumps(raw, ensure_ascii=False)
            return " ".join(text.split()) or None
        case "number":
            return _number(raw)
        case "date":
            return _date(str(raw).strip())
        case "boolean":
            return raw if isinstance(raw, bool) else _TRUTHS.get(str(raw).strip().casefold())


def key_of(value: Value) -> Value:
    """What two values have in common that count as the same one; also what they are sorted by."""
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split()) if isinstance(value, str) else value


def shown(value: Value) -> str:
    """The value in plain text: yes or no, a number in decimals, a string as it was written."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if value.denominator == 1:
        return str(value.numerator)
    exact = _decimals(value.denominator)
    text = _fixed(value, DECIMALS if exact is None else exact)
    return text if exact is not None else text.rstrip("0").rstrip(".")


def _fixed(value: Fraction, decimals: int) -> str:
    scaled = round(abs(value) * 10**decimals)
    whole, rest = divmod(scaled, 10**decimals)
    return f"{'-' if value < 0 and scaled else ''}{whole}.{rest:0{decimals}}"


def _decimals(denominator: int) -> int | None:
    """How many decimals a fraction with this denominator has; None if they never end."""
    counts = []
    for prime in (2, 5):
        count = 0
        while denominator % prime == 0:
            denominator, count = denominator // prime, count + 1
        counts.append(count)
    return max(counts) if denominator == 1 else None


def _number(raw: object) -> Fraction | None:
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        return None
    if isinstance(raw, int):
        return Fraction(raw)
    if isinstance(raw, float):
        return Fraction(repr(raw)) if math.isfinite(raw) else None
    text = _THOUSANDS.sub("", unicodedata.normalize("NFKC", raw).replace("\N{MINUS SIGN}", "-"))
    found = _NUMBER.findall(text)
    if len(raw) > LONGEST_NUMBER or len(found) != 1 or _MAGNITUDE.search(text):
        return None
    return Fraction(found[0])


def _date(text: str) -> str | None:
    found = _DATE.fullmatch(unicodedata.normalize("NFKC", text).partition("T")[0])
    if found is None:
        return None
    numbers = [int(part) for part in found.groups() if part]
    try:
        datetime.date(*[*numbers, 1, 1][:3])
    except ValueError:
        return None
    return "-".join(f"{number:0{width}}" for number, width in zip(numbers, (4, 2, 2), strict=False))
