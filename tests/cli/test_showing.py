"""What surrounds a run in the terminal: signals, exit codes, JSON."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import typer
from rich.console import Console
from tests.cli.synthetic import answer

from pansophy.cli.live import LiveRun
from pansophy.cli.showing import EXIT_CODES, Show, run_shown, show_answer
from pansophy.errors import RunFailed
from pansophy.types import Answer, Verdict

WAITING = textwrap.dedent(
    """
    import asyncio, sys
    from synthetic import started
    from pansophy.cli.showing import Show, open_view, run_shown

    show = Show()
    live = open_view(show)

    async def work():
        live.emit(started())
        print("ready", flush=True)
        try:
            await asyncio.Event().wait()
        finally:
            print("stored", flush=True)

    import typer
    try:
        run_shown(live, work, show, stored=sys.argv[1] == "stored")
    except typer.Exit as exit:
        sys.exit(exit.exit_code)
    """
)


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("stored", ["stored", "not stored"])
def test_a_signal_lets_the_run_store_itself_and_says_how_to_go_on(sent: signal.Signals, code: int, stored: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING, stored],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(sent)
    output, errors = process.communicate(timeout=30)
    assert process.returncode == code
    assert output == "stored\n"
    assert errors == (
        "Stopped; what was read is kept. Go on with: pansophy runs resume r1\n" if stored == "stored" else "Stopped.\n"
    )


def test_every_verdict_has_its_exit_code() -> None:
    assert {verdict: EXIT_CODES[verdict] for verdict in Verdict} == {
        Verdict.ANSWERED: 0,
        Verdict.FORCED: 0,
        Verdict.FAILED: 1,
        Verdict.NOTHING_FOUND: 3,
        Verdict.OUT_OF_BUDGET: 4,
    }


def test_the_exit_code_is_the_verdicts(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as exit:
        show_answer(dataclasses.replace(answer(), verdict=Verdict.OUT_OF_BUDGET), Show(), lambda evidence: None)
    assert exit.value.exit_code == 4
    assert "best partial answer" in capsys.readouterr().out


def test_json_is_one_object_that_gives_the_answer_back(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        show_answer(answer(), Show(as_json=True), lambda evidence: None)
    assert Answer.from_dict(json.loads(capsys.readouterr().out)) == answer()


def test_a_failed_run_is_printed_as_json_before_its_error_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    failed = dataclasses.replace(answer(), text="", verdict=Verdict.FAILED)

    async def work() -> Answer:
        raise RunFailed("every chunk failed: no reply", failed)

    with pytest.raises(RunFailed):
        run_shown(LiveRun(Console(stderr=True), shown=False), work, Show(as_json=True))
    assert json.loads(capsys.readouterr().out)["verdict"] == "failed"


def test_quiet_leaves_out_the_summary(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        show_answer(answer(), Show(quiet=True), lambda evidence: None)
    output = capsys.readouterr().out
    assert "Ilse Marant [1]" in output
    assert "prefilled" not in output


@pytest.mark.parametrize(("verbose", "told"), [(False, ["heard", "new"]), (True, ["new"])])
def test_warnings_are_told_once_beside_the_answer(
    verbose: bool, told: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    warned = dataclasses.replace(answer(), warnings=("heard", "new"))
    with pytest.raises(typer.Exit):
        show_answer(warned, Show(verbose=verbose), lambda evidence: None, warnings=["heard"])
    output = capsys.readouterr()
    assert output.err.splitlines() == [f"note: {warning}" for warning in told]
    assert "note:" not in output.out
