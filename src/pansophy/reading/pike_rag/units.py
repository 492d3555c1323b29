"""The chunks of the knowledge base: spans of documents, each perhaps with a summary of what it is about.

"plain" cuts each document at the corpus's own borders. "summaries" is the paper's chunking with forward summaries: the
model sees the next two parts of the text under a summary of what came before, says with which sentence the first chunk
ends, and summarises both sides; the second summary goes on. Whatever it replies, the chunks of a document are together
its text: a reply that can't be followed leaves the usual border.

Departures: sentences are numbered, not lines (prose has one line a paragraph); parts don't overlap, so that a chunk is
a span; two parts of which the model takes nothing are merged at most `MOST_MERGES` times.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice

from pansophy.corpus import Corpus, Page
from pansophy.corpus.chunking import SMALLEST_CHUNK_TOKENS, chunk_spans
from pansophy.reading.passages import joined
from pansophy.reading.pike_rag.prompts import Parting
from pansophy.reading.quotes import sentences
from pansophy.tokens import estimate_tokens
from pansophy.types import Chunk

MOST_MERGES = 3

Part = Callable[[str, str], Awaitable[Parting | None]]
"""From the running summary and a stretch of text to where its first chunk ends; None: not understood, or too long."""
Summarise = Callable[[str, str], Awaitable[str]]
"""From the running summary and a text to the text's own summary."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A chunk of the knowledge base. `number` counts from 0 in reading order."""

    chunk: Chunk
    number: int
    summary: str = ""

    @property
    def key(self) -> str:
        """The same for chunks that the model is shown alike: their questions are made once."""
        told = "\0".join((self.chunk.title, self.summary, self.chunk.text))
        return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def beginning(self) -> str:
        """Its first sentence."""
        start, end = next(iter(sentences(self.chunk.text)), (0, len(self.chunk.text)))
        return self.chunk.text[start:end]

    @property
    def page(self) -> Page:
        return Page((self.chunk,), self.number)


def plain_chunks(corpus: Corpus, most: int) -> Iterator[Chunk]:
    """The corpus in chunks of at most `most` tokens (by estimate), none of them over the border of two documents."""
    for _, pieces in groupby(corpus.chunks(), lambda piece: piece.document):
        held: list[Chunk] = []
        total = 0
        for piece in (small for one in pieces for small in _small(one, most)):
            size = estimate_tokens(piece.text)
            if held and total + size > most:
                yield from joined(held)
                held, total = [], 0
            held.append(piece)
            total += size
        yield from joined(held)


def _small(piece: Chunk, most: int) -> Iterator[Chunk]:
    if estimate_tokens(piece.text) <= most:
        yield piece
        return
    for start, end in chunk_spans(piece.text, max(most, SMALLEST_CHUNK_TOKENS)):
        yield replace(piece, start=piece.start + start, end=piece.start + end, text=piece.text[start:end])


async def forward_chunks(text: str, most: int, part: Part, summarise: Summarise) -> list[tuple[int, int, str]]:
    """`text` as (start, end, summary), cut where the model sees a border; the spans are together the text.

    Args:
        text: of one document.
        most: the most tokens (by estimate) of each of the two parts that the model is shown.
        part: asks the model for the border.
        summarise: asks it for the summary of the last chunk.
    """
    first = next(iter(chunk_spans(text, most)), None)
    if first is None:
        return []
    before = await summarise("", text[: first[1]])
    found: list[tuple[int, int, str]] = []
    start, merged = 0, 0
    while True:
        borders = [start + end for _, end in islice(chunk_spans(text[start:], most), merged + 2)]
        if len(borders) < 2:
            found.append((start, len(text), await summarise(before, text[start:])))
            return found
        stretch = text[start : borders[-1]]
        spans = sentences(stretch)
        parting = await part(before, stretch)
        named = parting.last_sentence if parting is not None else len(spans) + 1
        if named < 1 and merged < MOST_MERGES and len(borders) == merged + 2:
            merged += 1
            continue
        if parting is not None and 1 <= named < len(spans):
            end = start + spans[named][0]
            found.append((start, end, parting.first_summary.strip()))
            before = parting.second_summary.strip() or parting.first_summary.strip() or before
        else:
            end = borders[0]
            found.append((start, end, before))
        start, merged = end, 0


def numbered(chunks: Sequence[tuple[Chunk, str]]) -> list[Unit]:
    """Units of (chunk, summary), in this order."""
    return [Unit(chunk, number, summary) for number, (chunk, summary) in enumerate(chunks)]
