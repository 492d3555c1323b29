"""From the command to a cited answer, with a small model and nothing scripted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HANDBOOK = Path(__file__).parent.parent.parent / "examples" / "handbook.md"
QUESTION = "How many bends does the road from Aldmoor have?"
SENTENCE = "The road up from Aldmoor is 19 kilometres long and has 31 bends."
PATIENCE = 600.0
"""Seconds: a few on an idle machine, minutes on one whose cores are shared with other models."""


@pytest.mark.model
def test_a_small_model_answers_from_the_handbook_and_cites_the_right_span(tmp_path, half_billion_model_file):
    (tmp_path / "models").symlink_to(half_billion_model_file.parent)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PANSOPHY_", "OPENAI_"))}
    options = ("--model", "qwen2.5-coder-0.5b", "--order", "rank", "--rounds", "1", "--json")
    done = subprocess.run(
        [sys.executable, "-m", "pansophy", "ask", QUESTION, str(HANDBOOK), *options],
        env={**kept, "PANSOPHY_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["verdict"] in ("answered", "forced")
    assert "31" in answer["answer"]
    text = HANDBOOK.read_text(encoding="utf-8")
    quotes = [item for item in answer["evidence"] if item["cited"]]
    assert [item["quote"] for item in quotes] == [SENTENCE]
    assert text[quotes[0]["start"] : quotes[0]["end"]] == SENTENCE
    assert answer["usage"]["calls"] >= 2
