"""The three stages are trained, broken off and gone on with, on models of image and text and on text alone."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.conflicts.pages import forms, tiny_idefics, tiny_llava
from tests.white_box.tiny import network, tokenizer

from pansophy.conflicts.consistency import ConsistencySettings, CPConsistency, build_stages
from pansophy.conflicts.consistency.page_model import UNLABELLED, PageModel
from pansophy.conflicts.consistency.stages import STAGES
from pansophy.conflicts.consistency.train import linear_layers, read_samples, train_stages
from pansophy.conflicts.training.settings import CONSISTENCY, TrainingSettings
from pansophy.conflicts.training.train import Progress
from pansophy.errors import RunError, UsageError
from pansophy.models.white_box import WhiteBoxModel
from pansophy.models.white_box.adapters import CARD, WEIGHTS

SHORT = TrainingSettings(learning_rate=1e-2, epochs=1, batch=4, max_tokens=200, rank=4, alpha=8, save_every=2)


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llava(tmp_path_factory.mktemp("models") / "llava")


@pytest.fixture(scope="module")
def speaker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A causal language model in a folder."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    made = network()
    made.config.max_position_embeddings = 512
    made.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def built(folder: Path, *, images: bool) -> dict[str, Path]:
    folder.mkdir(exist_ok=True)
    pages, questions = forms(folder if images else None)
    form = "pixels" if images else "line"
    return build_stages(pages, questions, folder, ConsistencySettings(box_form=form)).files


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return built(tmp_path_factory.mktemp("images"), images=True)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return built(tmp_path_factory.mktemp("texts"), images=False)


def loss_of(model: PageModel, path: Path) -> float:
    """Mean loss of the responses' tokens."""
    rows = read_samples(path)
    images = [None if row["image"] is None else Path(row["image"]) for row in rows]
    prompts = [model.prompt(row["prompt"], image=row["image"] is not None) for row in rows]
    with torch.inference_mode():
        return float(model.network(**model.labelled(prompts, [row["response"] for row in rows], images)).loss)


def state(model: PageModel) -> dict[str, torch.Tensor]:
    return {name: one.clone() for name, one in model.network.state_dict().items()}


@pytest.mark.parametrize("lora", [True, False])
def test_three_stages_teach_an_image_text_model_and_leave_its_eyes_alone(
    llava: Path, files: dict[str, Path], tmp_path: Path, lora: bool
) -> None:
    before = PageModel.load(llava)
    trained = train_stages(llava, files, tmp_path, SHORT, lora=lora)
    assert list(trained) == list(STAGES)
    after = PageModel.load(trained["connector"].folder)
    assert after.reads_images
    for stage, one in trained.items():
        assert loss_of(PageModel.load(one.folder), files[stage]) < loss_of(before, files[stage]) - 0.02
    old, new = state(before), state(after)
    changed = {name for name, one in new.items() if not torch.equal(one, old[name])}
    assert not [name for name in changed if "vision_tower" in name]
    assert [name for name in changed if "language_model" in name]
    assert [name for name in changed if "multi_modal_projector" in name]
    card = json.loads((trained["connector"].folder / CARD).read_text())
    assert (card["stage"], card["lora"], len(card["after"])) == ("connector", lora, 2)
    assert card["samples"] == {"which_box": 6, "too long": 0, **replayed(files)}
    assert (trained["connector"].folder / WEIGHTS).exists() is lora


def replayed(files: dict[str, Path]) -> dict[str, int]:
    rows = [row["task"] for row in read_samples(files["connector"]) if row["task"] != "which_box"]
    assert len(rows) == 1  # a tenth of six
    return {rows[0]: 1}


def test_another_family_is_trained_by_its_own_processor_and_template(tmp_path: Path) -> None:
    folder = tiny_idefics(tmp_path / "idefics")
    files = built(tmp_path / "data", images=True)
    before = PageModel.load(folder)
    assert before.prompt("Who?", image=True) == "Q:<image>Who?\nA:"
    trained = train_stages(before, files, tmp_path / "out", SHORT, stages=("perception",))
    after = PageModel.load(trained["perception"].folder)
    assert loss_of(after, files["perception"]) < loss_of(before, files["perception"]) - 0.02
    assert not any("vision" in name for name in linear_layers(before))


@pytest.mark.parametrize("maker", [tiny_llava, tiny_idefics])
def test_only_the_response_and_its_end_are_labelled(tmp_path: Path, maker: Any) -> None:
    model = PageModel.load(maker(tmp_path / "model"))
    pages, _ = forms(tmp_path, 2)
    prompts = [model.prompt(text, image=True) for text in ("the city is", "the capital of France is the city")]
    batch = model.labelled(prompts, ["Oslo lit", "Paris"], [page.image for page in pages])
    said = [row[row != UNLABELLED] for row in batch["labels"]]
    assert [model.tokenizer.decode(row) for row in said] == ["Oslo lit<end>", "Paris<end>"]
    padded = batch["attention_mask"] == 0
    assert padded.any()
    assert (batch["labels"][padded] == UNLABELLED).all()


async def test_text_alone_is_trained_and_measured(speaker: Path, texts: dict[str, Path], tmp_path: Path) -> None:
    long = dataclasses.replace(SHORT, epochs=20, learning_rate=1e-3, save_every=1000)
    trained = train_stages(speaker, texts, tmp_path / "out", long, stages=("perception",), lora=False)
    pages, questions = forms(None)
    found = {}
    for name in (speaker, trained["perception"].folder):
        model = PageModel.load(name)
        measure = CPConsistency(model.reader(), model=model.identity, box_form="line").measure
        found[name] = await measure(pages, questions, tmp_path / f"rows-{len(found)}")
    before, after = found.values()
    assert after.perception.mean > before.perception.mean + 0.3


