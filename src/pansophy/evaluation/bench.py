"""Asks a dataset's questions of several strategies and keeps every result.

A bench lives in a folder: `manifest.json` says what was measured and with what, `STRATEGY.jsonl` has one row for each
question, appended as it is finished, so that a bench stopped at any moment goes on where it was. There are as many
rows as questions: an example that failed is a row with its error and counts as wrong. `STRATEGY.answers.jsonl` keeps
the questions and full answers for reading; it quotes the dataset's text, so mind its licence when publishing.

Knows nothing of how a strategy works or where its models come from: strategies are passed in.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pansophy.errors import AuthenticationFailed, BudgetExceeded, RunFailed, UnknownModel, UsageError
from pansophy.evaluation.datasets import Dataset, Question
from pansophy.evaluation.metrics import score_evidence
from pansophy.evaluation.rows import BenchFolder, Row
from pansophy.types import Answer, Verdict

# These would fail every question in the same way: better to stop than to fill the rows with one mistake.
_FATAL = (AuthenticationFailed, UnknownModel)


class Strategy(Protocol):
    """What can be measured: anything with a `run` that answers a question over a corpus (awaitable or not)."""

    def run(self, question: str, corpus: Any, /) -> Answer | Awaitable[Answer]: ...


@dataclass(frozen=True, slots=True)
class Contender:
    """A strategy with what identifies it in the results.

    `settings` is everything that can change its answers, as JSON data; `models` are the identities of its models.
    `limit` asks it fewer questions than the others (None: all that the bench selects).
    """

    name: str
    strategy: Strategy
    settings: Mapping[str, Any]
    models: tuple[str, ...]
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class BenchProgress:
    """One question is done: question `done` of `total` of one strategy.

    `row` is what came out, `remaining_seconds` the expected time for the strategy's other questions (None until one
    was answered in this process).
    """

    strategy: str
    done: int
    total: int
    row: Row
    remaining_seconds: float | None


async def run_bench(
    dataset: Dataset,
    corpus: Any | Callable[[Question], Any],
    contenders: Sequence[Contender],
    folder: str | Path,
    *,
    limit: int | None = None,
    offset: int = 0,
    question_seconds: float | None = None,
    total_seconds: float | None = None,
    retry_failed: bool = False,
    at_once: int = 1,
    seed: int = 0,
    command: Sequence[str] | None = None,
    on_progress: Callable[[BenchProgress], None] | None = None,
) -> dict[str, list[Row]]:
    """Ask the selected questions of each contender and write the rows into `folder`; finished rows are not repeated.

    Args:
        dataset: the questions.
        corpus: what the strategies search, made of the dataset's documents; its `fingerprint` is recorded. Or, where
            questions have documents of their own, a function from a question to its corpus; making it is no part of
            the question's time.
        contenders: the strategies, with distinct names.
        folder: where the bench is kept; may hold an unfinished bench with the same settings.
        limit: how many questions (None: all), after the first `offset`.
        question_seconds: a question that takes longer counts as failed. A strategy's own deadline, which gives a
            partial answer, should be shorter.
        total_seconds: no new question is begun after so many seconds; call again to go on.
        retry_failed: ask questions again whose row has an error.
        at_once: questions of a strategy asked at the same time. Where they share a machine or an endpoint, the seconds
            of each are then longer.
        seed: recorded, and part of the fingerprint.
        command: recorded (default: this process's command line).
        on_progress: called after each question, also for each that was finished before.

    Returns:
        The rows of each contender in the order of the questions.

    Raises:
        RunError: the folder has results made with other settings, models or data; says which.
        BudgetExceeded: `total_seconds` are over and questions are left.
        AuthenticationFailed, UnknownModel: the model can't be used at all; the rows so far are kept.
    """
    _check_names(contenders)
    if at_once < 1:
        raise UsageError(f"at_once must be at least 1, not {at_once}")
    selected = dataset.select(limit, offset)
    chosen = {contender.name: selected[: contender.limit] for contender in contenders}
    place = BenchFolder(folder)
    fingerprint = "one for each question" if callable(corpus) else str(corpus.fingerprint)
    place.open_session(dataset, fingerprint, seed, command)
    for contender in contenders:  # all of them before the first call: a mismatch must not cost an hour
        identities = [question.id for question in chosen[contender.name]]
        place.enter(contender.name, contender.settings, contender.models, identities)
    until = None if total_seconds is None else time.monotonic() + total_seconds
    results: dict[str, list[Row]] = {}
    for contender in contenders:
        questions = chosen[contender.name]
        task = _Task(dataset, corpus, contender, place, question_seconds, on_progress)
        results[contender.name] = await task.ask_all(questions, retry_failed=retry_failed, until=until, at_once=at_once)
        place.finish(contender.name)
    return results


def _check_names(contenders: Sequence[Contender]) -> None:
    names = [contender.name for contender in contenders]
    if not names or len(set(names)) != len(names):
        raise ValueError(f"a bench needs one or more strategies with distinct names, not {names}")


async def _all(works: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Wait for all; the first error stops the others."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class _Task:
    """One contender's part of a bench."""

    dataset: Dataset
    corpus: Any
    contender: Contender
    place: BenchFolder
    question_seconds: float | None
    on_progress: Callable[[BenchProgress], None] | None
    making: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def ask_all(
        self, questions: Sequence[Question], *, retry_failed: bool, until: float | None, at_once: int
    ) -> list[Row]:
        name = self.contender.name
        kept = {row.question_id: row for row in self.place.rows(name) if not (retry_failed and row.error)}
        rows = {question.id: kept[question.id] for question in questions if question.id in kept}
        for number, row in enumerate(rows.values(), 1):
            self._tell(number, len(questions), row, None)
        waiting = iter([question for question in questions if question.id not in rows])
        begun, before = time.monotonic(), len(rows)

        async def ask_in_turn() -> None:
            for question in waiting:
                if until is not None and time.monotonic() >= until:
                    return
                rows[question.id] = row = await self._ask(question)
                pace = (time.monotonic() - begun) / (len(rows) - before)
                self._tell(len(rows), len(questions), row, pace * (len(questions) - len(rows)))

        await _all([ask_in_turn() for _ in range(at_once)])
        if left := len(questions) - len(rows):
            raise BudgetExceeded(
                f"the bench's time is over with {left} questions of {name} left; the same command goes on"
            )
        return [rows[question.id] for question in questions]

    def _tell(self, done: int, total: int, row: Row, remaining: float | None) -> None:
        if self.on_progress is not None:
            self.on_progress(BenchProgress(self.contender.name, done, total, row, remaining))

    async def _ask(self, question: Question) -> Row:
        """Ask one question and write down what came of it, whatever it is."""
        corpus = self.corpus
        if callable(corpus):
            async with self.making:  # one text at a time: the threads are for the questions being asked
                corpus = await asyncio.to_thread(corpus, question)
        begun = time.perf_counter()
        answer: Answer | None = None
        error: str | None = None
        try:
            async with asyncio.timeout(self.question_seconds):
                outcome = self.contender.strategy.run(question.text, corpus)
                answer = await outcome if inspect.isawaitable(outcome) else outcome
        except _FATAL:
            raise
        except TimeoutError as failure:
            error = str(failure) or f"no answer within {self.question_seconds} s"
        except RunFailed as failure:
            if isinstance(failure.__cause__, _FATAL):
                raise failure.__cause__ from failure
            answer, error = failure.answer, str(failure)
        except Exception as failure:  # noqa: BLE001 - whatever it was, it becomes a row that counts as wrong
            error = f"{type(failure).__name__}: {failure}"
        seconds = time.perf_counter() - begun
        row = self._row(question, answer, error, seconds)
        self.place.append(self.contender.name, row, question, answer)
        return row

    def _row(self, question: Question, answer: Answer | None, error: str | None, seconds: float) -> Row:
        score = self.dataset.score
        if answer is None:
            return Row(
                question_id=question.id,
                error=error,
                verdict=str(Verdict.FAILED),
                kind=question.kind,
                score=None if score is None else 0.0,
                seconds=round(seconds, 3),
            )
        if answer.verdict is Verdict.FAILED and not error:
            error = "; ".join(answer.warnings) or "the strategy failed without saying why"
        scorer = self.dataset.scorer
        prediction = "" if error else answer.text
        evidence = score_evidence(() if error else answer.evidence, question.gold_documents)
        return Row(
            question_id=question.id,
            error=error,
            prediction=prediction,
            verdict=str(answer.verdict),
            kind=question.kind,
            score=None if score is None else 0.0 if error else score(prediction, question),
            f1=scorer.f1(prediction, question.answers),
            exact_match=scorer.exact_match(prediction, question.answers),
            contains=scorer.contains(prediction, question.answers),
            evidence_hit=evidence.hit,
            evidence_precision=evidence.precision,
            evidence_recall=evidence.recall,
            evidence_documents=tuple(dict.fromkeys(item.document for item in answer.citations or answer.evidence)),
            rounds=answer.rounds,
            failed_chunks=len(answer.failed_chunks),
            calls=answer.usage.calls,
            prompt_tokens=answer.usage.prompt_tokens,
            cached_tokens=answer.usage.cached_tokens,
            completion_tokens=answer.usage.completion_tokens,
            seconds=round(seconds, 3),
            warnings=answer.warnings,
        )
