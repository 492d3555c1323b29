"""`pansophy corpus`: keep texts so that they can be asked often."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from pansophy.corpus import AddProgress, AddReport

app = typer.Typer(no_args_is_help=True, help="Keep texts so that they can be asked often.")

Name = Annotated[str, typer.Argument(help="The corpus's name.", show_default=False)]
Uri = Annotated[
    str | None, typer.Option(help="Folder or object-store URI under which corpora are kept.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@app.command()
def add(
    name: Name,
    sources: Annotated[
        list[str],
        typer.Argument(help="Files, folders, globs, - for standard input, python-docs:, URLs.", show_default=False),
    ],
    uri: Uri = None,
    allow_urls: Annotated[bool, typer.Option("--allow-urls", help="Fetch the URLs among the sources.")] = False,
    chunk_tokens: Annotated[int, typer.Option(help="Most tokens of a chunk, for a new corpus.", min=8)] = 400,
    embedder: Annotated[
        str | None,
        typer.Option(help="Search a new corpus by meaning too: endpoint:MODEL or local:minilm.", show_default=False),
    ] = None,
) -> None:
    """Add texts to a corpus, which is made if there is none. Unchanged files are skipped, changed ones replaced."""
    from pansophy.corpus import Corpus

    corpus = Corpus.create(name, uri=uri, chunk_tokens=chunk_tokens, embedder=embedder)
    try:
        with _progress() as progress:
            report = corpus.add(sources, progress=progress, allow_urls=allow_urls)
    finally:
        if not len(corpus):
            corpus.delete()
    _show_report(corpus.name, report)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the corpora."""
    from pansophy.corpus import list_corpora

    found = list_corpora()
    if as_json:
        _print_json([dataclasses.asdict(info) for info in found])
        return
    if not found:
        typer.echo("No corpus yet. Make one: pansophy corpus add NAME PATH", err=True)
        return
    rows = [(info.name, f"{info.documents:,}", f"{info.characters:,}", f"{info.size / 1e6:,.1f} MB") for info in found]
    _print_table(("name", "documents", "characters", "on disk"), rows, right=(1, 2, 3))


@app.command()
def show(name: Name, uri: Uri = None, as_json: AsJson = False) -> None:
    """Show the documents of a corpus, and which of them have changed since."""
    from pansophy.corpus import Corpus

    corpus = Corpus.open(name, uri=uri)
    stale = set(corpus.stale())
    documents = corpus.documents()
    if as_json:
        listed = [{**dataclasses.asdict(item), "stale": item.id in stale} for item in documents]
        _print_json({**dataclasses.asdict(corpus.info()), "fingerprint": corpus.fingerprint, "list": listed})
        return
    rows = [
        (item.id, item.title, f"{item.characters:,}", str(item.chunks), "changed" if item.id in stale else "")
        for item in documents
    ]
    _print_table(("document", "title", "characters", "chunks", ""), rows, right=(2, 3))
    typer.echo(f"{len(documents)} documents, {corpus.chunk_count:,} chunks in {corpus.location}")
    if stale:
        typer.echo(f"{len(stale)} changed or vanished since they were added: add their sources again.", err=True)


@app.command()
def search(
    name: Name,
    query: Annotated[str, typer.Argument(help="Words or a question.", show_default=False)],
    limit: Annotated[int, typer.Option("--limit", "-n", help="Most chunks shown.", min=1)] = 5,
    uri: Uri = None,
    as_json: AsJson = False,
) -> None:
    """Show the chunks that fit a question best. No model is asked."""
    from pansophy.corpus import Corpus

    found = Corpus.open(name, uri=uri).search(query, limit)
    if as_json:
        _print_json([{"score": hit.score, **dataclasses.asdict(hit.chunk)} for hit in found])
        return
    if not found:
        typer.echo("Nothing found.", err=True)
        return
    console = _console()
    for hit in found:
        chunk = hit.chunk
        console.print(f"[bold]{_escape(chunk.document)}[/bold] {chunk.start}-{chunk.end}  [dim]{hit.score:.1f}[/dim]")
        console.print(chunk.text.strip() + "\n", markup=False)


@app.command()
def remove(
    name: Name,
    documents: Annotated[list[str], typer.Argument(help="Document ids, as `show` lists them.", show_default=False)],
    uri: Uri = None,
) -> None:
    """Remove documents, and every trace of their text."""
    from pansophy.corpus import Corpus

    count = Corpus.open(name, uri=uri).remove(documents)
    typer.echo(f"Removed {count} {'document' if count == 1 else 'documents'}.")


@app.command()
def delete(
    name: Name,
    uri: Uri = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
) -> None:
    """Delete a corpus and its files. The sources stay as they are."""
    from pansophy.corpus import Corpus

    corpus = Corpus.open(name, uri=uri)
    if not yes:
        typer.confirm(f"Delete {name} with {len(corpus)} documents?", abort=True)
    corpus.delete()
    typer.echo(f"Deleted {name}.")


def _show_report(name: str, report: AddReport) -> None:
    for failure in report.failed:
        typer.echo(f"Not read: {failure.reason}", err=True)
    unchanged = f", {len(report.unchanged)} unchanged" if report.unchanged else ""
    failed = f", {len(report.failed)} could not be read" if report.failed else ""
    typer.echo(
        f"{name}: {report.documents} added{unchanged}{failed}"
        f" ({report.characters:,} characters in {report.seconds:.1f} s)"
    )


@contextmanager
def _progress() -> Iterator[Callable[[AddProgress], None] | None]:
    """A progress bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task("Looking", total=None)

        def report(step: AddProgress) -> None:
            words = "Indexing" if step.stage == "indexing" else f"Reading {step.source[-50:]}"
            bar.update(task, description=words, completed=step.done, total=step.total)

        yield report


def _print_json(data: object) -> None:
    typer.echo(json.dumps(data, ensure_ascii=False, indent=2))


def _print_table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]], right: tuple[int, ...]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for position, title in enumerate(header):
        table.add_column(title, justify="right" if position in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_escape(cell) for cell in row))
    _console().print(table)


def _console() -> Console:
    from rich.console import Console

    # A pipe has no width: a line there is cut by whoever reads it.
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty(), width=None if sys.stdout.isatty() else 200)


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)
