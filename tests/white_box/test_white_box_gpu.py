"""On a GPU everything comes out as on the CPU. Skipped where there is none; run by `make test-gpu`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.conflicts.test_ph3 import CONTEXT_HEAD, MEMORY_HEAD, built, built_facts
from tests.conflicts.test_training_train import EXAMPLES, PAIRS, SHORT, loss_of
from tests.white_box.tiny import saved

from pansophy.conflicts import AdaCAD, CKPlug, Combiner, ContextAwareDecoding, DoLa, TwoStreamDecoder
from pansophy.conflicts.decoding import Decoding
from pansophy.conflicts.juice import Intervention
from pansophy.conflicts.kid import KIDDecoder, KnowledgeTrie
from pansophy.conflicts.ph3 import HeadMask, locate_heads
from pansophy.conflicts.training.train import train
from pansophy.conflicts.white_box_sampler import WhiteBoxSampler
from pansophy.models import WhiteBoxChat, WhiteBoxModel
from pansophy.reading.jointlm.model import CausalModel, load_joint
from pansophy.types import ChatMessage

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

PROMPTS = ("the capital of France is", "Q : lamp", "Rome")
ENDINGS = (" Paris", " lit by Ida", " in a city . not")
TWELVE = Decoding(max_new_tokens=12, stop=())
METHODS: Sequence[Combiner | None] = (None, CKPlug(alpha=0.2), CKPlug(), ContextAwareDecoding(), AdaCAD(), DoLa((0, 1)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model's."""
    return saved(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def both(folder: Path) -> tuple[WhiteBoxModel, WhiteBoxModel]:
    """The model on the CPU and on the GPU, in the same numbers."""
    return WhiteBoxModel.load(folder, device="cpu"), WhiteBoxModel.load(folder, dtype="float32")


def moved(white: WhiteBoxModel) -> WhiteBoxModel:
    return WhiteBoxModel(torch.nn.Module.to(white.network, "cuda"), white.tokenizer)


def test_a_gpu_is_used_where_there_is_one_in_numbers_of_half_the_size(folder: Path) -> None:
    white = WhiteBoxModel.load(folder)
    assert (white.device.type, white.network.dtype) == ("cuda", torch.bfloat16)
    assert all(torch.isfinite(one).all() for one in white.log_probs(PROMPTS, ENDINGS))


def test_entities_of_dialogues_are_told_apart_in_numbers_of_full_size(folder: Path) -> None:
    joint = load_joint(folder)
    assert isinstance(joint, CausalModel)
    assert (joint.white.device.type, joint.white.network.dtype) == ("cuda", torch.float32)


def test_continuations_are_scored_as_on_the_cpu(both: tuple[WhiteBoxModel, WhiteBoxModel]) -> None:
    there, here = (white.log_probs(PROMPTS, ENDINGS) for white in both)
    for one, other in zip(there, here, strict=True):
        torch.testing.assert_close(one.cpu(), other.cpu(), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("share", [False, True])
def test_a_stream_goes_on_as_on_the_cpu(both: tuple[WhiteBoxModel, WhiteBoxModel], share: bool) -> None:
    scores = []
    for white in both:
        stream = white.stream([white.encode(f"lamp lit by Ida . {one}") for one in PROMPTS], share=share)
        for word in (" Paris", " in"):
            stream.append(torch.tensor([white.encode(word)[0]] * 3, device=white.device))
        scores.append(stream.log_probs.cpu())
    torch.testing.assert_close(*scores, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("combiner", METHODS, ids=str)
def test_two_streams_write_the_same(both: tuple[WhiteBoxModel, WhiteBoxModel], combiner: Combiner | None) -> None:
    asked = (["the capital of France", "Q : lamp"], ["the capital of France is Rome .", "lamp lit by Ben ."])
    said = [
        [one.text for one in TwoStreamDecoder(white).generate_all(*asked, combiner=combiner, decoding=TWELVE)]
        for white in both
    ]
    assert said[0] == said[1]


def test_what_is_drawn_is_told_by_the_seed(both: tuple[WhiteBoxModel, WhiteBoxModel]) -> None:
    drawn = [
        TwoStreamDecoder(both[1]).generate("lamp", "Oslo .", decoding=replace(TWELVE, temperature=1.0, seed=seed)).text
        for seed in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_heads_are_found_pruned_and_scaled_there() -> None:
    white, known = moved(built()), built_facts()
    for mode in ("direct", "full"):
        scores = locate_heads(white, known, mode=mode)
        assert (scores.ranked("context")[0], scores.ranked("memory")[0]) == (CONTEXT_HEAD, MEMORY_HEAD)
    told = [one.fact.substituted for one in known]
    with HeadMask((CONTEXT_HEAD,)).applied(white):
        assert white.next_log_probs(told).argmax(-1).tolist() == [one.memory for one in known]
    best = Intervention({MEMORY_HEAD: 30.0}).next_log_probs(white, told).argmax(-1).tolist()
    assert best == [one.memory for one in known]


def test_a_cache_is_changed_by_its_gradient_there(both: tuple[WhiteBoxModel, WhiteBoxModel]) -> None:
    steps = []
    for white in both:
        decoder, tokens = KIDDecoder(white, KnowledgeTrie()), white.encode("lamp lit by Ida in")
        steps.append(decoder._step(decoder._read(tokens[:-1]), tokens[-1], [5, 6], within=True))
    there, here = steps
    assert all(one.after > one.before for one in steps)
    torch.testing.assert_close(here.scores.cpu(), there.scores, atol=1e-3, rtol=1e-3)


async def test_answers_are_sampled_and_chats_written_there(both: tuple[WhiteBoxModel, WhiteBoxModel]) -> None:
    asked = [ChatMessage("user", PROMPTS[0])]
    first, again = [
        await WhiteBoxSampler(both[1]).sample(asked, count=4, temperature=0.8, max_tokens=6, seed=1) for _ in "ab"
    ]
    assert [one.text for one in first] == [one.text for one in again]
    said = [(await WhiteBoxChat(white).complete(asked, max_tokens=8)).text for white in both]
    assert said[0] == said[1]


def test_adapters_are_trained_there_and_used_anywhere(folder: Path, tmp_path: Path) -> None:
    learnt = train(folder, "sft", EXAMPLES, tmp_path / "sft", SHORT).folder
    preferred = train(learnt, "dpo", PAIRS, tmp_path / "dpo", SHORT).folder
    for device in ("cpu", "cuda"):
        before, after = (WhiteBoxModel.load(one, device=device, dtype="float32") for one in (folder, learnt))
        assert loss_of(after, EXAMPLES) < 0.7 * loss_of(before, EXAMPLES)
        last = WhiteBoxModel.load(preferred, device=device, dtype="float32")
        assert not torch.equal(last.next_log_probs(PROMPTS), after.next_log_probs(PROMPTS))
