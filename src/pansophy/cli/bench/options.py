"""The options that the commands of `pansophy bench` share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from pansophy.cli.ask import STRATEGIES, duration

READS_ALL = ("map_reduce", "running_note", "readagent", "pike_rag", "aggregation")
"""Strategies that read the whole corpus for every question unless `--max-chunks` bounds them."""
USUAL = "extagents,top_k,direct"

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
Offset = Annotated[int, typer.Option("--offset", "-k", min=0, help="Leave out the first so many questions.")]
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
AtOnce = Annotated[
    int,
    typer.Option(
        min=1, help="Ask so many questions at the same time, where the endpoint has room; each then takes longer."
    ),
]
Seed = Annotated[int, typer.Option(help="Recorded with the results.")]
ChunkTokens = Annotated[int, typer.Option(min=1, help="The most tokens of a chunk.")]
Threshold = Annotated[float, typer.Option(help="The F1 from which on an answer counts, where there is no own score.")]

Noise = Annotated[Path, typer.Option(help="A text file, or a folder of .txt files, to hide the facts in.")]
Samples = Annotated[int, typer.Option("--samples", "-n", min=1, help="Questions of each kind.")]
ProblemSeed = Annotated[int, typer.Option(help="Of the problems and their texts.")]
ResultFile = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write the result there as JSON.", show_default=False)
]


def write_result(path: Path, benchmark: str, told: Mapping[str, Any], *packages: str) -> None:
    """What a bench found, beside what it was made with; `packages` are those that it depends on beyond the usual.

    Raises:
        StoreError: it can't be written.
    """
    from pansophy.evaluation import provenance
    from pansophy.evaluation.files import write_json

    named = {"benchmark": benchmark, "command": provenance.command(), "measured": provenance.now()}
    versions = {**provenance.versions(), **provenance.versions_of(*packages)}
    write_json(path, {**named, **told, "machine": provenance.machine(), "versions": versions})
