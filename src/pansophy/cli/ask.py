"""`pansophy ask`: a question, texts of any size, an answer with checked citations."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pansophy.cli.lines import Lines
from pansophy.cli.showing import Show, open_view, run_shown, show_answer
from pansophy.cli.steps import show_step
from pansophy.errors import UsageError

if TYPE_CHECKING:
    from pansophy.types import Answer

STRATEGIES = (
    "extagents",
    "direct",
    "top_k",
    "map_reduce",
    "running_note",
    "readagent",
    "pike_rag",
    "ikea",
    "aggregation",
    "auto",
    "no_context",
)


class Order(StrEnum):
    """In which order chunks are read."""

    RANK = "rank"
    LATEST = "latest"
    DOCUMENT = "document"


class Unit(StrEnum):
    """What is read at once."""

    CHUNKS = "chunks"
    SENTENCES = "sentences"


class Trust(StrEnum):
    """Whose word counts where sources contradict each other, or the model."""

    TEXT = "text"
    MODEL = "model"
    MAJORITY = "majority"
    RATING = "rating"
    NEWEST = "newest"
    SWAP = "swap"


class Language(StrEnum):
    """In which language the prompts are written."""

    AUTO = "auto"
    ENGLISH = "en"
    CHINESE = "zh"


def strategy_name(value: str) -> str:
    """The strategy's own name, written with hyphens or underscores."""
    name = value.lower().replace("-", "_")
    if name not in STRATEGIES:
        raise typer.BadParameter(f"{value!r} is none of {', '.join(STRATEGIES)}")
    return name


