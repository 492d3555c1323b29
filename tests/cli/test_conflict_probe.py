"""`pansophy conflict probe` measures facts of a file, goes on where it was, and reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pansophy.cli.main import app
from pansophy.errors import PansophyError, RunError, SourceError, UsageError
from pansophy.models.scripted import ScriptedModel

FACTS = """\
id,subj,question,context,obj,replace_name,num_edits
1,Ada,What was Ada?,Ada was a [ENTITY].,poet,engineer,1
2,Bo,What was Bo?,Bo was a [ENTITY].,cook,tailor,2
"""


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[ScriptedModel]:
    """Models that say the context's last word, and nothing certain without one."""
    made: list[ScriptedModel] = []

    def reply(messages: Any, schema: Any) -> str:
        prompt = messages[-1].content
        return prompt.partition("was a ")[2].split(".")[0] if "[Context]" in prompt else "clerk"

    def open_model(name: str, **options: Any) -> ScriptedModel:
        made.append(ScriptedModel(reply, name=name))
        return made[-1]

    monkeypatch.setattr("pansophy.models.opening.open_model", open_model)
    return made


@pytest.fixture
def facts(tmp_path: Path) -> Path:
    path = tmp_path / "static.csv"
    path.write_text(FACTS)
    return path


def probe(*arguments: Any, fails: type[PansophyError] | None = None) -> Any:
    result = CliRunner().invoke(app, ["conflict", "probe", *map(str, arguments)])
    if fails is not None:
        assert isinstance(result.exception, fails), result.output
    elif result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_facts_are_probed_reported_and_not_probed_again(
    facts: Path, tmp_path: Path, opened: list[ScriptedModel]
) -> None:
    out = tmp_path / "out"
    arguments = (facts, "--model", "m", "--samples", 2, "-o", out)
    first = probe(*arguments, "-n", 1)
    assert "static/1/substitute  persuaded: clerk -> engineer" in first.stderr
    assert "| static, substitute | 1 | 100.0 [" in first.stdout
    probe(*arguments)
    assert len(opened[0].calls) == len(opened[1].calls) == 9  # likely and two samples: alone, and with two contexts
    assert {path.name for path in out.iterdir()} == {"manifest.json", "rows.jsonl", "report.html", "report.md"}
    probe(*arguments)
    assert opened[2].calls == []


def test_another_model_needs_another_folder(facts: Path, tmp_path: Path, opened: list[ScriptedModel]) -> None:
    probe(facts, "--model", "m", "--samples", 2, "-o", tmp_path / "out")
    probe(facts, "--model", "other", "--samples", 2, "-o", tmp_path / "out", fails=RunError)


def test_what_cannot_be_read_or_opened_is_said(facts: Path, tmp_path: Path, opened: list[ScriptedModel]) -> None:
    probe(tmp_path / "none.csv", "-m", "m", "-o", tmp_path / "out", fails=SourceError)
    probe(facts, "-m", "m", "--embedder", "nonsense", "-o", tmp_path / "out", fails=UsageError)
    assert not (tmp_path / "out").exists()


def test_an_endpoints_model_cannot_be_looked_into(facts, tmp_path):
    probe(facts, "-o", tmp_path / "r", "--white-box", "--base-url", "http://127.0.0.1:9/v1", fails=UsageError)
