"""The live view of a run in a terminal: a grid of chunks lighting up by rating, the ladder of tries, tokens and time.

Fed only by events. It draws on standard error, so that standard output stays the answer alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pansophy.cli.progress import FAILED, WAITING, Progress, Rung, Try
from pansophy.cli.wording import claim_said, clock, counted, one_line, settled_said, short_count, try_said
from pansophy.events import (
    ChunkFailed,
    ChunkRead,
    ClaimTold,
    ConflictSettled,
    Event,
    NoteWritten,
    ReasoningTried,
    Routed,
    Warned,
)

MAX_GRID_ROWS = 10
FAINT = 25.0
"""A rating that is no higher is not shown as the best, even if there is none better."""
NARROWEST = 0.7
"""The lowest sign stands for at most this share of the highest rating."""


@dataclass(frozen=True, slots=True)
class Look:
    """The signs of a view, readable without colour as well: of chunks by their rating (`steps`), and of tries."""

    waiting: str
    failed: str
    empty: str
    steps: str
    tries: Mapping[Try, str]
    separator: str
    overflow: Literal["ellipsis", "crop"]


UNICODE = Look(
    waiting="·",
    failed="✗",
    empty="▁",
    steps="░▒▓█",
    tries={Try.PLANNED: "·", Try.RUNNING: "…", Try.REFUSED: "✗", Try.ANSWERED: "✓"},
    separator=" · ",
    overflow="ellipsis",
)
ASCII = Look(
    waiting=".",
    failed="!",
    empty="_",
    steps="-+=#",
    tries={Try.PLANNED: ".", Try.RUNNING: "?", Try.REFUSED: "x", Try.ANSWERED: "ok"},
    separator=", ",
    overflow="crop",
)
ORDERS = {"rank": "by rank", "latest": "from the latest on"}
STEP_STYLES = ("blue", "cyan", "yellow", "bold green")
RUNG_STYLES = {Try.PLANNED: "dim", Try.RUNNING: "bold yellow", Try.REFUSED: "red", Try.ANSWERED: "bold green"}


def scale_of(values: Sequence[float]) -> tuple[float, float]:
    """The ratings that the lightest and the darkest sign stand for.

    Models use the numbers from 1 to 100 very differently (a small one may put all between 30 and 42), so the signs go
    from the lowest to the highest rating there is; but no lower than `FAINT` is ever shown as the best.
    """
    ratings = [value for value in values if value > 0]
    if not ratings:
        return 0.0, 100.0
    highest = max(FAINT, *ratings)
    return min(min(ratings), NARROWEST * highest), highest


def cell(value: float, look: Look, scale: tuple[float, float] = (0.0, 100.0)) -> tuple[str, str]:
    """Sign and style of one cell of the grid."""
    if value == WAITING:
        return look.waiting, "dim"
    if value == FAILED:
        return look.failed, "red"
    if value <= 0:
        return look.empty, "dim"
    lowest, highest = scale
    step = min(len(look.steps) - 1, int((value - lowest) / (highest - lowest) * len(look.steps)))
    return look.steps[step], STEP_STYLES[step]


def grid(values: list[float], width: int, rows: int, look: Look = UNICODE) -> tuple[Text, int]:
    """The chunks as at most `rows` lines of `width` cells, and how many neighbouring chunks one cell stands for.

    A cell shows the best of its chunks.
    """
    per_cell = max(1, math.ceil(len(values) / (width * rows)))
    scale = scale_of(values)
    text = Text()
    cells = math.ceil(len(values) / per_cell)
    for number in range(cells):
        if number and number % width == 0:
            text.append("\n")
        text.append(*cell(max(values[number * per_cell : (number + 1) * per_cell]), look, scale))
    return text, per_cell


@dataclass(frozen=True, slots=True)
class Step:
    """Work that comes before a run: fetching a model, reading sources. `total` None: not known how much there is."""

    label: str
    done: float
    total: float | None
    shown: str


class RunView:
    """A run's progress as a rich renderable. `now` gives the seconds since the run began; None: the last event's."""

    def __init__(self, progress: Progress, now: Callable[[], float] | None = None) -> None:
        self.progress = progress
        self.now = now
        self.step: Step | None = None
        self._look = UNICODE

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        unicode = options.encoding.startswith("utf")
        self._look = UNICODE if unicode else ASCII
        yield Group(*self._parts(options.max_width, max(3, console.height - 12)))

    def _parts(self, width: int, spare_rows: int) -> Iterator[RenderableType]:
        progress = self.progress
        if progress.started is None:
            yield self._preparation()
            return
        yield from self._heading(width)
        if progress.grid:
            look = self._look
            cells, per_cell = grid(progress.grid, max(10, width - 2), min(MAX_GRID_ROWS, spare_rows), look)
            yield Text()
            yield from _indented(cells)
            yield self._legend(per_cell, width)
        table = Table.grid(padding=(0, 1))
        table.add_column(style="dim", no_wrap=True, min_width=8)
        table.add_column(overflow=self._look.overflow, no_wrap=True, ratio=1)
        for name, value in self._facts():
            table.add_row(name, value)
        yield table

    def _preparation(self) -> RenderableType:
        step = self.step
        if step is None:
            return Text("getting ready", style="dim")
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(no_wrap=True, overflow=self._look.overflow)
        table.add_column(ratio=1, min_width=5, max_width=40)
        table.add_column(no_wrap=True, style="dim")
        bar = ProgressBar(total=step.total, completed=step.done, pulse=step.total is None, width=None)
        table.add_row(one_line(step.label), bar, step.shown)
        return table

    def _heading(self, width: int) -> Iterator[Text]:
        started = self.progress.started
        assert started is not None
        readers = started.model
        if started.seeker_model != started.model:
            readers = f"{started.seeker_model} reads, {started.model} reasons"
        question = Text.assemble(("? ", "bold cyan"), (one_line(started.question), "bold"))
        question.truncate(max(10, width * 2), overflow=self._look.overflow)
        yield question
        facts = [started.strategy.replace("_", " "), readers, f"window {short_count(started.window)}"]
        yield Text("  " + self._look.separator.join(facts), style="dim", no_wrap=True, overflow=self._look.overflow)

    def _legend(self, per_cell: int, width: int) -> Text:
        progress, look = self.progress, self._look
        assert progress.started is not None
        by = ORDERS.get(progress.started.order, "in text order")
        text = Text("  ", no_wrap=True, overflow=self._look.overflow)
        round_part = f"round {progress.round}: " if progress.round else ""
        text.append(f"{round_part}{progress.read_in_round:,} of {len(progress.grid):,} chunks read {by}")
        if progress.failed_in_round:
            text.append(f", {progress.failed_in_round} failed", style="red")
        if width >= 90:
            text.append(f"   {look.empty} nothing ", style="dim")
            for sign, style in zip(look.steps, STEP_STYLES, strict=True):
                text.append(sign, style=style)
            ratings = [value for value in progress.grid if value > 0]
            lowest, highest = (min(ratings), max(ratings)) if ratings else (1, 100)
            text.append(f" rated {lowest:.0f} to {highest:.0f}", style="dim")
        if per_cell > 1:
            text.append(f", a cell is {per_cell} chunks", style="dim")
        return text

    def _facts(self) -> Iterator[tuple[str, Text]]:
        progress, look = self.progress, self._look
        if progress.routed is not None:
            yield "  chosen", Text(f"{progress.routed.strategy.replace('_', ' ')}: {one_line(progress.routed.reason)}")
        if progress.synchronised:
            yield "  shared", Text(f"{counted(progress.synchronised, 'finding')} shown to every reader")
        if rungs := progress.ladder():
            yield "  tries", _ladder(rungs, look)
        if progress.note is not None:
            yield "  notes", Text(f"{progress.note.step} of {progress.note.of}  {one_line(progress.note.text)}")
        if progress.best is not None:
            rating = (f"{progress.best.rating:.0f} ", "bold green")
            yield "  best", Text.assemble(rating, one_line(progress.best.statement))
        if progress.claims:
            last = progress.claims[-1]
            told = f"{counted(len(progress.claims), 'source')} asked alone; {claim_said(last)}"
            yield "  ledger", Text(one_line(told))
        usage = progress.usage
        tokens = (
            (usage.prefilled_tokens, "prefilled"),
            (usage.cached_tokens, "cached"),
            (usage.completion_tokens, "written"),
        )
        yield "  tokens", Text(look.separator.join(f"{short_count(number)} {what}" for number, what in tokens))
        elapsed = self.now() if self.now is not None else progress.seconds
        time_line = Text(f"{clock(elapsed)}{look.separator}{counted(usage.calls, 'call')}")
        if progress.retries:
            times = "once" if progress.retries == 1 else f"{progress.retries} times"
            time_line.append(f"{look.separator}retried {times}: {one_line(progress.last_retry)}", style="yellow")
        yield "  time", time_line
        for warning in progress.warnings:
            yield "  note", Text(one_line(warning), style="yellow")


def _indented(text: Text) -> Iterator[Text]:
    for line in text.split("\n"):
        yield Text("  ") + line


def _ladder(rungs: list[Rung], look: Look) -> Text:
    text = Text()
    for rung in rungs:
        label = f"{rung.label} forced" if rung.forced else rung.label
        text.append(f"{label} {look.tries[rung.state]}", style=RUNG_STYLES[rung.state])
        text.append("   ")
    return text


def message_of(event: Event) -> Text | None:
    """One event as a line for `--verbose`; None for events that say nothing to a reader."""
    match event:
        case ChunkRead(found=True):
            quote = f" “{one_line(event.quote)}”" if event.quote and event.quote != event.statement else ""
            return Text.assemble(
                (f"[round {event.round}, chunk {event.chunk}] ", "dim"),
                (f"{event.rating:.0f} ", "bold green"),
                one_line(event.statement),
                (quote, "italic"),
                (f" {one_line(event.document)} {event.start}-{event.end}", "dim"),
            )
        case ChunkRead():
            return Text(f"[round {event.round}, chunk {event.chunk}] nothing here", style="dim")
        case ChunkFailed():
            return Text(f"[round {event.round}, chunk {event.chunk}] failed: {one_line(event.error)}", style="red")
        case ReasoningTried():
            said = one_line(try_said(event))
            return Text.assemble((f"[round {event.round}, try {event.attempt}] ", "dim"), (said, "bold"))
        case NoteWritten():
            return Text.assemble((f"[note {event.step} of {event.of}] ", "dim"), one_line(event.text))
        case ClaimTold():
            return Text.assemble(("[ledger] ", "dim"), one_line(claim_said(event)))
        case ConflictSettled():
            return Text.assemble(("[ledger] ", "dim"), (one_line(settled_said(event)), "bold"))
        case Routed():
            return Text(f"[chosen] {event.strategy.replace('_', ' ')}: {one_line(event.reason)}", style="dim")
        case Warned():
            return Text(f"[note] {one_line(event.message)}", style="yellow")
        case _:
            return None


class LiveRun:
    """Shows a run while it happens. `emit` takes its events, `step` what is done before the run begins.

    `warnings` are all that the run has said.
    """

    def __init__(self, console: Console, *, verbose: bool = False, shown: bool = True) -> None:
        self.progress = Progress()
        self._view = RunView(self.progress, self._seconds)
        self._console = console
        self._verbose = verbose
        self._shown = shown
        self._began: float | None = None
        self.warnings: list[str] = []

    def emit(self, event: Event) -> None:
        """Take one event; called by the engine as it happens."""
        if self._began is None:
            self._began = time.monotonic() - event.seconds
        self.progress.add(event)
        if isinstance(event, Warned):
            self.warnings.append(event.message)
        if self._verbose and (line := message_of(event)) is not None:
            self._console.print(line)

    def step(self, label: str, done: float, total: float | None, shown: str) -> None:
        """Say how far something is that comes before the run; `shown` is `done` and `total` in words."""
        self._view.step = Step(label, done, total, shown)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Keep the view on the screen; at the end it is wiped, whatever happened."""
        if not self._shown:
            yield
            return
        with Live(self._view, console=self._console, refresh_per_second=8, transient=True):
            yield

    def _seconds(self) -> float:
        return 0.0 if self._began is None else time.monotonic() - self._began