def duration(value: str | float) -> float:
    """Seconds from "90", "90s", "2.5m" or "1h"."""
    text = str(value).strip().lower()
    unit = {"s": 1, "m": 60, "h": 3600}.get(text[-1:], 0)
    try:
        seconds = float(text[:-1] if unit else text) * (unit or 1)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise typer.BadParameter(f"{value!r} is not a time: write 90, 90s, 5m or 1h")
    return seconds


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        UsageError: there is no such file, or it isn't JSON; says which and where.
    """
    import json

    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} can't be read as JSON: {error}") from error


READING = "Reading"
LIMITS = "Limits"
MODELS = "Models"
OUTPUT = "Output"


def ask(
    question: Annotated[str, typer.Argument(help="What you want to know, in any language.", show_default=False)],
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files, folders, globs, - for standard input, python-docs: for Python's language reference.",
            show_default=False,
        ),
    ] = None,
    corpus: Annotated[
        str | None, typer.Option(help="Ask a stored corpus (see pansophy corpus).", show_default=False)
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            help="default (a small embedded model reads, a larger one reasons), embedded (the small one does both), a "
            "name from pansophy models list, a .gguf file, hf://owner/repo/file.gguf, or a model's "
            "name at an OpenAI-compatible endpoint.",
            rich_help_panel=MODELS,
        ),
    ] = "default",
    seeker_model: Annotated[
        str | None,
        typer.Option(
            help="Another model for the reading agents, often a smaller one.",
            rich_help_panel=MODELS,
            show_default=False,
        ),
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option(
            help="The endpoint, such as http://localhost:8080/v1 (else OPENAI_BASE_URL; the key is OPENAI_API_KEY).",
            rich_help_panel=MODELS,
            show_default=False,
        ),
    ] = None,
    window: Annotated[
        int | None,
        typer.Option(
            min=256, help="Use this context window, in tokens.", rich_help_panel=MODELS, show_default="the model's"
        ),
    ] = None,
    strategy: Annotated[
        str,
        typer.Option(
            "--strategy",
            "-s",
            callback=strategy_name,
            help=f"How to read: {', '.join(STRATEGIES)}.",
            rich_help_panel=READING,
        ),
    ] = "extagents",
    order: Annotated[
        Order | None,
        typer.Option(
            help="Read what matches best first; or of that the latest; or everything from the first page on.",
            rich_help_panel=READING,
            show_default="rank, or document for one short text",
        ),
    ] = None,
    exhaustive: Annotated[
        bool, typer.Option("--exhaustive", help="Read every chunk before answering.", rich_help_panel=READING)
    ] = False,
    rounds: Annotated[
        int | None,
        typer.Option(min=1, help="The most rounds of reading.", rich_help_panel=READING, show_default="the strategy's"),
    ] = None,
    chunk_tokens: Annotated[
        int | None,
        typer.Option(
            min=50,
            help="How much text one agent reads, in tokens.",
            rich_help_panel=READING,
            show_default="to suit the model",
        ),
    ] = None,
    max_chunks: Annotated[
        int | None,
        typer.Option(min=1, help="The most chunks to read.", rich_help_panel=READING, show_default="the strategy's"),
    ] = None,
    language: Annotated[
        Language, typer.Option(help="The language of the prompts.", rich_help_panel=READING)
    ] = Language.AUTO,
    unit: Annotated[
        Unit | None,
        typer.Option(
            help="Read chunks, or single sentences: for short facts in a text about other things.",
            rich_help_panel=READING,
            show_default="chunks",
        ),
    ] = None,
    stepwise: Annotated[
        bool | None,
        typer.Option(
            "--stepwise/--no-stepwise",
            help="Ask a question that nests others, such as for the home of the heir of Ada, one relation at a time.",
            rich_help_panel=READING,
            show_default="with sentences",
        ),
    ] = None,
    memory: Annotated[
        bool,
        typer.Option(
            "--memory",
            help="With --strategy auto: read nothing if the model, asked five times without any text, nearly "
            "always says the same.",
            rich_help_panel=READING,
        ),
    ] = False,
    trust: Annotated[
        Trust | None,
        typer.Option(
            help="Look for contradictions, and say whose word counts: the texts' or the model's; or also among texts "
            "that of most documents, of the best rated finding, of the newest source, or of what is left when they "
            "are read side by side.",
            rich_help_panel=READING,
            show_default="contradictions aren't looked for",
        ),
    ] = None,
    examples: Annotated[
        Path | None,
        typer.Option(
            help="A JSONL file of worked examples (findings, question, answer) to show the reasoning agent.",
            rich_help_panel=READING,
            show_default=False,
        ),
    ] = None,
    plan: Annotated[
        Path | None,
        typer.Option(
            help="A JSON file with the plan of an aggregation, instead of one that the model makes.",
            rich_help_panel=READING,
            show_default=False,
        ),
    ] = None,
    deadline: Annotated[
        float | None,
        typer.Option(
            parser=duration,
            metavar="TIME",
            help="Answer with what is found by then: 90, 90s, 5m, 1h.",
            rich_help_panel=LIMITS,
            show_default=False,
        ),
    ] = None,
    max_calls: Annotated[
        int | None, typer.Option(min=1, help="The most model calls.", rich_help_panel=LIMITS, show_default=False)
    ] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option(
            min=1, help="The most tokens, prompts and replies together.", rich_help_panel=LIMITS, show_default=False
        ),
    ] = None,
    max_cost: Annotated[
        float | None,
        typer.Option(
            min=0, help="The most US dollars, where prices are known.", rich_help_panel=LIMITS, show_default=False
        ),
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How many calls to start with at once; it adapts.",
            rich_help_panel=LIMITS,
            show_default="the model's",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.", rich_help_panel=OUTPUT)] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show every message of every agent.", rich_help_panel=OUTPUT)
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only the answer and its citations.", rich_help_panel=OUTPUT)
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Ask anew although the answer is stored.", rich_help_panel=OUTPUT)
    ] = False,
    store: Annotated[
        bool,
        typer.Option("--store/--no-store", help="Keep the run, so that it can be resumed.", rich_help_panel=OUTPUT),
    ] = True,
    allow_urls: Annotated[
        bool, typer.Option("--allow-urls", help="Fetch sources that are URLs; otherwise none is fetched.")
    ] = False,
) -> None:
    """Answer a question from any amount of text, with checked citations.

    For example: pansophy ask "Who relieved the keeper in March?" handbook.md letters/

    Exit codes: 0 answered (or forced to), 3 nothing found, 4 out of budget (the best partial answer is printed),
    1 error, 2 wrong usage, 130 interrupted (what was read is kept).
    """
    from pansophy.reading.examples import read_examples

    chosen = {
        "order": None if order is None else str(order),
        "unit": None if unit is None else str(unit),
        "stepwise": stepwise,
        "examples": None if examples is None else read_examples(examples),
        "exhaustive": exhaustive or None,
        "memory": memory or None,
        "rounds": rounds,
        "chunk_tokens": chunk_tokens,
        "max_chunks": max_chunks,
        "language": None if language is Language.AUTO else str(language),
        "plan": None if plan is None else read_json(plan),
    }
    if corpus is None and not sources:
        raise UsageError("nothing to read: name files, folders or globs, - for standard input, or --corpus NAME")
    show = Show(as_json=as_json, verbose=verbose, quiet=quiet)
    live, lines = open_view(show), Lines()

    async def work() -> Answer:
        from pansophy.engine import Limits
        from pansophy.reading.ask import aask

        return await aask(
            question,
            sources or (),
            corpus=corpus,
            model=model,
            seeker_model=seeker_model,
            base_url=base_url,
            strategy=strategy,
            settings={name: value for name, value in chosen.items() if value is not None},
            limits=Limits(
                concurrency=concurrency,
                deadline=deadline,
                max_calls=max_calls,
                max_tokens=max_tokens,
                max_cost=max_cost,
            ),
            fresh=fresh,
            store=store,
            emit=live.emit,
            allow_urls=allow_urls,
            window=window,
            trust=None if trust is None else str(trust),
            progress=lambda progress: show_step(live, progress),
            opened=lines.opened,
        )

    answer = run_shown(live, work, show, stored=store)
    show_answer(answer, show, lines, warnings=live.warnings)
