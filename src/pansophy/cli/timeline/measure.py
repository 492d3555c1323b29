"""`pansophy timeline probe` and `repair`: what a model knows of facts over time, and what neighbouring years add."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pansophy.reading.chroknowledge import ChronoBench
    from pansophy.reading.chroknowledge.run import TimelineProgress


class Form(StrEnum):
    """How facts are asked about."""

    GENERATION = "generation"
    CHOICE = "choice"
    TRUE_FALSE = "true_false"


Facts = Annotated[
    Path,
    typer.Argument(
        help="A CSV file with the columns subject, relation, object and, where there is a time, start and end (years "
        "or dates); perhaps aliases (parted by |) and question. Or the same as lines of JSON (.jsonl).",
        show_default=False,
    ),
]
Output = Annotated[
    Path, typer.Option("--output", "-o", help="The folder for the results; what is unfinished there goes on.")
]
Model = Annotated[str, typer.Option("--model", "-m", help="As for pansophy ask.")]
BaseUrl = Annotated[str | None, typer.Option(help="The endpoint (else OPENAI_BASE_URL).", show_default=False)]
Stamps = Annotated[
    str | None,
    typer.Option(
        help="The moments that are asked about: 2010-2023, or a list in order, parted by commas (months, versions).",
        show_default="the years from the first start to the last start or end",
    ),
]
Examples = Annotated[int, typer.Option(min=0, help="Facts of each relation that only serve as examples.")]
Limit = Annotated[int | None, typer.Option("--limit", "-n", min=1, help="How many facts.", show_default="all")]
Prompts = Annotated[int, typer.Option(min=1, help="For each fact and stamp; each is answered twice.")]
Shots = Annotated[int, typer.Option(min=0, help="Examples in a prompt.")]
Seed = Annotated[int, typer.Option(help="Of all that is drawn.")]
AtOnce = Annotated[int, typer.Option(min=1, help="So many stamps or facts at the same time.")]


def probe(
    facts: Facts,
    output: Output,
    model: Model = "default",
    base_url: BaseUrl = None,
    form: Annotated[Form, typer.Option("--template", help="How facts are asked about.")] = Form.GENERATION,
    stamps: Stamps = None,
    examples: Examples = 0,
    limit: Limit = None,
    prompts: Prompts = 5,
    shots: Shots = 4,
    seed: Seed = 42,
    at_once: AtOnce = 1,
) -> None:
    """Tell which facts a model knows in which years, and write the rows and a report.

    For example: pansophy timeline probe facts.csv --model embedded -n 20 -o results/facts
    """
    from pansophy.reading.chroknowledge import ProbeSettings
    from pansophy.reading.chroknowledge import probe as measure

    settings = ProbeSettings(template=form.value, prompts=prompts, shots=shots, seed=seed)
    bench = _bench(facts, stamps, examples, seed)
    typer.echo(measure(model, bench, output, settings=settings, **_options(base_url, limit, at_once)).markdown())


def repair(
    facts: Facts,
    output: Output,
    model: Model = "default",
    base_url: BaseUrl = None,
    prev: Annotated[int, typer.Option(min=0, help="Earlier stamps that are shown at the most.")] = 3,
    next_: Annotated[int, typer.Option("--next", min=0, help="Later stamps that are shown at the most.")] = 3,
    stamps: Stamps = None,
    examples: Examples = 0,
    limit: Limit = None,
    prompts: Prompts = 5,
    shots: Shots = 4,
    seed: Seed = 42,
    at_once: AtOnce = 1,
) -> None:
    """Probe what isn't probed yet, then ask again what is partly known, with neighbouring years shown.

    For example: pansophy timeline repair facts.csv --model embedded -n 20 -o results/facts
    """
    from pansophy.reading.chroknowledge import ProbeSettings
    from pansophy.reading.chroknowledge import repair as measure

    settings = ProbeSettings(prompts=prompts, shots=shots, seed=seed)
    bench = _bench(facts, stamps, examples, seed)
    options = {**_options(base_url, limit, at_once), "prev": prev, "next": next_}
    typer.echo(measure(model, bench, output, settings=settings, **options).markdown())


def _bench(facts: Path, stamps: str | None, examples: int, seed: int) -> ChronoBench:
    from pansophy.reading.chroknowledge import ChronoBench

    return ChronoBench.from_file(facts, stamps=_moments(stamps), examples=examples, seed=seed)


def _moments(stamps: str | None) -> list[str] | None:
    """ "2010-2012" as three years; what has commas as it is."""
    if stamps is None:
        return None
    first, _, last = stamps.partition("-")
    if first.isdigit() and last.isdigit() and int(last) >= int(first) > 999:
        return [str(year) for year in range(int(first), int(last) + 1)]
    return [one.strip() for one in stamps.split(",")]


def _options(base_url: str | None, limit: int | None, at_once: int) -> dict[str, Any]:
    return {"base_url": base_url, "limit": limit, "at_once": at_once, "tell": _show, "say": _say}


def _say(words: str) -> None:
    typer.echo(words, err=True)


def _show(progress: TimelineProgress) -> None:
    """One line on standard error for each stamp, and for each repaired fact."""
    row = progress.row
    if row["error"]:
        said = f"error: {row['error']}"
    elif "years" in row:
        right = sum(year["known"] for year in row["years"])
        said = f"{right} of {len(row['years'])} right when asked again"
    else:
        said = f"{row['category']}: {(*row['greedy'], *row['sampled'], 'nothing')[0]}"
    _say(f"{progress.done}/{progress.total}  {row['id']}  {' '.join(said.split())[:100]}")
