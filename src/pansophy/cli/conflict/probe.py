"""`pansophy conflict probe`: how sure a model is of facts, and how far a context sways it."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pansophy.errors import UsageError

if TYPE_CHECKING:
    from pansophy.conflicts.dynamicqa import DynamicQASettings, Fact, ProbeProgress
    from pansophy.conflicts.entailment import Entailment
    from pansophy.events import Event


class Grouping(StrEnum):
    """How answers that say the same are grouped."""

    BIDIRECTIONAL = "bidirectional"
    OFFICIAL = "official"


def probe(
    facts: Annotated[
        list[Path],
        typer.Argument(
            help="CSV files with the columns question, context, obj (the original answer) and replace_name (another); "
            "where the answer belongs, the context has [ENTITY] or obj. DYNAMICQA's files are such.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder for the results; an unfinished probe there goes on.")
    ],
    model: Annotated[str, typer.Option("--model", "-m", help="As for pansophy ask.")] = "default",
    base_url: Annotated[
        str | None, typer.Option(help="The endpoint (else OPENAI_BASE_URL).", show_default=False)
    ] = None,
    white_box: Annotated[
        bool,
        typer.Option(
            "--white-box",
            help="Load the model into torch, as pansophy conflict ask does: whole distributions instead of the few "
            "tokens that chat models tell of.",
        ),
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option("--limit", "-n", min=1, help="How many facts of each partition.", show_default="all"),
    ] = None,
    samples: Annotated[int, typer.Option(min=2, help="Answers with and without each context.")] = 10,
    temperature: Annotated[float, typer.Option(min=0.01, help="At which they are drawn.")] = 0.5,
    seed: Annotated[int, typer.Option(help="Of the first answer.")] = 10,
    grouping: Annotated[Grouping, typer.Option(help="Of answers that say the same.")] = Grouping.BIDIRECTIONAL,
    embedder: Annotated[
        str | None,
        typer.Option(
            help="Answers say the same when their embeddings' cosine is 0.85 or more: endpoint:MODEL, local:minilm.",
            show_default="when they are equal but for case, punctuation and articles",
        ),
    ] = None,
    at_once: Annotated[int, typer.Option(min=1, help="Probe so many facts at the same time.")] = 1,
) -> None:
    """Measure how sure a model is of facts, and how far contexts sway it; write the rows and a report.

    For example: pansophy conflict probe facts.csv --model embedded -n 20 -o results/facts
    """
    from pansophy.conflicts.dynamicqa import DynamicQASettings, load_facts, write_report

    asked = DynamicQASettings(samples=samples, temperature=temperature, seed=seed, grouping=grouping.value)
    entails = _entailment(embedder)
    loaded = [fact for path in facts for fact in load_facts(path)]
    if white_box and base_url is not None:
        raise UsageError("an endpoint's model can't be looked into: leave out --base-url or --white-box")
    asyncio.run(_measure(loaded, output, model, base_url, white_box, asked, entails, limit, at_once))
    typer.echo(write_report(output))


async def _measure(
    facts: list[Fact],
    output: Path,
    model: str,
    base_url: str | None,
    white_box: bool,
    asked: DynamicQASettings,
    entails: Entailment,
    limit: int | None,
    at_once: int,
) -> None:
    from pansophy.conflicts.dynamicqa import ConflictProbe, probe_facts
    from pansophy.conflicts.sampling import ChatSampler
    from pansophy.engine import Engine
    from pansophy.models import open_model

    if white_box:
        from pansophy.conflicts.white_box_sampler import WhiteBoxSampler
        from pansophy.models import WhiteBoxModel

        probing = ConflictProbe(WhiteBoxSampler(WhiteBoxModel.load(model)), entails, asked)
        await probe_facts(probing, facts, output, limit=limit, at_once=at_once, on_progress=_show)
        return
    chat = open_model(model, base_url=base_url)
    try:
        engine = Engine(emit=_warn)
        await engine.prepare(chat)
        probing = ConflictProbe(ChatSampler(chat, engine), entails, asked)
        await probe_facts(probing, facts, output, limit=limit, at_once=at_once, on_progress=_show)
    finally:
        await chat.aclose()


def _entailment(embedder: str | None) -> Entailment:
    from pansophy.conflicts.entailment import CosineEntailment, same_answer

    if embedder is None:
        return same_answer
    from pansophy.corpus.embed import open_embedder

    return CosineEntailment(open_embedder(embedder))


def _warn(event: Event) -> None:
    """Warnings, on standard error."""
    from pansophy.events import Warned

    if isinstance(event, Warned):
        typer.echo(f"warning: {event.message}", err=True)


def _show(progress: ProbeProgress) -> None:
    """One line on standard error for each answer of a fact."""
    for row in progress.rows:
        if row["error"]:
            said = f"error: {row['error']}"
        else:
            swayed = "" if row["persuasion"] is None else f", CP {row['persuasion']:.2f}"
            said = f"{row['behaviour']}{swayed}: {row['without']['answer']} -> {row['with']['answer']}"
        typer.echo(f"{progress.done}/{progress.total}  {row['id']}  {' '.join(said.split())[:100]}", err=True)
