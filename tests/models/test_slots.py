"""How many calls the embedded model runs at once: what the user says, else what suits the machine."""

from types import SimpleNamespace

import pytest

from pansophy.errors import UsageError
from pansophy.models import EmbeddedModel, llamacpp

KINDS = SimpleNamespace(
    GGML_BACKEND_DEVICE_TYPE_CPU=0,
    GGML_BACKEND_DEVICE_TYPE_GPU=1,
    GGML_BACKEND_DEVICE_TYPE_IGPU=2,
    GGML_BACKEND_DEVICE_TYPE_ACCEL=3,
)


def library(*types):
    return SimpleNamespace(
        ggml_backend_dev_type=KINDS, get_device_info=lambda: [{"name": "device", "type": type_} for type_ in types]
    )


@pytest.fixture(autouse=True)
def no_choice(monkeypatch):
    monkeypatch.delenv(llamacpp.SLOTS_VARIABLE, raising=False)


def test_two_on_processors_and_more_where_there_is_a_gpu(monkeypatch):
    processors = library(KINDS.GGML_BACKEND_DEVICE_TYPE_CPU, KINDS.GGML_BACKEND_DEVICE_TYPE_ACCEL)
    monkeypatch.setattr(llamacpp, "load_library", lambda: processors)
    assert llamacpp.usual_slots() == llamacpp.SLOTS
    both = library(KINDS.GGML_BACKEND_DEVICE_TYPE_CPU, KINDS.GGML_BACKEND_DEVICE_TYPE_GPU)
    monkeypatch.setattr(llamacpp, "load_library", lambda: both)
    assert llamacpp.usual_slots() == llamacpp.SLOTS_WITH_GPU


def test_the_variable_decides_where_it_is_set(monkeypatch):
    monkeypatch.setenv(llamacpp.SLOTS_VARIABLE, "5")
    assert llamacpp.usual_slots() == 5


@pytest.mark.parametrize("wrong", ["0", "-2", "many", "1.5"])
def test_a_variable_that_is_no_positive_number_is_refused(monkeypatch, wrong):
    monkeypatch.setenv(llamacpp.SLOTS_VARIABLE, wrong)
    with pytest.raises(UsageError, match=f"PANSOPHY_SLOTS must be a positive number, not '{wrong}'"):
        llamacpp.usual_slots()


@pytest.mark.model
async def test_the_model_takes_it_up_when_it_is_loaded(monkeypatch, smollm2_file):
    monkeypatch.setenv(llamacpp.SLOTS_VARIABLE, "3")
    model = EmbeddedModel(smollm2_file, window=512, prompt_cache=16)
    await model.prepare()
    try:
        assert model.parallel == 3
    finally:
        await model.aclose()
