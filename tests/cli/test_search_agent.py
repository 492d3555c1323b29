"""`pansophy search-agent`: from questions to a probe, an adapter, an answer and measures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pansophy.cli.main import app
from pansophy.errors import PansophyError, RunError, SourceError, UsageError
from pansophy.models.scripted import ScriptedModel

ROWS = [
    {"id": "a", "question": "Oslo?", "answers": ["Oslo"]},
    {"id": "b", "question": "Rome?", "answers": ["Rome"]},
]
SMALL = ("--rounds", 1, "--reply-tokens", 12, "--observation-tokens", 20)


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    path = tmp_path / "questions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


@pytest.fixture
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PANSOPHY_HOME", str(tmp_path / "home"))
    path = tmp_path / "lamp.txt"
    path.write_text("Paris Rome Oslo lamp.")
    return path


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from tests.reading.ikea.tiny_agent import tiny

    monkeypatch.setattr("pansophy.reading.ikea.prompts.INSTRUCTIONS", "lamp.")
    white = tiny(window=512)
    white.network.save_pretrained(tmp_path / "tiny")
    white.tokenizer.save_pretrained(tmp_path / "tiny")
    return tmp_path / "tiny"


def call(command: str, *arguments: Any, fails: type[PansophyError] | None = None) -> Any:
    result = CliRunner().invoke(app, ["search-agent", command, *map(str, arguments)])
    if fails is not None:
        assert isinstance(result.exception, fails), result.output
    elif result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_a_chat_model_is_probed_and_asked_nothing_twice(
    questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[ScriptedModel] = []

    def open_model(name: str, **options: Any) -> ScriptedModel:
        made.append(ScriptedModel(lambda messages, schema: "Oslo", name=name))
        return made[-1]

    monkeypatch.setattr("pansophy.models.opening.open_model", open_model)
    arguments = (questions, "-m", "m", "--samples", 3, "-o", tmp_path / "out")
    assert "1 easy, 1 hard, 2 mixed" in call("probe", *arguments).output
    assert [json.loads(line)["id"] for line in (tmp_path / "out" / "easy.jsonl").read_text().splitlines()] == ["a"]
    assert [json.loads(line)["label"] for line in (tmp_path / "out" / "hard.jsonl").read_text().splitlines()] == [
        "hard"
    ]
    call("probe", *arguments)
    assert [len(model.calls) for model in made] == [6, 0]
    call("probe", *arguments, "--seed", 1, fails=RunError)
    call("probe", questions, "--white-box", "--base-url", "http://x", "-o", tmp_path / "no", fails=UsageError)


def test_a_network_is_probed_trained_asked_and_measured(
    questions: Path, texts: Path, base: Path, tmp_path: Path
) -> None:
    probed = call(
        "probe", questions, "--white-box", "-m", base, "--samples", 2, "--max-tokens", 3, "-o", tmp_path / "p"
    )
    assert "2 hard" in probed.output or "easy" in probed.output
    adapter = tmp_path / "adapter"
    training = ("--steps", 2, "--batch", 1, "--group", 3, "--rank", 2)
    trained = call("train", questions, texts, "-m", base, "-o", adapter, *training, *SMALL)
    assert f"adapter: {adapter}" in trained.output
    assert "2/2  reward" in trained.output
    assert len((adapter / "log.jsonl").read_text().splitlines()) == 2
    card = json.loads((adapter / "pansophy.json").read_text())
    assert (card["settings"]["group"], card["settings"]["alpha"], card["agent"]["rounds"]) == (3, 4, 1)
    call("train", questions, texts, "-m", base, "-o", adapter, *training, *SMALL, "--r-plus", 0.1, fails=RunError)

    asked = call("ask", "Oslo?", texts, "-m", adapter, *SMALL, "--json", "--temperature", 1, "--seed", 4)
    told = json.loads(asked.stdout)
    assert told["question"] == "Oslo?"
    assert told["transcript"]
    assert asked.exit_code == (0 if told["answer"] else 3)

    measured = call("measure", questions, texts, "-m", adapter, "-o", tmp_path / "m", *SMALL)
    assert "exact match" in measured.output
    assert "decision f1        -" in measured.output  # these questions have no pass rates
    rows = [json.loads(line) for line in (tmp_path / "m" / "rows.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == ["a", "b"]
    card = json.loads((tmp_path / "m" / "measure.json").read_text())
    assert card["measures"]["episodes"] == 2
    (tmp_path / "m" / "rows.jsonl").write_text(json.dumps({**rows[0], "exact_match": 1.0}) + "\n{torn")
    again = call("measure", questions, texts, "-m", adapter, "-o", tmp_path / "m", *SMALL)
    assert "1/2  a" not in again.output
    assert "2/2  b" in again.output
    call("measure", questions, texts, "-m", base, "-o", tmp_path / "m", *SMALL, fails=RunError)


def test_it_must_be_said_what_is_searched(questions: Path, texts: Path, tmp_path: Path) -> None:
    call("train", questions, "-o", tmp_path / "a", fails=UsageError)
    call("train", questions, texts, "--corpus", "c", "-o", tmp_path / "a", fails=UsageError)
    call("train", texts, texts, "-o", tmp_path / "a", fails=SourceError)
    call("train", questions, texts, "-o", tmp_path / "a", "--format-penalty", 1, fails=UsageError)
