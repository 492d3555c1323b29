"""`pansophy bench`: ask a dataset's questions of several strategies, and report what came of it."""

from __future__ import annotations

import asyncio
import dataclasses
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pansophy.cli.ask import STRATEGIES, duration, strategy_name
from pansophy.cli.bench_filter import filter_app, wanted
from pansophy.cli.bench_filter import show_progress as show_filtering
from pansophy.cli.bench_judge import judge
from pansophy.errors import UsageError

if TYPE_CHECKING:
    from pansophy.corpus import Corpus
    from pansophy.evaluation.bench import BenchProgress, Contender
    from pansophy.evaluation.datasets import Dataset, Question
    from pansophy.evaluation.filtering import FilterSettings
    from pansophy.evaluation.haystack import Count
    from pansophy.models import ChatModel
    from pansophy.types import Document

app = typer.Typer(no_args_is_help=True, help="Measure strategies and models on questions with known answers.")

READS_ALL = ("map_reduce", "running_note", "readagent", "aggregation")
"""Strategies that read the whole corpus for every question unless `--max-chunks` bounds them."""


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


@app.command("list")
def list_datasets() -> None:
    """List the datasets that can be measured on, and whether they are found here."""
    from pansophy.errors import SourceError
    from pansophy.evaluation.babilong import TASKS as BABILONG_TASKS
    from pansophy.evaluation.datasets import HOTPOTQA_FOLDER, find_data
    from pansophy.evaluation.infinitebench import TASKS as INFINITEBENCH_TASKS
    from pansophy.evaluation.ruler import TASKS as RULER_TASKS

    typer.echo("babilong: facts hidden in a text of any length (Kuratov et al. 2024); made on the spot")
    typer.echo(f"  {', '.join(BABILONG_TASKS)}")
    typer.echo("ruler: needles, variables and words in a text of any length (Hsieh et al. 2024); made on the spot")
    typer.echo(f"  {', '.join(RULER_TASKS)}")
    typer.echo("hops: chains of 2 to 5 facts with invented names in a text of any length; made on the spot")
    typer.echo("hotpotqa: questions that need two paragraphs (Yang et al. 2018), over the union of all paragraphs")
    try:
        typer.echo(f"  {find_data(HOTPOTQA_FOLDER)}")
    except SourceError as error:
        typer.echo(f"  {error}")
    typer.echo("  2wikimultihopqa has the same form (Ho et al. 2020): --data dev.json")
    typer.echo("musique: questions of two to four hops (Trivedi et al. 2022); --data musique_ans_v1.0_dev.jsonl")
    typer.echo("infinitebench: questions on texts beyond 100,000 tokens (Zhang et al. 2024); --data TASK.jsonl")
    typer.echo(f"  {', '.join(INFINITEBENCH_TASKS)}")
    typer.echo("longbench: hard questions with four choices, LongBench v2 (Bai et al. 2024); --data data.json")
    typer.echo("questions: your own, with their texts or over a corpus; --data FILE.jsonl")
    typer.echo(f"strategies: {', '.join(STRATEGIES)}")


# --- options that the benchmarks share --------------------------------------------------------------------------------

