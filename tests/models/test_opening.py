"""From a name to a model, and what a wrong name is told."""

import re
import subprocess
import sys

import pytest
from fake_server import FakeServer, models

from pansophy.errors import UnknownModel
from pansophy.models import CATALOGUE, EmbeddedModel, OpenAICompatible, ScriptedModel, open_model
from pansophy.models.catalogue import DEFAULT_NAME, find, fits
from pansophy.models.discover import local_models, running_servers
from pansophy.models.opening import catalogue_model


@pytest.fixture(autouse=True)
def _nothing_configured(monkeypatch, tmp_path):
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PANSOPHY_HOME", str(tmp_path))


def test_a_model_is_returned_as_it_is():
    model = ScriptedModel(["x"])
    assert open_model(model) is model


def test_the_default_is_embedded_and_nothing_is_fetched(tmp_path):
    model = open_model("embedded")
    assert isinstance(model, EmbeddedModel)
    assert model.name == DEFAULT_NAME
    assert model.identity == f"gguf:{find('embedded').sha256}"
    assert list(tmp_path.iterdir()) == []


def test_catalogue_names_and_hub_files():
    assert open_model("SmolLM2-135M", window=1024).window == 1024
    model = open_model("hf://someone/a-model/sub/x.Q4.gguf")
    assert model.identity == "gguf:hf://someone/a-model/sub/x.Q4.gguf"
    known = find("smollm2-135m")
    assert find(known.uri) == known


def test_a_file_by_its_path(tmp_path):
    path = tmp_path / "my.gguf"
    path.write_bytes(b"GGUF....")
    model = open_model(str(path))
    assert (model.name, isinstance(model, EmbeddedModel)) == ("my.gguf", True)
    assert re.fullmatch("gguf:[0-9a-f]{64}", model.identity)
    with pytest.raises(UnknownModel, match="no model file"):
        open_model(str(tmp_path / "other.gguf"))


def test_a_name_at_an_endpoint(monkeypatch):
    given = open_model("embedded", base_url="http://127.0.0.1:1/v1/")
    assert isinstance(given, OpenAICompatible)
    assert given.base_url == "http://127.0.0.1:1/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:2/v1")
    assert open_model("anything").base_url == "http://127.0.0.1:2/v1"
    monkeypatch.delenv("OPENAI_BASE_URL")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    assert open_model("gpt-4o-mini").base_url == "https://api.openai.com/v1"


def test_a_name_of_nothing_lists_what_there_is_and_calls_no_one():
    with pytest.raises(UnknownModel, match=r"no model 'gpt-4o'.*smollm2-135m.*OPENAI_BASE_URL.*models list"):
        open_model("gpt-4o")
    with pytest.raises(UnknownModel, match=r"hf://owner/repository/file.gguf"):
        open_model("hf://owner/repo")
    with pytest.raises(UnknownModel, match=r"to pull. Known: .*qwen"):
        catalogue_model("gpt-4o")


def test_the_catalogue_is_consistent():
    assert len({model.name for model in CATALOGUE}) == len(CATALOGUE)
    for model in CATALOGUE:
        assert model.name == model.name.lower()
        assert model.size > 0
        assert model.licence
        assert model.context_bytes > 0
        assert model.sha256 is None or len(model.sha256) == 64
    assert find(DEFAULT_NAME).sha256 is not None


def test_what_fits_is_judged_by_memory():
    model = find("qwen2.5-coder-0.5b")
    need = model.memory(8192)
    assert need > model.size
    assert fits(model, 8192, available=need - 1) == "no"
    assert fits(model, 8192, available=need + 1) == "tight"
    assert fits(model, 8192, available=2 * need) == "yes"


def test_local_models_tell_what_is_pulled(tmp_path):
    small = find("smollm2-135m")
    path = tmp_path / "models" / f"{small.sha256}.gguf"
    path.parent.mkdir()
    with path.open("wb") as file:
        file.truncate(small.size)
    listed = {item.model.name: item for item in local_models()}
    assert listed["smollm2-135m"].path == path
    assert listed[DEFAULT_NAME].path is None
    assert listed[DEFAULT_NAME].is_default
    assert not listed["qwen3-4b"].pinned


async def test_running_servers_are_found_and_told_apart():
    with (
        FakeServer({"GET /v1/models": (200, models("llama3:8b", "qwen", owned_by="library"))}) as ollama,
        FakeServer({"GET /v1/models": (401, {"error": "key"})}) as locked,
        FakeServer({"GET /v1/models": (200, "<html>a shop</html>")}) as shop,
        FakeServer({"GET /v1/models": (200, [1, 2])}) as other,
    ):
        ports = {int(server.root.rsplit(":", 1)[1]): "vllm" for server in (ollama, locked, shop, other)}
        found = await running_servers({**ports, 9: "lmstudio"})
    assert [(server.kind, server.models, server.wants_key) for server in found] == [
        ("ollama", ("llama3:8b", "qwen"), False),
        ("vllm", (), True),
    ]


def test_importing_the_floor_loads_no_client():
    code = (
        "import sys, pansophy.models as m; m.open_model('embedded'); "
        "print([name for name in ('openai', 'httpx', 'xllamacpp', 'psutil') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
