"""The guide's facts can be read and its program runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from pansophy.models.scripted import ScriptedModel
from pansophy.reading.chroknowledge import ChronoBench, Kind

GUIDE = Path(__file__).parents[3] / "docs" / "guide" / "knowledge-over-time.md"
TEXT = GUIDE.read_text("utf-8")


def test_the_guides_facts_and_program_go_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = re.findall(r"```\n(subject,.*?)```", TEXT, re.DOTALL)
    programs = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert (len(facts), len(programs)) == (1, 2)
    (tmp_path / "facts.csv").write_text(facts[0])
    bench = ChronoBench.from_file(tmp_path / "facts.csv")
    assert [fact.kind for fact in bench.facts] == [Kind.DYNAMIC, Kind.STATIC, Kind.INVARIANT]
    assert bench.facts[0].stamps == tuple(str(year) for year in range(2010, 2021))

    def open_model(name: str, **options: Any) -> ScriptedModel:
        return ScriptedModel(lambda messages, schema: "A. Orbit", name=name)

    monkeypatch.setattr("pansophy.reading.chroknowledge.measure.open_model", open_model)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pansophy.models.opening.open_model", open_model)
    for program, said in zip(programs, ("| static | 1 |", "cut_off cut_off []"), strict=True):
        exec(compile(program, str(GUIDE), "exec"), {"__name__": "guide"})
        assert said in capsys.readouterr().out


def test_the_guides_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", TEXT):
        assert (GUIDE.parent / target).exists()
