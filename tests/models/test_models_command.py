"""`pansophy models` through its real entry point."""

import json
import subprocess
import sys

import pytest
from fake_server import FakeServer, completion, models
from typer.testing import CliRunner

from pansophy.cli.models import app
from pansophy.models.catalogue import CATALOGUE


@pytest.fixture(autouse=True)
def _own_home(monkeypatch, tmp_path):
    monkeypatch.setenv("PANSOPHY_HOME", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def pansophy(*words):
    return subprocess.run([sys.executable, "-m", "pansophy", *words], capture_output=True, text=True, check=False)


def served(text="Paris", **changes):
    return FakeServer(
        {
            "GET /v1/models": (200, models("tiny", max_model_len=4096)),
            "POST /v1/chat/completions": (200, completion(text, **changes)),
        }
    )


def test_the_list_fits_a_narrow_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown = CliRunner().invoke(app, ["list"])
    assert shown.exit_code == 0
    assert all(model.name in shown.stdout for model in CATALOGUE)
    assert "first pull" in shown.stdout
    rows = shown.stdout.splitlines()[: len(CATALOGUE) + 1]
    assert max(len(row) for row in rows) <= 80
    assert "…" not in "".join(rows)


def test_the_list_as_json():
    listed = json.loads(CliRunner().invoke(app, ["list", "--json"]).stdout)
    by_name = {model["name"]: model for model in listed["models"]}
    assert set(by_name) == {model.name for model in CATALOGUE}
    assert by_name["smollm2-135m"]["hash"] == "exact"
    assert by_name["smollm2-135m"]["path"] is None
    assert sum(model["default"] for model in listed["models"]) == 1
    assert isinstance(listed["servers"], list)


def test_a_model_at_an_endpoint_is_tested():
    usage = {"prompt_tokens": 900, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 880}}
    with served(usage=usage) as server:
        shown = CliRunner().invoke(app, ["test", "tiny", "--base-url", server.base_url])
    assert shown.exit_code == 0, shown.output
    assert "Paris" in shown.stdout
    assert "window    4096 tokens" in shown.stdout
    assert "remembered: 880 of 900 prompt tokens" in shown.stdout


def test_a_forgetful_endpoint_is_told_so_in_json():
    with served() as server:
        shown = CliRunner().invoke(app, ["test", "tiny", "--base-url", server.base_url, "--json"])
    found = json.loads(shown.stdout)
    assert (found["answer"], found["remembers_prefixes"], found["prefix_cached"]) == ("Paris", False, 0)


def test_errors_are_one_line():
    done = pansophy("models", "pull", "gpt-4o")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("pansophy: there is no model 'gpt-4o' to pull. Known: ")
    assert done.stderr.count("\n") == 1


def test_a_pull_without_a_network_says_what_to_do():
    done = pansophy("models", "pull", "qwen3-4b")
    assert done.returncode == 1
    assert "can't be reached" in done.stderr
    assert "pass the file's path as the model" in done.stderr