def test_an_adapter_for_text_is_a_white_box_model(speaker: Path, texts: dict[str, Path], tmp_path: Path) -> None:
    trained = train_stages(speaker, texts, tmp_path, SHORT, stages=("cognition",))
    assert WhiteBoxModel.load(trained["cognition"].folder).identity.startswith("folder:tiny+adapter:")


@pytest.mark.parametrize("lora", [True, False])
def test_a_training_broken_off_ends_as_one_in_one_go(
    llava: Path, files: dict[str, Path], tmp_path: Path, lora: bool
) -> None:
    whole = train_stages(llava, files, tmp_path / "whole", SHORT, lora=lora)

    def broken(stage: str, progress: Progress) -> None:
        if (stage, progress.step) == ("cognition", 3):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_stages(llava, files, tmp_path / "broken", SHORT, lora=lora, on_progress=broken)
    told: list[tuple[str, int]] = []
    resumed = train_stages(
        llava, files, tmp_path / "broken", SHORT, lora=lora, on_progress=lambda *one: told.append((one[0], one[1].step))
    )
    assert told == [("cognition", 3), ("connector", 1), ("connector", 2)]  # from the checkpoint of step 2
    assert resumed["perception"].losses == ()
    assert resumed["connector"].losses == pytest.approx(whole["connector"].losses)
    name = WEIGHTS if lora else "model.safetensors"
    for stage in STAGES:
        assert (resumed[stage].folder / name).read_bytes() == (whole[stage].folder / name).read_bytes()
    with pytest.raises(RunError, match="learning_rate"):
        train_stages(llava, files, tmp_path / "broken", CONSISTENCY, lora=lora)


def test_the_encoder_of_images_is_in_evaluation_mode_while_the_rest_is_trained(
    llava: Path, files: dict[str, Path], tmp_path: Path
) -> None:
    """Else the statistics of its batch normalisation, say, would go on being counted."""
    model = PageModel.load(llava)
    modes: list[tuple[bool, bool]] = []
    network: Any = model.network
    network.register_forward_hook(
        lambda module, *_: modes.append((module.training, module.model.vision_tower.training))
    )
    train_stages(model, files, tmp_path, SHORT, stages=("cognition",), lora=False)
    assert modes == [(True, False)] * 3


def test_stages_after_another_one_are_not_taken_for_those_after_none(
    speaker: Path, texts: dict[str, Path], tmp_path: Path
) -> None:
    train_stages(speaker, texts, tmp_path, SHORT, stages=("cognition",))
    with pytest.raises(RunError, match="after"):
        train_stages(speaker, texts, tmp_path, SHORT, stages=("perception", "cognition"))


def test_the_model_that_was_given_stays_as_it_was(speaker: Path, texts: dict[str, Path], tmp_path: Path) -> None:
    model = PageModel.load(speaker)
    before = state(model)
    train_stages(model, texts, tmp_path, SHORT, stages=("perception",), lora=False)
    assert all(torch.equal(one, before[name]) for name, one in state(model).items())


def test_all_weights_are_trained_in_full_precision(speaker: Path, texts: dict[str, Path], tmp_path: Path) -> None:
    half = PageModel.load(speaker, dtype="bfloat16")
    trained = train_stages(half, texts, tmp_path, SHORT, stages=("cognition",), lora=False)
    assert half.network.dtype == torch.bfloat16
    saved = load_file(trained["cognition"].folder / "model.safetensors")
    assert {one.dtype for one in saved.values()} == {torch.float32}


def test_what_can_not_be_trained_on_is_refused(
    speaker: Path, llava: Path, texts: dict[str, Path], files: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="none twice"):
        train_stages(speaker, texts, tmp_path, SHORT, stages=())
    with pytest.raises(UsageError, match="no file of samples for connector"):
        train_stages(speaker, {"perception": texts["perception"]}, tmp_path, SHORT, stages=("perception", "connector"))
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(UsageError, match="no samples"):
        train_stages(speaker, {"perception": tmp_path / "empty.jsonl"}, tmp_path, SHORT, stages=("perception",))
    mixed = texts["perception"].read_text() + files["perception"].read_text()
    (tmp_path / "mixed.jsonl").write_text(mixed)
    with pytest.raises(UsageError, match="one kind"):
        train_stages(llava, {"perception": tmp_path / "mixed.jsonl"}, tmp_path, SHORT, stages=("perception",))
    with pytest.raises(UsageError, match="raise it"):
        train_stages(speaker, texts, tmp_path, dataclasses.replace(SHORT, max_tokens=2), stages=("perception",))
    with pytest.raises(UsageError, match="reads no images"):
        train_stages(speaker, files, tmp_path, SHORT, stages=("perception",))


def test_an_image_is_answered_about_one_at_a_time(llava: Path, tmp_path: Path) -> None:
    model = PageModel.load(llava)
    (page, other), _ = forms(tmp_path, 2)
    assert page.image is not None
    assert other.image is not None
    assert model.reader(max_tokens=5)([page.image, "the city is"])
    with pytest.raises(UsageError, match="one at a time"):
        model.reader()([page.image, other.image, "the city is"])


def test_link_tokens_are_taken_out_of_what_is_said(speaker: Path) -> None:
    model = PageModel.load(speaker)
    said = model.tokenizer("city <link>Oslo</link><end>").input_ids

    class Says:
        device = torch.device("cpu")

        def generate(self, input_ids: torch.Tensor, **_: Any) -> torch.Tensor:
            return torch.cat([input_ids, torch.tensor([said])], dim=1)

    linked: Any = Says()
    assert dataclasses.replace(model, network=linked).reader()(["the city is"]) == "city Oslo"
