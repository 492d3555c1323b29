"""What every way of reading shares: one question over one corpus, told as events, ending in an answer.

A strategy is a class with a `name`, a frozen dataclass of settings and one coroutine, `_read`. All else is here:
opening models, limits, the trace, the answer in case of success, of a used-up budget and of failure. Knows nothing of
prompts.
"""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from pansophy.corpus import Corpus
from pansophy.engine import Engine, Journal, Limits
from pansophy.engine.prices import PriceList
from pansophy.errors import AuthenticationFailed, BudgetExceeded, ModelError, RunFailed, UnknownModel, UsageError
from pansophy.events import AnswerReady, ChunkFailed, Event, RunStarted, Warned
from pansophy.models import ChatModel, open_pair
from pansophy.types import Answer, Chunk, Evidence, FailedChunk, Span, Trust, Usage, Verdict

Emit = Callable[[Event], None]
SettingsT = TypeVar("SettingsT")


class Session:
    """One question being read: the engine, the trace, and the best answer so far.

    Attributes:
        best: what is returned when the budget runs out; a strategy replaces it as it learns more.
        described: what the answer's settings tell beside the strategy's own description.
        contestable: whether passages can contradict the answer; see `Strategy.contestable`.
    """

    def __init__(self, question: str, corpus: Corpus, engine: Engine, emit: Emit | None, run_id: str | None) -> None:
        self.question = question
        self.corpus = corpus
        self.engine = engine
        self.run_id = run_id
        self.best = Answer(question, "", Verdict.OUT_OF_BUDGET)
        self.failed: dict[Span, FailedChunk] = {}
        self.failures: list[ModelError] = []
        self.warnings: list[str] = []
        self.trace: list[Event] = []
        self.described: dict[str, Any] = {}
        self.contestable = True
        self._emit = emit
        self._started = time.monotonic()

    def asking(self, question: str) -> Session:
        """This session with another question: its own best answer, and all else shared."""
        other = copy.copy(self)
        other.question = question
        other.best = Answer(question, "", Verdict.OUT_OF_BUDGET)
        return other

    @property
    def seconds(self) -> float:
        """Seconds since the question was asked."""
        return time.monotonic() - self._started

    def emit(self, event: Event) -> None:
        """Tell all who listen that something happened."""
        event = dataclasses.replace(event, seconds=round(self.seconds, 3))
        self.trace.append(event)
        if self._emit is not None:
            self._emit(event)

    def warn(self, message: str) -> None:
        """Tell the user something that doesn't stop the run, once."""
        if message not in self.warnings:
            self.warnings.append(message)
            self.emit(Warned(message=message))

    def hear(self, event: Event) -> None:
        """Events of the engine pass through the session, so that its warnings reach the answer."""
        if isinstance(event, Warned):
            self.warn(event.message)
        else:
            self.emit(event)

    def chunk_failed(self, number: int, pieces: Sequence[Chunk], error: ModelError, round_: int) -> None:
        """Put on record that chunk `number` (with these `pieces`) could not be read.

        Raises:
            AuthenticationFailed, UnknownModel: `error` is one that every other chunk would meet as well.
        """
        if isinstance(error, AuthenticationFailed | UnknownModel):
            raise error
        self.failures.append(error)
        for piece in pieces:
            self.failed[piece.span] = FailedChunk(piece.document, piece.start, piece.end, str(error))
        first = pieces[0]
        self.emit(
            ChunkFailed(
                round=round_, chunk=number, document=first.document, start=first.start, end=first.end, error=str(error)
            )
        )

    def chunk_read(self, pieces: Sequence[Chunk]) -> None:
        """A chunk that failed in an earlier round has been read after all."""
        if self.failed:
            for piece in pieces:
                self.failed.pop(piece.span, None)

    def answer(self, text: str, verdict: Verdict, evidence: tuple[Evidence, ...] = (), *, rounds: int = 1) -> Answer:
        """An answer of this session; usage, warnings and the rest are filled in when the run ends."""
        return Answer(self.question, text, verdict, evidence, rounds)


