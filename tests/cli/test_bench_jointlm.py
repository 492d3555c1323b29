"""`pansophy bench jointlm` measures words, or a language model that it trains, in three stores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.reading.jointlm.paper_files import write_files
from tests.white_box.tiny import network, tokenizer
from typer.testing import CliRunner, Result

from pansophy.cli.bench import app
from pansophy.errors import PansophyError, RunError, SourceError, UnknownModel, UsageError

COMMITTED = Path(__file__).parents[2] / "benchmarks" / "results" / "jointlm" / "checks.json"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_files(tmp_path / "town")


def bench(*arguments: Any, fails: type[PansophyError] | None = None) -> Result:
    result = CliRunner().invoke(app, ["jointlm", *map(str, arguments)])
    if fails is not None:
        assert isinstance(result.exception, fails), result.output
    elif result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_result_is_printed_and_written_in_its_layout(data: Path, tmp_path: Path) -> None:
    output = tmp_path / "result.json"
    done = bench("--data", data, "--learnt", 16, "-o", output)
    assert "weights learnt from 16 dialogues" in done.stderr
    told, committed = (json.loads(path.read_text("utf-8")) for path in (output, COMMITTED))
    assert told.keys() == committed.keys()
    assert told["robustness"]["hybrid"].keys() == committed["robustness"]["hybrid"].keys()
    assert (told["options"], told["rebuilt"]["turns"]) == ({"learnt": 16, "seed": 0, "model": None}, 72)
    assert "24 entities, 8 of them with row and notes; 24 dialogues, 72 turns" in done.stdout
    shares = [told["robustness"][store]["scorer_success"][0] for store in ("seknow", "hybrid", "unstructured")]
    assert f"words with learnt weights{'':9}" + "".join(f"{share:14.1f}" for share in shares) in done.stdout


def test_a_language_model_is_trained_and_measured_and_goes_on(data: Path, tmp_path: Path) -> None:
    base, folder, output = tmp_path / "base", tmp_path / "work", tmp_path / "result.json"
    network(max_position_embeddings=1024).save_pretrained(base)
    tokenizer().save_pretrained(base)
    small = ("--turns", 2, "--keep", 2, "--asked", 2, "--replies", 1, "--learning-rate", 1e-3, "--learnt", 16)
    command = ("--data", data, "-m", base, "--folder", folder, *small, "-o", output)
    done = bench(*command)
    assert "1/1  loss " in done.stderr
    assert "unstructured 1/1" in done.stderr
    told = json.loads(output.read_text("utf-8"))
    model = told["language_model"]
    assert (told["options"]["replies"], told["options"]["learning_rate"]) == (1, 1e-3)
    assert json.loads((folder / "adapter" / "pansophy.json").read_text("utf-8"))["settings"]["learning_rate"] == 1e-3
    assert len(model["loss"]) == 1
    for store in ("seknow", "hybrid", "unstructured"):
        assert (model[store]["turns"], model[store]["model"]["turns"]) == (2, 1)
        assert model[store]["words_kept"] >= model[store]["model_best_ranked"]
        assert len((folder / store / "rows.jsonl").read_text("utf-8").splitlines()) == 1
    assert f"{'ranked best by the model':34}{model['seknow']['model_best_ranked']:14.1f}" in done.stdout
    again = bench(*command)
    assert "loss" not in again.stderr
    assert again.stdout == done.stdout
    bench(*command, "--seed", 1, fails=RunError)


def test_the_list_names_what_is_measured() -> None:
    listed = CliRunner().invoke(app, ["list"]).stdout
    assert "\njointlm: " in listed
    assert "\nchroknowledge: " in listed


def test_what_cannot_be_measured_is_said(data: Path, tmp_path: Path) -> None:
    assert bench("--learnt", 16).exit_code == 2
    for wrong in (("--learnt", 0), ("--keep", 0), ("--stores", "seknow")):
        assert bench("--data", data, *wrong).exit_code == 2
    missing = bench("--data", tmp_path / "nowhere", fails=SourceError)
    assert "multiwoz-hotel.json" in str(missing.exception)
    bench("--data", data, "--learnt", 500, fails=UsageError)
    for alone in (("-m", "smollm2-135m"), ("--folder", tmp_path / "work")):
        refused = bench("--data", data, *alone, fails=UsageError)
        assert "--model and --folder go together" in str(refused.exception)
    bench("--data", data, "--embedder", "minilm", fails=UsageError)
    trained = ("-m", "smollm2-135m", "--folder", tmp_path / "work")
    refused = bench("--data", data, *trained, "--embedder", "local:minilm", fails=UsageError)
    assert "leave out --embedder" in str(refused.exception)
    bench("--data", data, "--learnt", 16, "-m", tmp_path / "no", "--folder", tmp_path / "work", fails=UnknownModel)
