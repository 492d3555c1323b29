"""`pansophy bench`: ask a dataset's questions of several strategies, and report what came of it."""

from __future__ import annotations

import asyncio
import dataclasses
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pansophy.cli.ask import STRATEGIES, duration, strategy_name
from pansophy.errors import UsageError

if TYPE_CHECKING:
    from pansophy.corpus import Corpus
    from pansophy.evaluation.bench import BenchProgress, Contender
    from pansophy.evaluation.datasets import Dataset
    from pansophy.evaluation.report import Report
    from pansophy.models import ChatModel

app = typer.Typer(no_args_is_help=True, help="Measure strategies and models on questions with known answers.")

READS_ALL = ("map_reduce", "running_note")
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
    from pansophy.evaluation.datasets import KNOWN_DATASETS, find_data

    for known in KNOWN_DATASETS:
        try:
            place = str(find_data(known.folder))
        except SourceError as error:
            place = str(error)
        typer.echo(f"{known.name}: {known.description}\n  {place}")
    typer.echo(f"strategies: {', '.join(STRATEGIES)}")


@app.command()
def hotpotqa(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder for the results; an unfinished bench there goes on.")
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            help="A folder with questions.json and corpus.json, or a file in HotpotQA's own form.",
            show_default="found through PANSOPHY_DATA",
        ),
    ] = None,
    model: Annotated[str, typer.Option("--model", "-m", help="As for pansophy ask.")] = "default",
    seeker_model: Annotated[
        str | None, typer.Option(help="Another model for the reading agents.", show_default=False)
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="The endpoint (else OPENAI_BASE_URL).", show_default=False)
    ] = None,
    window: Annotated[
        int | None, typer.Option(min=256, help="Use this context window, in tokens.", show_default="the model's")
    ] = None,
    strategies: Annotated[
        str, typer.Option("--strategies", "-s", help=f"Comma-separated, of {', '.join(STRATEGIES)}.")
    ] = ",".join(STRATEGIES),
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help="How many questions.", show_default="all")
    ] = None,
    offset: Annotated[int, typer.Option("--offset", "-k", min=0, help="Leave out the first so many questions.")] = 0,
    limit_all: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=f"How many questions for the strategies that read everything ({', '.join(READS_ALL)}).",
            show_default="as the others",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A setting for every strategy that has it, such as rounds=2; STRATEGY.NAME=VALUE for one.",
            show_default=False,
        ),
    ] = None,
    question_deadline: Annotated[
        float | None,
        typer.Option(parser=duration, metavar="TIME", help="Time for one question.", show_default=False),
    ] = None,
    deadline: Annotated[
        float | None,
        typer.Option(
            parser=duration,
            metavar="TIME",
            help="Begin no question after so long; call again to go on.",
            show_default=False,
        ),
    ] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Ask again where the row is an error.")] = False,
    seed: Annotated[int, typer.Option(help="Recorded with the results.")] = 0,
) -> None:
    """Measure strategies on HotpotQA: questions whose answer takes two paragraphs.

    For example: pansophy bench hotpotqa --data hotpotqa-100 --strategies extagents,top_k --limit 20 -o results/try
    """
    from pansophy.evaluation.datasets import load_hotpotqa

    names = strategy_names(strategies)
    choice = Choice(
        model=model,
        seeker_model=seeker_model,
        base_url=base_url,
        window=window,
        settings=tuple(assignment(one) for one in settings or []),
        question_seconds=question_deadline,
    )
    asyncio.run(
        _measure(
            load_hotpotqa(data),
            names,
            choice,
            output,
            limits=dict.fromkeys(READS_ALL, limit_all),
            limit=limit,
            offset=offset,
            total_seconds=deadline,
            retry_failed=retry_failed,
            seed=seed,
        )
    )
    from pansophy.evaluation.report import build_report

    _write_report(build_report([output]), output)


@app.command("report")
def report(
    folders: Annotated[list[Path], typer.Argument(help="Folders of benches, finished or not.", show_default=False)],
    reference: Annotated[str, typer.Option(help="The strategy that the others are compared with.")] = "extagents",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of Markdown.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Also write report.md and report.json here.")
    ] = None,
) -> None:
    """Report benches as tables: F1 beside containment, 95% intervals, paired comparisons."""
    import json

    from pansophy.evaluation.report import build_report

    built = build_report(folders, reference=reference)
    if output is not None:
        _write_report(built, output, quiet=True)
    typer.echo(json.dumps(built.to_dict(), ensure_ascii=False, indent=2) if as_json else built.markdown())


@dataclass(frozen=True, slots=True)
class Choice:
    """The models and settings that the strategies are made with."""

    model: str
    seeker_model: str | None
    base_url: str | None
    window: int | None
    settings: tuple[tuple[str, Any], ...]
    question_seconds: float | None


async def _measure(
    dataset: Dataset, names: list[str], choice: Choice, output: Path, *, limits: dict[str, int | None], **options: Any
) -> None:
    from pansophy.evaluation.bench import run_bench
    from pansophy.models import open_pair, prepare

    _check_settings(names, choice)
    model, seeker = open_pair(choice.model, choice.seeker_model, base_url=choice.base_url, window=choice.window)
    try:
        # Loading a model is no part of the first question's time.
        for one in {id(one): one for one in (model, seeker)}.values():
            await prepare(one)
        contenders = [_contender(name, model, seeker, choice, limits.get(name)) for name in names]
        with tempfile.TemporaryDirectory(prefix="pansophy-bench-") as folder:
            corpus = _corpus(dataset, Path(folder))
            await run_bench(dataset, corpus, contenders, output, on_progress=_show_progress, **options)
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


def _corpus(dataset: Dataset, folder: Path) -> Corpus:
    from pansophy.corpus import Corpus

    corpus = Corpus.create(dataset.name, uri=str(folder))
    corpus.add_documents(dataset.documents)
    return corpus


def _show_progress(progress: BenchProgress) -> None:
    """One line on standard error for each question."""
    from pansophy.cli.wording import clock, one_line

    row = progress.row
    said = f"error: {row.error}" if row.error else row.prediction
    left = "" if progress.remaining_seconds is None else f"  {clock(progress.remaining_seconds)} left"
    score = f"F1 {row.f1:.2f}  {row.seconds:6.1f} s"
    typer.echo(f"{progress.strategy} {progress.done}/{progress.total}  {score}{left}  {one_line(said)[:80]}", err=True)


def _write_report(built: Report, folder: Path, *, quiet: bool = False) -> None:
    import json

    page = built.markdown()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.md").write_text(page, "utf-8")
    (folder / "report.json").write_text(json.dumps(built.to_dict(), ensure_ascii=False, indent=2) + "\n", "utf-8")
    if not quiet:
        typer.echo(page)
