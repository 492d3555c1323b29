"""Options that the commands of a search agent share, and how they open what is searched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pansophy.errors import UsageError

if TYPE_CHECKING:
    from pansophy.corpus import Corpus
    from pansophy.reading.ikea.settings import IkeaSettings
    from pansophy.reading.ikea.writing import NetworkAgent

Questions = Annotated[
    Path,
    typer.Argument(
        help="Lines of JSON with question and answers (a text or a list), perhaps id; pass_rate if probed.",
        show_default=False,
    ),
]
Sources = Annotated[list[str] | None, typer.Argument(help="What is searched: as for pansophy ask.", show_default=False)]
CorpusName = Annotated[str | None, typer.Option("--corpus", help="Search a stored corpus.", show_default=False)]
WhiteBox = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="A name from pansophy models list, a .gguf file, a folder, an adapter's folder, owner/name of the hub.",
    ),
]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, ...", show_default="a GPU if there is one")]
Limit = Annotated[int | None, typer.Option("--limit", "-n", min=1, help="How many questions.", show_default="all")]
Rounds = Annotated[int, typer.Option(min=0, help="The most searches; then it has to answer.")]
MaxChunks = Annotated[int, typer.Option(min=1, help="Passages that a search brings.")]
ReplyTokens = Annotated[int, typer.Option(min=1, help="The most tokens of what it writes at once.")]
ObservationTokens = Annotated[int, typer.Option(min=1, help="The most tokens of what a search brings.")]
SearchSeconds = Annotated[
    float | None, typer.Option(min=0.01, help="A search that takes longer brings nothing.", show_default="it waits")
]


def open_texts(sources: list[str] | None, name: str | None) -> Corpus:
    """The corpus of this name, or of these sources."""
    from pansophy.corpus import Corpus

    if (name is None) == (not sources):
        raise UsageError("say what is searched: files and folders, or --corpus NAME, and not both")
    if name is not None:
        return Corpus.open(name)
    corpus, report = Corpus.from_sources(sources or [])
    for failed in report.failed:
        typer.echo(f"warning: {failed.source}: {failed.reason}", err=True)
    return corpus


def open_agent(
    model: str, corpus: Corpus, settings: IkeaSettings, device: str | None, at_once: int = 8
) -> NetworkAgent:
    """The agent that this model is over this corpus."""
    from pansophy.models import WhiteBoxModel
    from pansophy.reading.ikea.environment import SearchEnv, corpus_retriever
    from pansophy.reading.ikea.writing import NetworkAgent, clip_by_tokens

    white = WhiteBoxModel.load(model, device=device)
    env = SearchEnv(
        corpus_retriever(corpus),
        settings.rounds,
        settings.max_chunks,
        observation_tokens=settings.observation_tokens,
        clip=clip_by_tokens(white),
        timeout=settings.search_seconds,
        instructions=settings.instructions,
    )
    return NetworkAgent(
        white, env, reply_tokens=settings.reply_tokens, temperature=settings.temperature, at_once=at_once
    )
