"""The guide's program runs as it stands but for the model's name, and its links lead somewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.white_box.tiny import network, tokenizer

from pansophy.conflicts.training.items import read_items

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "training-for-conflicts.md"
TEXT = GUIDE.read_text("utf-8")


def test_the_program_of_the_guide_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    made = network()
    made.config.max_position_embeddings = 4096
    made.save_pretrained(tmp_path / "tiny")
    tokenizer().save_pretrained(tmp_path / "tiny")
    monkeypatch.chdir(tmp_path)
    exec(compile(program.replace('"smollm2-135m"', '"tiny"'), str(GUIDE), "exec"), {"__name__": "guide"})
    assert "Estimate(mean=" in capsys.readouterr().out


def test_the_line_of_the_guide_is_an_item(tmp_path: Path) -> None:
    (line,) = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
    json.loads(line)
    (tmp_path / "items.jsonl").write_text(line)
    (item,) = read_items(tmp_path / "items.jsonl")
    assert item.saying("Per Lind").refusal is None


def test_the_links_of_the_guide_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", TEXT):
        path, _, anchor = target.partition("#")
        page = (GUIDE.parent / path).resolve()
        assert page.exists()
        if anchor:
            anchors = [
                re.sub(r"[^\w -]", "", line[2:].strip().lower()).strip("# ").replace(" ", "-")
                for line in page.read_text("utf-8").splitlines()
                if line.startswith("## ")
            ]
            assert anchor in anchors
