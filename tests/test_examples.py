"""The shipped example texts and the questions about them belong together, and the tour runs."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pansophy.models import WhiteBoxModel

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", ["handbook", "story"])
def test_every_quote_stands_exactly_once_in_its_text(name: str) -> None:
    text = (ROOT / "examples" / f"{name}.md").read_text(encoding="utf-8")
    rows = json.loads((ROOT / "tests" / "data" / f"{name}_questions.json").read_text(encoding="utf-8"))
    assert len(rows) >= 15
    wrong = [quote for row in rows for quote in row["quotes"] if text.count(quote) != 1]
    assert wrong == []
    assert all(row["question"].endswith("?") and row["answers"] for row in rows)


def test_the_tour_of_conflicts_runs_and_turns_the_dial(
    smollm2: WhiteBoxModel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = importlib.util.spec_from_file_location("tour", ROOT / "examples" / "conflicts.py")
    assert spec is not None
    assert spec.loader is not None
    tour = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tour)
    monkeypatch.setattr(tour.WhiteBoxModel, "load", lambda *_: smollm2)
    tour.main()
    printed = capsys.readouterr().out
    rows = [line.split() for line in printed.splitlines() if line.strip().startswith(("0.", "1."))]
    memory = [int(row[1].split("/")[0]) for row in rows]
    assert len(rows) == 5
    assert memory == sorted(memory)
    assert memory[0] < memory[-1]
    assert "heads that write memory" in printed
