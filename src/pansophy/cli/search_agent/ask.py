"""`pansophy search-agent ask`: one question to a trained agent."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from pansophy.cli.search_agent.options import (
    CorpusName,
    Device,
    MaxChunks,
    ObservationTokens,
    ReplyTokens,
    Rounds,
    SearchSeconds,
    Sources,
    WhiteBox,
    open_agent,
    open_texts,
)

NOTHING_FOUND = 3


def ask(
    question: Annotated[str, typer.Argument(help="What you want to know.", show_default=False)],
    sources: Sources = None,
    corpus: CorpusName = None,
    model: WhiteBox = "smollm2-135m",
    device: Device = None,
    rounds: Rounds = 3,
    max_chunks: MaxChunks = 3,
    reply_tokens: ReplyTokens = 500,
    observation_tokens: ObservationTokens = 500,
    search_seconds: SearchSeconds = None,
    temperature: Annotated[float, typer.Option(min=0.0, help="0 takes the best token.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of the random numbers.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, with the transcript.")] = False,
) -> None:
    """Let a model answer that was trained by pansophy search-agent train; its transcript goes to standard error.

    Any other chat model acts as the agent by: pansophy ask --strategy ikea

    Exit codes: 0 answered, 3 without an answer, 1 error, 2 wrong usage.

    For example: pansophy search-agent ask "Who built the Hulda?" handbook/ --model adapter
    """
    from pansophy.reading.ikea.settings import IkeaSettings

    settings = IkeaSettings(rounds, max_chunks, reply_tokens, observation_tokens, temperature, search_seconds)
    texts = open_texts(sources, corpus)
    told = open_agent(model, texts, settings, device).answer(question, seed)
    if as_json:
        found = [{"title": one.title, "text": one.text} for one in told.documents]
        data = {
            "question": question,
            "answer": told.answer,
            "searches": told.searches,
            "tokens": told.tokens,
            "documents": found,
            "transcript": told.transcript,
        }
        typer.echo(json.dumps(data, ensure_ascii=False, indent=2))
    else:
        typer.echo(told.transcript, err=True)
        typer.echo(told.answer if told.answer else "no answer")
    if not told.answer:
        raise typer.Exit(NOTHING_FOUND)
