"""What the commands of `pansophy bench` do with a benchmark's data: measure strategies on it, or filter it."""

from __future__ import annotations

import asyncio
import dataclasses
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from pansophy.cli.ask import strategy_name
from pansophy.cli.bench.options import (
    READS_ALL,
    AtOnce,
    BaseUrl,
    ChunkTokens,
    Deadline,
    Ids,
    Limit,
    LimitAll,
    Model,
    Offset,
    Output,
    QuestionDeadline,
    RetryFailed,
    Seed,
    SeekerModel,
    Settings,
    Strategies,
    Threshold,
    Window,
)
from pansophy.errors import UsageError

if TYPE_CHECKING:
    from pansophy.corpus import Corpus
    from pansophy.evaluation.bench import BenchProgress, Contender
    from pansophy.evaluation.datasets import Dataset, Question
    from pansophy.evaluation.filtering import Filtered
    from pansophy.evaluation.haystack import Count
    from pansophy.models import ChatModel
    from pansophy.types import Document


@dataclass(frozen=True, slots=True)
class Data:
    """What a benchmark returns.

    `make` gets the reasoning model's tokenizer. The questions are asked of `corpus`, else of the dataset's documents.
    `settings` are for every strategy that has them.
    """

    make: Callable[[Count], Dataset]
    corpus: Corpus | None = None
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def measure(
    data: Data,
    *,
    output: Output,
    model: Model = "default",
    seeker_model: SeekerModel = None,
    base_url: BaseUrl = None,
    window: Window = None,
    strategies: Strategies,
    limit: Limit = None,
    offset: Offset = 0,
    limit_all: LimitAll = None,
    ids: Ids = None,
    settings: Settings = None,
    question_deadline: QuestionDeadline = None,
    deadline: Deadline = None,
    retry_failed: RetryFailed = False,
    at_once: AtOnce = 1,
    seed: Seed = 0,
) -> None:
    """Measure, and write and print the report."""
    from pansophy.evaluation.bench import run_bench
    from pansophy.evaluation.report import build_report

    names = strategy_names(strategies)
    assignments = [assignment(one) for one in settings or []]
    _check_settings(names, assignments)
    assignments = [*data.settings.items(), *assignments]
    limits = dict.fromkeys(READS_ALL, limit_all)

    async def run() -> None:
        async with _opened(data, model, seeker_model, base_url, window, ids) as (reasoner, seeker, dataset, corpus):
            contenders = [
                _contender(name, reasoner, seeker, assignments, question_deadline, limits.get(name)) for name in names
            ]
            await run_bench(
                dataset,
                corpus,
                contenders,
                output,
                limit=limit,
                offset=offset,
                total_seconds=deadline,
                retry_failed=retry_failed,
                at_once=at_once,
                seed=seed,
                on_progress=_show_answer,
            )

    asyncio.run(run())
    built = build_report([output])
    built.save(output)
    typer.echo(built.markdown())


def keep(
    data: Data,
    *,
    output: Output,
    model: Model = "default",
    base_url: BaseUrl = None,
    window: Window = None,
    limit: Limit = None,
    offset: Offset = 0,
    ids: Ids = None,
    chunk_tokens: ChunkTokens = 8000,
    threshold: Threshold = 0.5,
) -> None:
    """Write down which questions no single chunk answers."""
    from pansophy.engine import Engine
    from pansophy.evaluation.filtering import KEPT, FilterSettings, filter_questions
    from pansophy.reading.conclusion import answer_alone

    async def run() -> Filtered:
        async with _opened(data, model, None, base_url, window, ids) as (reasoner, _, dataset, corpus):
            alone = partial(answer_alone, Engine(), reasoner)
            return await filter_questions(
                dataset,
                corpus,
                alone,
                reasoner,
                output,
                FilterSettings(chunk_tokens, threshold),
                limit=limit,
                offset=offset,
                on_progress=_show_decision,
            )

    state = asyncio.run(run())
    counts = f"{len(state.kept)} kept, {len(state.dropped)} dropped, {len(state.undecided)} undecided"
    typer.echo(f"{counts}: {output / KEPT}")
    if state.undecided:
        raise typer.Exit(1)


def strategy_names(value: str) -> list[str]:
    """The strategies' names of a comma-separated list."""
    names = [strategy_name(name.strip()) for name in value.split(",") if name.strip()]
    if not names or len(set(names)) != len(names):
        raise typer.BadParameter(f"{value!r}: give one or more strategies, each once, such as extagents,top_k")
    return names


def assignment(value: str) -> tuple[str, Any]:
    """NAME=VALUE with the value read as JSON where it is JSON, else as text."""
    import json

    name, equals, text = value.partition("=")
    if not equals or not name.strip():
        raise typer.BadParameter(f"{value!r} is not of the form NAME=VALUE")
    try:
        return name.strip().replace("-", "_"), json.loads(text)
    except ValueError:
        return name.strip().replace("-", "_"), text


