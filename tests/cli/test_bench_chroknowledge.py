"""`pansophy bench chroknowledge` teaches a model, asks it, and goes on where it was."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest
from tests.white_box.tiny import saved
from typer.testing import CliRunner, Result

from pansophy.cli.bench import app, chroknowledge
from pansophy.errors import PansophyError, RunError, UnknownModel, UsageError
from pansophy.reading.chroknowledge.benchmark import SETTINGS

COMMITTED = Path(__file__).parents[2] / "benchmarks" / "results" / "chroknowledge.json"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that reads messages as lines."""
    return saved(tmp_path_factory.mktemp("models") / "tiny", chat=True, max_position_embeddings=1024)


def bench(*arguments: Any, fails: type[PansophyError] | None = None) -> Result:
    result = CliRunner().invoke(app, ["chroknowledge", *map(str, arguments)])
    if fails is not None:
        assert isinstance(result.exception, fails), result.output
    elif result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_a_model_is_taught_and_asked_once_and_the_result_has_its_layout(base: Path, tmp_path: Path) -> None:
    folder, output = tmp_path / "work", tmp_path / "result.json"
    command = ("--folder", folder, "-m", base, "--timelines", 2, "--epochs", 1, "--prompts", 1, "-o", output)
    done = bench(*command)
    assert "2/2  loss " in done.stderr
    assert "probe: 10 stamps x 1 prompts x 2 = 20 calls" in done.stderr
    told = json.loads(output.read_text("utf-8"))
    assert told.keys() == json.loads(COMMITTED.read_text("utf-8")).keys()
    assert "+adapter:" in told["model"]
    assert (len(told["loss"]), told["options"]["timelines"], told["options"]["epochs"]) == (2, 2, 1.0)
    assert [len(one["planted"]) for one in told["facts"]] == [5, 5]
    planted = told["timelines"]["known"]["planted"]
    assert f"Known           {planted:9.1f}" in done.stdout
    assert f"years as planted: {told['years_as_planted']:.1f} %" in done.stdout
    again = bench(*command)
    assert "loss" not in again.stderr
    assert " @ 20" not in again.stderr
    assert again.stdout == done.stdout
    bench(*command, "--seed", 1, fails=RunError)


def test_the_options_defaults_are_the_trainings() -> None:
    options = inspect.signature(chroknowledge).parameters
    for name in ("epochs", "batch", "learning_rate", "save_every", "seed"):
        assert options[name].default == getattr(SETTINGS, name)


def test_what_cannot_be_measured_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    assert bench("--timelines", 4).exit_code == 2
    for wrong in (("--timelines", 1), ("--left-out", 1.5), ("--prompts", 0), ("--neighbours", 3)):
        assert bench("--folder", folder, *wrong).exit_code == 2
    bench("--folder", folder, "--timelines", 5000, fails=UsageError)
    bench("--folder", folder, "--epochs", 0, fails=UsageError)
    bench("--folder", folder, "-m", tmp_path / "nowhere", fails=UnknownModel)
    assert not folder.exists()
    saved(tmp_path / "tiny")
    refused = bench("--folder", folder, "-m", tmp_path / "tiny", fails=UsageError)
    assert "chat template" in str(refused.exception)
