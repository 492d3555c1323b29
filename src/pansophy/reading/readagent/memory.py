"""The gist memory: a text as pages with their gists, and what of it a prompt shows. Knows nothing of models.

Pages are numbered from 0 here and in events, as chunks are everywhere, and from 1 where a model reads and names them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pansophy.corpus import Page
from pansophy.reading.passages import inert
from pansophy.reading.quotes import locate
from pansophy.tokens import estimate_tokens
from pansophy.types import Chunk, Span

NO_GIST = "(not shortened; can be read again in full)"
"""What stands for a page that could not be gisted, so that it isn't lost."""


@dataclass(slots=True)
class GistMemory:
    """Pages in reading order, each a span of one document, and by their numbers the gists of those that have one."""

    pages: list[Page]
    gists: dict[int, str] = field(default_factory=dict)

    @property
    def compression(self) -> float:
        """The paper's compression rate, 100 * (1 - size of the gists / size of their pages).

        Sizes are tokens by estimate: the paper counts words, which not every language sets apart by blanks.
        """
        whole = sum(estimate_tokens(self.pages[number].text) for number in self.gists)
        return 100 * (1 - sum(map(estimate_tokens, self.gists.values())) / whole) if whole else 0.0

    def ranked(self, spans: Iterable[Span]) -> list[int]:
        """The numbers of all pages: first those that `spans` touch, in that order, then the others in reading order."""
        by_document: dict[str, list[Page]] = {}
        for page in self.pages:
            by_document.setdefault(page.pieces[0].document, []).append(page)
        found: list[int] = []
        for span in spans:
            pages = by_document.get(span.document, [])
            first = bisect_right(pages, span.start, key=lambda page: page.pieces[0].start) - 1
            found += [page.number for page in pages[max(first, 0) :] if page.pieces[0].start < span.end]
        return list(dict.fromkeys([*found, *range(len(self.pages))]))


@dataclass(slots=True)
class View:
    """What of a memory a prompt shows: the pages `numbers`, those in `opened` in full, the others by their gists.

    `numbers` ascend; `opened` is in the order of opening.
    """

    memory: GistMemory
    numbers: list[int]
    opened: list[int] = field(default_factory=list)

    def text(self) -> str:
        """The pages in the order of the text, each under its number and, where a document begins, its title."""
        lines: list[str] = []
        document = None
        for page in (self.memory.pages[number] for number in self.numbers):
            (piece,) = page.pieces
            if piece.document != document:
                document = piece.document
                lines.append(f"# {inert(piece.title or document)}")
            in_full = page.number in self.opened
            shown = piece.text.strip() if in_full else self.memory.gists.get(page.number, NO_GIST)
            lines.append(f"[Page {page.number + 1}{', in full' if in_full else ''}]\n{inert(shown)}")
        return "\n\n".join(lines)

    def closed(self, labels: Sequence[int], most: int) -> list[int]:
        """The pages that a model names by `labels`, each once, up to `most`: those that are shown and not open yet."""
        known = [label - 1 for label in labels if label - 1 in self.numbers and label - 1 not in self.opened]
        return list(dict.fromkeys(known))[:most]

    def passages(self, quote: str = "") -> list[Chunk]:
        """The text of the pages that are open, and of those whose gist has `quote`, in the order of the text."""
        return [
            piece
            for number in self.numbers
            if number in self.opened or (quote and locate(quote, self.memory.gists.get(number, "")) is not None)
            for piece in self.memory.pages[number].pieces
        ]
