"""`pansophy bench knowledge-solver`: the table, the progress, the result file, and going on with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.white_box.tiny import saved
from typer.testing import CliRunner, Result

import pansophy.models
from pansophy.cli.bench import app
from pansophy.errors import AuthenticationFailed, PansophyError, RunError, SourceError, UsageError
from pansophy.models import ScriptedModel
from pansophy.types import ChatMessage

COMMITTED = Path(__file__).parents[2] / "benchmarks" / "results" / "knowledge_solver.json"
ADDED = {"sha256"}
"""To the committed result's fields."""


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """A ring: everything lies between two others."""
    path = tmp_path / "facts.tsv"
    path.write_text("".join(f"vale{n}\tborders\tvale{(n + 1) % 30}\n" for n in range(30)))
    return path


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ScriptedModel]:
    """The model that is opened next: it goes to the first entity that is listed, and fails after so many calls."""

    def use(breaks: int | None = None) -> ScriptedModel:
        def say(prompt: Sequence[ChatMessage], schema: Any) -> Any:
            if breaks is not None and len(model.calls) > breaks:
                return AuthenticationFailed("no such key")
            return "A" if "letter" in prompt[-1].content else "1"

        model = ScriptedModel(say, name="first")
        monkeypatch.setattr(pansophy.models, "open_model", lambda *given, **options: model)
        return model

    return use


def bench(*arguments: Any, fails: type[PansophyError] | None = None) -> Result:
    result = CliRunner().invoke(app, ["knowledge-solver", *map(str, arguments)])
    if fails is not None:
        assert isinstance(result.exception, fails), result.output
    elif result.exception is not None:
        raise result.exception
    return result


def test_the_result_is_shown_and_written_as_the_committed_one(graph: Path, tmp_path: Path, scripted: Any) -> None:
    scripted()
    out = tmp_path / "walked.json"
    done = bench("--data", graph, "-n", 5, "-o", out)
    told, committed = json.loads(out.read_text("utf-8")), json.loads(COMMITTED.read_text("utf-8"))
    assert set(told) == {*committed, *ADDED}
    assert {world: list(one) for world, one in told["summary"].items()} == {
        world: list(one) for world, one in committed["summary"].items()
    }
    assert list(told["rows"][0]) == list(committed["rows"][0])
    assert (told["questions"], told["seed"], len(told["rows"])) == (5, 0, 20)
    assert told["summary"]["graph"]["accuracy"] == [1.0, 1.0, 1.0]
    assert told["summary"]["none"]["reached"] == 0.0
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("graph  ")]
    assert line.split() == ["graph", "1.00", "1.00", "to", "1.00", "1.00", "1.00", "2.0"]
    assert "graph 1/5  right, reached" in done.stderr
    assert "graph, any fact taken 5/5  " in done.stderr
    assert "vale" not in out.read_text("utf-8")


def test_what_was_broken_off_goes_on(graph: Path, tmp_path: Path, scripted: Any) -> None:
    whole, out = tmp_path / "whole.json", tmp_path / "walked.json"
    scripted()
    bench("--data", graph, "-n", 3, "-o", whole)
    scripted(breaks=4)
    bench("--data", graph, "-n", 3, "-o", out, fails=AuthenticationFailed)
    assert [(row["world"], row["question"]) for row in json.loads(out.read_text())["rows"]] == [
        ("graph", 0),
        ("none", 0),
        ("shuffled", 0),
        ("graph, any fact taken", 0),
    ]
    scripted()
    again = bench("--data", graph, "-n", 3, "-o", out)
    assert "graph 1/3" not in again.stderr
    assert "graph 3/3" in again.stderr
    assert json.loads(out.read_text())["rows"] == json.loads(whole.read_text())["rows"]
    model = scripted()
    bench("--data", graph, "-n", 3, "-o", out)
    assert model.calls == []


def test_results_made_otherwise_are_refused(graph: Path, tmp_path: Path, scripted: Any) -> None:
    out = tmp_path / "walked.json"
    scripted()
    bench("--data", graph, "-n", 2, "-o", out)
    before = out.read_text("utf-8")
    assert "another seed" in str(bench("--data", graph, "-n", 2, "-o", out, "--seed", 1, fails=RunError).exception)
    graph.write_text(graph.read_text() + "vale0\tborders\tvale7\n")
    assert "another sha256" in str(bench("--data", graph, "-n", 2, "-o", out, fails=RunError).exception)
    assert out.read_text("utf-8") == before
    out.write_text("no json")
    assert "no result of this benchmark" in str(bench("--data", graph, "-n", 2, "-o", out, fails=RunError).exception)


def test_a_wrong_graph_is_said_before_a_model_is_opened(
    tmp_path: Path, graph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(*given: Any, **options: Any) -> Any:
        raise AssertionError("no model is needed to read a graph")

    monkeypatch.setattr(pansophy.models, "open_model", nobody)
    bench("--data", tmp_path / "nowhere", fails=SourceError)
    (tmp_path / "broken.tsv").write_text("vale1\tborders\n")
    assert "broken.tsv, line 1" in str(bench("--data", tmp_path / "broken.tsv", fails=SourceError).exception)
    (tmp_path / "empty").mkdir()
    assert "medical-ddb_names.json" in str(bench("--data", tmp_path / "empty", fails=SourceError).exception)
    (tmp_path / "small.tsv").write_text("vale1\tborders\tvale2\n")
    assert "of 60 questions" in str(bench("--data", tmp_path / "small.tsv", fails=UsageError).exception)


def test_the_data_has_to_be_named() -> None:
    done = CliRunner().invoke(app, ["knowledge-solver"])
    assert done.exit_code == 2
    assert "--data" in done.output


def test_a_model_is_taught_on_other_questions_and_measured_beside_itself(graph: Path, tmp_path: Path) -> None:
    base, out = saved(tmp_path / "tiny", chat=True, max_position_embeddings=1024), tmp_path / "walked.json"
    given = ("--data", graph, "-n", 2, "-m", base, "--learn", 6, "--folder", tmp_path / "walker", "-o", out)
    done = bench(*given)
    told = json.loads(out.read_text("utf-8"))
    assert list(told["summary"]) == ["graph", "graph, untaught", "none", "shuffled", "graph, any fact taken"]
    assert (told["learnt_questions"], told["training"]["epochs"]) == (6, 1.0)
    assert "+adapter:" in told["model"]
    assert "step 1 of " in done.stderr
    again = bench(*given)
    assert "step " not in again.stderr
    assert again.stdout == done.stdout
    bench(*given, "--epochs", 2, fails=RunError)
    assert "of several kinds" in str(bench(*given, "--near", fails=UsageError).exception)


def test_what_is_learnt_needs_a_place_and_weights(graph: Path) -> None:
    far = ("--learn", 2, "--folder", "walker", "--base-url", "http://localhost:1")
    assert "can't be taught" in str(bench("--data", graph, *far, fails=UsageError).exception)
    for lone in (("--learn", 2), ("--folder", "walker")):
        assert "go together" in str(bench("--data", graph, *lone, fails=UsageError).exception)
