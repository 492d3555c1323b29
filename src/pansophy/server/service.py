"""What all requests share: the models, the corpora, the store, the jobs and whoever works on them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import Depends, Request

from pansophy.corpus import Corpus, CorpusInfo, IsolatedReader, Shelf
from pansophy.engine import Limits
from pansophy.events import Event
from pansophy.models import ChatModel, open_pair
from pansophy.reading.ask import aask
from pansophy.runs import Feed, Hold, RunStore, Worker
from pansophy.server import logs, tracing
from pansophy.server.failures import Refusal
from pansophy.server.keys import EVERYBODY, Access
from pansophy.server.metrics import Metrics
from pansophy.server.names import names_of
from pansophy.server.settings import ServerSettings
from pansophy.types import Answer

log = logging.getLogger("pansophy.server")


class Service:
    """One service in one process. Models are opened once, and loaded when the first question is asked.

    Raises:
        StoreError: the database's URL is malformed.
        UnknownModel, UsageError: a model can't be opened by its name.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self.model, self.seeker_model = open_pair(
            settings.model, settings.seeker_model, base_url=settings.base_url, window=settings.window
        )
        self.shelf = Shelf()
        self.reader = IsolatedReader()
        self.runs = RunStore(settings.database)
        self.jobs = self.runs.jobs
        self.metrics = Metrics()
        self.feed = Feed(self.jobs)
        self.at_once = asyncio.Semaphore(settings.questions_at_once)
        self._worker = Worker(self.jobs, self._answer, at_once=settings.questions_at_once)
        self._working: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[list[CorpusInfo]] | None = None

    @property
    def is_working(self) -> bool:
        """Whether jobs are taken up."""
        return self._working is not None and not self._working.done()

    async def start(self) -> None:
        """Take up jobs, those that a process left behind when it died among them; look through the corpora meanwhile,
        so that even the first who asks for a list of a thousand needn't wait."""
        self._working = asyncio.create_task(self._worker.run())
        self._looking = asyncio.create_task(asyncio.to_thread(self.shelf.infos))

    async def stop(self) -> None:
        """Give back the jobs at hand, for another process or the next start, and close everything."""
        self.feed.close()
        for task in (self._working, self._looking):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        for model in dict.fromkeys((self.model, self.seeker_model)):
            if model is not self.settings.model and model is not self.settings.seeker_model:
                await model.aclose()
        self.reader.close()
        self.runs.close()

    async def _answer(self, hold: Hold) -> Answer:
        """Read one question that was asked as a job."""
        request = hold.job.request
        logs.job_id.set(hold.job.id)

        def begun(run_id: str) -> None:
            logs.begun(run_id)
            hold.begun(run_id)

        with tracing.span("question", {"job.id": hold.job.id, "corpus": request["corpus"]}):
            answer = await aask(
                request["question"],
                corpus=await asyncio.to_thread(self.shelf.open, request["corpus"]),
                model=self.model,
                seeker_model=self._seeker,
                window=self.settings.window,
                strategy=request["strategy"],
                settings=request["settings"],
                trust=request.get("trust"),  # jobs of before it was there have none
                limits=Limits(**request["limits"]).within(self.settings.most),
                fresh=request["fresh"],
                store=self.runs,
                emit=hold.emit,
                going_on=hold.job.run,
                begun=begun,
                names={**names_of(self.settings), "corpus": request["corpus"]},
            )
            if answer.run_id is not None and answer.run_id != hold.job.run:
                hold.begun(answer.run_id)
        self.metrics.answered("job", str(answer.verdict), answer.usage)
        log.info("question read", extra={"fields": {"verdict": str(answer.verdict), "seconds": answer.seconds}})
        return answer

    @property
    def _seeker(self) -> ChatModel | None:
        return None if self.seeker_model is self.model else self.seeker_model

    async def read(
        self,
        question: str,
        corpus: Corpus | str,
        *,
        way: str,
        strategy: str,
        settings: Mapping[str, Any] | None = None,
        limits: Limits | None = None,
        fresh: bool = False,
        keep: bool = True,
        emit: Callable[[Event], None] | None = None,
    ) -> Answer:
        """Read a question while its asker waits, who came in by this `way`.

        Args:
            corpus: the name of a stored one, or texts that only this question is asked over.
            keep: whether the run is stored; one over a stored corpus can be gone on with.
        """
        named = {} if isinstance(corpus, Corpus) else {**names_of(self.settings), "corpus": corpus}
        texts = corpus if isinstance(corpus, Corpus) else await asyncio.to_thread(self.shelf.open, corpus)
        async with self.at_once:
            answer = await aask(
                question,
                corpus=texts,
                model=self.model,
                seeker_model=self._seeker,
                window=self.settings.window,
                strategy=strategy,
                settings=settings,
                limits=(limits or Limits()).within(self.settings.most),
                fresh=fresh,
                store=self.runs if keep else False,
                emit=emit,
                begun=logs.begun,
                names=named,
            )
        self.metrics.answered(way, str(answer.verdict), answer.usage)
        return answer


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _access(request: Request) -> Access:
    access: Access = getattr(request.state, "access", EVERYBODY)
    return access


TheService = Annotated[Service, Depends(_service)]
TheAccess = Annotated[Access, Depends(_access)]


def require(access: Access, corpus: str) -> str:
    """The corpus's name, if the client may use it: the same answer whether or not there is such a corpus."""
    if not access.may_use(corpus):
        raise Refusal(403, f"the key {access.name} is not for the corpus {corpus!r}")
    return corpus
