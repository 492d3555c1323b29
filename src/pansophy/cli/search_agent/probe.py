"""`pansophy search-agent probe`: which questions a model can answer without any text."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pansophy.cli.search_agent.options import Limit, Questions
from pansophy.errors import UsageError

if TYPE_CHECKING:
    from pansophy.events import Event
    from pansophy.reading.ikea.boundary import ProbeSettings, Question


def probe(
    questions: Questions,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder for the results; an unfinished probe there goes on.")
    ],
    model: Annotated[
        str, typer.Option("--model", "-m", help="As for pansophy ask; with --white-box as for search-agent train.")
    ] = "default",
    base_url: Annotated[
        str | None, typer.Option(help="The endpoint (else OPENAI_BASE_URL).", show_default=False)
    ] = None,
    white_box: Annotated[
        bool, typer.Option("--white-box", help="Load the model into torch, as it is trained; also an adapter's folder.")
    ] = False,
    samples: Annotated[int, typer.Option(min=1, help="Answers to each question.")] = 16,
    temperature: Annotated[float, typer.Option(min=0.0, help="At which they are drawn.")] = 1.0,
    max_tokens: Annotated[int, typer.Option(min=1, help="Of an answer; its first line counts.")] = 24,
    limit: Limit = None,
    at_once: Annotated[int, typer.Option(min=1, help="Ask so many questions at the same time.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the answers and of the mixture.")] = 0,
) -> None:
    """Ask questions often without any text, and part them into easy ones (ever answered right) and hard ones.

    Writes easy.jsonl, hard.jsonl, and mixed.jsonl, which has as many of the one as of the other.

    For example: pansophy search-agent probe questions.jsonl --model smollm2-135m --white-box -o probed
    """
    from pansophy.reading.ikea.boundary import ProbeSettings, read_questions

    asked = ProbeSettings(samples, temperature, max_tokens, seed)
    loaded = read_questions(questions)[:limit]
    if white_box and base_url is not None:
        raise UsageError("an endpoint's model can't be loaded into torch: leave out --base-url or --white-box")
    probed = asyncio.run(_probed(loaded, output, model, base_url, white_box, asked, at_once))
    easy = sum(one.label == "easy" for one in probed)
    typer.echo(f"{easy} easy, {len(probed) - easy} hard, {2 * min(easy, len(probed) - easy)} mixed: {output}")


async def _probed(
    questions: list[Question],
    output: Path,
    model: str,
    base_url: str | None,
    white_box: bool,
    settings: ProbeSettings,
    at_once: int,
) -> list[Question]:
    from pansophy.conflicts.sampling import ChatSampler
    from pansophy.engine import Engine
    from pansophy.models import open_model
    from pansophy.reading.ikea.boundary import probe as ask

    if white_box:
        from pansophy.conflicts.white_box_sampler import WhiteBoxSampler
        from pansophy.models import WhiteBoxModel

        sampler = WhiteBoxSampler(WhiteBoxModel.load(model))
        return await ask(sampler, questions, output, settings, at_once=at_once, on_progress=_show)
    chat = open_model(model, base_url=base_url)
    try:
        engine = Engine(emit=_warn)
        await engine.prepare(chat)
        drawing = ChatSampler(chat, engine)
        return await ask(drawing, questions, output, settings, at_once=at_once, on_progress=_show)
    finally:
        await chat.aclose()


def _warn(event: Event) -> None:
    """Warnings, on standard error."""
    from pansophy.events import Warned

    if isinstance(event, Warned):
        typer.echo(f"warning: {event.message}", err=True)


def _show(done: int, total: int, question: Question) -> None:
    typer.echo(f"{done}/{total}  {question.id}  {question.pass_rate:.2f} {question.label}", err=True)
