"""Memory gisting: each page is shortened, without a question; and which of the gists a prompt has room for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pansophy.corpus import Page
from pansophy.errors import ModelError, UsageError
from pansophy.events import NoteWritten
from pansophy.models import ChatModel
from pansophy.reading.passages import each, fits
from pansophy.reading.quotes import cut_at_sentence
from pansophy.reading.readagent.memory import GistMemory, View
from pansophy.reading.readagent.prompts import gist_prompt
from pansophy.reading.strategy import Session
from pansophy.types import ChatMessage, Usage


@dataclass(frozen=True, slots=True)
class Gisting:
    """Writes gists into `memory` by `model`, of at most `gist_tokens`, `width` of them begun at once."""

    session: Session
    model: ChatModel
    memory: GistMemory
    gist_tokens: int
    width: int

    async def run(self, numbers: Sequence[int]) -> None:
        """Gist those of the pages `numbers` that have no gist yet. A page that fails is put on record.

        Raises:
            ModelError: none of `numbers` has a gist then; the first cause.
        """
        memory = self.memory
        waiting = [memory.pages[number] for number in numbers if number not in memory.gists]
        known = len(memory.gists)
        await each(waiting, lambda page: self._gist(page, known, len(waiting)), self.width)
        if not any(number in memory.gists for number in numbers):
            raise self.session.failures[0]
        text = f"the gists are {memory.compression:.0f} % shorter than their pages"
        self.session.emit(NoteWritten(step=len(memory.gists), of=len(memory.pages), text=text, usage=Usage()))

    async def _gist(self, page: Page, known: int, of: int) -> None:
        memory, session = self.memory, self.session
        try:
            completion = await session.engine.complete(
                self.model, gist_prompt(page.pieces), max_tokens=self.gist_tokens, priority=1
            )
        except ModelError as error:
            session.chunk_failed(page.number, page.pieces, error, 1)
            return
        gist = completion.text.strip()
        if completion.finish_reason == "length":
            gist = cut_at_sentence(gist)
            session.warn(f"some gists ran into their limit of {self.gist_tokens} tokens and were cut at a sentence")
        if await self.model.count_tokens(gist) >= await self.model.count_tokens(page.text):
            gist = page.text.strip()
        memory.gists[page.number] = gist
        session.emit(NoteWritten(step=len(memory.gists) - known, of=of, text=gist, usage=completion.usage))


async def ranked(session: Session, memory: GistMemory) -> list[int]:
    """The numbers of all pages, those that fit the question best first."""
    hits = await asyncio.to_thread(session.corpus.search, session.question, max(1, len(memory.pages)))
    return memory.ranked(hit.chunk.span for hit in hits)


async def most_gists(
    session: Session,
    model: ChatModel,
    view: View,
    prompts: Callable[[View], Sequence[Sequence[ChatMessage]]],
    max_tokens: int,
    spare: int,
) -> View:
    """`view` itself, or the pages that fit the question best where the window has no room for all gists.

    Args:
        session: the question being read; it is told what is left out.
        model: whose window it is.
        view: the pages to show, none of them open.
        prompts: all prompts that a view may be put into.
        max_tokens: reserved for the reply.
        spare: tokens to keep free for pages that are looked up, where that is possible.

    Raises:
        UsageError: the window has no room for a single gist.
    """

    async def fit(numbers: Sequence[int], reserved: int = max_tokens + spare) -> bool:
        return await fits(model, prompts(View(view.memory, sorted(numbers))), reserved)

    if await fit(view.numbers):
        return view
    shown = set(view.numbers)
    order = [number for number in await ranked(session, view.memory) if number in shown]
    low, high = 0, len(order) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if await fit(order[:middle]):
            low = middle
        else:
            high = middle - 1
    kept = order[: max(low, 1)]
    if not low and not await fit(kept, max_tokens):
        raise UsageError(f"the window of {model.name} ({model.window} tokens) has no room for a gist")
    if len(kept) < len(order):
        session.warn(
            f"the gists do not fit the window together: the {len(kept)} of {len(order)} pages that fit the question "
            "best were kept"
        )
    return View(view.memory, sorted(kept))
