"""`pansophy card ask`: an answer with what cards know, and what became of all that they wrote."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pansophy.reading.cook import CookAnswer, Knowledge


def ask(
    question: Annotated[str, typer.Argument(help="What you want to know.", show_default=False)],
    mode: Annotated[
        str, typer.Option(help="bottom-up asks all cards; auto and explicit one at a time, as the model wants it.")
    ] = "bottom-up",
    model: Annotated[
        str,
        typer.Option(
            "--model", "-m", help="Who answers, as for pansophy ask; of the default pair the one that reasons."
        ),
    ] = "default",
    base_url: Annotated[str | None, typer.Option(help="An OpenAI-compatible endpoint.", show_default=False)] = None,
    card: Annotated[
        list[str] | None, typer.Option("--card", "-c", help="Only this card; give it for each.", show_default="all")
    ] = None,
    evidence: Annotated[
        list[str] | None,
        typer.Option(
            "--evidence", "-e", help="Texts to check documents against: files, folders, globs.", show_default=False
        ),
    ] = None,
    embedder: Annotated[
        str | None,
        typer.Option(help="Compare by meaning: local:minilm or endpoint:MODEL.", show_default="words are compared"),
    ] = None,
    documents: Annotated[int, typer.Option(min=1, help="Documents that each card writes.")] = 5,
    relevant: Annotated[int, typer.Option(min=1, help="Documents that are relevant enough.")] = 20,
    kept: Annotated[int, typer.Option(min=1, help="Documents that the model is shown.")] = 5,
    rounds: Annotated[int, typer.Option(min=0, help="Rounds of auto and explicit.")] = 3,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, with every document.")] = False,
) -> None:
    """Answer a question with what the cards know.

    For example: pansophy card ask "How deep is the harbour of Bolm?" --mode explicit --evidence notes/
    """
    import asyncio

    from pansophy.models import open_model
    from pansophy.reading.cook import Agreement, CardPool, CooK, CookSettings, CorpusEvidence, Judges

    pool = CardPool.open()
    pool.only(card or ())
    by_meaning = None
    if embedder is not None:
        from pansophy.corpus.embed import open_embedder

        by_meaning = open_embedder(embedder)
    retrieve = None
    if evidence:
        from pansophy.corpus import Corpus

        retrieve = CorpusEvidence(Corpus.from_sources(evidence)[0])
    agreement = Agreement(by_meaning)
    judges = Judges(embedder=by_meaning, faithful=agreement, supports=agreement, retrieve=retrieve)
    settings = CookSettings(documents=documents, relevant=relevant, kept=kept, rounds=rounds, seed=seed)

    async def work() -> CookAnswer:
        cook = CooK(pool, open_model(model, base_url=base_url), judges=judges, settings=settings)
        try:
            return await cook.aanswer(question, mode, cards=card or ())
        finally:
            await cook.aclose()

    answer = asyncio.run(work())
    typer.echo(json.dumps(answer.to_dict(), ensure_ascii=False, indent=2) if as_json else _shown(answer))


def _shown(answer: CookAnswer) -> str:
    from pansophy.cli.wording import counted, one_line, printable

    lines = [printable(answer.text)]
    lines += [f"  {one_line(one.card)}{_scores(one)}: {one_line(one.shown)}" for one in answer.kept]
    lines += [one_line(f"Warning: {warning}") for warning in answer.warnings]
    reasons: dict[str, int] = {}
    for one in answer.dropped:
        reason = one.dropped.partition(":")[0]
        reasons[reason] = reasons.get(reason, 0) + 1
    dropped = ", ".join(f"{reason} {count}" for reason, count in reasons.items())
    told = f"{answer.mode} · {counted(len(answer.kept), 'document')} of {len(answer.knowledge)}"
    lines.append(f"{told}{f' (dropped: {dropped})' if dropped else ''} · {counted(answer.usage.calls, 'call')}")
    return "\n".join(lines)


def _scores(one: Knowledge) -> str:
    named = (("relevance", one.relevance), ("faithful", one.faithfulness), ("supported", one.support))
    told = ", ".join(f"{name} {value:.2f}" for name, value in named if value is not None)
    return f" ({told})" if told else ""
