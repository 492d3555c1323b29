"""`pansophy bench pike-rag`: whether decomposition finds chains of notes that a single search can't."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pansophy.cli.bench.options import BaseUrl, Model, ProblemSeed, ResultFile, SeekerModel, write_result

if TYPE_CHECKING:
    from pansophy.corpus import Corpus
    from pansophy.evaluation.hops import Pool
    from pansophy.evaluation.hops.finding import Finding
    from pansophy.events import Event
    from pansophy.models import ChatModel
    from pansophy.types import Answer

DEPTH = 5
"""Notes that the searches find: more than the decomposition reads."""


def pike_rag(
    hops: Annotated[int, typer.Option(min=2, max=5, help="Notes that an answer takes.")] = 3,
    samples: Annotated[int, typer.Option("--samples", "-n", min=1, help="Questions.")] = 10,
    decoys: Annotated[int, typer.Option(min=0, help="Other chains of the same relations for each question.")] = 3,
    model: Model = "default",
    seeker_model: SeekerModel = None,
    base_url: BaseUrl = None,
    seed: ProblemSeed = 0,
    output: ResultFile = None,
    trajectories: Annotated[
        Path | None,
        typer.Option(
            help="Also collect decompositions with rewards there (JSON lines), to train a decomposer with.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Measure how much of a chain of notes PIKE-RAG finds, beside its parts and a single search.

    For example: pansophy bench pike-rag --hops 3 --samples 10 -o pike-rag.json
    """
    import asyncio

    from pansophy.corpus import Corpus
    from pansophy.evaluation.hops import make_pool
    from pansophy.evaluation.hops.finding import Finding, summarise
    from pansophy.models import open_pair

    pool = make_pool(hops, samples, decoys=decoys, seed=seed)
    corpus = Corpus.from_texts(dict(pool.notes))
    reasoner, seeker = open_pair(model, seeker_model, base_url=base_url)
    found: dict[str, list[Finding]] = {
        f"search, {DEPTH} best": [
            Finding(
                problem.question,
                pool.gold(problem),
                [hit.chunk.document for hit in corpus.search(problem.question, DEPTH)],
                problem.answer,
            )
            for problem in pool.problems
        ]
    }

    def write() -> None:
        """Each answer is on disk before the next question is asked."""
        if output is None:
            return
        result = {
            "models": list(dict.fromkeys((reasoner.identity, seeker.identity))),
            "hops": hops,
            "decoys": decoys,
            "seed": seed,
            "notes": len(pool.notes),
            "results": {name: summarise(findings) for name, findings in found.items()},
            "findings": {name: [one.describe() for one in findings] for name, findings in found.items()},
        }
        write_result(output, "pike-rag", result)

    async def work() -> None:
        try:
            ways: dict[str, dict[str, Any]] = {
                "pike_rag": {},
                f"pike_rag, level 1, {DEPTH} best": {"level": 1, "retrieve_k": DEPTH},
                "pike_rag, chunks for an index": {"index": "chunks"},
            }
            for name, settings in ways.items():
                found[name] = []
                async for finding in _asked(name, pool, corpus, reasoner, seeker, settings):
                    found[name].append(finding)
                    write()
            if trajectories is not None:
                await _collected(trajectories, pool, corpus, reasoner, seeker)
        finally:
            await reasoner.aclose()
            if seeker is not reasoner:
                await seeker.aclose()

    asyncio.run(work())
    typer.echo(f"{'':32}{'recall':>8}{'95 %':>14}{'right':>7}{'calls':>7}{'seconds':>9}")
    for name, one in ((name, summarise(findings)) for name, findings in found.items()):
        low, high = one["chain_recall_95"]
        right = "" if one["right"] is None else f"{one['right']:.2f}"
        typer.echo(
            f"{name:32}{one['chain_recall']:8.2f}{f'{low:.2f} to {high:.2f}':>14}{right:>7}{one['calls']:7.1f}"
            f"{one['seconds']:9.1f}"
        )


async def _asked(
    name: str, pool: Pool, corpus: Corpus, model: ChatModel, seeker: ChatModel, settings: dict[str, Any]
) -> AsyncIterator[Finding]:
    from pansophy.errors import RunFailed
    from pansophy.evaluation.hops.finding import Finding
    from pansophy.reading.pike_rag import PikeRag

    reader = PikeRag(model, seeker_model=seeker, settings=settings)
    for number, problem in enumerate(pool.problems, start=1):
        try:
            answer = await reader.run(problem.question, corpus, emit=_show)
        except RunFailed as error:
            typer.echo(f"{name} {number}: {error}", err=True)
            answer = error.answer
        finding = Finding(
            problem.question,
            pool.gold(problem),
            _documents(answer),
            problem.answer,
            answer.text,
            answer.settings.get("decomposition", {}).get("stop", ""),
            answer.usage.calls,
            answer.usage.prompt_tokens + answer.usage.completion_tokens,
            answer.seconds,
        )
        said = f"recall {finding.recall:.2f}  {answer.seconds:6.1f} s  {answer.text[:60]}"
        typer.echo(f"{name} {number}/{len(pool.problems)}  {said}", err=True)
        yield finding


def _documents(answer: Answer) -> list[str]:
    """The documents that were read for an answer."""
    context = answer.settings.get("decomposition", {}).get("context", ())
    return [place["document"] for place in context] or list(answer.settings.get("retrieved", ()))


def _show(event: Event) -> None:
    from pansophy.events import NoteWritten

    if isinstance(event, NoteWritten):
        typer.echo(f"  {event.step} of {event.of}: {event.text[:100]}", err=True)


async def _collected(path: Path, pool: Pool, corpus: Corpus, model: ChatModel, seeker: ChatModel) -> None:
    from pansophy.reading.pike_rag import PikeRag
    from pansophy.reading.pike_rag.collecting import collect

    asked = {problem.question: [problem.answer] for problem in pool.problems}
    count = await collect(PikeRag(model, seeker_model=seeker), asked, corpus, path, emit=_show)
    typer.echo(f"{count} trajectories: {path}", err=True)
