"""`pansophy graph ask` from the outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import pansophy.models
from pansophy import ScriptedModel
from pansophy.cli.main import app
from pansophy.errors import SourceError

QUESTION = "Which food helps against scurvy?"


@pytest.fixture
def graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "facts.tsv"
    path.write_text("scurvy\tis caused by lack of\tvitamin C\nlemon\tcontains\tvitamin C\nbread\tcontains\tstarch\n")
    model = ScriptedModel(
        lambda messages, schema: "vitamin C" if "You are at scurvy" in messages[-1].content else "lemon"
    )
    monkeypatch.setattr(pansophy.models, "open_model", lambda *given, **options: model)
    return path


def test_the_answer_stands_above_the_path(graph: Path) -> None:
    done = CliRunner().invoke(app, ["graph", "ask", QUESTION, "-g", str(graph), "-o", "bread", "-o", "lemon"])
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [
        "lemon",
        "  scurvy  --is caused by lack of-->  vitamin C",
        "  vitamin C  --contains (of)-->  lemon",
        "reached · 2 hops · 2 calls",
    ]


def test_json_has_the_path_and_the_dialogue(graph: Path) -> None:
    words = ["graph", "ask", QUESTION, "-g", str(graph), "-o", "bread", "-o", "lemon", "--json"]
    told = json.loads(CliRunner().invoke(app, words).stdout)
    assert (told["answer"], told["status"], len(told["path"])) == ("lemon", "reached", 2)
    assert told["transcript"][-1] == ["assistant", "lemon"]


def test_what_the_graph_does_not_know_is_said(graph: Path) -> None:
    done = CliRunner().invoke(app, ["graph", "ask", "Who sailed?", "-g", str(graph), "-o", "bread", "-o", "lemon"])
    assert "The graph has nothing that question and options name" in done.stdout


def test_a_missing_graph_is_an_error(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["graph", "ask", QUESTION, "-g", str(tmp_path / "none.tsv")])
    assert isinstance(done.exception, SourceError)
