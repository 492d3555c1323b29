"""Ratings from 0 to 100 as models really write them: "85", "85/100", "(85)", "Score: 8.5", "８５分", "80 %"."""

from __future__ import annotations

import math
import re
import unicodedata
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

_NUMBER = r"(?<![A-Za-z0-9_.,])[-−]?\d+(?:[.,]\d+)?(?![A-Za-z0-9_])"
_OVER = r"(?:\s*/\s*|\s+(?:out\s+)?of\s+|\s+sur\s+|\s+von\s+|\s+de\s+|\s+из\s+)"
_RATED = re.compile(rf"(?P<value>{_NUMBER})(?:{_OVER}(?P<best>\d+))?(?P<percent>\s*%)?")
_LABEL = re.compile(
    r"(?:rating|rated|rate|score|scored|confidence|relevance|"
    r"评分|評分|打分|分数|分數|得分|评级|puntuación|nota|note|bewertung|wertung|оценка|점수|評価|スコア)"
    r"[^\d\n]{0,20}?(?=[-−]?\d)",
    re.IGNORECASE,
)
_OUT_OF_FIRST = re.compile(r"(?:满分|滿分|out\s+of|max(?:imum)?)[^\d]{0,6}\d+\s*分?", re.IGNORECASE)


def parse_rating(value: object) -> float | None:
    """The rating in `value`, clipped to 0..100; None when there is none or it is unclear which number it is.

    Numbers are taken as they are (8.5 stays 8.5); fractions count as shares of a hundred (85/100 is 85, 8/10 is 80). In
    text with several numbers, a labelled one ("Score: 85") wins, then one at the start or the end.

    Args:
        value: a number, or text that holds one.
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return None if math.isnan(value) else float(min(max(value, 0), 100))
    if not isinstance(value, str):
        return None
    return _rating_in(_normalised(value))


def _normalised(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text).translate({ord("٫"): ".", ord("٪"): "%", ord("⁄"): "/"})
    return re.sub(r"(\d)分(?!之)", r"\1 ", re.sub(r"[*_`#]+", " ", plain)).strip()


def _rating_in(text: str) -> float | None:
    if label := _LABEL.search(text):
        labelled = _RATED.match(text, label.end())
        return _share(labelled) if labelled else None
    found = list(_RATED.finditer(text))
    if len(found) > 1:
        found = list(_RATED.finditer(_OUT_OF_FIRST.sub(" ", text)))
    if not found:
        return None
    first, last = found[0], found[-1]
    if len(found) == 1 or first.start() == 0:
        return _share(first)
    rest = text[text.rfind(last.group()) + len(last.group()) :]
    return _share(last) if not rest.strip(" .!)]}\"'。）】") else None


def _share(match: re.Match[str]) -> float | None:
    value = float(match["value"].replace(",", ".").replace("−", "-"))
    if match["best"] is not None:
        best = float(match["best"])
        if best <= 0:
            return None
        value *= 100 / best
    return min(max(value, 0.0), 100.0)


def _lenient(value: Any) -> Any:
    rating = parse_rating(value)
    return value if rating is None else rating


Rating = Annotated[float, Field(ge=0, le=100), BeforeValidator(_lenient)]
"""A pydantic field type for ratings: accepts whatever `parse_rating` understands."""
