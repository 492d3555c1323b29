"""Text as it stands in a prompt, and how much of it fits. What the simpler strategies share.

The law that all of them keep: prompt tokens and reserved reply tokens never exceed the window, counted by the model
itself. Knows nothing of what the prompts ask.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import TypeVar

from pansophy.corpus import Corpus
from pansophy.corpus.pages import Page, pages_by_rank, pages_in_order
from pansophy.errors import UsageError
from pansophy.models import ChatModel
from pansophy.reading.quotes import locate, sentences, widen
from pansophy.types import ChatMessage, Chunk, Evidence

Build = Callable[[Sequence[Chunk]], Sequence[Sequence[ChatMessage]]]
"""From passages to all prompts that they may be put into (such as one that allows a refusal and one that doesn't)."""

SMALLEST_PAGE = 32
"""Tokens of text below which reading in pieces makes no sense."""
PAGE_STEP = 512
"""Where the window bounds a page, its tokens are a multiple of this: questions of different lengths then mostly get the
same pages, and a prefix cache serves them (as long as a question's length alone doesn't cross a step)."""
TITLES_SHARE = 0.1
"""Share of a page that is kept free for the titles of its documents."""
LONGEST_WORD = 80
"""Characters; what goes on for longer without a blank is cut anywhere (Chinese, base64)."""
MOST_BYTES_A_TOKEN = 12
"""Text with more UTF-8 bytes than this for each token of the window isn't even counted."""

NO_RATING = 50.0
"""The rating of evidence from a strategy that has no measure of relevance: all of it counts alike."""

_FRAME = re.compile(r"<(/?)(text|reports|note)>", re.IGNORECASE)

T = TypeVar("T")
R = TypeVar("R")


def as_text(pieces: Sequence[Chunk]) -> str:
    """Passages as they stand in a prompt: framed, each under its document's title. The same for every question."""
    titled = (f"# {inert(piece.title or piece.document)}\n{inert(piece.text.strip())}" for piece in pieces)
    return "<text>\n" + "\n\n".join(titled) + "\n</text>"


def inert(text: str) -> str:
    """Text that can't end its own frame in a prompt."""
    return _FRAME.sub(r"‹\1\2›", text)


def joined(chunks: Iterable[Chunk]) -> list[Chunk]:
    """The chunks with neighbours of one document made one; the order is kept."""
    pieces: list[Chunk] = []
    for chunk in chunks:
        last = pieces[-1] if pieces else None
        if last is not None and last.document == chunk.document and last.end == chunk.start:
            pieces[-1] = replace(last, end=chunk.end, text=last.text + chunk.text)
        else:
            pieces.append(chunk)
    return pieces


async def fits(model: ChatModel, prompts: Sequence[Sequence[ChatMessage]], max_tokens: int) -> bool:
    """Whether each of the prompts leaves room for a reply of `max_tokens`."""
    for messages in prompts:
        if await model.count_prompt(messages) + max_tokens > model.window:
            return False
    return True


async def room(model: ChatModel, build: Build, max_tokens: int) -> int:
    """Tokens that are left for passages.

    Raises:
        UsageError: fewer than `SMALLEST_PAGE`; says the smallest window that works.
    """
    taken = max([await model.count_prompt(messages) for messages in build(())])
    left = model.window - max_tokens - taken
    if left < SMALLEST_PAGE:
        smallest = taken + max_tokens + SMALLEST_PAGE
        raise UsageError(
            f"the window of {model.name} ({model.window} tokens) is too small: the question and instructions take "
            f"{taken} and the reply {max_tokens}; the smallest window that works is {smallest}"
        )
    return left


async def most_that_fit(model: ChatModel, passages: Sequence[Chunk], build: Build, max_tokens: int) -> list[Chunk]:
    """The longest prefix of `passages` whose prompts fit; of a single passage that is too long, its beginning."""
    sizes = accumulate(len(passage.text.encode()) for passage in passages)
    low, high = 0, sum(size <= model.window * MOST_BYTES_A_TOKEN for size in sizes)
    while low < high:
        middle = (low + high + 1) // 2
        if await fits(model, build(passages[:middle]), max_tokens):
            low = middle
        else:
            high = middle - 1
    if low or not passages:
        return list(passages[:low])
    return [await beginning_that_fits(model, passages[0], build, max_tokens)]


async def beginning_that_fits(model: ChatModel, passage: Chunk, build: Build, max_tokens: int) -> Chunk:
    """The longest beginning of `passage`, in whole words, whose prompts fit.

    Raises:
        UsageError: not even one word does.
    """
    await room(model, build, max_tokens)
    low, high = 0, len(passage.text)
    while low < high:
        middle = (low + high + 1) // 2
        if await fits(model, build([_cut(passage, 0, middle)]), max_tokens):
            low = middle
        else:
            high = middle - 1
    if not low:
        raise UsageError(f"the window of {model.name} ({model.window} tokens) has no room for any text")
    return _cut(passage, 0, _word_border(passage.text, low))


async def pages_for(
    model: ChatModel,
    corpus: Corpus,
    question: str,
    build: Build,
    *,
    page_tokens: int,
    max_tokens: int,
    best: int | None,
) -> list[Page]:
    """The pages that a reader gets one by one, in the order of the text, each certain to fit.

    Args:
        page_tokens: the most tokens of a page; fewer when the window asks for it.
        max_tokens: reserved for the reply.
        best: only so many pages, those that fit the question best; None for all.

    Raises:
        UsageError: the window is too small.
    """
    left = max(SMALLEST_PAGE, int(await room(model, build, max_tokens) * (1 - TITLES_SHARE)))
    size = min(page_tokens, left - left % PAGE_STEP or left)
    if best is None:
        pages = await asyncio.to_thread(lambda: list(pages_in_order(corpus, size)))
    else:
        ranked = await asyncio.to_thread(pages_by_rank, corpus, question, size, best)
        pages = sorted(ranked, key=lambda page: page.number)
    fitting = [part for page in pages for part in await split_to_fit(model, page, build, max_tokens)]
    return [replace(page, number=number) for number, page in enumerate(fitting)]


async def split_to_fit(model: ChatModel, page: Page, build: Build, max_tokens: int) -> list[Page]:
    """`page` itself, or its halves where the estimate was too low for this text."""
    if await fits(model, build(page.pieces), max_tokens):
        return [page]
    if (parts := halves(page)) is None:
        raise UsageError(f"the window of {model.name} ({model.window} tokens) has no room for any text")
    return [part for half in parts for part in await split_to_fit(model, half, build, max_tokens)]


def halves(page: Page) -> tuple[Page, Page] | None:
    """`page` in two, between its pieces, else sentences, else words; None when it is a single word."""
    if len(page.pieces) > 1:
        middle = len(page.pieces) // 2
        return replace(page, pieces=page.pieces[:middle]), replace(page, pieces=page.pieces[middle:])
    (piece,) = page.pieces
    middle = len(piece.text) // 2
    border = min((start for start, _ in sentences(piece.text)[1:]), key=lambda start: abs(start - middle), default=0)
    middle = border or _word_border(piece.text, middle)
    if not 0 < middle < len(piece.text):
        return None
    left, right = _cut(piece, 0, middle), _cut(piece, middle, len(piece.text))
    return replace(page, pieces=(left,)), replace(page, pieces=(right,))


def _cut(piece: Chunk, start: int, end: int) -> Chunk:
    return replace(piece, start=piece.start + start, end=piece.start + end, text=piece.text[start:end])


def _word_border(text: str, position: int) -> int:
    """The last position up to `position` at which no word is cut; `position` itself when there is none near."""
    if position >= len(text):
        return len(text)
    near = max(0, position - LONGEST_WORD)
    border = max(text.rfind(" ", near, position + 1), text.rfind("\n", near, position + 1))
    return border + 1 if 0 <= border < position else position


async def each(items: Iterable[T], work: Callable[[T], Awaitable[R]], width: int) -> list[R]:
    """`work` on every item, `width` of them begun at once, results in the order of the items.

    The first exception cancels what is running and is raised.
    """
    results: dict[int, R] = {}
    queue = iter(enumerate(items))

    async def worker() -> None:
        for number, item in queue:
            results[number] = await work(item)

    tasks = [asyncio.create_task(worker()) for _ in range(max(width, 1))]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
    return [results[number] for number in sorted(results)]


def quoted(quote: str, pieces: Sequence[Chunk], *, statement: str, rating: float, cited: bool) -> Evidence | None:
    """The place in `pieces` where `quote` stands, as whole sentences; None when it stands nowhere."""
    for piece in pieces:
        found = locate(quote, piece.text)
        if found is not None:
            start, end = widen(found, sentences(piece.text))
            return Evidence(
                document=piece.document,
                start=piece.start + start,
                end=piece.start + end,
                quote=piece.text[start:end],
                statement=statement,
                rating=rating,
                round=1,
                cited=cited,
            )
    return None


def whole(piece: Chunk, rating: float) -> Evidence:
    """A passage as evidence that nothing in particular was quoted from."""
    return Evidence(piece.document, piece.start, piece.end, piece.text, "", rating, 1)
