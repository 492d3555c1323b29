"""The live view, rendered into a recording console from made-up events."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from tests.cli.synthetic import answer, read, started, tried, whole_run

from pansophy.cli.live import UNICODE, LiveRun, RunView, cell, grid, message_of
from pansophy.cli.progress import FAILED, WAITING, Progress, Try
from pansophy.events import (
    AnswerReady,
    CallRetried,
    ChunkFailed,
    Event,
    NoteWritten,
    ReasoningStarted,
    RoundStarted,
    Routed,
    Warned,
)
from pansophy.types import Usage


def progress_of(*events: Event) -> Progress:
    progress = Progress()
    for event in events:
        progress.add(event)
    return progress


def rendered(progress: Progress, width: int = 100, height: int = 30) -> str:
    console = Console(record=True, width=width, height=height, file=io.StringIO())
    console.print(RunView(progress))
    return console.export_text()


def test_a_better_rating_is_a_darker_sign() -> None:
    signs = [cell(value, UNICODE)[0] for value in (1, 30, 55, 80, 100)]
    assert signs == ["░", "▒", "▓", "█", "█"]


def test_ratings_that_lie_close_together_still_look_different() -> None:
    assert grid([31.0, 35.0, 38.0, 42.0], width=10, rows=1)[0].plain == "░▒▓█"


def test_a_low_rating_does_not_look_good_because_there_is_none_better() -> None:
    assert grid([5.0, 8.0], width=10, rows=1)[0].plain == "░░"


@given(st.lists(st.sampled_from([WAITING, FAILED, 0.0]) | st.floats(0.001, 100), min_size=1, max_size=200))
def test_a_chunk_rated_higher_never_looks_lighter(values: list[float]) -> None:
    signs = grid(values, width=200, rows=1)[0].plain
    rated = sorted((value, UNICODE.steps.index(sign)) for value, sign in zip(values, signs, strict=True) if value > 0)
    assert [step for _, step in rated] == sorted(step for _, step in rated)


def test_waiting_empty_and_failed_chunks_look_different_without_colour() -> None:
    signs = {cell(value, UNICODE)[0] for value in (WAITING, FAILED, 0.0, 100.0)}
    assert len(signs) == 4


def test_a_grid_cell_shows_the_best_of_its_chunks() -> None:
    values = [WAITING] * 99 + [95.0]
    text, per_cell = grid(values, width=10, rows=2)
    assert per_cell == 5
    assert text.plain == "·" * 10 + "\n" + "·" * 9 + "█"


@pytest.mark.parametrize("chunks", [1, 12, 250, 5000, 100_000])
@pytest.mark.parametrize("width", [40, 80, 160])
def test_the_view_fits_the_terminal_whatever_the_number_of_chunks(chunks: int, width: int) -> None:
    text = rendered(progress_of(started(chunks), RoundStarted(round=1, synchronised=3), read(0, 90)), width, height=24)
    lines = text.splitlines()
    assert len(lines) < 24
    assert max(map(len, lines)) <= width


def test_a_small_terminal_gets_fewer_rows_of_the_grid() -> None:
    progress = progress_of(started(4000))
    assert len(rendered(progress, height=16).splitlines()) < len(rendered(progress, height=40).splitlines())


def test_the_view_says_who_reads_and_who_reasons() -> None:
    assert "small reads, large reasons" in rendered(progress_of(started()))
    assert "large reads" not in rendered(progress_of(started(seeker="large")))


def test_the_ladder_shows_what_was_refused_what_runs_and_what_may_come() -> None:
    progress = progress_of(
        started(12),
        RoundStarted(round=1, synchronised=0),
        ReasoningStarted(round=1, attempt=1, shown=(0,), forced=False),
        tried(1, answered=False),
        ReasoningStarted(round=1, attempt=2, shown=(0, 1), forced=False),
    )
    assert [(rung.label, rung.state) for rung in progress.ladder()] == [
        ("1", Try.REFUSED),
        ("2", Try.RUNNING),
        ("4", Try.PLANNED),
        ("8", Try.PLANNED),
        ("all", Try.PLANNED),
    ]
    assert "1 ✗   2 …   4 ·   8 ·   all ·" in rendered(progress)


def test_the_ladder_calls_the_step_with_every_chunk_all() -> None:
    assert [rung.label for rung in progress_of(started(3)).ladder()] == ["1", "2", "all"]


def test_strategies_without_steps_have_no_planned_ladder() -> None:
    assert progress_of(started(12, strategy="top_k")).ladder() == []


def test_a_new_round_starts_its_own_count_and_ladder() -> None:
    progress = progress_of(
        started(12),
        RoundStarted(round=1, synchronised=0),
        read(0, 50),
        ReasoningStarted(round=1, attempt=1, shown=(0,), forced=False),
        tried(1, answered=False),
        RoundStarted(round=2, synchronised=1),
        read(1, 20, round=2),
    )
    assert progress.ladder() == []
    text = rendered(progress)
    assert "round 2: 1 of 12 chunks read by rank" in text
    assert "1 finding shown to every reader" in text


def test_the_best_finding_is_the_one_rated_highest() -> None:
    progress = progress_of(started(), read(0, 40), read(1, 90, statement="Ilse had it"), read(2, 60))
    assert "90 Ilse had it" in rendered(progress)


def test_tokens_and_calls_add_up_over_reading_and_reasoning() -> None:
    text = rendered(progress_of(started(), read(0, 40), read(1, 0), tried(1, answered=True)))
    assert "600 prefilled · 1.1k cached · 100 written" in text
    assert "3 calls" in text


def test_failures_retries_and_warnings_are_seen() -> None:
    text = rendered(
        progress_of(
            started(),
            RoundStarted(round=1, synchronised=0),
            ChunkFailed(round=1, chunk=2, document="a", start=0, end=1, error="no reply"),
            CallRetried(attempt=1, error="429 from the endpoint", wait=1.0),
            Warned(message="a quote was not found"),
        )
    )
    assert "1 failed" in text
    assert "✗" in text
    assert "retried once: 429 from the endpoint" in text
    assert "a quote was not found" in text


def test_running_notes_are_shown_with_their_step() -> None:
    note = NoteWritten(step=3, of=9, text="so far:\nthe key moved", usage=Usage(calls=1))
    text = rendered(progress_of(started(0, strategy="running_note"), note))
    assert "3 of 9  so far: the key moved" in text


def test_the_chosen_strategy_is_shown_with_the_reason() -> None:
    chosen = Routed(strategy="map_reduce", reason="the question is about the text as a whole")
    text = rendered(progress_of(chosen, started(3, strategy="map_reduce")))
    assert "chosen map reduce: the question is about the text as a whole" in text
    assert str(message_of(chosen)) == "[chosen] map reduce: the question is about the text as a whole"


def test_a_terminal_without_unicode_gets_plain_signs() -> None:
    target = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    console = Console(file=target, width=100, height=30)
    for events in ([], list(whole_run(30))[:40]):
        console.print(RunView(progress_of(*events)))
    target.flush()
    assert b"by rank" in target.buffer.getvalue()  # type: ignore[attr-defined]


def test_control_characters_of_a_document_do_not_reach_the_terminal() -> None:
    hostile = "look \x1b[2J\x1b]0;owned\x07 here"
    progress = progress_of(started(), read(0, 90, statement=hostile), Warned(message=hostile))
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=True, color_system=None)
    console.print(RunView(progress))
    console.print(message_of(read(0, 90, statement=hostile)))
    assert "\x1b[2J" not in out.getvalue()
    assert "\x07" not in out.getvalue()


def test_the_final_usage_is_the_answers_own() -> None:
    progress = progress_of(started(), read(0, 10), AnswerReady(answer=answer()))
    assert progress.usage == answer().usage


def test_steps_before_the_run_show_how_far_they_are() -> None:
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=True)
    live = LiveRun(console)
    with live.running():
        live.step("fetching small.gguf", 120, 480, "120 of 480 MB")
    assert "fetching small.gguf" in out.getvalue()
    assert "120 of 480 MB" in out.getvalue()


def test_a_view_that_is_not_shown_writes_nothing_unless_verbose() -> None:
    def written(verbose: bool) -> str:
        out = io.StringIO()
        live = LiveRun(Console(file=out, width=200), verbose=verbose, shown=False)
        with live.running():
            for event in whole_run(12):
                live.emit(event)
        return out.getvalue()

    assert written(verbose=False) == ""
    lines = written(verbose=True)
    assert "finding of chunk 0" in lines
    assert "not answerable from these" in lines
    assert "Ilse Marant" in lines


def test_the_live_region_is_wiped_when_the_run_breaks() -> None:
    out = io.StringIO()
    live = LiveRun(Console(file=out, width=80, force_terminal=True))

    def broken() -> None:
        with live.running():
            live.emit(started())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken()
    assert out.getvalue().rstrip().endswith("\x1b[2K")  # the last thing done is erasing a line
    assert "\x1b[?25h" in out.getvalue()  # and the cursor is back
