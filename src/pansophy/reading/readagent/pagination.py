"""Episode pagination: a text is cut into pages where a reader would pause.

Paragraphs are taken as long as they fit the page; from `PAUSE_SHARE` of the page on there is a mark before each further
one, and the model names the mark at which the page ends. Knows nothing of questions.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, groupby

from pansophy.corpus import Corpus, Page
from pansophy.corpus.chunking import SMALLEST_CHUNK_TOKENS, chunk_spans
from pansophy.engine import complete_as
from pansophy.errors import AuthenticationFailed, ModelError, UnknownModel
from pansophy.events import NoteWritten
from pansophy.models import ChatModel
from pansophy.reading.passages import each, fits, joined
from pansophy.reading.readagent.prompts import Pause, pause_prompt
from pansophy.reading.strategy import Session
from pansophy.tokens import estimate_tokens
from pansophy.types import Chunk, Usage

PAUSE_SHARE = 280 / 600
"""Share of a page from which on it may end; the authors' code: start_threshold 280 of word_limit 600."""
SHORTEST_SHARE = 350 / 600
"""A rest of a document below this share of a page is its last page without asking; the authors' code: 350 words."""
GIANT_SHARE = 1 / 4
"""A paragraph that is longer than a page is cut at sentences into parts of at most this share of a page; ours."""

_BORDER = re.compile(r"\n(?:[^\S\n]*\n)+\s*|(?<=[.!?…:。！？：\"'”’」』）)])\r?\n")
"""A blank line, or a line's end at a sentence's end (meetings and stories without blank lines)."""


def paragraphs_of(text: str, most: int) -> list[str]:
    """The paragraphs of `text`; joined they are `text`. Those of more than `most` tokens are cut at sentences."""
    borders = [match.end() for match in _BORDER.finditer(text) if match.end() < len(text)]
    if borders and not text[: borders[0]].strip():
        del borders[0]
    found: list[str] = []
    for start, end in zip([0, *borders], [*borders, len(text)], strict=True):
        paragraph = text[start:end]
        if estimate_tokens(paragraph) <= most:
            found.append(paragraph)
        else:
            part = max(SMALLEST_CHUNK_TOKENS, int(most * GIANT_SHARE))
            found += [paragraph[low:high] for low, high in chunk_spans(paragraph, part)]
    return [paragraph for paragraph in found if paragraph]


def marks_of(sizes: Sequence[int], start: int, most: int) -> list[int]:
    """Where the page that begins with paragraph `start` may end.

    Args:
        sizes: of the document's paragraphs, in tokens.
        start: the page's first paragraph.
        most: the most tokens of a page. A single paragraph that has more is a page of its own.

    Returns:
        The numbers of the paragraphs before which it may end, ascending; the last one is as far as the page can go.
        A single one means that there is nothing to choose.
    """
    total, end = sizes[start], start + 1
    marks: list[int] = []
    while end < len(sizes) and total + sizes[end] <= most:
        if total >= PAUSE_SHARE * most:
            marks.append(end)
        total += sizes[end]
        end += 1
    if end == len(sizes) and total < SHORTEST_SHARE * most:
        return [end]
    return [*marks, end]


def documents_of(corpus: Corpus, most: int) -> list[list[Chunk]]:
    """The paragraphs of each document, in reading order, none of more than `most` tokens."""
    return [
        _paragraph_chunks(list(chunks), most) for _, chunks in groupby(corpus.chunks(), lambda chunk: chunk.document)
    ]


def _paragraph_chunks(chunks: Sequence[Chunk], most: int) -> list[Chunk]:
    starts = [chunk.start for chunk in chunks]
    found: list[Chunk] = []
    start = starts[0]
    for text in paragraphs_of("".join(chunk.text for chunk in chunks), most):
        holding = chunks[bisect_right(starts, start) - 1]
        found.append(replace(holding, start=start, end=start + len(text), text=text))
        start += len(text)
    return found


@dataclass(frozen=True, slots=True)
class Pagination:
    """Cuts `documents` (each a list of paragraphs) into pages of at most `most` tokens, asking `model` for the pauses.

    Args:
        session: the question being read; it is told of each page.
        model: who chooses the pauses.
        documents: as `documents_of` gives them for `most`.
        most: the most tokens of a page, by estimate.
        max_tokens: reserved for a reply.
        width: how many documents are cut at once; the pages of one come one after another.
    """

    session: Session
    model: ChatModel
    documents: Sequence[Sequence[Chunk]]
    most: int
    max_tokens: int
    width: int

    @property
    def fewest(self) -> int:
        """How many pages there are if each is as long as it can be."""
        pages = 0
        for paragraphs in self.documents:
            sizes, end = _sizes(paragraphs), 0
            while end < len(sizes):
                end = marks_of(sizes, end, self.most)[-1]
                pages += 1
        return pages

    async def run(self) -> list[Page]:
        """The pages of all documents in reading order, numbered from 0. Together they are the whole text."""
        expected, numbers = self.fewest, count(1)
        cut = await each(self.documents, lambda paragraphs: self._cut(paragraphs, expected, numbers), self.width)
        return [Page((piece,), number) for number, piece in enumerate(piece for pieces in cut for piece in pieces)]

    async def _cut(self, paragraphs: Sequence[Chunk], expected: int, numbers: Iterator[int]) -> list[Chunk]:
        sizes = _sizes(paragraphs)
        pages: list[Chunk] = []
        start = 0
        while start < len(paragraphs):
            marks = marks_of(sizes, start, self.most)
            chosen, usage = len(marks), Usage()
            if len(marks) > 1:
                before = pages[-1].text if pages else ""
                chosen, usage = await self._chosen(paragraphs, start, marks, before)
            end = marks[chosen - 1]
            pages += joined(paragraphs[start:end])
            start = end
            number = next(numbers)
            if len(marks) > 1:
                text = f"page {number} ends at mark {chosen} of {len(marks)}"
                self.session.emit(NoteWritten(step=number, of=max(expected, number), text=text, usage=usage))
        return pages

    async def _chosen(
        self, paragraphs: Sequence[Chunk], start: int, marks: Sequence[int], before: str
    ) -> tuple[int, Usage]:
        """The number (from 1) of the mark that the model names; the last one if it names none that was offered."""
        last = marks[-1]
        shown = [piece.text for piece in paragraphs[start:last]]
        after = paragraphs[last].text if last < len(paragraphs) else ""
        title = paragraphs[start].title or paragraphs[start].document
        counts = [mark - start for mark in marks]
        messages = pause_prompt(title, before, shown, counts, after)
        if not await fits(self.model, [messages], self.max_tokens):
            messages = pause_prompt(title, "", shown, counts, "")
        if not await fits(self.model, [messages], self.max_tokens):
            self.session.warn("some pages are as long as they can be: their marks don't fit the window")
            return len(marks), Usage()
        try:
            reply, completion = await complete_as(
                self.session.engine, self.model, messages, Pause, max_tokens=self.max_tokens, priority=1
            )
        except (AuthenticationFailed, UnknownModel):
            raise
        except ModelError as error:
            self.session.warn(f"some pages are as long as they can be: their pauses could not be asked for ({error})")
            return len(marks), Usage()
        if reply is None:
            self.session.warn(
                f"some pages are as long as they can be: {self.model.name} did not follow the form of the reply"
            )
        named = reply.pause if reply is not None else 0
        return (named if 1 <= named <= len(marks) else len(marks)), completion.usage


def _sizes(paragraphs: Sequence[Chunk]) -> list[int]:
    return [estimate_tokens(paragraph.text) for paragraph in paragraphs]
