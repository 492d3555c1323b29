"""Cutting a text into chunks: the unit of search.

Knows nothing of files or stores. The chunks of a text cover it without gaps or overlap, in order. A chunk ends, in
this order of preference, after a paragraph, a sentence, a line, a word; never inside what a reader sees as one
character. The cut is greedy and looks ahead only a little, so a text can be cut while it is still being read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from pansophy.tokens import BYTES_PER_TOKEN

DEFAULT_CHUNK_TOKENS = 400
SMALLEST_CHUNK_TOKENS = 8

# How full a chunk must be for a good border to end it: a paragraph that ends at 40 % of the chunk is not worth it.
_LEAST_FILL = 0.5

# (Each alternative begins with a fixed character, which lets the regular expression engine skip ahead.)
_PARAGRAPH = re.compile(r"\n(?:[^\S\n]*\n)+|\r\r+|\u2029\s*|\f\s*")
_SENTENCE = re.compile(r"[.!?…‽؟۔।。！？｡](?:(?<=[。！？｡])[」』”’）】]*\s*|[\"'”’»)\]]*\s+)")
_LINE = re.compile(r"\r\n|\n|\r|\u2028|\x85")
_WORD = re.compile(r"\s+|[、，；：,;]\s*")
_MARKDOWN_HEADING = re.compile(r"#{1,6}[ \t]+(\S[^\r\n]*)")
_LINE_START_HASHES = re.compile(r"(?:^|[\r\n])[^\S\r\n]*(#{1,6})[ \t]+(\S[^\r\n]*)")
_FENCE = re.compile(r"(?:^|[\r\n])[^\S\r\n]*(?:```|~~~)")


def largest_size(chunk_tokens: int) -> int:
    """The largest number of UTF-8 bytes whose `estimate_tokens` is still `chunk_tokens`."""
    return max(1, int(chunk_tokens * BYTES_PER_TOKEN) - 1)


def chunk_spans(text: str, chunk_tokens: int = DEFAULT_CHUNK_TOKENS) -> Iterator[tuple[int, int]]:
    """The chunks of `text` as (start, end) in characters.

    Args:
        text: any text.
        chunk_tokens: the most tokens of a chunk, as `estimate_tokens` counts them.
    """
    for start, piece in iter_chunks((text,), chunk_tokens):
        yield start, start + len(piece)


def iter_chunks(pieces: Iterable[str], chunk_tokens: int = DEFAULT_CHUNK_TOKENS) -> Iterator[tuple[int, str]]:
    """The chunks of the text that `pieces` are when joined, as (start, chunk text), while it is being read.

    The result doesn't depend on where one piece ends and the next begins. No chunk is white space alone, unless the
    text has a run of white space longer than a chunk, or is nothing else.
    """
    if chunk_tokens < SMALLEST_CHUNK_TOKENS:
        raise ValueError(f"chunk_tokens must be at least {SMALLEST_CHUNK_TOKENS}, not {chunk_tokens}")
    size = largest_size(chunk_tokens)
    lookahead = 4 * size
    buffer, offset, position = "", 0, 0
    for piece in pieces:
        buffer = buffer[position:] + piece
        offset += position
        position = 0
        while len(buffer) - position > lookahead:
            end = _next_cut(buffer, position, size)
            yield offset + position, buffer[position:end]
            position = end
    while position < len(buffer):
        end = _next_cut(buffer, position, size)
        yield offset + position, buffer[position:end]
        position = end


def _next_cut(text: str, start: int, size: int) -> int:
    """Where the chunk that begins at `start` ends. Looks at no more than `4 * size` characters from `start`."""
    limit = _hard_limit(text, start, size)
    if limit == len(text):
        return limit
    cut = _best_border(text, start, limit)
    rest = text[cut : start + 3 * size]
    if rest.isspace() and len(rest) < size:
        # Only white space would be left for a chunk of its own: cut earlier, so that the last words go with it.
        cut = _best_border(text, start, start + max(1, len(text[start:cut].rstrip()) // 2))
    return cut


def _hard_limit(text: str, start: int, size: int) -> int:
    """The furthest end such that `text[start:end]` has at most `size` bytes and ends between two characters."""
    window = text[start : start + size]
    if window.isascii():
        limit = start + len(window)
    else:
        encoded = window.encode("utf-8", "surrogatepass")
        if len(encoded) <= size:
            limit = start + len(window)
        else:
            end = size
            while encoded[end] & 0xC0 == 0x80:
                end -= 1
            limit = start + len(encoded[:end].decode("utf-8", "surrogatepass"))
    limit = max(limit, start + 1)
    if limit >= len(text):
        return len(text)
    return _between_characters(text, start, limit)


def _best_border(text: str, start: int, limit: int) -> int:
    """The best place to end the chunk `text[start:...]` at or before `limit`."""
    least = start + max(1, int((limit - start) * _LEAST_FILL))
    paragraph = _last_end(_PARAGRAPH, text, least, limit, start)
    if paragraph:
        return _before_heading(text, start, least, paragraph)
    for border in (_SENTENCE, _LINE, _WORD):
        if cut := _last_end(border, text, least, limit, start):
            return _between_characters(text, start, cut)
    for border in (_PARAGRAPH, _WORD):
        if cut := _last_end(border, text, start, least, start):
            return _between_characters(text, start, cut)
    return _between_characters(text, start, limit)


def _last_end(border: re.Pattern[str], text: str, low: int, high: int, start: int) -> int:
    """The end of the last match of `border` that ends in (low, high], if text stands between `start` and it; else 0."""
    found = 0
    # Search backwards in steps: the last border is nearly always close to the end.
    step = 160
    upper = high
    while upper > low and not found:
        lower = max(low, upper - step)
        for match in border.finditer(text, max(start, lower - 8), min(high, upper + 8)):
            if low < match.end() <= high:
                found = match.end()
        upper = lower
        step *= 2
    if found and text[start:found].isspace():
        return 0
    return found


def _before_heading(text: str, start: int, least: int, cut: int) -> int:
    """Moves a paragraph border back over headings, so that they open the next chunk instead of ending this one."""
    while True:
        body = text[start:cut].rstrip()
        last = 0
        for match in _PARAGRAPH.finditer(body, max(0, len(body) - 300)):
            last = match.end()
        earlier = start + last
        if not last or earlier <= least or not looks_like_heading(body[last:]):
            return cut
        cut = earlier


def looks_like_heading(paragraph: str) -> bool:
    """Whether a paragraph reads like a heading: Markdown's `#`, or one short line without a full stop at its end."""
    line = paragraph.strip()
    if not line or "\n" in line or "\r" in line:
        return False
    if _MARKDOWN_HEADING.match(line):
        return True
    return len(line) <= 60 and line[-1].isalnum() and (line.isupper() or line.istitle() or line[0].isdigit())


