"""`pansophy conflict train` builds material, trains an adapter, and the adapter can be asked."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest
from tests.conflicts.material import items
from tests.white_box.tiny import network, tokenizer
from typer.testing import CliRunner

from pansophy.cli.main import app
from pansophy.errors import RunError, SourceError, UsageError

SMALL = ("--batch", "8", "--epochs", "1", "--rank", "2", "--max-tokens", "1000")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    made = network()
    made.config.max_position_embeddings = 4096
    made.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PANSOPHY_HOME", str(tmp_path / "home"))
    rows = []
    for item in items(24):
        row = asdict(item)
        rows.append(json.dumps({**row, "context": row.pop("passage")}))
    path = tmp_path / "items.jsonl"
    path.write_text("\n".join(rows))
    return path


def run(*arguments: object, error: type[Exception] | None = None) -> str:
    result = CliRunner().invoke(app, ["conflict", *map(str, arguments)])
    if error is not None:
        assert isinstance(result.exception, error), result.output
        return str(result.exception)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def test_kaft_trains_an_adapter_that_can_be_asked(data: Path, model: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    said = run("train", "kaft", data, "-m", model, "-o", adapter, *SMALL)
    assert "asking the model itself: 24/24" in said
    assert "learning examples: " in said
    assert "relevant" in said
    assert f"adapter: {adapter}" in said
    assert (adapter / "material" / "mixture.jsonl").is_file()
    (tmp_path / "text.txt").write_text("Ida is in Oslo.")
    asked = ("ask", "Where is Ida?", "-c", tmp_path / "text.txt", "-m", adapter, "--method", "none")
    assert run(*asked, "--max-new-tokens", 3)


def test_knowpo_trains_in_two_stages_and_the_same_command_goes_on(data: Path, model: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    command = ("train", "knowpo", data, "-m", model, "-o", adapter, *SMALL, "--passages", 2, "--force")
    command += ("--imitation", 0.5)
    said = run(*command)
    assert json.loads((adapter / "pansophy.json").read_text())["settings"]["imitation"] == 0.5
    assert "learning examples" in said
    assert "learning preferences" in said
    before = (adapter / "adapter_model.safetensors").read_bytes()
    assert before != (adapter / "sft" / "adapter_model.safetensors").read_bytes()
    (adapter / "adapter_model.safetensors").unlink()
    (adapter / "pansophy.json").write_text(
        json.dumps({**json.loads((adapter / "pansophy.json").read_text()), "finished": None})
    )
    again = run(*command)
    assert "learning examples" not in again
    assert (adapter / "adapter_model.safetensors").read_bytes() == before
    assert "rank" in run(*command, "--rank", 3, error=RunError)


def test_material_is_written_without_training(data: Path, model: Path, tmp_path: Path) -> None:
    said = run("train", "knowpo", data, "-m", model, "-o", tmp_path / "adapter", "--build-only", "--passages", 2)
    assert "material: " in said
    assert {path.name for path in (tmp_path / "adapter" / "material").iterdir()} == {"examples.jsonl", "pairs.jsonl"}
    assert "left out: " in said
    run("train", "kaft", data, "-m", model, "-o", tmp_path / "edited", "--build-only", "--edits", 2)
    rows = (tmp_path / "edited" / "material" / "mixture.jsonl").read_text().splitlines()
    kinds = Counter(json.loads(row)["kind"] for row in rows)
    assert kinds["counterfactual"] == 2 * kinds["relevant"] > 0
    long = run("train", "kaft", data, "-m", model, "-o", tmp_path / "other", *SMALL[:-1], 120)
    assert "longer than max_tokens" in long
    run("train", "knowpo", data, "-m", model, "-o", tmp_path / "adapter", *SMALL, "--passages", 2, "--force")


def test_wrong_input_is_named(data: Path, model: Path, tmp_path: Path) -> None:
    command = ("train", "knowpo", data, "-m", model, "-o", tmp_path / "adapter")
    assert "24:7" in run(*command, "--ratio", "lots", error=UsageError)
    assert "two of the files" in run(*command, data, error=UsageError)
    assert "at_once must divide" in run(*command, "--at-once", 5, error=UsageError)
    data.write_text("oops\n")
    assert "line 1" in run("train", "kaft", data, "-o", tmp_path / "adapter", error=SourceError)
