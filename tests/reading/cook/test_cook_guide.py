"""The guide's program runs as it stands but for the models' names, and its commands and links are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.white_box.tiny import network, tokenizer

from pansophy import ScriptedModel
from pansophy.cli.card import app
from pansophy.reading.cook import asking

GUIDE = Path(__file__).parents[3] / "docs" / "guide" / "knowledge-cards.md"
TEXT = GUIDE.read_text("utf-8")


def test_the_program_of_the_guide_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    network().save_pretrained(tmp_path / "tiny")
    tokenizer().save_pretrained(tmp_path / "tiny")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(asking, "open_model", lambda name: ScriptedModel(lambda *_: "nine metres"))
    exec(compile(program.replace('"smollm2-135m"', '"tiny"'), str(GUIDE), "exec"), {"__name__": "guide"})
    assert capsys.readouterr().out.startswith("nine metres [('harbours', ")


def test_the_commands_of_the_guide_exist() -> None:
    named = set(re.findall(r"^pansophy card (\w+)", TEXT, re.MULTILINE))
    assert named == {
        command.name or command.callback.__name__ for command in app.registered_commands if command.callback
    }


def test_the_links_of_the_guide_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", TEXT):
        assert (GUIDE.parent / target).resolve().exists()
