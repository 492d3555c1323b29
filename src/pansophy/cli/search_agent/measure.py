"""`pansophy search-agent measure`: exact match, searches, and whether an agent searches where it must."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from pansophy.cli.search_agent.options import (
    CorpusName,
    Device,
    Limit,
    MaxChunks,
    ObservationTokens,
    Questions,
    ReplyTokens,
    Rounds,
    SearchSeconds,
    Sources,
    WhiteBox,
    open_agent,
    open_texts,
)


def measure(
    questions: Questions,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder for rows and sums; what is unfinished there goes on.")
    ],
    sources: Sources = None,
    corpus: CorpusName = None,
    model: WhiteBox = "smollm2-135m",
    device: Device = None,
    limit: Limit = None,
    rounds: Rounds = 3,
    max_chunks: MaxChunks = 3,
    reply_tokens: ReplyTokens = 500,
    observation_tokens: ObservationTokens = 500,
    search_seconds: SearchSeconds = None,
    at_once: Annotated[int, typer.Option(min=1, help="Questions at the same time.")] = 8,
) -> None:
    """Measure a white-box agent on questions with known answers; probed ones also tell how well it decides.

    For example: pansophy search-agent measure probed/mixed.jsonl handbook/ --model adapter -o results/adapter
    """
    from pansophy.reading.ikea.boundary import read_questions
    from pansophy.reading.ikea.settings import IkeaSettings

    settings = IkeaSettings(rounds, max_chunks, reply_tokens, observation_tokens, 0.0, search_seconds)
    asked = read_questions(questions)[:limit]
    texts = open_texts(sources, corpus)
    from pansophy.reading.ikea.measuring import measure as run

    agent = open_agent(model, texts, settings, device, at_once)
    told = run(agent, asked, output, at_once=at_once, searched=texts.fingerprint, on_progress=_show)
    for name, value in told.items():
        shown = "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
        typer.echo(f"{name.replace('_', ' '):<18} {shown}")


def _show(done: int, total: int, row: Mapping[str, Any]) -> None:
    said = " ".join((row["answer"] or "no answer").split())[:80]
    mark = "right" if row["exact_match"] else "wrong"
    typer.echo(f"{done}/{total}  {row['id']}  {row['searches']} searches, {mark}: {said}", err=True)