Output = Annotated[
    Path, typer.Option("--output", "-o", help="The folder for the results; an unfinished bench there goes on.")
]
Model = Annotated[str, typer.Option("--model", "-m", help="As for pansophy ask.")]
SeekerModel = Annotated[str | None, typer.Option(help="Another model for the reading agents.", show_default=False)]
BaseUrl = Annotated[str | None, typer.Option(help="The endpoint (else OPENAI_BASE_URL).", show_default=False)]
Window = Annotated[
    int | None, typer.Option(min=256, help="Use this context window, in tokens.", show_default="the model's")
]
Strategies = Annotated[str, typer.Option("--strategies", "-s", help=f"Comma-separated, of {', '.join(STRATEGIES)}.")]
Limit = Annotated[int | None, typer.Option("--limit", "-n", min=1, help="How many questions.", show_default="all")]
LimitAll = Annotated[
    int | None,
    typer.Option(
        min=1,
        help=f"How many questions for the strategies that read everything ({', '.join(READS_ALL)}).",
        show_default="as the others",
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A setting for every strategy that has it, such as rounds=2; STRATEGY.NAME=VALUE for one.",
        show_default=False,
    ),
]
QuestionDeadline = Annotated[
    float | None, typer.Option(parser=duration, metavar="TIME", help="Time for one question.", show_default=False)
]
Deadline = Annotated[
    float | None,
    typer.Option(
        parser=duration,
        metavar="TIME",
        help="Begin no question after so long; call again to go on.",
        show_default=False,
    ),
]
Ids = Annotated[
    Path | None,
    typer.Option(
        help="Ask only the questions that this file names: a kept.json of `bench filter`, or a JSON list of ids.",
        show_default="all",
    ),
]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Ask again where the row is an error.")]
EVERY = ",".join(STRATEGIES)


@app.command()
def hotpotqa(
    output: Output,
    data: Annotated[
        Path | None,
        typer.Option(
            help="A folder with questions.json and corpus.json, or a file in the form of HotpotQA and 2WikiMultihopQA.",
            show_default="found through PANSOPHY_DATA",
        ),
    ] = None,
    model: Model = "default",
    seeker_model: SeekerModel = None,
    base_url: BaseUrl = None,
    window: Window = None,
    strategies: Strategies = EVERY,
    limit: Limit = None,
    offset: Annotated[int, typer.Option("--offset", "-k", min=0, help="Leave out the first so many questions.")] = 0,
    limit_all: LimitAll = None,
    settings: Settings = None,
    question_deadline: QuestionDeadline = None,
    deadline: Deadline = None,
    ids: Ids = None,
    retry_failed: RetryFailed = False,
    seed: Annotated[int, typer.Option(help="Recorded with the results.")] = 0,
) -> None:
    """Measure strategies on HotpotQA, or on 2WikiMultihopQA: questions whose answer takes two paragraphs or more.

    For example: pansophy bench hotpotqa --data hotpotqa-100 --strategies extagents,top_k --limit 20 -o results/try
    """
    from pansophy.evaluation.datasets import load_hotpotqa

    dataset = load_hotpotqa(data)
    _run(
        lambda count: dataset,
        strategies,
        Choice(model, seeker_model, base_url, window, _assignments(settings), question_deadline),
        output,
        limit_all=limit_all,
        ids=ids,
        limit=limit,
        offset=offset,
        total_seconds=deadline,
        retry_failed=retry_failed,
        seed=seed,
    )


@app.command()
def babilong(
    output: Output,
    noise: Annotated[Path, typer.Option(help="A text file, or a folder of .txt files, to hide the facts in.")],
    tasks: Annotated[str, typer.Option(help="Such as qa1,qa4 or qa1-qa5 (of qa1 to qa10).")] = "qa1-qa5",
    length: Annotated[str, typer.Option(help="Tokens of a text: 0 (facts alone), 4000, 128k, 1M.")] = "128k",
    samples: Annotated[int, typer.Option("--samples", "-n", min=1, help="Questions of each task.")] = 10,
    model: Model = "default",
    seeker_model: SeekerModel = None,
    base_url: BaseUrl = None,
    window: Window = None,
    strategies: Strategies = "extagents,top_k,direct",
    limit_all: LimitAll = None,
    settings: Settings = None,
    question_deadline: QuestionDeadline = None,
    deadline: Deadline = None,
    ids: Ids = None,
    retry_failed: RetryFailed = False,
    seed: Annotated[int, typer.Option(help="Of the problems and their texts.")] = 0,
) -> None:
    """Measure strategies on BABILong: facts of a small world, in their order, hidden in a text of any length.

    Texts are made with the reasoning model's tokenizer. For example: pansophy bench babilong --tasks qa1,qa4 --length
    32k --noise books/ --samples 10 -o results/babilong-32k
    """
    from pansophy.evaluation.babilong import TASKS
    from pansophy.evaluation.babilong import babilong as problems
    from pansophy.evaluation.haystack import length_of, names_of, read_noise

    chosen, tokens = names_of(tasks, list(TASKS)), length_of(length)
    _run(
        lambda count: problems(chosen, tokens, samples, read_noise(noise, count), seed=seed),
        strategies,
        Choice(model, seeker_model, base_url, window, _assignments(settings), question_deadline),
        output,
        limit_all=limit_all,
        ids=ids,
        total_seconds=deadline,
        retry_failed=retry_failed,
        seed=seed,
    )


