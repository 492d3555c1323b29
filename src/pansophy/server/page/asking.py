"""`/`: ask a question. `/q/ID`: watch it being read, and see what came of it. A reload goes on where it was."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time

from nicegui import background_tasks, ui
from starlette.requests import Request

from pansophy.errors import PansophyError, UnknownRun
from pansophy.reading.ask import STRATEGIES
from pansophy.runs import Job
from pansophy.server import questions
from pansophy.server.page import markup
from pansophy.server.page.frame import access_of, failed, failures_told, frame
from pansophy.server.page.story import Story
from pansophy.server.schemas import LimitsIn, NewQuestion
from pansophy.server.service import Service
from pansophy.types import Answer, Trust

REFRESH_SECONDS = 0.1
TRUSTED = {
    Trust.TEXT: "the texts over the model",
    Trust.MODEL: "the model over the texts",
    Trust.MAJORITY: "what most documents tell",
    Trust.RATING: "the best rated finding",
    Trust.NEWEST: "the newest source",
    Trust.SWAP: "what is left when contradicting passages are read side by side",
}
"""What can be chosen where contradictions are to be looked for."""


def install(service: Service) -> None:
    """Declare the pages."""

    @ui.page("/", title="Ask · pansophy", dark=None)
    async def ask(request: Request, corpus: str = "", question: str = "") -> None:
        access = access_of(request)
        with frame("/"):
            infos = await asyncio.to_thread(service.shelf.infos)
            names = [info.name for info in infos if info.documents and access.may_use(info.name)]
            if not names:
                ui.label("There is nothing to read yet.")
                ui.link("Put files into a corpus", "/corpora")
                return
            chosen = ui.select(names, label="Corpus", value=corpus if corpus in names else names[0]).classes("w-full")
            asked = ui.textarea("Question", value=question).props("autogrow autofocus outlined").classes("w-full")
            with ui.expansion("How it is read").classes("w-full"):
                ways = [name for name in STRATEGIES if name != "no_context"]
                strategy = ui.select(ways, label="Strategy", value=service.settings.strategy).classes("w-full")
                trusted = ui.select(
                    {"": "nobody: contradictions aren't looked for", **TRUSTED}, label="Trust", value=""
                ).classes("w-full")
                deadline = ui.number("Deadline in seconds", min=1).classes("w-full")
                fresh = ui.checkbox("Read again although the answer is stored")

            async def submit() -> None:
                with failures_told():
                    if not (asked.value or "").strip():
                        raise ValueError("Write a question first.")
                    body = NewQuestion(
                        corpus=chosen.value,
                        question=asked.value,
                        strategy=strategy.value,
                        trust=trusted.value or None,
                        limits=LimitsIn(deadline=deadline.value),
                        fresh=fresh.value,
                    )
                    job = await asyncio.to_thread(questions.submit, service, access, body)
                    ui.navigate.to(f"/q/{job.id}")

            ui.button("Ask", on_click=submit)
            asked.on("keydown.ctrl.enter", submit)

    @ui.page("/q/{question_id}", title="Question · pansophy", dark=None)
    async def watch(request: Request, question_id: str) -> None:
        access = access_of(request)
        with frame(""):
            try:
                job = await asyncio.to_thread(questions.find, service, access, question_id)
            except PansophyError as error:
                failed(error)
                return
            _Watch(service, job).show()


class _Watch:
    """One question on a page, followed as long as the page is open."""

    def __init__(self, service: Service, job: Job) -> None:
        self.service, self.job = service, job
        self.corpus = job.request["corpus"]
        self.story = Story()
        self.shown = -1

    def show(self) -> None:
        with ui.row().classes("w-full items-center"):
            ui.label(self.job.request["question"]).classes("text-lg grow").props("role=heading aria-level=2")
            self.stop = ui.button("Stop", on_click=self._stop).props("outline")
            self.go_on = ui.button("Go on", on_click=self._go_on).props("outline")
        self.status = ui.html("", sanitize=False).props("role=status").classes("cost")
        self.answer = ui.html("", sanitize=False).classes("w-full")
        self.ladder = self._part("What the reasoning agent tried")
        self.grid = self._part("What was read")
        self.findings = self._part("What was found")
        following = background_tasks.create(self._follow())
        ui.context.client.on_delete(following.cancel)
        ui.timer(REFRESH_SECONDS, self._refresh)

    def _part(self, title: str) -> ui.html:
        with ui.element("section").classes("w-full") as section:
            ui.html(f"<h3>{title}</h3>", sanitize=False)
            part = ui.html("", sanitize=False).classes("w-full")
        section.bind_visibility_from(part, "content", backward=bool)
        return part

    async def _follow(self) -> None:
        try:
            async for event in self.service.feed.follow(self.job.id):
                self.story.add(json.loads(event.text))
            if self.story.answer is not None and not self.story.strategy:
                await self._tell_stored(self.story.answer)
        except UnknownRun:  # it was deleted while somebody looked at it
            self.story.error = "This question was deleted."
            self.story.version += 1

    async def _tell_stored(self, answer: Answer) -> None:
        """The question was answered before: tell how it was read then, if that is still kept."""
        if answer.run_id is None:
            return
        with contextlib.suppress(UnknownRun):  # deleted since
            run = await asyncio.to_thread(self.service.runs.open, answer.run_id)
            for event in await asyncio.to_thread(run.events):
                self.story.add(event.to_dict())
            self.story.reason = f"answered before, on {run.info.started:%Y-%m-%d %H:%M}"

    async def _refresh(self) -> None:
        story = self.story
        changed = story.version != self.shown
        if not changed and story.is_over:
            return
        self.status.content = self._status()
        if not changed:
            return
        self.shown = story.version
        self.stop.set_visibility(not story.is_over)
        job = await asyncio.to_thread(self.service.jobs.get, self.job.id) if story.is_over else self.job
        self.go_on.set_visibility(story.is_over and job.can_be_continued)
        error = f'<p class="error" role="alert">{markup.as_text(story.error)}</p>' if story.error else ""
        self.answer.content = error + (markup.answer(story.answer, self.corpus) if story.answer else "")
        self.ladder.content = markup.ladder(story.attempts)
        self.grid.content = markup.grid(story, self.corpus)
        self.findings.content = markup.findings(story, self.corpus)

    def _status(self) -> str:
        story = self.story
        began = self.job.started or self.job.created
        seconds = story.answer.seconds if story.answer else (self.job.ended or time.time()) - began
        how = f" · {story.strategy}" if story.strategy else ""
        why = f" ({story.reason})" if story.reason else ""
        return markup.as_text(f"{story.status}{how}{why} · {markup.cost(story.usage, seconds)} · corpus {self.corpus}")

    async def _stop(self) -> None:
        with failures_told():
            await asyncio.to_thread(self.service.jobs.cancel, self.job.id)

    async def _go_on(self) -> None:
        with failures_told():
            await asyncio.to_thread(self.service.jobs.resume, self.job.id)
            ui.navigate.reload()