@asynccontextmanager
async def _opened(
    data: Data, model: str, seeker_model: str | None, base_url: str | None, window: int | None, ids: Path | None
) -> AsyncIterator[tuple[ChatModel, ChatModel, Dataset, Corpus | _Corpora]]:
    """The two models, loaded; the dataset; the corpus of its questions, or one for each."""
    from pansophy.evaluation.filtering import read_ids
    from pansophy.models import open_pair, prepare

    reasoner, seeker = open_pair(model, seeker_model, base_url=base_url, window=window)
    loop = asyncio.get_running_loop()

    def count(text: str) -> int:  # called from other threads
        return asyncio.run_coroutine_threadsafe(reasoner.count_tokens(text), loop).result()

    try:
        # Loading a model is no part of the first question's time.
        for one in {id(one): one for one in (reasoner, seeker)}.values():
            await prepare(one)
        dataset = await asyncio.to_thread(data.make, count)
        if ids is not None:
            dataset = dataset.only(read_ids(ids, dataset))
        with tempfile.TemporaryDirectory(prefix="pansophy-bench-") as folder:
            corpora = _Corpora(dataset, Path(folder))
            made = corpora.shared() if data.corpus is None and dataset.documents_of is None else corpora
            yield reasoner, seeker, dataset, data.corpus or made
    finally:
        await reasoner.aclose()
        if seeker is not reasoner:
            await seeker.aclose()


def _contender(
    name: str,
    model: ChatModel,
    seeker: ChatModel,
    assignments: Sequence[tuple[str, Any]],
    question_seconds: float | None,
    limit: int | None,
) -> Contender:
    from pansophy.engine import Limits
    from pansophy.evaluation.bench import Contender
    from pansophy.reading.ask import strategy_class

    kind = strategy_class(name)
    fields = {field.name for field in dataclasses.fields(kind.settings_class)}
    chosen = {key: value for key, value in assignments if key in fields}
    for key, value in assignments:
        owner, dot, setting = key.partition(".")
        if dot and strategy_name(owner) == name:
            chosen[setting] = value
    limits = Limits(deadline=question_seconds)
    strategy = kind(model, seeker_model=None if seeker is model else seeker, settings=chosen, limits=limits)
    settings = {**strategy.describe(), "window": model.window, "question_deadline": question_seconds}
    for private in ("strategy", "model", "seeker_model"):  # a model is recorded by its identity, not by its path
        settings.pop(private, None)
    identities = tuple(dict.fromkeys((model.identity, seeker.identity)))
    return Contender(name, strategy, settings, identities, limit)


def _check_settings(names: Sequence[str], assignments: Sequence[tuple[str, Any]]) -> None:
    """A misspelt setting must not be passed over in silence."""
    from pansophy.reading.ask import strategy_class

    known = {name: {field.name for field in dataclasses.fields(strategy_class(name).settings_class)} for name in names}
    for key, _ in assignments:
        owner, dot, setting = key.partition(".")
        having = known.get(strategy_name(owner), set()) if dot else set().union(*known.values())
        if (setting if dot else key) not in having:
            there = "; ".join(f"{name} has {', '.join(sorted(fields))}" for name, fields in known.items())
            raise UsageError(f"no strategy of this bench has the setting {key}: {there}")


@dataclass(slots=True)
class _Corpora:
    """The corpora of a dataset, each made when it is first asked for and kept until the bench ends.

    Questions about the same texts share one.
    """

    dataset: Dataset
    folder: Path
    made: dict[tuple[tuple[str, str], ...], Corpus] = dataclasses.field(default_factory=dict)
    of_question: dict[str, Corpus] = dataclasses.field(default_factory=dict)

    def shared(self) -> Corpus:
        return self._corpus(self.dataset.documents)

    def __call__(self, question: Question) -> Corpus:
        if question.id not in self.of_question:
            assert self.dataset.documents_of is not None
            self.of_question[question.id] = self._corpus(self.dataset.documents_of(question))
        return self.of_question[question.id]

    def _corpus(self, documents: Sequence[Document]) -> Corpus:
        from pansophy.corpus import Corpus

        texts = tuple((document.id, document.sha256) for document in documents)
        if texts not in self.made:
            corpus = Corpus.create("texts", uri=str(self.folder / str(len(self.made))))
            corpus.add_documents(documents)
            self.made[texts] = corpus
        return self.made[texts]


def _show_answer(progress: BenchProgress) -> None:
    """One line on standard error for each question."""
    from pansophy.cli.wording import clock, one_line

    row = progress.row
    said = f"error: {row.error}" if row.error else row.prediction
    left = "" if progress.remaining_seconds is None else f"  {clock(progress.remaining_seconds)} left"
    quality = f"F1 {row.f1:.2f}" if row.score is None else f"score {row.score:.2f}"
    score = f"{quality}  {row.seconds:6.1f} s"
    typer.echo(f"{progress.strategy} {progress.done}/{progress.total}  {score}{left}  {one_line(said)[:80]}", err=True)


def _show_decision(number: int, total: int, question_id: str, state: Filtered) -> None:
    """One line on standard error for each question."""
    from pansophy.cli.wording import one_line

    dropped = next((one for one in state.dropped if one.question_id == question_id), None)
    what = "kept" if question_id in state.kept else "undecided: a chunk could not be read"
    if dropped is not None:
        what = f"dropped: chunk {dropped.chunk} alone gives {one_line(dropped.prediction)[:60]!r}"
    typer.echo(f"{number}/{total}  {question_id}  {what}", err=True)
