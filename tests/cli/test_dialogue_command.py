"""`pansophy dialogue` re-balances, trains, replies and measures."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from tests.reading.jointlm.inns import CAFES, INNS, NOTES, dialogues
from typer.testing import CliRunner

from pansophy.cli.main import app
from pansophy.errors import PansophyError, RunError, SourceError, UsageError
from pansophy.reading.jointlm import HybridStore, write_dialogues


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for domain, rows in (("inn", INNS), ("cafe", CAFES)):
        with open(f"{domain}.csv", "w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    HybridStore({}, NOTES).write("notes.jsonl")
    write_dialogues(dialogues(), "said.jsonl")


STORE = ("-s", "inn.csv", "-s", "cafe.csv", "-s", "notes.jsonl")
ORIGINAL = ("--original", "inn.csv", "--original", "cafe.csv")


def dialogue(*arguments: Any, fails: type[PansophyError] | None = None) -> str:
    result = CliRunner().invoke(app, ["dialogue", *map(str, arguments)])
    if fails is not None:
        assert isinstance(result.exception, fails), result.output
    elif result.exception is not None:
        raise result.exception
    return result.stdout


def test_a_store_is_rebalanced_learnt_asked_and_measured() -> None:
    said = dialogue("rebalance", "said.jsonl", *STORE, "-o", "balanced.jsonl", "--seed", 1)
    assert "% is cut" in said.replace(")", "")
    assert "inn: slots 4.20 -> " in said
    assert HybridStore.read("balanced.jsonl")["inn", "the heron"].documents[0].title == "Are dogs allowed?"
    assert dialogue("train", "said.jsonl", "-s", "balanced.jsonl", *ORIGINAL, "-o", "agent") == "agent is trained\n"
    asked = ("respond", "agent", "Are dogs allowed at the Heron?")
    reply, entity, support = dialogue(*asked).splitlines()
    assert reply == "The Heron: Dogs are welcome at the Heron."
    assert entity.startswith("  inn · The Heron · ")
    assert support == "  note · Are dogs allowed? Dogs are welcome at the Heron."
    told = json.loads(dialogue(*asked, "--json"))
    assert (told["reply"], told["entity"]) == (reply, {"domain": "inn", "name": "The Heron"})
    assert (len(told["ranked"]), told["support"]["document"]["title"]) == (5, "Are dogs allowed?")
    measured = dialogue("evaluate", "agent", "said.jsonl", *ORIGINAL, "-o", "out")
    assert "turns: 5\nsuccess@1, @5: 100.0, 100.0\n" in measured
    assert json.loads(Path("out/scores.json").read_text())["success1"] == 1.0
    assert len(Path("out/rows.jsonl").read_text().splitlines()) == 5


def test_everything_can_be_moved_and_another_store_be_asked() -> None:
    dialogue("train", "said.jsonl", *STORE, "-o", "agent", "--no-entity")
    assert dialogue("respond", "agent", "xyzzy") == "I know nothing that fits.\n  no entity\n"
    said = dialogue("rebalance", "said.jsonl", *STORE, "--everything", "-o", "bare.jsonl")
    assert said == "inn: slots 4.20 -> 1.00, notes 0.60 -> 3.80\ncafe: slots 4.00 -> 1.00, notes 0.00 -> 3.00\n"
    reply = dialogue("respond", "agent", "phone of Blue Kettle?", "-s", "bare.jsonl")
    assert "note · What is the phone number of Blue Kettle?" in reply


def test_what_cannot_be_done_is_said() -> None:
    dialogue("respond", "agent", "hello", fails=RunError)
    dialogue("rebalance", "said.jsonl", "-s", "none.csv", "-o", "x.jsonl", fails=SourceError)
    dialogue("rebalance", "none.jsonl", *STORE, "-o", "x.jsonl", fails=SourceError)
    dialogue("rebalance", "said.jsonl", *STORE, "-s", "inn.csv", "-o", "x.jsonl", fails=SourceError)
    Path("inn.csv").write_text("name,area\nHeron,north,5\n")
    dialogue("train", "said.jsonl", *STORE, "-o", "agent", fails=SourceError)
    Path("inn.csv").write_text("area\nnorth\n")
    dialogue("train", "said.jsonl", *STORE, "-o", "agent", fails=SourceError)
    Path("inn.csv").write_text("name\n")
    dialogue("train", "said.jsonl", *STORE, "-o", "agent", fails=SourceError)
    Path("taxis.csv").write_text("name\nquick\n")
    dialogue("train", "said.jsonl", "-s", "taxis.csv", "-o", "agent", fails=UsageError)
    assert not Path("agent").exists()
