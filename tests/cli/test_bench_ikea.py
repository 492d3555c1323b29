"""`pansophy bench ikea`: the table, the progress, the result file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from pansophy.cli.bench import app
from pansophy.errors import StoreError
from pansophy.reading.ikea.benchmark import ARMS, LearnerSettings, search_rates

COMMITTED = Path(__file__).parents[2] / "benchmarks" / "results" / "ikea" / "switching.json"
SMALL = ("--questions", 2, "--steps", 2, "--group", 2, "--seeds", 1)


def bench(*arguments: Any) -> Result:
    return CliRunner().invoke(app, ["ikea", *map(str, arguments)])


def test_the_result_is_shown_and_written_as_the_committed_one(tmp_path: Path) -> None:
    out = tmp_path / "switching.json"
    done = bench(*SMALL, "-o", out)
    assert done.exit_code == 0, done.output
    told = json.loads(out.read_text("utf-8"))
    assert list(told) == list(json.loads(COMMITTED.read_text("utf-8")))
    assert told["options"] == {"questions": 2, "steps": 2, "group": 2, "seeds": 1}
    rates = {arm: search_rates(0.5, arm, LearnerSettings(2, 2, 2, 1)) for arm in ARMS}
    assert {arm: found[1] for arm, found in told["search_rates"].items()} == {
        arm: [pytest.approx(rate, abs=1e-4) for rate in found] for arm, found in rates.items()
    }
    lines = done.stdout.splitlines()
    shown = next(line for line in lines if line.startswith("exact match alone")).split()
    assert shown[4] == f"{rates['exact match alone'][0]:.2f}"
    assert "MISSED  search rate >= .9 where it never is" in lines  # two steps teach next to nothing
    assert sum(line.startswith(("met ", "MISSED ")) for line in lines) == 7
    assert "1/37  ikea: memory right at 0.00" in done.stderr
    assert "37/37  boundary, seed 0" in done.stderr


def test_nothing_is_written_unless_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert bench(*SMALL).exit_code == 0
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_shown_all_the_same(tmp_path: Path) -> None:
    done = bench(*SMALL, "-o", tmp_path / "nowhere" / "switching.json")
    assert isinstance(done.exception, StoreError)
    assert "only hard" in done.stdout


@pytest.mark.parametrize("wrong", [("--group", 1), ("--seeds", 0), ("--steps", 0), ("-n", 0)])
def test_impossible_numbers_are_refused(wrong: tuple[str, int]) -> None:
    done = bench(*SMALL, *wrong)
    assert done.exit_code == 2
    assert f"'{wrong[0]}'" in done.output
