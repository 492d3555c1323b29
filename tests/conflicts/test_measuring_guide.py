"""The guide's programs run as they stand, and its command and links are there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from pansophy.models.scripted import ScriptedModel

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "measuring-conflicts.md"
TEXT = GUIDE.read_text("utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_of_the_guide_runs(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def open_model(name: str, **options: Any) -> ScriptedModel:
        return ScriptedModel(lambda messages, schema: "Doral", name=name)

    monkeypatch.setattr("pansophy.models.opening.open_model", open_model)
    monkeypatch.chdir(tmp_path)
    exec(compile(program, str(GUIDE), "exec"), {"__name__": "guide"})
    assert capsys.readouterr().out.strip()


def test_the_guide_has_programs_and_its_links_lead_somewhere() -> None:
    assert len(PROGRAMS) == 5
    papers = (GUIDE.parent.parent / "papers.md").read_text("utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", TEXT):
        path, _, anchor = target.partition("#")
        assert (GUIDE.parent / path).exists()
        if anchor:
            assert f"(#{anchor})" in papers
