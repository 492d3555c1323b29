"""`pansophy serve`, as far as it goes without serving; tests/server starts it for good."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from pansophy.cli.main import Commands, main
from pansophy.server.keys import Keys


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as exit:
        main(["serve", *words])
    return int(exit.value.code or 0)


def test_a_new_key_is_printed_once_and_works(tmp_path, capsys):
    path = tmp_path / "keys.txt"
    assert run("--new-key", "anna", "--api-key-file", str(path), "--key-corpora", "a, b", "--key-rate", "9") == 0
    key = capsys.readouterr().out.strip()
    access = Keys(path).access(key)
    assert (access.name, access.corpora, access.per_minute) == ("anna", {"a", "b"}, 9)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--host", "0.0.0.0"], "clients need keys"),
        (["--new-key", "anna"], "needs --api-key-file"),
        (["--key-rate", "5"], "belong to --new-key"),
        (["--api-key-file", "/nowhere/keys.txt"], "can't be read"),
        (["--model", "no-such-model"], "there is no model"),
    ],
)
def test_what_can_not_be_served_is_explained_in_a_line(words, reason, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("PANSOPHY_HOME", str(tmp_path))
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert run(*words) != 0
    told = capsys.readouterr().err
    assert reason in told
    assert told.count("\n") == 1


def test_without_its_packages_it_says_which_extra_has_them():
    script = (
        "import sys\nsys.modules['uvicorn'] = None\nfrom pansophy.cli.main import main\nmain(['serve', '--port', '0'])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "pip install 'pansophy[serve]'" in done.stderr


def test_a_port_that_is_taken_is_said(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        words = ["serve", "--home", str(tmp_path), "--port", str(taken.getsockname()[1])]
        command = [sys.executable, "-m", "pansophy", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "can't be listened at" in done.stderr


ROOT = Path(__file__).parents[2]


def words_of(file: str) -> list[str]:
    """How the image, or the compose file, starts the service."""
    text = (ROOT / file).read_text(encoding="utf-8")
    if file == "Dockerfile":
        return json.loads(re.findall(r"^CMD (.+)", text, re.MULTILINE)[-1])
    return yaml.safe_load(text)["services"]["pansophy"]["command"]


@pytest.mark.parametrize("file", ["Dockerfile", "compose.yaml"])
def test_the_container_is_started_with_options_that_there_are(file):
    name, *words = words_of(file)
    parsed = Commands.lazy_commands[name].load(name).make_context(name, words).params
    assert parsed["host"] == "0.0.0.0"
    assert parsed["api_key_file"] == Path("/data/keys.txt")
    if file == "compose.yaml":
        assert parsed["base_url"] == "http://model:8000/v1"


def test_the_image_has_the_extras_that_there_are():
    named = re.search(r"/pansophy\[([a-z,]+)\]", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert named is not None
    assert set(named[1].split(",")) <= set(project["optional-dependencies"])
