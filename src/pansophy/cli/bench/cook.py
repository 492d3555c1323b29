"""`pansophy bench cook`: what a knowledge card is worth; `bench cook-factcheck`: how well false claims are told."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pansophy.cli.bench.options import BaseUrl, ResultFile, write_result

if TYPE_CHECKING:
    from pansophy.conflicts.training.train import Progress
    from pansophy.models import ChatModel
    from pansophy.reading.cook.benchmark import Asked

Data = Annotated[Path, typer.Option(help="MidtermQA's open-book file, a JSON file of its authors.", show_default=False)]
Races = Annotated[int | None, typer.Option(min=1, help="Take so many races, the first ones.", show_default="all")]


def cook(
    data: Data,
    folder: Annotated[
        Path, typer.Option(help="For cards and answers; what is there is gone on with.", show_default=False)
    ],
    base: Annotated[str, typer.Option("--base", "-b", help="Of the cards: a white-box model.")] = "smollm2-135m",
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="Who answers, as for pansophy ask.", show_default="the base itself"),
    ] = None,
    base_url: BaseUrl = None,
    races: Races = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Questions, drawn from these races.")] = 100,
    wordings: Annotated[int, typer.Option(min=1, max=6, help="Sentences about each race, each a document.")] = 3,
    towns: Annotated[int, typer.Option(min=1, help="That the unrelated card learns, with three sentences each.")] = 120,
    epochs: Annotated[float, typer.Option(help="How often each sentence is seen.")] = 30.0,
    learning_rate: Annotated[float, typer.Option(help="The highest; it falls to 0.")] = 1e-3,
    batch: Annotated[int, typer.Option(min=1, help="Blocks of a step.")] = 4,
    block: Annotated[int, typer.Option(min=2, help="Tokens of a block.")] = 128,
    rank: Annotated[int, typer.Option(min=1, help="Of the adapters' matrices.")] = 8,
    save_every: Annotated[int, typer.Option(min=1, help="Steps from one checkpoint to the next.")] = 20,
    demos: Annotated[int, typer.Option(min=0, help="Of the data's five, shown as earlier turns.")] = 3,
    card_tokens: Annotated[int, typer.Option(min=1, help="The most tokens of a document.")] = 32,
    card_temperature: Annotated[
        float, typer.Option(min=0, max=2, help="Lower: documents nearer to what was learnt, and to one another.")
    ] = 1.0,
    at_once: Annotated[int, typer.Option(min=1, help="Questions that a card writes about together.")] = 8,
    seed: Annotated[int, typer.Option(help="Of matrices, orders and documents.")] = 0,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, ...", show_default="a GPU if there is one")] = None,
    dtype: Annotated[
        str | None, typer.Option(help="Of the base: bfloat16 takes half the memory.", show_default="float32 on a CPU")
    ] = None,
    output: ResultFile = None,
) -> None:
    """Measure what a knowledge card is worth: questions without a card, with GKP, with the right card, with another.

    Trains both cards first. The same command goes on where it was broken off.
    For example: pansophy bench cook --data midtermqa-openbook.json --folder cook -o cook.json
    """
    import asyncio
    import random
    from dataclasses import asdict, replace

    from pansophy.models import WhiteBoxChat, open_model
    from pansophy.reading.cook.benchmark import ASKING, TRAINING, CardTest, summarise, train_cards
    from pansophy.reading.cook.midterms import read_midterms
    from pansophy.reading.cook.writing import SharedBases

    midterms = read_midterms(data)
    learnt = midterms.races[:races]
    training = replace(
        TRAINING,
        learning_rate=learning_rate,
        epochs=epochs,
        batch=batch,
        max_tokens=block,
        rank=rank,
        alpha=4 * rank,  # as in the paper
        save_every=save_every,
        seed=seed,
    )
    asking = replace(ASKING, card_tokens=card_tokens, card_temperature=card_temperature, seed=seed)
    left = TimeLeft()
    cards = train_cards(
        learnt,
        base,
        folder,
        wordings=wordings,
        towns=towns,
        settings=training,
        device=device,
        dtype=dtype,
        on_progress=lambda name, progress: _show_step(name, progress, left),
    )
    own = WhiteBoxChat(base, device=device, dtype=dtype)  # not loaded before it is used
    llm: ChatModel = own if model is None else open_model(model, base_url=base_url)
    shown, bases = midterms.demos[:demos], SharedBases(device, dtype)
    test = CardTest(cards, llm, shown, settings=asking, bases=bases, at_once=at_once)
    asked = random.Random(seed).sample(learnt, min(limit, len(learnt)))

    async def work() -> tuple[str, list[Asked]]:
        try:
            rows = await test.ask(asked, folder, on_progress=lambda done, of: left.show("questions", done, of))
            return llm.identity, rows
        finally:
            await llm.aclose()

    identity, rows = asyncio.run(work())
    scores = summarise(rows)
    _show_scores(scores)
    if output is not None:
        told = {
            "base": cards["midterms"].base_identity,
            "model": identity,
            "races": len(learnt),
            "wordings": wordings,
            "towns": towns,
            "demos": len(shown),
            "at_once": at_once,
            "dtype": dtype,
            "training": asdict(training),
            "cards": {name: card.digest for name, card in cards.items()},
            "settings": asdict(asking),
            "scores": scores,
            "rows": [row.scores() for row in rows],
        }
        write_result(output, "cook", told, "torch", "transformers", "peft")


def _show_scores(scores: Mapping[str, Mapping[str, Any]]) -> None:
    """A row for each condition; numbers but questions are percent."""
    typer.echo(f"{'':10}{'questions':>9}{'EM':>8}{'95 %':>16}{'F1':>8}{'told':>8}")
    for name, one in scores.items():
        low, high = one["em_95"]
        within = f"{low:.1f} to {high:.1f}"
        typer.echo(f"{name:10}{one['questions']:9}{one['em']:8.1f}{within:>16}{one['f1']:8.1f}{one['told']:8.1f}")


def factcheck(
    data: Data,
    races: Races = None,
    kept: Annotated[int, typer.Option(min=1, max=9, help="Of ten claims; drawn from twice as many.")] = 2,
    embedder: Annotated[
        str | None,
        typer.Option(help="local:minilm, or another, to compare by meaning.", show_default="words are compared"),
    ] = None,
    output: ResultFile = None,
) -> None:
    """Measure how well the stand-in for a fact checker tells true claims from false ones.

    For example: pansophy bench cook-factcheck --data midtermqa-openbook.json -o factcheck.json
    """
    from dataclasses import asdict

    from pansophy.corpus.embed import open_embedder
    from pansophy.reading.cook import Agreement
    from pansophy.reading.cook.factcheck import check_claims
    from pansophy.reading.cook.midterms import read_midterms

    midterms, left = read_midterms(data), TimeLeft()
    judge = Agreement(open_embedder(embedder) if embedder else None)
    started = time.process_time()
    found = check_claims(
        midterms.races,
        judge,
        count=races,
        kept=kept,
        on_progress=lambda done, of: left.show("races", done, of, every=50),
    )
    cost = round(time.process_time() - started, 1)
    typer.echo(f"true among the {kept} claims kept: {found.true_among_kept} % (by chance 50.0)")
    typer.echo(f"a true claim has more support than a false one: {found.true_has_more_support} % (by chance 50.0)")
    typer.echo(f"{found.races} races, {cost} s of CPU time")
    if output is not None:
        told = {"checker": embedder or "words", "kept": kept, **asdict(found), "cpu_seconds": cost}
        write_result(output, "cook_factcheck", told)


class TimeLeft:
    """Lines on standard error: how far it is, and how long the rest takes if it goes on as since this call began."""

    def __init__(self) -> None:
        self._begun: dict[str, tuple[float, int]] = {}

    def show(self, what: str, done: int, of: int, *, every: int = 1, more: str = "") -> None:
        from pansophy.cli.wording import clock

        now = time.monotonic()
        since, before = self._begun.setdefault(what, (now, done))
        if done % every and done != of:
            return
        left = f", {clock((now - since) / (done - before) * (of - done))} left" if done > before else ""
        typer.echo(f"{what}: {done}/{of}{more}{left}", err=True)


def _show_step(name: str, progress: Progress, left: TimeLeft) -> None:
    every = max(progress.steps // 50, 1)
    left.show(f"learning {name}", progress.step, progress.steps, every=every, more=f", loss {progress.loss:.3f}")
