"""Quotes: where a model's words really stand in a text.

A quote counts only if it is found in the text that the model was given: exactly, or nearly (then the true text replaces
it). Knows nothing of models and questions.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

from rapidfuzz import fuzz

FUZZY_THRESHOLD = 90.0
"""Least similarity (0..100, rapidfuzz's partial ratio) at which a quote that isn't verbatim is taken for its source."""
SHORTEST_QUOTE = 4
"""Fewer letters and digits than this stand in any text by chance. CJK characters count double."""
SHORTEST_FUZZY = 16

_SENTENCE_END = re.compile(
    r"(?<=[.!?…][\"'”’)\]])\s+(?=[\"'“‘(\[]?[A-Z0-9À-ÖØ-ÞА-Я])"
    r"|(?<=[.!?…])\s+(?=[\"'“‘(\[]?[A-Z0-9À-ÖØ-ÞА-Я])"
    r"|(?<=[。！？；])[”’」』）]*|\n\s*\n|\n(?=[-*•#|>\d])"
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'“‘])(?:Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|vs|No|Vol|pp?|Fig|Eq|cf|e\.g|i\.e|etc|Inc|Ltd|Co|Gen|Capt|Lt|Col|Rev|[A-Z])\.$"
)


def locate(quote: str, text: str) -> tuple[int, int] | None:
    """Where `quote` stands in `text`.

    White space, letter case, typographic quotation marks and dashes are not told apart. Failing that, the best nearly
    equal place is taken if its similarity is at least `FUZZY_THRESHOLD`.

    Returns:
        `(start, end)` in characters of `text`, or None if the quote isn't there or is too short to mean anything.
    """
    quote = quote.strip().strip("\"'“”‘’….,;: ")
    if _weight(quote) < SHORTEST_QUOTE:
        return None
    found = _find(quote, text)  # nearly every quote stands there as it is, and folding a text takes far longer
    if found >= 0:
        return found, found + len(quote)
    wanted, _ = _plain(quote)
    plain, offsets = _plain(text)
    found = _find(wanted, plain)
    if found >= 0:
        return offsets[found], offsets[found + len(wanted) - 1] + 1
    if len(wanted) < SHORTEST_FUZZY:
        return None
    near = fuzz.partial_ratio_alignment(wanted, plain, score_cutoff=FUZZY_THRESHOLD)
    if near is None or near.dest_end <= near.dest_start:
        return None
    start, end = _whole_words(text, offsets[near.dest_start], offsets[near.dest_end - 1] + 1)
    return (start, end) if holds_numbers(wanted, text[start:end]) else None


def sentences(text: str) -> list[tuple[int, int]]:
    """The sentences of `text` as spans without the white space around them, in order.

    A heuristic for Latin, Cyrillic and CJK punctuation; blank lines, list items and headings end a sentence too.
    """
    borders = [0]
    for match in _SENTENCE_END.finditer(text):
        if not _ABBREVIATION.search(text[max(0, match.start() - 12) : match.start()]):
            borders.append(match.end())
    borders.append(len(text))
    spans: list[tuple[int, int]] = []
    for low, high in pairwise(borders):
        piece = text[low:high]
        start, end = low + len(piece) - len(piece.lstrip()), low + len(piece.rstrip())
        if start < end:
            spans.append((start, end))
    return spans


def cut_at_sentence(text: str) -> str:
    """`text` without an unfinished last sentence; all of it if it is the only one."""
    spans = sentences(text)
    if len(spans) < 2 or re.search(r"[.!?。！？…][\"'”’)\]]*\Z", text.rstrip()):
        return text.rstrip()
    return text[: spans[-2][1]]


def widen(span: tuple[int, int], spans: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """`span` widened to the whole sentences among `spans` (as `sentences` gives them) that it touches."""
    starts = [start for start, _ in spans]
    first = max(0, bisect_right(starts, span[0]) - 1)
    last = max(first, bisect_right(starts, span[1] - 1) - 1)
    if not spans or spans[first][1] <= span[0]:
        return span
    return min(span[0], spans[first][0]), max(span[1], spans[last][1])


_EQUAL = {"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "‚": "'", "–": "-", "—": "-", "‑": "-"}


def _plain(text: str) -> tuple[str, list[int]]:
    """`text` folded for comparison, and for each of its characters the offset it came from."""
    folded: list[str] = []
    offsets: list[int] = []
    space = True
    for offset, character in enumerate(text):
        if character.isspace():
            if not space:
                folded.append(" ")
                offsets.append(offset)
            space = True
            continue
        space = False
        lower = _EQUAL.get(character, character.lower())
        folded.append(lower[0])
        offsets.append(offset)
    return "".join(folded), offsets


def _find(wanted: str, plain: str) -> int:
    """Where `wanted` first stands in `plain` without cutting a number in two; -1 if nowhere."""
    found = plain.find(wanted)
    while found >= 0 and (_inside_number(plain, found) or _inside_number(plain, found + len(wanted))):
        found = plain.find(wanted, found + 1)
    return found


def _inside_number(text: str, position: int) -> bool:
    before, after = text[max(0, position - 2) : position], text[position : position + 2]
    if re.search(r"\d$", before):
        return re.match(r"[.,]?\d", after) is not None
    return re.search(r"\d[.,]$", before) is not None and re.match(r"\d", after) is not None


def _weight(text: str) -> int:
    return sum(2 if ord(character) > 0x2E7F else 1 for character in text if character.isalnum())


def holds_numbers(one: str, other: str) -> bool:
    """A nearly equal sentence with another number says something else."""
    return set(re.findall(r"\d+", one)) <= set(re.findall(r"\d+", other))


def _whole_words(text: str, start: int, end: int) -> tuple[int, int]:
    def inside(position: int) -> bool:
        return 0 < position < len(text) and _is_letter(text[position - 1]) and _is_letter(text[position])

    while inside(start):
        start -= 1
    while inside(end):
        end += 1
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _is_letter(character: str) -> bool:
    return character.isalnum() and ord(character) < 0x2E80
