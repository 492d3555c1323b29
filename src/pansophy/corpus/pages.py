"""Pages: what one reader reads at a time. A page is one or more neighbouring chunks, as much as fits.

Cutting a document into pages never depends on the question, so a page that two questions share is byte-identical, and a
server that caches prompt prefixes reads it once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pansophy.corpus.chunking import largest_size
from pansophy.errors import UsageError
from pansophy.types import Chunk

if TYPE_CHECKING:
    from pansophy.corpus.corpus import Corpus, ScoredChunk

Search = Callable[[str, int], "list[ScoredChunk]"]


@dataclass(frozen=True, slots=True)
class Page:
    """What one reader reads at a time.

    `pieces` are contiguous spans, each of one document (several only when short documents were packed together); a
    piece's `index` is that of its first chunk. `number` is the page's place in reading order: a smaller number stands
    earlier in the text. `score` is that of its best chunk, None when no search chose it.
    """

    pieces: tuple[Chunk, ...]
    number: int
    score: float | None = None

    @property
    def text(self) -> str:
        """The text of all pieces."""
        return "".join(piece.text for piece in self.pieces)


def pages_in_order(corpus: Corpus, page_tokens: int) -> Iterator[Page]:
    """All of the corpus as pages in reading order, packed greedily up to `page_tokens` (by estimate), also over the
    borders of documents. Numbers count from 0. A chunk that is larger than a page is a page of its own.
    """
    size = _page_size(page_tokens)
    held: list[Chunk] = []
    total = number = 0
    for chunk in corpus.chunks():
        bytes_ = len(chunk.text.encode("utf-8"))
        if held and total + bytes_ > size:
            yield Page(_merge(held), number)
            held, total, number = [], 0, number + 1
        held.append(chunk)
        total += bytes_
    if held:
        yield Page(_merge(held), number)


def pages_by_rank(
    corpus: Corpus, query: str, page_tokens: int, limit: int, *, search: Search | None = None
) -> list[Page]:
    """The pages that fit `query` best, best first.

    Each document is cut into pages by itself, the same for every query. When fewer than `limit` pages have a chunk that
    the search finds, the others follow in reading order with `score` None, so that with a large enough limit every page
    of the corpus comes exactly once. A page's `number` is the index of its first chunk. Only the pages returned are
    read.

    Args:
        corpus: what to read.
        query: the question.
        page_tokens: the most tokens of a page, by estimate.
        limit: the most pages.
        search: used instead of `corpus.search`.
    """
    if limit < 1:
        raise UsageError(f"limit must be at least 1, not {limit}.")
    partition = Partition(corpus, page_tokens)
    scores = _best_scores(corpus, query, limit, search or corpus.search, partition)
    chosen = dict(sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:limit])
    order: list[tuple[int, int]] = list(chosen)
    for rest in partition.all():
        if len(order) >= limit:
            break
        if rest not in chosen:
            order.append(rest)
    return _load(corpus, order, chosen)


def with_links(corpus: Corpus, pages: Sequence[Page], page_tokens: int, *, first: int, most: int) -> list[Page]:
    """`pages` with those of linked documents moved up: after the first `first` pages follow, for up to `most` documents
    that these mention by title, each document's best page in `pages`, else its first one. There are as many pages as
    before: the last ones give way.

    Args:
        corpus: what the pages are of.
        pages: best first, as `pages_by_rank` gives them for the same `page_tokens`.
        page_tokens: the most tokens of a page, by estimate.
        first: how many pages are looked through.
        most: the most documents that are followed.
    """
    kept = list(pages[:first])
    known = {piece.document for page in kept for piece in page.pieces}
    mentioned = (document for page in kept for document in corpus.titles.mentioned_in(page.text))
    linked = [document for document in dict.fromkeys(mentioned) if document not in known][:most]
    partition = Partition(corpus, page_tokens)
    for document in linked:
        best = next((page for page in pages[first:] if page.pieces[0].document == document), None)
        kept += [best] if best else _load(corpus, partition.of(document)[:1], {})
    numbers = {page.number for page in kept}
    return [*kept, *(page for page in pages[first:] if page.number not in numbers)][: len(pages)]


class Partition:
    """How the documents of a corpus are cut into pages of up to `page_tokens`, each document by itself."""

    def __init__(self, corpus: Corpus, page_tokens: int) -> None:
        self._corpus = corpus
        self._size = _page_size(page_tokens)
        self._pages: dict[str, list[tuple[int, int]]] = {}

    def of(self, document: str) -> list[tuple[int, int]]:
        """The pages of a document as ranges of chunk indices."""
        if document not in self._pages:
            start, stop = self._corpus.chunk_range(document)
            sizes = self._corpus.chunk_sizes(start, stop)
            self._pages[document] = [(start + low, start + high) for low, high in pack(sizes, self._size)]
        return self._pages[document]

    def page_of(self, chunk: Chunk) -> tuple[int, int]:
        """The page that holds `chunk`."""
        return next(page for page in self.of(chunk.document) if page[0] <= chunk.index < page[1])

    def all(self) -> Iterator[tuple[int, int]]:
        """All pages in reading order."""
        for document in self._corpus.documents():
            yield from self.of(document.id)


def pack(sizes: Sequence[int], most: int) -> Iterator[tuple[int, int]]:
    """Ranges of neighbours whose sizes add up to at most `most`, as few as a greedy pass makes and about equally full.

    A size that is larger than `most` is a range of its own. The pages of a document are evened out, so that the last
    one isn't a scrap without the text around it.
    """
    fullest = sum(1 for _ in _greedy(sizes, most))
    if not fullest:
        return
    even, largest = -(-sum(sizes) // fullest), max(sizes)
    for limit in (even, even + largest // 2, even + largest, most):
        ranges = list(_greedy(sizes, min(most, limit)))
        if len(ranges) <= fullest:
            yield from ranges
            return


def _greedy(sizes: Sequence[int], most: int) -> Iterator[tuple[int, int]]:
    low = total = 0
    for high, size in enumerate(sizes):
        if high > low and total + size > most:
            yield low, high
            low, total = high, 0
        total += size
    if sizes:
        yield low, len(sizes)


def _page_size(page_tokens: int) -> int:
    if page_tokens < 1:
        raise UsageError(f"page_tokens must be at least 1, not {page_tokens}.")
    return largest_size(page_tokens)


def _best_scores(
    corpus: Corpus, query: str, limit: int, search: Search, partition: Partition
) -> dict[tuple[int, int], float]:
    """The best score of each page that the search finds; searches deeper until `limit` pages are found or all."""
    depth = 2 * limit
    while True:
        hits = search(query, depth)
        scores: dict[tuple[int, int], float] = {}
        for hit in hits:
            page = partition.page_of(hit.chunk)
            scores[page] = max(scores.get(page, hit.score), hit.score)
        if len(scores) >= limit or len(hits) < depth or depth >= corpus.chunk_count:
            return scores
        depth *= 4


def _load(corpus: Corpus, order: Sequence[tuple[int, int]], scores: dict[tuple[int, int], float]) -> list[Page]:
    chunks = corpus.read(index for page in order for index in range(*page))
    by_index = {chunk.index: chunk for chunk in chunks}
    return [Page(_merge([by_index[index] for index in range(*page)]), page[0], scores.get(page)) for page in order]


def _merge(chunks: Sequence[Chunk]) -> tuple[Chunk, ...]:
    """Neighbouring chunks of one document become one piece."""
    pieces: list[list[Chunk]] = []
    for chunk in chunks:
        if pieces and pieces[-1][-1].document == chunk.document and pieces[-1][-1].end == chunk.start:
            pieces[-1].append(chunk)
        else:
            pieces.append([chunk])
    return tuple(
        Chunk(
            document=piece[0].document,
            start=piece[0].start,
            end=piece[-1].end,
            text="".join(chunk.text for chunk in piece),
            index=piece[0].index,
            title=piece[0].title,
        )
        for piece in pieces
    )
