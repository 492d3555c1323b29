"""Look-up: the model sees the gists and the question, and names the pages that are then shown in full."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pansophy.engine import complete_as
from pansophy.events import ChunkRead, NoteWritten
from pansophy.models import ChatModel
from pansophy.reading.passages import NO_RATING, fits, whole
from pansophy.reading.readagent.memory import View
from pansophy.reading.readagent.prompts import LookUp, NextLookUp, look_up_prompt, next_look_up_prompt
from pansophy.reading.strategy import Session
from pansophy.types import ChatMessage, Evidence, Usage, Verdict


@dataclass(frozen=True, slots=True)
class LookUps:
    """Opens up to `most` pages of a view that `model` names in replies of at most `max_tokens`.

    `prompts` are all prompts that a view may be put into: a page that makes one of them too long isn't opened.
    """

    session: Session
    model: ChatModel
    most: int
    max_tokens: int
    prompts: Callable[[View], Sequence[Sequence[ChatMessage]]]

    async def at_once(self, view: View) -> View:
        """ReadAgent-P: one reply names all pages, the most important first."""
        messages = look_up_prompt(self.session.question, view.text(), self.most)
        reply, completion = await complete_as(
            self.session.engine, self.model, messages, LookUp, max_tokens=self.max_tokens
        )
        named = self._named(view, None if reply is None else reply.pages, self.most)
        self._tell(named, 1, 1, completion.usage)
        for number in named:
            view = await self._opened(view, number)
        return view

    async def in_turns(self, view: View) -> View:
        """ReadAgent-S: each reply names one page and the next prompt has it in full, until enough is known.

        A reply that names no further page, or one that doesn't fit, is the last one as well.
        """
        for turn in range(1, self.most + 1):
            messages = next_look_up_prompt(self.session.question, view.text(), view.opened)
            reply, completion = await complete_as(
                self.session.engine, self.model, messages, NextLookUp, max_tokens=self.max_tokens
            )
            labels = None if reply is None else [] if reply.enough else [reply.page]
            named = self._named(view, labels, 1)
            self._tell(named, turn, self.most, completion.usage)
            wider = await self._opened(view, named[0]) if named else view
            if wider is view:
                break
            view = wider
        return view

    def _named(self, view: View, labels: Sequence[int] | None, most: int) -> list[int]:
        """The pages that a reply names by `labels` (None: it wasn't understood), as far as they can be opened."""
        if labels is None:
            self.session.warn(f"{self.model.name} did not follow the form of the reply: no page was looked up for it")
            return []
        return view.closed(labels, most)

    async def _opened(self, view: View, number: int) -> View:
        """`view` with one more page in full; as it was, with a warning, if the page doesn't fit beside the rest."""
        wider = View(view.memory, view.numbers, [*view.opened, number])
        if not await fits(self.model, self.prompts(wider), self.max_tokens):
            self.session.warn(f"page {number + 1} does not fit the window beside the gists: its gist was kept")
            return view
        (piece,) = view.memory.pages[number].pieces
        self.session.chunk_read([piece])
        self.session.emit(
            ChunkRead(
                round=1,
                chunk=number,
                document=piece.document,
                start=piece.start,
                end=piece.end,
                found=True,
                rating=NO_RATING,
                statement=view.memory.gists.get(number, ""),
                quote="",
                usage=Usage(),  # told with the reply that named the page
            )
        )
        self.session.best = self.session.answer("", Verdict.OUT_OF_BUDGET, opened_pages(wider))
        return wider

    def _tell(self, named: Sequence[int], step: int, of: int, usage: Usage) -> None:
        pages = ", ".join(str(number + 1) for number in named) or "none"
        self.session.emit(NoteWritten(step=step, of=of, text=f"pages to look up: {pages}", usage=usage))


def opened_pages(view: View) -> tuple[Evidence, ...]:
    """The pages that were looked up, as evidence that nothing in particular was quoted from."""
    return tuple(whole(piece, NO_RATING) for piece in view.passages())
