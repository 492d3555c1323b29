"""The shipped example texts and the questions about them belong together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", ["handbook", "story"])
def test_every_quote_stands_exactly_once_in_its_text(name: str) -> None:
    text = (ROOT / "examples" / f"{name}.md").read_text(encoding="utf-8")
    rows = json.loads((ROOT / "tests" / "data" / f"{name}_questions.json").read_text(encoding="utf-8"))
    assert len(rows) >= 15
    wrong = [quote for row in rows for quote in row["quotes"] if text.count(quote) != 1]
    assert wrong == []
    assert all(row["question"].endswith("?") and row["answers"] for row in rows)
