"""`pansophy conflict mislead` asks facts of a file with false texts, goes on where it was, and draws the rates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pansophy.cli.main import app
from pansophy.conflicts.mmkc import read_known
from pansophy.errors import PansophyError, SourceError, UsageError
from pansophy.models.scripted import ScriptedModel

CITIES = ("Barana", "Dolovo", "Kimith", "Novurg", "Tesana", "Velovo")


@pytest.fixture
def facts(tmp_path: Path) -> Path:
    rows = [
        {
            "id": str(number),
            "kind": ("ER", "EK")[number % 2],
            "type": "city",
            "question": f"Which city governs land {number}?",
            "answer": city,
            "text": f"{city} governs land {number}.",
        }
        for number, city in enumerate(CITIES)
    ]
    path = tmp_path / "facts.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[ScriptedModel]:
    """A model that believes the first text it is shown, and one that never does; both know every city."""
    made: list[ScriptedModel] = []

    def open_model(name: str, **options: Any) -> ScriptedModel:
        def reply(messages: Any, schema: Any) -> str:
            prompt = messages[-1].content
            if "Say Yes" in prompt:
                return "No"
            said = prompt.partition("governs land ")[0]
            believed = said.split()[-1] if name == "soft" and "information" in said else ""
            return believed if believed in CITIES else CITIES[int(prompt.rpartition("land ")[2].split("?")[0])]

        made.append(ScriptedModel(reply, name=name))
        return made[-1]

    monkeypatch.setattr("pansophy.models.opening.open_model", open_model)
    return made


def mislead(*arguments: Any, fails: type[PansophyError] | None = None) -> Any:
    result = CliRunner().invoke(app, ["conflict", "mislead", *map(str, arguments)])
    if fails is not None:
        assert isinstance(result.exception, fails), result.output
    else:
        assert result.exit_code == 0, (result.output, result.exception)
    return result


@pytest.mark.parametrize("form", [[], ["--open"]])
def test_models_are_asked_once_and_compared(
    facts: Path, tmp_path: Path, opened: list[ScriptedModel], form: list[str]
) -> None:
    out = tmp_path / "out"
    arguments = (facts, "-m", "soft", "-m", "firm", "-o", out, *form)
    first = mislead(*arguments)
    assert "soft, context memory 6/6" in first.stderr
    assert [len(model.calls) for model in opened] == [6 * 5, 6 * 5]  # three settings, and two texts to judge
    lines = [line for line in first.stdout.splitlines() if line.startswith("| all items")]
    assert [[cell.split()[0] for cell in line.split("|")[2:5]] for line in lines] == [
        ["0.0", "100.0", "0.0"],
        ["0.0", "100.0", "0.0"],
        ["100.0", "0.0", "0.0"],
        ["100.0", "0.0", "0.0"],
    ]
    page = (out / "report.html").read_text()
    assert page.count("<figure>") == 2 + 4  # the models side by side in both settings, then each
    assert mislead(*arguments).stdout == first.stdout
    assert opened[2].calls == opened[3].calls == []


def test_broken_facts_and_images_are_refused(facts: Path, tmp_path: Path, opened: list[ScriptedModel]) -> None:
    lines = facts.read_text().splitlines()
    (tmp_path / "broken.jsonl").write_text(lines[0] + '\n{"id": 1}')
    assert "line 2" in str(mislead(tmp_path / "broken.jsonl", "-o", tmp_path / "o", fails=SourceError).exception)
    (tmp_path / "empty.jsonl").write_text("\n")
    mislead(tmp_path / "empty.jsonl", "-o", tmp_path / "o", fails=SourceError)
    mislead(tmp_path / "none.jsonl", "-o", tmp_path / "o", fails=SourceError)
    (tmp_path / "x.png").write_bytes(b"")
    rows = [{**json.loads(line), "images": ["x.png"] * 3} for line in lines]
    (tmp_path / "images.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert read_known(tmp_path / "images.jsonl")[0].images == (tmp_path / "x.png",) * 3
    mislead(tmp_path / "images.jsonl", "-o", tmp_path / "o", fails=UsageError)
    assert not (tmp_path / "o").exists()
