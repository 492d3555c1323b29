"""`pansophy search-agent train`: teach a model to search only for what it doesn't know."""

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
    open_texts,
)

REWARD = "Reward"


def train(
    questions: Questions,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The adapter's folder; what was broken off there goes on.")
    ],
    sources: Sources = None,
    corpus: CorpusName = None,
    model: WhiteBox = "smollm2-135m",
    steps: Annotated[int, typer.Option(min=1, help="Batches of questions.")] = 120,
    batch: Annotated[int, typer.Option(min=1, help="Questions of a step.")] = 8,
    group: Annotated[int, typer.Option(min=2, help="Episodes of a question.")] = 16,
    updates: Annotated[int, typer.Option(min=1, help="Changes of the weights in a step.")] = 1,
    learning_rate: Annotated[float, typer.Option(help="The highest.")] = 1e-5,
    warm_up: Annotated[float, typer.Option(min=0, max=1, help="Share of the steps in which it rises to that.")] = 0.1,
    by_deviation: Annotated[
        bool,
        typer.Option(
            "--by-deviation/--by-mean", help="Divide advantages by the group's deviation; or take off its mean alone."
        ),
    ] = True,
    rank: Annotated[int, typer.Option(min=1, help="Of the adapter's matrices.")] = 16,
    at_once: Annotated[int, typer.Option(min=1, help="Episodes computed at once; fewer take less memory.")] = 8,
    save_every: Annotated[int, typer.Option(min=1, help="Steps from one checkpoint to the next.")] = 30,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    limit: Limit = None,
    device: Device = None,
    rounds: Rounds = 3,
    max_chunks: MaxChunks = 3,
    reply_tokens: ReplyTokens = 500,
    observation_tokens: ObservationTokens = 500,
    search_seconds: SearchSeconds = None,
    r_plus: Annotated[
        float, typer.Option(help="A right answer's extra without any search.", rich_help_panel=REWARD)
    ] = 0.6,
    r_minus: Annotated[float, typer.Option(help="A wrong answer's after a search.", rich_help_panel=REWARD)] = 0.05,
    rt_max: Annotated[
        int, typer.Option(min=1, help="Searches from which there is no extra.", rich_help_panel=REWARD)
    ] = 3,
    format_penalty: Annotated[
        float, typer.Option(help="What a malformed transcript earns.", rich_help_panel=REWARD)
    ] = -1.0,
) -> None:
    """Train an adapter by reinforcement: the fewest searches that still give right answers earn most.

    Watch log.jsonl in the adapter's folder: a line a step with exact match, searches, reward, malformed transcripts,
    and search rates by label.

    For example: pansophy search-agent train probed/mixed.jsonl handbook/ --model smollm2-135m -o adapter
    """
    from pansophy.reading.ikea.boundary import read_questions
    from pansophy.reading.ikea.reward import IkeaReward
    from pansophy.reading.ikea.settings import GrpoSettings, IkeaSettings

    training = GrpoSettings(
        steps=steps,
        questions=batch,
        group=group,
        updates=updates,
        learning_rate=learning_rate,
        warm_up=warm_up,
        by_deviation=by_deviation,
        rank=rank,
        alpha=2 * rank,
        at_once=at_once,
        save_every=save_every,
        seed=seed,
    )
    agent = IkeaSettings(rounds, max_chunks, reply_tokens, observation_tokens, 1.0, search_seconds)
    reward = IkeaReward(r_plus, r_minus, rt_max, format_penalty)
    asked = read_questions(questions)[:limit]
    texts = open_texts(sources, corpus)
    from pansophy.reading.ikea.environment import corpus_retriever
    from pansophy.reading.ikea.training import train as learn

    trained = learn(
        model,
        asked,
        corpus_retriever(texts),
        output,
        training,
        agent,
        reward=reward,
        searched=texts.fingerprint,
        device=device,
        on_progress=_show,
    )
    typer.echo(f"adapter: {trained.folder}; ask it by: pansophy search-agent ask ... --model {trained.folder}")


def _show(steps: int, line: Mapping[str, Any]) -> None:
    """One line on standard error for each step."""
    typer.echo(
        f"{line['step']}/{steps}  reward {line['reward']:.2f}  right {line['exact_match']:.2f}  searches "
        f"{line['searches']:.2f}  malformed {line['malformed']:.2f}  loss {line['loss']:+.3f}",
        err=True,
    )
