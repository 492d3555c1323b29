"""Files that llama.cpp can't load."""

import pytest

from pansophy.errors import RequestRefused
from pansophy.models import EmbeddedModel, llamacpp, prepare


async def test_a_file_that_is_no_model(tmp_path):
    path = tmp_path / "x.gguf"
    path.write_bytes(b"PK\x03\x04 something else")
    with pytest.raises(RequestRefused, match="not a GGUF"):
        await prepare(EmbeddedModel(path))
    assert llamacpp._servers == {}


async def test_a_damaged_model(tmp_path):
    path = tmp_path / "x.gguf"
    path.write_bytes(b"GGUF" + bytes(500))
    model = EmbeddedModel(path, window=512, prompt_cache=256)
    for _ in range(2):
        with pytest.raises(RequestRefused, match=r"can't load .*damaged"):
            await prepare(model)
    assert llamacpp._servers == {}


async def test_a_missing_file(tmp_path):
    with pytest.raises(RequestRefused, match="can't be read"):
        await prepare(EmbeddedModel(tmp_path / "none.gguf"))