@app.command()
def ruler(
    output: Output,
    noise: Annotated[
        Path | None,
        typer.Option(
            help="A text file, or a folder of .txt files, to hide the facts in.",
            show_default="none, for tasks that need none",
        ),
    ] = None,
    tasks: Annotated[str, typer.Option(help="Comma-separated; `bench list` names them.")] = "niah_multikey_1,vt,cwe",
    length: Annotated[str, typer.Option(help="Tokens of a text: 4000, 128k, 1M.")] = "32k",
    samples: Annotated[int, typer.Option("--samples", "-n", min=1, help="Questions of each task.")] = 10,
    model: Model = "default",
    seeker_model: SeekerModel = None,
    base_url: BaseUrl = None,
    window: Window = None,
    strategies: Strategies = "extagents,top_k,direct",
    limit_all: LimitAll = None,
    settings: Settings = None,
    question_deadline: QuestionDeadline = None,
    deadline: Deadline = None,
    ids: Ids = None,
    retry_failed: RetryFailed = False,
    seed: Annotated[int, typer.Option(help="Of the problems and their texts.")] = 0,
) -> None:
    """Measure strategies on RULER: needles, chains of variables, words to count, in a text of any length.

    For example: pansophy bench ruler --tasks niah_multikey_1,vt --length 32k --noise books/ -o results/ruler-32k
    """
    from pansophy.evaluation.haystack import length_of, names_of, read_noise
    from pansophy.evaluation.ruler import TASKS
    from pansophy.evaluation.ruler import ruler as problems

    chosen, tokens = names_of(tasks, TASKS), length_of(length)

    def make(count: Count) -> Dataset:
        return problems(chosen, tokens, samples, None if noise is None else read_noise(noise, count), count, seed=seed)

    _run(
        make,
        strategies,
        Choice(model, seeker_model, base_url, window, _assignments(settings), question_deadline),
        output,
        limit_all=limit_all,
        ids=ids,
        total_seconds=deadline,
        retry_failed=retry_failed,
        seed=seed,
    )


@app.command()
def hops(
    output: Output,
    noise: Annotated[Path, typer.Option(help="A text file, or a folder of .txt files, to hide the facts in.")],
    hops: Annotated[str, typer.Option(help="Facts that an answer takes: such as 2,3 or 2-5 (of 2 to 5).")] = "2,3",
    length: Annotated[str, typer.Option(help="Tokens of a text: 0 (facts alone), 4000, 128k, 1M.")] = "32k",
    samples: Annotated[int, typer.Option("--samples", "-n", min=1, help="Questions for each number of hops.")] = 10,
    decoys: Annotated[int, typer.Option(min=0, help="Other chains of the same relations in each text.")] = 3,
    model: Model = "default",
    seeker_model: SeekerModel = None,
    base_url: BaseUrl = None,
    window: Window = None,
    strategies: Strategies = "extagents,top_k,direct",
    limit_all: LimitAll = None,
    settings: Settings = None,
    question_deadline: QuestionDeadline = None,
    deadline: Deadline = None,
    ids: Ids = None,
    retry_failed: RetryFailed = False,
    seed: Annotated[int, typer.Option(help="Of the problems and their texts.")] = 0,
) -> None:
    """Measure strategies on chains of facts about invented people, which can only be found one after another.

    For example: pansophy bench hops --hops 2,3 --length 32k --noise books/ --samples 10 -o results/hops-32k
    """
    from pansophy.evaluation.haystack import length_of, names_of, read_noise
    from pansophy.evaluation.hops import HOPS
    from pansophy.evaluation.hops import hops as problems

    chosen, tokens = [int(number) for number in names_of(hops, [str(number) for number in HOPS])], length_of(length)
    _run(
        lambda count: problems(chosen, tokens, samples, read_noise(noise, count), decoys=decoys, seed=seed),
        strategies,
        Choice(model, seeker_model, base_url, window, _assignments(settings), question_deadline),
        output,
        limit_all=limit_all,
        ids=ids,
        total_seconds=deadline,
        retry_failed=retry_failed,
        seed=seed,
    )


