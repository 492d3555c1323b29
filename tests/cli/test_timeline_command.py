"""`pansophy timeline` probes and repairs facts of a file, goes on where it was, and reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pansophy.cli.main import app
from pansophy.errors import PansophyError, RunError, SourceError, UsageError
from pansophy.models.scripted import ScriptedModel

FACTS = """\
subject,relation,object,start,end
Ada,employer,Orbit Mills,2010,2012
Bo,employer,Quarry Bank,2010,2011
Bo,employer,Tin Sons,2012,2012
"""


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[ScriptedModel]:
    """Models that know Ada's employer but for 2011, and have it from any neighbour."""
    made: list[ScriptedModel] = []

    def reply(messages: Any, schema: Any) -> str:
        asked = messages[-1].content
        known = "Orbit Mills" if "A. orbit mills" in asked or ("Ada" in asked and "2011" not in asked) else "nobody"
        return f"A. {known}"

    def open_model(name: str, **options: Any) -> ScriptedModel:
        made.append(ScriptedModel(reply, name=name))
        return made[-1]

    monkeypatch.setattr("pansophy.reading.chroknowledge.measure.open_model", open_model)
    return made


@pytest.fixture
def facts(tmp_path: Path) -> Path:
    path = tmp_path / "facts.csv"
    path.write_text(FACTS)
    return path


def timeline(*arguments: Any, fails: type[PansophyError] | None = None) -> Any:
    result = CliRunner().invoke(app, ["timeline", *map(str, arguments)])
    if fails is not None:
        assert isinstance(result.exception, fails), result.output
    elif result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_facts_are_probed_then_repaired_in_the_same_folder(
    facts: Path, tmp_path: Path, opened: list[ScriptedModel]
) -> None:
    out = tmp_path / "out"
    arguments = (facts, "--model", "m", "-o", out)
    probed = timeline("probe", *arguments)
    assert probed.stderr.splitlines()[:2] == [
        "probe: 6 stamps x 5 prompts x 2 = 60 calls, less those made",
        "warning: 6 stamps have fewer than 4 other facts to show as examples",
    ]
    assert "2/6  Ada / employer @ 2011  incorrect: nobody" in probed.stderr
    assert "| all | 2 | 0.0 [0.0, 0.0] | 50.0 [0.0, 100.0] | 0.0 [0.0, 0.0] | 50.0" in probed.stdout
    assert len(opened[0].calls) == 60
    repaired = timeline("repair", *arguments)
    assert "repair: at most 2 calls" in repaired.stderr
    assert "1/1  Ada / employer  1 of 1 right when asked again" in repaired.stderr
    assert "| all | 2 | 0.0 [0.0, 0.0] | 50.0 [0.0, 100.0] | +50.0" in repaired.stdout
    assert len(opened[1].calls) == 2
    files = {"manifest.json", "rows.jsonl", "answers.sqlite", "report.html", "report.md", "facts.jsonl", "repair"}
    assert {path.name for path in out.iterdir()} == files


def test_options_say_what_is_asked_and_how_often(facts: Path, tmp_path: Path, opened: list[ScriptedModel]) -> None:
    options = ("--stamps", "2011-2012", "-n", 1, "--prompts", 2, "--shots", 0, "--template", "choice")
    timeline("probe", facts, "-m", "m", "-o", tmp_path / "out", *options)
    assert len(opened[0].calls) == 2 * 2 * 2
    assert {call.messages[-1].content[:14] for call in opened[0].calls} == {"In 2011, Ada, ", "In 2012, Ada, "}
    assert "(a)" in opened[0].calls[0].messages[-1].content
    timeline("probe", facts, "-m", "m", "-o", tmp_path / "other", "--stamps", "2010, 2012", "--prompts", 1)
    assert len(opened[1].calls) == 4 * 2


def test_what_cannot_be_done_is_said(facts: Path, tmp_path: Path, opened: list[ScriptedModel]) -> None:
    timeline("probe", tmp_path / "none.csv", "-o", tmp_path / "out", fails=SourceError)
    timeline("probe", facts, "-o", tmp_path / "out", "--stamps", "2012,2010", fails=UsageError)
    timeline("probe", facts, "-o", tmp_path / "out", "--examples", 9, fails=UsageError)
    assert not (tmp_path / "out").exists()
    timeline("probe", facts, "-m", "m", "-o", tmp_path / "out")
    timeline("repair", facts, "-m", "other", "-o", tmp_path / "out", fails=RunError)
