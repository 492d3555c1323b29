"""Runs a question to its end in front of a person: live view, answer, exit code. `ask` and `runs resume` share it."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import typer

if TYPE_CHECKING:
    from pansophy.cli.answer_view import Locate
    from pansophy.cli.live import LiveRun
    from pansophy.types import Answer

EXIT_CODES = {"answered": 0, "forced": 0, "failed": 1, "nothing_found": 3, "out_of_budget": 4}
"""The exit code of each verdict."""
INTERRUPTED, TERMINATED = 130, 143


@dataclass(frozen=True, slots=True)
class Show:
    """How much is shown."""

    as_json: bool = False
    verbose: bool = False
    quiet: bool = False


def open_view(show: Show) -> LiveRun:
    """The live view for this terminal: silent unless both outputs are terminals."""
    from rich.console import Console

    from pansophy.cli.live import LiveRun
    from pansophy.cli.wording import ENDLESS

    watched = sys.stdout.isatty() and sys.stderr.isatty() and not show.quiet
    console = Console(stderr=True) if sys.stderr.isatty() else Console(stderr=True, width=ENDLESS)
    return LiveRun(console, verbose=show.verbose, shown=watched)


def run_shown(
    live: LiveRun, work: Callable[[], Coroutine[Any, Any, Answer]], show: Show, *, stored: bool = True
) -> Answer:
    """Run `work` under the live view.

    Ctrl-C and SIGTERM cancel it, so that it can store what it has, and leave with 130 and 143. A run that fails is
    printed as well when JSON is wanted, before its error goes on.
    """
    import asyncio

    from pansophy.errors import RunFailed

    with live.running():
        try:
            return asyncio.run(_cancelled_by_sigterm(work()))
        except (KeyboardInterrupt, asyncio.CancelledError) as stop:
            code = INTERRUPTED if isinstance(stop, KeyboardInterrupt) else TERMINATED
        except RunFailed as failure:
            if show.as_json:
                typer.echo(failure.answer.to_json())
            raise
    started = live.progress.started
    if stored and started is not None and started.run_id:
        typer.echo(f"Stopped; what was read is kept. Go on with: pansophy runs resume {started.run_id}", err=True)
    else:
        typer.echo("Stopped.", err=True)
    raise typer.Exit(code)


async def _cancelled_by_sigterm(work: Coroutine[Any, Any, Answer]) -> Answer:
    import asyncio

    task = asyncio.current_task()
    assert task is not None
    with contextlib.suppress(NotImplementedError):  # there is no such handler on Windows
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await work


def show_answer(answer: Answer, show: Show, locate: Locate, *, warnings: Sequence[str] = ()) -> NoReturn:
    """Print the answer on standard output and leave with the exit code of its verdict.

    `warnings`, and those of the answer that are not among them, go to standard error; when verbose, the first have been
    shown already.
    """
    from pansophy.cli.wording import one_line

    told = dict.fromkeys((*warnings, *answer.warnings))
    for warning in told:
        if show.verbose and warning in warnings:
            continue
        typer.echo(f"note: {one_line(warning)}", err=True)
    if show.as_json:
        typer.echo(answer.to_json())
    else:
        from rich.console import Console

        from pansophy.cli.answer_view import print_answer

        print_answer(Console(), answer, locate, summary=not show.quiet, everything=show.verbose)
    raise typer.Exit(EXIT_CODES[answer.verdict])