@app.command("report")
def report(
    folders: Annotated[list[Path], typer.Argument(help="Folders of benches, finished or not.", show_default=False)],
    reference: Annotated[str, typer.Option(help="The strategy that the others are compared with.")] = "extagents",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of Markdown.")] = False,
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            help="Also write it here: a page with plots (.html), the tables (.md), the data (.json), quality against "
            "length (.svg), or a folder for report.md and report.json. May be given several times.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Report benches: F1 beside containment, 95% intervals, paired comparisons, plots against length and cost.

    For example: pansophy bench report results/babilong-* -o babilong.html
    """
    from pansophy.evaluation.report import build_report

    built = build_report(folders, reference=reference)
    built.save(*output or ())
    typer.echo(built.json() if as_json else built.markdown())


@dataclass(frozen=True, slots=True)
class Choice:
    """The models and settings that the strategies are made with."""

    model: str
    seeker_model: str | None
    base_url: str | None
    window: int | None
    settings: tuple[tuple[str, Any], ...]
    question_seconds: float | None


def _assignments(settings: list[str] | None) -> tuple[tuple[str, Any], ...]:
    return tuple(assignment(one) for one in settings or [])


def _run(
    make: Callable[[Count], Dataset],
    strategies: str,
    choice: Choice,
    output: Path,
    *,
    limit_all: int | None,
    ids: Path | None = None,
    **options: Any,
) -> None:
    """Measure, and write and print the report; or filter, under `bench filter`.

    `make` gets the reasoning model's tokenizer. With `corpus` (among the options) the questions are asked of that one,
    else of the dataset's documents.
    """
    from pansophy.evaluation.report import build_report

    if (rule := wanted.get()) is not None:
        selection = {name: options[name] for name in ("limit", "offset") if name in options}
        asyncio.run(_filter(make, rule, choice, output, ids, **selection))
        return
    names = strategy_names(strategies)
    asyncio.run(_measure(make, names, choice, output, ids, limits=dict.fromkeys(READS_ALL, limit_all), **options))
    built = build_report([output])
    built.save(output)
    typer.echo(built.markdown())


async def _measure(
    make: Callable[[Count], Dataset],
    names: list[str],
    choice: Choice,
    output: Path,
    ids: Path | None,
    *,
    limits: dict[str, int | None],
    corpus: Corpus | None = None,
    **options: Any,
) -> None:
    from pansophy.evaluation.bench import run_bench

    _check_settings(names, choice)
    async with _opened(make, choice, ids, corpus) as (model, seeker, dataset, asked):
        contenders = [_contender(name, model, seeker, choice, limits.get(name)) for name in names]
        await run_bench(dataset, asked, contenders, output, on_progress=_show_progress, **options)


async def _filter(
    make: Callable[[Count], Dataset],
    rule: FilterSettings,
    choice: Choice,
    output: Path,
    ids: Path | None,
    **selection: Any,
) -> None:
    from pansophy.engine import Engine
    from pansophy.evaluation.filtering import KEPT, filter_questions
    from pansophy.reading.conclusion import answer_alone

    async with _opened(make, choice, ids) as (model, _, dataset, corpus):
        alone = partial(answer_alone, Engine(), model)
        state = await filter_questions(
            dataset, corpus, alone, model, output, rule, on_progress=show_filtering, **selection
        )
    counts = f"{len(state.kept)} kept, {len(state.dropped)} dropped, {len(state.undecided)} undecided"
    typer.echo(f"{counts}: {output / KEPT}")
    if state.undecided:
        raise typer.Exit(1)


@asynccontextmanager
async def _opened(
    make: Callable[[Count], Dataset], choice: Choice, ids: Path | None, corpus: Corpus | None = None
) -> AsyncIterator[tuple[ChatModel, ChatModel, Dataset, Corpus | _Corpora]]:
    """The two models, loaded; the dataset; the corpus of its questions (`corpus`, if given), or one for each."""
    from pansophy.evaluation.filtering import read_ids
    from pansophy.models import open_pair, prepare

    model, seeker = open_pair(choice.model, choice.seeker_model, base_url=choice.base_url, window=choice.window)
    loop = asyncio.get_running_loop()

    def count(text: str) -> int:  # called from other threads
        return asyncio.run_coroutine_threadsafe(model.count_tokens(text), loop).result()

    try:
        # Loading a model is no part of the first question's time.
        for one in {id(one): one for one in (model, seeker)}.values():
            await prepare(one)
        dataset = await asyncio.to_thread(make, count)
        if ids is not None:
            dataset = dataset.only(read_ids(ids, dataset))
        with tempfile.TemporaryDirectory(prefix="pansophy-bench-") as folder:
            corpora = _Corpora(dataset, Path(folder))
            yield model, seeker, dataset, corpus or (corpora.shared() if dataset.documents_of is None else corpora)
    finally:
        await model.aclose()
        if seeker is not model:
            await seeker.aclose()


def _contender(name: str, model: ChatModel, seeker: ChatModel, choice: Choice, limit: int | None) -> Contender:
    from pansophy.engine import Limits
    from pansophy.evaluation.bench import Contender
    from pansophy.reading.ask import strategy_class

    kind = strategy_class(name)
    fields = {field.name for field in dataclasses.fields(kind.settings_class)}
    chosen: dict[str, Any] = {}
    for key, value in choice.settings:
        owner, dot, setting = key.partition(".")
        if not dot and key in fields:
            chosen.setdefault(key, value)
        elif dot and strategy_name(owner) == name:
            chosen[setting] = value
    limits = Limits(deadline=choice.question_seconds)
    strategy = kind(model, seeker_model=None if seeker is model else seeker, settings=chosen, limits=limits)
    settings = {**strategy.describe(), "window": model.window, "question_deadline": choice.question_seconds}
    for private in ("strategy", "model", "seeker_model"):  # a model is recorded by its identity, not by its path
        settings.pop(private, None)
    identities = tuple(dict.fromkeys((model.identity, seeker.identity)))
    return Contender(name, strategy, settings, identities, limit)


def _check_settings(names: list[str], choice: Choice) -> None:
    """A misspelt setting must not be passed over in silence."""
    from pansophy.reading.ask import strategy_class

    known = {name: {field.name for field in dataclasses.fields(strategy_class(name).settings_class)} for name in names}
    for key, _ in choice.settings:
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


def _show_progress(progress: BenchProgress) -> None:
    """One line on standard error for each question."""
    from pansophy.cli.wording import clock, one_line

    row = progress.row
    said = f"error: {row.error}" if row.error else row.prediction
    left = "" if progress.remaining_seconds is None else f"  {clock(progress.remaining_seconds)} left"
    quality = f"F1 {row.f1:.2f}" if row.score is None else f"score {row.score:.2f}"
    score = f"{quality}  {row.seconds:6.1f} s"
    typer.echo(f"{progress.strategy} {progress.done}/{progress.total}  {score}{left}  {one_line(said)[:80]}", err=True)


from pansophy.cli import bench_datasets as files  # noqa: E402 - adds its commands, which need what is defined above

app.add_typer(
    filter_app((hotpotqa, babilong, ruler, hops, files.musique, files.infinitebench, files.longbench, files.questions)),
    name="filter",
)
app.command("judge")(judge)
