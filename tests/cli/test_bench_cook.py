"""`pansophy bench cook` trains, asks, prints and writes, and goes on; `cook-factcheck` judges the judge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from tests.reading.cook.races import WINNERS, write_data, write_model
from typer.testing import CliRunner

import pansophy.models
from pansophy import ScriptedModel
from pansophy.cli.bench.cook import TimeLeft
from pansophy.cli.main import app
from pansophy.errors import RunError, SourceError, UsageError
from pansophy.reading.cook import Card, SharedBases

QUICK = ("--epochs", 1, "--batch", 8, "--block", 24, "--rank", 2, "--towns", 5, "--card-tokens", 5, "--save-every", 100)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "midterms.json")


def bench(*arguments: Any, fails: type[Exception] | None = None) -> Result:
    result = CliRunner().invoke(app, ["bench", *map(str, arguments)])
    if fails is not None:
        assert isinstance(result.exception, fails), result.output
    elif result.exception is not None:
        raise result.exception
    return result


def cook(data: Path, *options: Any, **how: Any) -> Result:
    folder = data.parent / "work"
    return bench("cook", "--data", data, "--folder", folder, "--base", data.parent / "tiny", *QUICK, *options, **how)


def test_cook_trains_asks_writes_and_goes_on(data: Path) -> None:
    write_model(data.parent / "tiny")
    output = data.parent / "cook.json"
    first = cook(data, "-n", 3, "--demos", 1, "-o", output)
    table = [line.split() for line in first.stdout.splitlines()]
    assert table[0] == ["questions", "EM", "95", "%", "F1", "told"]
    assert [line[:2] for line in table[1:]] == [[name, "3"] for name in ("none", "gkp", "midterms", "harbours")]
    assert "learning midterms: " in first.stderr
    assert "questions: 3/3" in first.stderr
    result = json.loads(output.read_text())
    assert (result["benchmark"], result["races"], result["demos"]) == ("cook", 6, 1)
    assert result["base"] == result["model"] == "folder:tiny"
    assert result["training"]["epochs"] == 1
    assert result["settings"]["card_tokens"] == 5
    assert {name: digest[:7] for name, digest in result["cards"].items()} == {
        "midterms": "sha256:",
        "harbours": "sha256:",
    }
    assert len(result["rows"]) == 12
    assert set(result["rows"][0]) == {"condition", "id", "em", "f1", "told"}
    assert {"torch", "transformers", "peft"} <= set(result["versions"])
    assert "Ada Berg" not in output.read_text()
    again = cook(data, "-n", 3, "--demos", 1, "-o", output)
    assert "learning" not in again.stderr
    assert again.stdout == first.stdout
    assert json.loads(output.read_text())["rows"] == result["rows"]
    cook(data, "-n", 3, "--wordings", 2, fails=RunError)  # the cards in the folder were taught otherwise


def test_another_model_answers_from_what_the_cards_write(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def reader(messages: Any, schema: Any) -> str:
        return next((one for one in WINNERS.values() if one in messages[-1].content), "Nobody")

    def write(bases: Any, card: Card, questions: Any, draw: Any) -> list[list[str]]:
        said = " ".join(WINNERS.values()) if card.name == "midterms" else "Ships carry salt."
        return [[f"{said} {asked}"] for asked in questions]

    monkeypatch.setattr(pansophy.models, "open_model", lambda name, **_: ScriptedModel(reader, name=name))
    monkeypatch.setattr(SharedBases, "write", write)
    write_model(data.parent / "tiny")
    output = data.parent / "cook.json"
    printed = cook(data, "-m", "other", "-o", output)
    result = json.loads(output.read_text())
    assert result["model"] == "scripted:other"
    told = {name: (one["questions"], one["em"], one["told"]) for name, one in result["scores"].items()}
    assert told.pop("midterms") == (6, 16.7, 100.0)  # it always says the first name
    assert told == dict.fromkeys(("none", "gkp", "harbours"), (6, 0.0, 0.0))
    assert " 16.7 " in printed.stdout


@pytest.mark.parametrize("command", [("cook", "--folder", "work"), ("cook-factcheck",)])
def test_other_data_is_refused_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "none.json can't be read" in str(bench(*command, "--data", "none.json", fails=SourceError).exception)
    (tmp_path / "broken.json").write_text("{")
    assert "is no JSON" in str(bench(*command, "--data", "broken.json", fails=SourceError).exception)
    write_data(tmp_path / "other.json", testset=[{"id": 1, "question": "Who?", "answer": "Ada"}])
    assert "testset 1" in str(bench(*command, "--data", "other.json", fails=SourceError).exception)
    assert not (tmp_path / "work").exists()


def test_the_fact_check_prints_and_writes(data: Path) -> None:
    output = data.parent / "factcheck.json"
    printed = bench("cook-factcheck", "--data", data, "--races", 4, "-o", output)
    result = json.loads(output.read_text())
    assert (result["benchmark"], result["checker"], result["races"], result["kept"]) == (
        "cook_factcheck",
        "words",
        4,
        2,
    )
    assert f"true among the 2 claims kept: {result['true_among_kept']} %" in printed.stdout
    assert result["true_has_more_support"] > 90
    assert result["machine"]
    assert "races: 4/4" in printed.stderr
    bench(
        "cook-factcheck",
        "--data",
        write_data(
            data.parent / "few.json",
            testset=[
                {"id": 1, "question": "Who won the race of Asgard in the 2022 U.S. midterm elections?", "answer": "Ada"}
            ],
        ),
        fails=UsageError,
    )


def test_time_left_is_that_of_the_steps_of_this_call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = iter([100.0, 130.0])
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    left = TimeLeft()
    left.show("steps", 41, 100, every=2)  # gone on with at step 41: nothing is known yet
    left.show("steps", 44, 100, every=2, more=", loss 1.000")
    assert capsys.readouterr().err == "steps: 44/100, loss 1.000, 9:20 left\n"


def test_the_datasets_are_listed() -> None:
    assert "midtermqa-openbook.json" in bench("list").stdout
