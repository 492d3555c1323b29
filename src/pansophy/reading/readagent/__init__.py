"""ReadAgent: a text is read once, page by page, into a memory of gists; for each question the few pages that matter are
looked up again and answered from, in their places among the gists.

Lee et al. 2024, A Human-Inspired Reading Agent with Gist Memory of Very Long Contexts, arXiv 2402.09727 (ICML 2024):
episode pagination = `pagination.py`, memory gisting = `gisting.py`, parallel look-up (ReadAgent-P) = `LookUps.at_once`,
sequential look-up (ReadAgent-S) = `LookUps.in_turns`, answer = `ReadAgent._conclude`; the memory itself is `memory.py`.

What a second question costs: no call for pages and gists, if it is asked after the first one of the same object over
the same corpus (the last one is remembered, with what was gisted before a question ended early). Another process pages
and gists again; its prompts are the same to the byte, since no question comes into them, so a prefix cache can serve
them, but the gists are written anew. A resumed run repeats none of its own calls.

Departures: replies are typed objects, not phrases; sizes are tokens by estimate instead of words, and a page never
exceeds its limit (the authors' code adds the paragraph that crosses it); where there is one mark only, the model isn't
asked; a paragraph longer than a page is cut at sentences; a gist that is no shorter than its page is replaced by the
page; a page that could not be gisted stands in the memory by its number and can still be looked up; gists that don't
fit the window together are left out, the least fitting to the question first (the paper retrieves), and a page that
doesn't fit beside the gists stays a gist, both with a warning; a refusal is followed by one call that must answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from pansophy.papers import Paper
from pansophy.reading.conclusion import Asking, Judging, Quoting, conclude, grounds
from pansophy.reading.passages import SMALLEST_PAGE, TITLES_SHARE, room, split_to_fit
from pansophy.reading.readagent.gisting import Gisting, most_gists, ranked
from pansophy.reading.readagent.look_up import LookUps, opened_pages
from pansophy.reading.readagent.memory import GistMemory, View
from pansophy.reading.readagent.pagination import Pagination, documents_of
from pansophy.reading.readagent.prompts import (
    answer_prompt,
    gist_prompt,
    look_up_prompt,
    next_look_up_prompt,
    pause_prompt,
)
from pansophy.reading.readagent.settings import ReadAgentSettings
from pansophy.reading.strategy import Session, Strategy
from pansophy.types import Answer, ChatMessage, Chunk, Verdict

__all__ = ["PAPER", "ReadAgent", "ReadAgentSettings"]

PAPER = Paper(
    system="ReadAgent",
    title="A Human-Inspired Reading Agent with Gist Memory of Very Long Contexts",
    authors="Kuang-Huei Lee, Xinyun Chen, Hiroki Furuta, et al.",
    year=2024,
    arxiv="2402.09727",
    module="pansophy.reading.readagent",
    venue="ICML 2024",
)


class ReadAgent(Strategy[ReadAgentSettings]):
    """Remembers the gist of every page, and looks up the few pages that a question needs."""

    name = "readagent"
    settings_class = ReadAgentSettings
    _remembered: tuple[str, GistMemory] | None = None  # the fingerprint of the corpus that was read last, its memory

    async def _read(self, session: Session) -> Answer:
        settings = self.settings

        def prompts(view: View) -> list[list[ChatMessage]]:
            return self._prompts(session.question, view.text(), view.opened)

        left = await self._room(session.question)
        memory = await self._paged(session)
        numbers = list(range(len(memory.pages)))
        if settings.max_chunks is not None and settings.max_chunks < len(numbers):
            numbers = sorted((await ranked(session, memory))[: settings.max_chunks])
        await Gisting(session, self.seeker_model, memory, settings.gist_tokens, self._width).run(numbers)
        largest = max((memory.pages[number].text for number in numbers), key=len)
        spare = min(settings.look_ups * await self.model.count_tokens(largest), left // 2)
        view = await most_gists(session, self.model, View(memory, numbers), prompts, settings.answer_tokens, spare)
        if settings.look_ups:
            look_ups = LookUps(session, self.model, settings.look_ups, settings.answer_tokens, prompts)
            view = await (look_ups.at_once(view) if settings.look_up == "parallel" else look_ups.in_turns(view))
        return await self._conclude(session, view)

    @property
    def _width(self) -> int:
        return self.limits.concurrency or self.seeker_model.parallel

    def _prompts(self, question: str, remembered: str, opened: Sequence[int] = ()) -> list[list[ChatMessage]]:
        """All prompts that what is remembered may be put into."""
        if self.settings.look_up == "parallel":
            asking = look_up_prompt(question, remembered, self.settings.look_ups)
        else:
            asking = next_look_up_prompt(question, remembered, opened)
        return [asking, *(answer_prompt(question, remembered, forced) for forced in (False, True))]

    async def _room(self, question: str) -> int:
        """Tokens that are left for gists and pages. Raises UsageError if there are too few."""
        return await room(self.model, lambda _: self._prompts(question, ""), self.settings.answer_tokens)

    async def _paged(self, session: Session) -> GistMemory:
        """The memory of the session's corpus: the one from an earlier question, else a new one without gists."""
        fingerprint = session.corpus.fingerprint
        if self._remembered is not None and self._remembered[0] == fingerprint:
            memory = self._remembered[1]
            self._begin(session, chunks=len(memory.pages), order="document")
            return memory
        model, reserved = self.seeker_model, self.settings.gist_tokens
        most = await self._page_tokens()
        documents = await asyncio.to_thread(documents_of, session.corpus, most)
        pagination = Pagination(session, model, documents, most, reserved, self._width)
        self._begin(session, chunks=pagination.fewest, order="document")
        pages = [
            part
            for page in await pagination.run()
            for part in await split_to_fit(model, page, lambda pieces: [gist_prompt(pieces)], reserved)
        ]
        memory = GistMemory([replace(page, number=number) for number, page in enumerate(pages)])
        self._remembered = (fingerprint, memory)
        return memory

    async def _page_tokens(self) -> int:
        """The most tokens of a page: half of what the smaller window holds, whatever the question."""

        def empty(pieces: Sequence[Chunk]) -> list[list[ChatMessage]]:
            return [gist_prompt(pieces), pause_prompt("", "", [""], [1], "")]

        left = min(await room(self.seeker_model, empty, self.settings.gist_tokens), await self._room(""))
        return min(self.settings.chunk_tokens, max(SMALLEST_PAGE, int(left * (1 - TITLES_SHARE) / 2)))

    async def _conclude(self, session: Session, view: View) -> Answer:
        remembered = view.text()
        asking = Asking(
            lambda forced: answer_prompt(session.question, remembered, forced),
            Judging,
            Quoting,
            self.settings.answer_tokens,
            self.settings.force,
        )
        concluded = await conclude(session, self.model, asking, view.numbers)
        opened = opened_pages(view)
        if concluded.verdict is Verdict.NOTHING_FOUND:
            return session.answer("", Verdict.NOTHING_FOUND, opened)
        passages = view.passages(str(getattr(concluded.reply, "quote", "")))
        evidence = grounds(session, concluded, passages) or opened
        if not evidence:
            session.warn("the answer rests on gists alone: no page was looked up, and no sentence of the text shows it")
        return session.answer(concluded.text, concluded.verdict, evidence)
