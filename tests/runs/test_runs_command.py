"""`pansophy runs`, through the command's real entry point."""

from __future__ import annotations

import json

import pytest
from tests.runs.test_run_store import answer, chunk_read, start
from tests.runs.test_run_summary import EVENTS

from pansophy.cli.main import main
from pansophy.runs import RunStore
from pansophy.types import Completion, Usage, Verdict


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("PANSOPHY_DATABASE", f"sqlite:///{tmp_path}/runs.sqlite")
    with RunStore() as store:
        yield store


@pytest.fixture
def run_command(capsys):
    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as exit_:
            main(["runs", *words])
        printed = capsys.readouterr()
        return exit_.value.code, printed.out, printed.err

    return run


def test_listing_before_there_is_any_run_says_so(store, run_command):
    code, out, err = run_command("list")
    assert (code, out) == (0, "")
    assert "No runs are kept" in err
    assert run_command("list", "--json")[1].strip() == "[]"


def test_runs_are_listed_with_their_standing(store, run_command):
    start(store, question="first\nof all").finish(answer(Verdict.NOTHING_FOUND))
    interrupted = start(store, question="second")
    interrupted.release()
    lines = run_command("list")[1].splitlines()
    assert [line.split("\t")[1] for line in lines] == ["interrupted", "nothing found"]
    assert lines[0].startswith(interrupted.id)
    assert lines[1].endswith("first of all")
    assert [row["status"] for row in json.loads(run_command("list", "--json")[1])] == ["interrupted", "finished"]
    assert len(run_command("list", "-n", "1")[1].splitlines()) == 1


def test_an_interrupted_run_can_be_read(store, run_command):
    run = start(store)
    for event in EVENTS:
        run.emit(event)
    run.record("a", Completion("x", "stop", Usage()))
    run.release()
    code, out, _ = run_command("show", "last")
    assert code == 0
    assert f"run {run.id}: interrupted" in out
    assert "2 rounds, 3 of 9 chunks read, 2 findings, 1 failed, tried to answer 1 time, 1 call tried again" in out
    assert out.index("chunk 0 in round 2") < out.index("chunk 1 in round 1")
    assert "note: careful" in out
    assert "not read: d, characters 1-2: timed out" in out
    assert f"1 reply is kept; go on with: pansophy runs resume {run.id}" in out


def test_a_finished_run_shows_its_answer_and_quotes(store, run_command):
    run = start(store)
    run.emit(chunk_read(0))
    run.finish(answer())
    out = run_command("show", run.id[-4:])[1]
    assert f"run {run.id}: answered" in out
    assert "\nWatson\n" in out
    assert "“quote” (book.txt, characters 0-5)" in out
    assert "3 calls" in out


def test_what_a_model_wrote_can_not_steer_the_terminal(store, run_command):
    run = start(store, question="\x1b[31mred")
    run.emit(chunk_read(0, statement="\x1b]0;title\x07 [bold]text[/bold]"))
    run.release()
    out = run_command("show", "last")[1]
    assert "\x1b" not in out
    assert "[bold]text[/bold]" in out


def test_only_the_best_findings_are_shown_unless_all_are_wanted(store, run_command):
    run = start(store)
    for number in range(8):
        run.emit(chunk_read(number, statement=f"finding {number}", rating=number))
    run.release()
    out = run_command("show", run.id)[1]
    assert "the best of 8 findings" in out
    assert "finding 7" in out
    assert "finding 1" not in out
    assert "finding 1" in run_command("show", run.id, "--verbose")[1]


def test_a_run_is_exported_as_one_json_object(store, run_command, tmp_path):
    run = start(store, question="中文?")
    run.emit(chunk_read(0))
    run.finish(answer())
    printed = run_command("export", run.id)[1]
    assert json.loads(printed) == run.export()
    assert "中文" in printed
    target = tmp_path / "run.json"
    assert run_command("export", run.id, "-o", str(target))[0] == 0
    assert json.loads(target.read_text()) == run.export()
    assert [path.name for path in tmp_path.glob("*.partial")] == []


def test_an_export_that_can_not_be_written_is_one_line(store, run_command, tmp_path):
    run = start(store)
    run.release()
    code, out, err = run_command("export", run.id, "-o", str(tmp_path / "missing" / "run.json"))
    assert (code, out) == (1, "")
    assert err.startswith("pansophy: ")
    assert "can't be written" in err


def test_deleted_runs_are_gone(store, run_command):
    ids = [start(store).id for _ in range(3)]
    code, out, _ = run_command("delete", ids[0], ids[1])
    assert code == 0
    assert out == f"Deleted {ids[0]}.\nDeleted {ids[1]}.\n"
    assert [info.id for info in store.list()] == [ids[2]]


@pytest.mark.parametrize("command", ["show", "export", "delete", "resume"])
def test_an_unknown_run_is_one_line_and_exit_code_one(store, run_command, command):
    start(store).release()
    code, out, err = run_command(command, "20200101-0000-0000")
    assert (code, out) == (1, "")
    assert err == "pansophy: there is no run '20200101-0000-0000': `pansophy runs list` shows those that there are\n"