def _between_characters(text: str, start: int, cut: int) -> int:
    """`cut`, or the nearest place before it that isn't inside CR LF, a surrogate pair or a combining sequence.

    When all of `text[start:cut]` is one such sequence, it is longer than any character that is ever read: then the cut
    stays, except that CR LF and surrogate pairs are never parted.
    """
    earlier = cut
    while start < earlier < len(text) and _joins(text, start, earlier):
        earlier -= 1
    if earlier > start:
        return earlier
    while cut < len(text) and _is_pair(text, cut):
        cut += 1
    return cut


def _is_pair(text: str, at: int) -> bool:
    before, after = text[at - 1], text[at]
    return (before == "\r" and after == "\n") or ("\ud800" <= before <= "\udbff" and "\udc00" <= after <= "\udfff")


def _joins(text: str, start: int, at: int) -> bool:
    """Whether the characters on the two sides of `at` belong together."""
    before, after = text[at - 1], text[at]
    if after < "\u0300":
        return (before == "\r" and after == "\n") or before == "\u200d"
    if before == "\u200d" or after == "\u200d" or _is_pair(text, at):
        return True
    if unicodedata.category(after)[0] == "M":
        return True
    if "\U0001f3fb" <= after <= "\U0001f3ff" or "\U000e0020" <= after <= "\U000e007f":  # skin tones, tag letters
        return True
    if "\u1160" <= after <= "\u11ff":  # Hangul vowel and final letters follow the letter before
        return "\u1100" <= before <= "\u11ff" or "\uac00" <= before <= "\ud7a3"
    if _is_flag_letter(after) and _is_flag_letter(before):
        run = 0
        while at - 1 - run >= start and _is_flag_letter(text[at - 1 - run]):
            run += 1
        return run % 2 == 1
    return False


def _is_flag_letter(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


class Headings:
    """Follows the Markdown headings of a text, so that each chunk can be searched by the headings it stands under.

    Feed it the chunks in order; `path` is then the headings that hold where the fed chunk begins, outermost first,
    together with those that open in it.
    """

    def __init__(self) -> None:
        self._open: list[tuple[int, str]] = []
        self._in_code = False

    def feed(self, chunk: str) -> str:
        """The headings of `chunk`, joined; "" where there are none."""
        path = [title for _, title in self._open]
        if "#" not in chunk and "```" not in chunk and "~~~" not in chunk:
            return " ".join(path)
        events = sorted(
            [(match.start(), None) for match in _FENCE.finditer(chunk)]
            + [(match.start(), match) for match in _LINE_START_HASHES.finditer(chunk)],
            key=lambda event: event[0],
        )
        for _, match in events:
            if match is None:
                self._in_code = not self._in_code
            elif not self._in_code:
                level, title = len(match[1]), match[2].strip().rstrip("#").strip()[:120]
                while self._open and self._open[-1][0] >= level:
                    self._open.pop()
                self._open.append((level, title))
        for _, title in self._open:
            if title not in path:
                path.append(title)
        return " ".join(path)
