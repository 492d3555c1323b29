"""The guide's program runs as it stands, its line is a question, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pansophy.reading.ikea.boundary import Question, read_questions
from pansophy.reading.ikea.reward import IkeaReward

GUIDE = Path(__file__).parents[3] / "docs" / "guide" / "search-agent.md"
TEXT = GUIDE.read_text("utf-8")


def test_the_program_of_the_guide_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(compile(program, str(GUIDE), "exec"), {"__name__": "guide"})
    printed = capsys.readouterr().out
    assert "<information>Doc 1(Title: hulda) Tom Reed built the ferry Hulda.</information>" in printed
    assert "Judgement(reward=1.4, exact=1.0, searches=1, malformed=False, answer='Tom Reed')" in printed
    assert float(printed.splitlines()[-1]) == pytest.approx(1.4 - 1.6 * 0.9)


def test_the_line_of_the_guide_is_a_question(tmp_path: Path) -> None:
    (line,) = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "questions.jsonl").write_text(line)
    assert read_questions(tmp_path / "questions.jsonl") == [
        Question("1", "Who built the ferry Hulda?", ("Tom Reed", "Thomas Reed"))
    ]


def test_the_table_of_the_guide_is_the_reward() -> None:
    rows = {line.split("|")[1].strip(): line.split("|")[2:-1] for line in TEXT.splitlines() if line.startswith("| ")}
    for name, end in (("right", "<answer> x </answer>"), ("wrong, or no answer", ""), ("malformed", "(think")):
        for searches, told in enumerate(rows[name]):
            text = "<think> t </think>" + "<search> q </search>" * searches + end
            assert IkeaReward()(text, "x") == pytest.approx(float(told))


def test_the_links_of_the_guide_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", TEXT):
        path, _, anchor = target.partition("#")
        page = GUIDE.parent / path
        assert page.exists()
        assert not anchor or f"## {anchor.replace('-', ' ')}" in page.read_text("utf-8").lower()
