"""The guide's files can be read, its program runs as it stands, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pansophy.reading.jointlm import HybridStore, read_dialogues

GUIDE = Path(__file__).parents[3] / "docs" / "guide" / "dialogue.md"
TEXT = GUIDE.read_text("utf-8")


def test_the_program_of_the_guide_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(program, str(GUIDE), "exec"), {"__name__": "guide"})
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("2 of 2 cut; {")
    assert said[1] == "The Heron: Dogs are welcome. | The Heron | Are dogs allowed? Dogs are welcome."
    assert said[2] == "1.0"


def test_the_lines_of_the_guide_are_an_entity_and_a_dialogue(tmp_path: Path) -> None:
    entity, dialogue = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "store.jsonl").write_text(entity)
    (tmp_path / "said.jsonl").write_text(dialogue)
    assert HybridStore.read(tmp_path / "store.jsonl")["inn", "the heron"].documents[0].title == "Are dogs allowed?"
    assert read_dialogues(tmp_path / "said.jsonl")[0].turns[0].belief == {"inn": {"area": "north"}}


def test_the_links_of_the_guide_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", TEXT):
        assert (GUIDE.parent / target).exists()
