"""`/questions`: what was asked. `/compare?a=ID&b=ID`: two of them side by side."""

from __future__ import annotations

import asyncio
import time

from nicegui import ui
from starlette.requests import Request

from pansophy.errors import PansophyError
from pansophy.runs import Job
from pansophy.server.page import markup
from pansophy.server.page.frame import access_of, failed, failures_told, frame
from pansophy.server.questions import find, owner_seen
from pansophy.server.service import Service

MOST = 100


def install(service: Service) -> None:
    """Declare the pages."""

    @ui.page("/questions", title="Questions · pansophy", dark=None)
    async def questions(request: Request) -> None:
        with frame("/questions"):
            jobs = await asyncio.to_thread(service.jobs.list, MOST, owner=owner_seen(access_of(request)))
            if not jobs:
                ui.label("Nothing was asked yet.")
                return
            marked: list[str] = []

            def compare() -> None:
                with failures_told():
                    if len(marked) != 2:
                        raise ValueError("Mark two questions to compare them.")
                    ui.navigate.to(f"/compare?a={marked[0]}&b={marked[1]}")

            ui.button("Compare two", on_click=compare).props("outline")
            for job in jobs:
                _line(job, marked)

    @ui.page("/compare", title="Compare · pansophy", dark=None)
    async def compare(request: Request, a: str = "", b: str = "") -> None:
        access = access_of(request)
        with frame("/questions"):
            try:
                jobs = [await asyncio.to_thread(find, service, access, one) for one in (a, b)]
            except PansophyError as error:
                failed(error)
                return
            other = _differences(*jobs)
            with ui.element("div").classes("beside"):
                for job, settings in zip(jobs, other, strict=True):
                    with ui.element("section"):
                        ui.link(job.request["question"], f"/q/{job.id}").classes("text-lg")
                        ui.html(_told(job, settings), sanitize=False)


def _line(job: Job, marked: list[str]) -> None:
    def mark(value: bool) -> None:
        marked.append(job.id) if value else marked.remove(job.id)

    with ui.row().classes("row-line"):
        ui.checkbox(on_change=lambda event: mark(event.value)).props(f'aria-label="compare {job.id}" dense')
        ui.link(job.request["question"], f"/q/{job.id}").classes("grow")
        said = job.answer.text if job.answer else (job.error or job.status)
        ui.label(said[:120]).classes("grow")
        asked = time.strftime("%Y-%m-%d %H:%M", time.localtime(job.created))
        ui.label(f"{job.request['corpus']} · {job.request['strategy']} · {asked}").classes("cost")


def _differences(one: Job, two: Job) -> tuple[str, str]:
    """What was asked for differently, for each of both."""
    names = [name for name in one.request if name != "question" and one.request[name] != two.request.get(name)]
    return tuple(", ".join(f"{name}: {job.request.get(name)}" for name in names) for job in (one, two))  # type: ignore[return-value]


def _told(job: Job, settings: str) -> str:
    what = f'<p class="cost">{markup.as_text(settings)}</p>' if settings else ""
    if job.answer is None:
        return f'{what}<p class="error">{markup.as_text(job.error or job.status)}</p>'
    cost = markup.cost(job.answer.usage, job.answer.seconds)
    said = markup.answer(job.answer, job.request["corpus"])
    rounds = "1 round" if job.answer.rounds == 1 else f"{job.answer.rounds} rounds"
    return f'{what}{said}<p class="cost">{rounds} · {markup.as_text(cost)}</p>'