class Strategy(ABC, Generic[SettingsT]):
    """A way to answer a question from a corpus.

    Args:
        model: a chat model or its name (see `pansophy.models.open_model`); "default" for a pair of embedded ones.
        seeker_model: another one for reading chunks; None for the same.
        settings: this strategy's settings, or a mapping of those that differ from the defaults.
        limits: what one question may take.
        prices: for `usage.cost`.
        base_url: of the endpoint, for models given by name.
        window: the context window in tokens, for models given by name.
        trust: whose word counts where sources contradict each other or the model: a `Trust` or its name. The answer
            then has a `ledger`; None for none.

    Raises:
        UsageError: a setting or `trust` can't be used.
    """

    name: ClassVar[str]
    settings_class: ClassVar[type[Any]]
    reads: ClassVar[bool] = True
    """Whether the strategy reads the corpus, and so has nothing to do with an empty one."""
    contestable: ClassVar[bool] = True
    """Whether passages can contradict its answers: not where one counts over the whole text."""

    def __init__(
        self,
        model: str | ChatModel = "default",
        *,
        seeker_model: str | ChatModel | None = None,
        settings: SettingsT | Mapping[str, Any] | None = None,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        prices: PriceList = None,
        base_url: str | None = None,
        window: int | None = None,
        trust: Trust | str | None = None,
    ) -> None:
        self.trust = None if trust is None else self._trust_from(trust)
        self.model, self.seeker_model = open_pair(model, seeker_model, base_url=base_url, window=window)
        self.settings: SettingsT = self._settings_from(settings)
        self.limits = limits
        self.prices = prices

    @classmethod
    def _trust_from(cls, trust: str) -> Trust:
        if not (cls.reads and cls.contestable):
            raise UsageError(f"the answers of the strategy {cls.name} rest on no single passages: leave out trust")
        try:
            return Trust(trust)
        except ValueError:
            raise UsageError(f"{trust!r} is nobody to trust: choose one of {', '.join(Trust)}") from None

    @classmethod
    def _settings_from(cls, settings: Any) -> Any:
        if settings is None:
            return cls.settings_class()
        if isinstance(settings, cls.settings_class):
            return settings
        cls._check_names(settings)
        return cls.settings_class(**settings)

    @classmethod
    def _check_names(cls, settings: Collection[str]) -> None:
        known = {field.name for field in dataclasses.fields(cls.settings_class)}
        if unknown := sorted(set(settings) - known):
            raise UsageError(
                f"the strategy {cls.name} has no setting {', '.join(unknown)}: it has {', '.join(sorted(known))}"
            )

    @abstractmethod
    async def _read(self, session: Session) -> Answer:
        """Answer `session.question` from `session.corpus` by calls through `session.engine`."""

    def _begin(self, session: Session, *, chunks: int, order: str, steps: Sequence[int] = ()) -> None:
        """Announce the run; the first event of every strategy."""
        session.emit(
            RunStarted(
                run_id=session.run_id,
                question=session.question,
                strategy=self.name,
                model=self.model.name,
                seeker_model=self.seeker_model.name,
                chunks=chunks,
                order=order,
                window=min(self.model.window, self.seeker_model.window),
                steps=tuple(steps),
            )
        )

    async def run(
        self,
        question: str,
        corpus: Corpus,
        *,
        emit: Emit | None = None,
        journal: Journal | None = None,
        run_id: str | None = None,
    ) -> Answer:
        """Answer `question` from `corpus`.

        Args:
            question: what is asked.
            corpus: what to read.
            emit: is told every event as it happens.
            journal: remembers completions, so that a run can be resumed.
            run_id: the run's id in a store, put into the answer.

        Returns:
            The answer; its verdict tells how the question ended. Never a verdict of `failed`: that is raised.

        Raises:
            UsageError: the question is empty, or longer than the window.
            RunFailed: no chunk could be read, or the reasoning agent's calls failed.
        """
        if not question.strip():
            raise UsageError("the question is empty: say what you want to know")
        relay: list[Session] = []
        engine = Engine(self.limits, journal=journal, emit=lambda event: relay[0].hear(event), prices=self.prices)
        session = Session(question.strip(), corpus, engine, emit, run_id)
        relay.append(session)
        try:
            answer = await self._answer(session)
        except BudgetExceeded as error:
            session.warn(str(error))
            answer = dataclasses.replace(session.best, verdict=Verdict.OUT_OF_BUDGET)
        except ModelError as error:
            failed = self._finish(session, session.answer("", Verdict.FAILED))
            raise RunFailed(_first_cause(session, error), failed) from error
        return self._finish(session, answer)

    async def _answer(self, session: Session) -> Answer:
        if self.reads and not session.corpus.chunk_count:
            self._begin(session, chunks=0, order="document")
            session.warn("the corpus is empty: there is nothing to read")
            return session.answer("", Verdict.NOTHING_FOUND, rounds=0)
        await session.engine.prepare(self.model, self.seeker_model)
        await self._check_question(session.question)
        answer = await self._read(session)
        if self.trust is None or not session.contestable or answer.verdict is Verdict.OUT_OF_BUDGET:
            return answer
        from pansophy.reading.ledger import settled

        session.best = answer
        return await settled(session, self.model, answer, self.trust)

    async def _check_question(self, question: str) -> None:
        for model in (self.model, self.seeker_model):
            size = await model.count_tokens(question)
            if size * 2 > model.window:
                raise UsageError(
                    f"the question has {size} tokens, but the window of {model.name} is {model.window}: it may fill at "
                    "most half of it. Shorten the question, or give its long part as a source."
                )

    def _finish(self, session: Session, answer: Answer) -> Answer:
        answer = dataclasses.replace(
            answer,
            failed_chunks=tuple(session.failed.values()),
            usage=_round(session.engine.usage),
            settings={**self.describe(), **session.described},
            run_id=session.run_id,
            warnings=tuple(session.warnings),
            seconds=round(session.seconds, 3),
        )
        session.emit(AnswerReady(answer=answer))
        return dataclasses.replace(answer, trace=tuple(session.trace))

    def describe(self) -> dict[str, Any]:
        """Strategy, models and settings as plain JSON data: what the fingerprint of a run is made of."""
        return {
            "strategy": self.name,
            "model": self.model.name,
            "seeker_model": self.seeker_model.name,
            **({} if self.trust is None else {"trust": str(self.trust)}),
            **{key: list(v) if isinstance(v, tuple) else v for key, v in dataclasses.asdict(self.settings).items()},  # type: ignore[call-overload]
        }

    async def stream(
        self, question: str, corpus: Corpus, *, journal: Journal | None = None, run_id: str | None = None
    ) -> AsyncIterator[Event]:
        """The events of `run` as they happen; the last one is `AnswerReady`. Leaving the loop early stops the run.

        Raises:
            As `run`.
        """
        events: asyncio.Queue[Event | None] = asyncio.Queue()

        async def read() -> None:
            try:
                await self.run(question, corpus, emit=events.put_nowait, journal=journal, run_id=run_id)
            finally:
                events.put_nowait(None)

        task = asyncio.create_task(read())
        try:
            while (event := await events.get()) is not None:
                yield event
            await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def aclose(self) -> None:
        """Free the models."""
        await self.model.aclose()
        if self.seeker_model is not self.model:
            await self.seeker_model.aclose()


def _round(usage: Usage) -> Usage:
    return dataclasses.replace(usage, seconds=round(usage.seconds, 3))


def _first_cause(session: Session, error: ModelError) -> str:
    cause = session.failures[0] if session.failures else error
    if len(session.failures) > 1:
        return f"none of the {len(session.failures)} chunks tried could be read; the first said: {cause}"
    return str(cause)
