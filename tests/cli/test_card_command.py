"""`pansophy card` trains, lists, adds and removes cards, and asks them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.white_box.tiny import network, tokenizer
from typer.testing import CliRunner

import pansophy.models
from pansophy import ScriptedModel
from pansophy.cli.main import app
from pansophy.errors import PansophyError, UnknownModel, UsageError

QUESTION = "the capital of Norway is"


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny model's folder, with an empty home."""
    network().save_pretrained(tmp_path / "tiny")
    tokenizer().save_pretrained(tmp_path / "tiny")
    (tmp_path / "oslo.txt").write_text("the capital of Norway is Oslo . " * 8)
    monkeypatch.setenv("PANSOPHY_HOME", str(tmp_path / "home"))
    return tmp_path / "tiny"


def card(*arguments: Any, fails: type[PansophyError] | None = None) -> str:
    result = CliRunner().invoke(app, ["card", *map(str, arguments)])
    if fails is not None:
        assert isinstance(result.exception, fails), result.output
    elif result.exception is not None:
        raise result.exception
    return result.stdout


def train(base: Path, *options: Any) -> str:
    text = base.parent / "oslo.txt"
    how = ["--epochs", 20, "--batch", 2, "--block", 8, "--learning-rate", 0.02, "--rank", 4]
    return card("train", text, "--base", base, "-n", "oslo", "-d", "Knows Oslo.", *how, *options)


def test_a_card_is_trained_listed_asked_and_removed(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    llm = ScriptedModel(lambda messages, schema: "It is Oslo." if "\nOslo" in messages[-1].content else "Who knows?")
    monkeypatch.setattr(pansophy.models, "open_model", lambda *given, **options: llm)
    assert "pansophy card ask uses it" in train(base)
    assert card("list").startswith("oslo: Knows Oslo. (")
    assert [one["name"] for one in json.loads(card("list", "--json"))] == ["oslo"]
    printed = card("ask", QUESTION, "--kept", 4, "--documents", 4, "-e", base.parent / "oslo.txt").splitlines()
    assert printed[0] == "It is Oslo."
    assert all(line.startswith("  oslo (relevance ") for line in printed[1:-1])
    assert any(re.search(r"supported [01]\.\d\d\): Oslo", line) for line in printed[1:-1])
    assert printed[-1].startswith(f"bottom-up · {len(printed) - 2} document")
    told = json.loads(card("ask", QUESTION, "--mode", "auto", "--rounds", 1, "--json"))
    assert told["steps"][0]["card"] == "oslo"
    assert told["cards"]["oslo"].startswith("sha256:")
    assert card("remove", "oslo") == "oslo is removed\n"
    assert "no cards" in card("list")
    card("ask", QUESTION, fails=UsageError)


def test_a_card_elsewhere_is_added_as_a_copy(base: Path) -> None:
    folder = base.parent / "mine"
    assert f"pansophy card add {folder}" in train(base, "-o", folder)
    assert "no cards" in card("list")
    card("add", folder)
    assert card("list").startswith("oslo: ")
    card("add", folder, fails=UsageError)
    card("remove", "oslo")
    assert (folder / "card.json").is_file()


def test_a_chat_model_is_added_by_its_name(base: Path) -> None:
    card("add", "--model", "med-7b", "--base-url", "http://localhost:1/v1", "-n", "medicine", "-d", "Knows drugs.")
    (told,) = json.loads(card("list", "--json"))
    assert (told["model"], told["base_url"]) == ("med-7b", "http://localhost:1/v1")
    card("add", fails=UsageError)
    card("add", base, fails=UnknownModel)


def test_a_card_that_can_not_be_used_is_listed_with_the_reason(base: Path) -> None:
    (base.parent / "home" / "cards" / "broken").mkdir(parents=True)
    assert card("list") == "broken: can't be used: its training was broken off: run it again\n"
    assert json.loads(card("list", "--json")) == [
        {"name": "broken", "damaged": "its training was broken off: run it again"}
    ]
