"""`pansophy runs`: look at past runs, continue them, export them, delete them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pansophy.runs import Run, RunInfo
    from pansophy.runs.summary import RunSummary
    from pansophy.types import Answer

app = typer.Typer(no_args_is_help=True, help="Look at past runs, continue them, export them.")

BEST = 5
"""How many findings `show` prints without --verbose."""

Reference = Annotated[str, typer.Argument(metavar="ID", help="The run's id, its beginning or end, or last.")]


@app.command("list")
def list_runs(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="The most runs to show.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array instead of a table.")] = False,
) -> None:
    """List the newest runs: when, how they stand, what was asked."""
    from pansophy.runs import RunStore

    with RunStore() as store:
        found = store.list(limit)
        if as_json:
            import json

            typer.echo(json.dumps([info.to_dict() for info in found], ensure_ascii=False, indent=2))
        elif found:
            _print_table(found)
        else:
            typer.echo(f"No runs are kept at {store.location} yet: pansophy ask makes them.", err=True)


@app.command()
def show(
    reference: Reference,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show every finding and every try.")] = False,
) -> None:
    """Show how a run went, finished or not: rounds, chunks read, the best findings, the answer."""
    from rich.console import Console

    from pansophy.runs import RunStore

    with RunStore() as store:
        run = store.open(reference)
        lines = list(_lines(run, None if verbose else BEST))
    console = Console(highlight=False)
    for line in lines:
        console.print(line, markup=False, soft_wrap=not console.is_terminal)


@app.command()
def resume(
    reference: Reference,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show every message of every agent.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the answer and its citations.")] = False,
) -> None:
    """Go on with a run that was interrupted or ran out of budget; what it has read is not read again.

    Exit codes are those of pansophy ask.
    """
    from pansophy.cli.lines import Lines
    from pansophy.cli.showing import Show, open_view, run_shown, show_answer
    from pansophy.runs import RunStore

    shown = Show(as_json=as_json, verbose=verbose, quiet=quiet)
    live, lines = open_view(shown), Lines()
    with RunStore() as store:
        run_id = store.open(reference).id

        async def work() -> Answer:
            from pansophy.reading.ask import resume as resume_run

            return await resume_run(run_id, store=store, emit=live.emit, opened=lines.opened)

        answer = run_shown(live, work, shown)
    show_answer(answer, shown, lines, warnings=live.warnings)


@app.command()
def export(
    reference: Reference,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file.", show_default="standard output")
    ] = None,
) -> None:
    """Print a run as one JSON object: run, settings, events, answer."""
    import json

    from pansophy.runs import RunStore

    with RunStore() as store:
        text = json.dumps(store.open(reference).export(), ensure_ascii=False, indent=2)
    if output is None:
        typer.echo(text)
    else:
        _write(output, text + "\n")


@app.command()
def delete(references: Annotated[list[str], typer.Argument(metavar="ID...", help="The runs' ids.")]) -> None:
    """Delete runs with everything that is kept of them."""
    from pansophy.runs import RunStore

    with RunStore() as store:
        for reference in references:
            typer.echo(f"Deleted {store.delete(reference)}.")


def _write(path: Path, text: str) -> None:
    """Write a whole file or none."""
    from pansophy.errors import StoreError

    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")
        partial.replace(path)
    except OSError as error:
        raise StoreError(f"{path} can't be written: {error.strerror}. Name another file with -o") from error


def _print_table(found: list[RunInfo]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from pansophy.cli.wording import clock, one_line

    console = Console(highlight=False)
    if not console.is_terminal:
        for info in found:
            words = (info.id, _standing(info), info.strategy, clock(info.seconds), one_line(info.question))
            typer.echo("\t".join(words))
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("run", "started", "state", "strategy", "time"):
        table.add_column(heading, no_wrap=True)
    table.add_column("question", no_wrap=True, overflow="ellipsis", ratio=1)
    for info in found:
        started = f"{info.started.astimezone():%Y-%m-%d %H:%M}"
        question = Text(one_line(info.question))
        table.add_row(info.id, started, _standing(info), info.strategy, clock(info.seconds), question)
    console.print(table)


def _standing(info: RunInfo) -> str:
    return info.status if info.verdict is None else str(info.verdict).replace("_", " ")


def _lines(run: Run, best: int | None) -> Iterator[str]:
    from pansophy.cli.answer_view import summary_of
    from pansophy.cli.wording import clock, one_line, printable, try_said
    from pansophy.runs.summary import summarise

    info, answer = run.info, run.answer()
    summary = summarise(run.events())
    yield f"run {info.id}: {_standing(info)}"
    yield f"question: {one_line(info.question)}"
    model = f" with {summary.model}" if summary.model else ""
    yield f"strategy: {info.strategy}{model}, started {info.started.astimezone():%Y-%m-%d %H:%M}, {clock(info.seconds)}"
    yield _progress(summary)
    yield from (f"note: {one_line(warning)}" for warning in summary.warnings)
    for failure in summary.failures[:best]:
        yield f"not read: {failure.document}, characters {failure.start}-{failure.end}: {one_line(failure.error)}"
    if summary.findings:
        yield ""
        shown = summary.findings[:best]
        yield "findings:" if len(shown) == len(summary.findings) else f"the best of {len(summary.findings)} findings:"
        for finding in shown:
            place = f"{finding.document}, characters {finding.start}-{finding.end}"
            yield f"  {finding.rating:5.1f}  {one_line(finding.statement)}  ({place})"
    for number, attempt in enumerate(summary.tries, start=1):
        if best is None or number > len(summary.tries) - best:
            said = one_line(try_said(attempt))
            yield f"  try {number}, round {attempt.round}{', forced' if attempt.forced else ''}: {said}"
    yield ""
    if answer is None or info.status != "finished":
        kept = "1 reply is" if info.completions == 1 else f"{info.completions:,} replies are"
        yield f"{kept} kept" + (f"; go on with: pansophy runs resume {info.id}" if info.status != "running" else "")
        return
    yield printable(answer.text).strip() or "(no answer)"
    yield from (f"  “{one_line(item.quote)}” ({item.document}, characters {item.start}-{item.end})"
                for item in answer.citations)  # fmt: skip
    yield summary_of(answer)


def _progress(summary: RunSummary) -> str:
    from pansophy.cli.wording import counted

    planned = "" if summary.planned is None else f" of {summary.planned:,}"
    facts = [
        counted(summary.rounds, "round"),
        f"{summary.chunks:,}{planned} chunks read",
        counted(len(summary.findings), "finding"),
    ]
    if summary.failures:
        facts.append(f"{len(summary.failures):,} failed")
    if summary.notes:
        facts.append(counted(summary.notes, "note"))
    facts.append(f"tried to answer {counted(len(summary.tries), 'time')}")
    if summary.retries:
        facts.append(f"{counted(summary.retries, 'call')} tried again")
    return ", ".join(facts)
