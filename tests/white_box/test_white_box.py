"""White-box models: log-probabilities, streams, parts and heads are those of the model run plainly."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.white_box.tiny import model, network, tokenizer

from pansophy.errors import ContextOverflow, ModelError, UnknownModel, UsageError
from pansophy.models.white_box import Head, WhiteBoxModel, captured_heads, edited_heads
from pansophy.models.white_box.anatomy import output_columns
from pansophy.models.white_box.heads import heads_are_touched
from pansophy.models.white_box.streams import choice

FAMILIES = ("llama", "gpt2", "neox", "opt")
every_family = pytest.mark.parametrize("family", FAMILIES)
PROMPTS = ("the capital of France is", "Q : lamp", "Rome")


@contextmanager
def handles(*registered: Any) -> Iterator[None]:
    yield
    for handle in registered:
        handle.remove()


def plainly(white: WhiteBoxModel, tokens: list[int]) -> torch.Tensor:
    """Log-probabilities of each next token, [positions, vocabulary], without padding or cache."""
    return white.network(torch.tensor([tokens])).logits[0].float().log_softmax(-1)


@every_family
def test_a_continuation_is_scored_as_the_model_does_alone_whatever_else_is_in_the_batch(family: str) -> None:
    white = model(family)
    endings = (" Paris", " lit by Ida", " in a city . not")
    for batch in (1, 2, 3):
        for prompt, ending, scores in zip(
            PROMPTS, endings, white.log_probs(PROMPTS, endings, batch=batch), strict=True
        ):
            tokens, begin = white.encode(prompt + ending), len(white.encode(prompt))
            expected = [plainly(white, tokens)[n - 1, tokens[n]] for n in range(begin, len(tokens))]
            assert scores.tolist() == pytest.approx([float(one) for one in expected], abs=1e-4)


def test_a_blank_that_the_tokenizer_joins_to_the_next_word_is_scored_with_it() -> None:
    white = model()
    (apart,) = white.log_probs(["the capital is "], ["Paris"])
    (joined,) = white.log_probs(["the capital is"], [" Paris"])
    assert apart.shape == joined.shape == (1,)
    assert float(apart) == pytest.approx(float(joined))


@pytest.mark.parametrize(("prompts", "endings"), [(["the"], []), (["the"], [""])])
def test_nothing_to_score_is_an_error(prompts: list[str], endings: list[str]) -> None:
    with pytest.raises(UsageError):
        model().log_probs(prompts, endings)


def test_an_empty_prompt_begins_with_the_token_that_texts_have_between_them() -> None:
    white = model()
    assert white.encode("") == [1]
    (scores,) = white.log_probs([""], ["Paris is"])
    assert scores.shape == (1,)  # the first token stands in for the missing beginning
    assert float(scores[0]) == pytest.approx(float(plainly(white, white.encode("Paris is"))[0][white.encode(" is")[0]]))


@every_family
@settings(max_examples=6, deadline=None)
@given(
    prompts=st.lists(st.lists(st.integers(2, 60), min_size=1, max_size=9), min_size=1, max_size=4),
    text=st.lists(st.integers(2, 60), max_size=4),
)
def test_a_stream_gives_each_row_what_it_would_get_alone(
    family: str, prompts: list[list[int]], text: list[int]
) -> None:
    white = model(family)
    stream = white.stream(prompts)
    for length in range(len(text) + 1):
        for row, prompt in enumerate(prompts):
            expected = plainly(white, prompt + text[:length])[-1]
            torch.testing.assert_close(stream.log_probs[row], expected, atol=2e-4, rtol=1e-3)
        if length < len(text):
            stream.append(torch.full((len(prompts),), text[length]))


@every_family
@settings(max_examples=8, deadline=None)
@given(
    begin=st.lists(st.tuples(st.integers(2, 60), st.sampled_from([1, 1, 1, 0])), min_size=15, max_size=30),
    ends=st.lists(st.lists(st.integers(2, 60), max_size=5), min_size=1, max_size=4),
)
def test_a_beginning_that_is_shared_is_read_once_and_changes_nothing(family: str, begin: Any, ends: Any) -> None:
    white, read = model(family), 0
    begin = [(61, 1), *begin]

    def count(*seen: Any) -> None:
        nonlocal read
        read += seen[2]["input_ids"].numel()

    prompts = [[token for token, _ in begin] + end for end in ends]
    masks = [[kept for _, kept in begin] + [1] * len(end) for end in ends]
    apart = white.stream(prompts, masks=masks)
    with handles(white.network.register_forward_pre_hook(count, with_kwargs=True)):
        shared = white.stream(prompts, masks=masks, share=True)
    if len(ends) > 1 and min(map(len, ends)) > 0:
        assert read <= len(begin) + len(ends) * max(map(len, ends))
    for _ in range(3):
        torch.testing.assert_close(shared.log_probs, apart.log_probs, atol=2e-4, rtol=1e-3)
        for stream in (apart, shared):
            stream.append(torch.full((len(ends),), 7))


@every_family
def test_where_heads_are_edited_at_their_places_a_shared_beginning_changes_nothing(family: str) -> None:
    white, other = model(family), model(family)
    prompts = [[61, *range(3, 25), end] for end in (7, 8)]

    def steer_last(_: int, outputs: torch.Tensor) -> torch.Tensor:
        moved = outputs.clone()
        moved[:, -1] += 5
        return moved

    with edited_heads(white.anatomy, steer_last), edited_heads(white.anatomy, steer_last):
        apart, shared = white.stream(prompts), white.stream(prompts, share=True)
        assert heads_are_touched(white.network)
        assert not heads_are_touched(other.network)
    torch.testing.assert_close(shared.log_probs, apart.log_probs, atol=2e-4, rtol=1e-3)
    assert not heads_are_touched(white.network)
    assert (white.stream(prompts).log_probs - apart.log_probs).abs().max() > 1e-3


@every_family
def test_an_early_layer_gives_what_the_model_would_if_it_ended_there(family: str) -> None:
    white = model(family)
    behind: list[torch.Tensor] = []

    def keep(*seen: Any) -> None:
        behind.append(seen[-1][0] if isinstance(seen[-1], tuple) else seen[-1])

    with handles(white.anatomy.layers[0].register_forward_hook(keep)):
        stream = white.stream([white.encode(prompt) for prompt in PROMPTS], early=(0, 1))
        stream.append(torch.tensor([2, 3, 4]))
    expected = white.anatomy.unembedding(white.anatomy.norm(behind[-1][:, -1])).log_softmax(-1)
    torch.testing.assert_close(stream.early_log_probs[1], expected)
    assert not torch.allclose(stream.early_log_probs[0], stream.early_log_probs[1], atol=1e-2)
    with pytest.raises(UsageError, match="0 to 1"):
        white.stream([[2]], early=(2,))


@pytest.mark.parametrize("prompts", [[], [[1], []]])
def test_a_stream_without_tokens_is_refused(prompts: list[list[int]]) -> None:
    with pytest.raises(UsageError, match="at least one token"):
        model().stream(prompts)


ROWS = st.lists(st.tuples(st.integers(2, 60), st.integers(2, 60), st.booleans()), min_size=2, max_size=9)


@given(st.sampled_from(FAMILIES), ROWS, ROWS)
@settings(max_examples=25, deadline=None)
def test_tokens_that_are_not_attended_to_have_no_influence(family: str, one: Any, other: Any) -> None:
    """Neither at the prompt's end nor at the steps behind it, whatever stands beside them in the batch."""
    white = model(family)
    rows = [[(a, b, kept or not place) for place, (a, b, kept) in enumerate(row)] for row in (one, other)]
    masks = [[int(kept) for _, _, kept in row] for row in rows]
    changed = [[a if kept else b for a, b, kept in row] for row in rows]
    streams = [white.stream([[a for a, _, _ in row] for row in rows], masks=masks), white.stream(changed, masks=masks)]
    for _ in range(3):
        torch.testing.assert_close(streams[0].log_probs, streams[1].log_probs)
        for stream in streams:
            stream.append(torch.tensor([5, 9]))


@every_family
def test_a_mask_of_ones_is_no_mask(family: str) -> None:
    white = model(family)
    tokens = [white.encode(prompt) for prompt in PROMPTS]
    plain, ones = white.stream(tokens), white.stream(tokens, masks=[[1] * len(row) for row in tokens])
    for _ in range(3):
        assert torch.equal(plain.log_probs, ones.log_probs)
        for stream in (plain, ones):
            stream.append(torch.tensor([5, 9, 7]))
    mixed = white.next_log_probs(PROMPTS, batch=2, masks=[None, [1] * len(tokens[1]), None])
    torch.testing.assert_close(mixed, white.next_log_probs(PROMPTS, batch=2))


@pytest.mark.parametrize("family", ["llama", "neox"])
def test_where_places_are_relative_a_beginning_without_attention_is_one_left_out(family: str) -> None:
    white = model(family)
    tokens = white.encode("the capital of France is Paris")
    hidden, short = white.stream([tokens], masks=[[0, 0, 0, 1, 1, 1]]), white.stream([tokens[3:]])
    for _ in range(3):
        torch.testing.assert_close(hidden.log_probs, short.log_probs, atol=1e-4, rtol=1e-4)
        for stream in (hidden, short):
            stream.append(torch.tensor([5]))


@pytest.mark.parametrize("masks", [[[0, 0]], [[1]], [[1, 1], [1, 1]]])
def test_a_mask_that_does_not_fit_or_leaves_nothing_is_refused(masks: list[list[int]]) -> None:
    with pytest.raises(UsageError):
        model().stream([[5, 6]], masks=masks)


def test_the_mask_of_a_span_covers_every_token_that_has_a_letter_of_it() -> None:
    white = model()
    assert white.mask_without("the capital of Norway", 15, 21) == [1, 1, 1, 0]
    assert white.mask_without("the capital of Norway", 5, 6) == [1, 0, 1, 1]
    assert white.mask_without("the capital of Norway", 3, 3) == [1, 1, 1, 1]


def test_a_full_window_is_said_and_not_run_over() -> None:
    white = model()
    with pytest.raises(ContextOverflow, match="129 tokens"):
        white.stream([[2] * 129])
    stream = white.stream([[2] * 128])
    with pytest.raises(ContextOverflow):
        stream.append(torch.tensor([2]))
    with pytest.raises(ContextOverflow):
        white.log_probs(["the " * 127], [" lamp lit by"])


@every_family
def test_the_parts_are_found_whatever_the_family(family: str) -> None:
    white = model(family)
    found = white.anatomy
    assert (len(found.layers), found.heads, found.head_size) == (2, 4, 8)
    assert all(output_columns(output).shape == (32, 32) for output in found.outputs)
    assert "norm" in type(found.norm).__name__.lower()


@every_family
def test_a_head_set_to_zero_is_a_head_whose_output_weights_are_zero(family: str) -> None:
    white, other = model(family), network(family)
    prompt = [white.encode(PROMPTS[0])]

    def without(layer: int, outputs: torch.Tensor) -> torch.Tensor:
        if layer != 1:
            return outputs
        outputs = outputs.clone()
        outputs[..., 2, :] = 0
        return outputs

    before = white.stream(prompt).log_probs
    with edited_heads(white.anatomy, without):
        pruned = white.stream(prompt).log_probs
    assert not torch.allclose(before, pruned, atol=1e-3)
    assert torch.equal(before, white.stream(prompt).log_probs)  # nothing is left of it
    changed = WhiteBoxModel(other, tokenizer())
    output_columns(changed.anatomy.outputs[1])[16:24] = 0
    torch.testing.assert_close(changed.stream(prompt).log_probs, pruned)


@every_family
def test_the_heads_of_a_layer_add_up_to_what_its_attention_writes(family: str) -> None:
    white = model(family)
    written: list[torch.Tensor] = []
    hook = white.anatomy.outputs[0].register_forward_hook(lambda *seen: written.append(seen[-1]))
    with handles(hook), captured_heads(white.anatomy) as heads:
        white.stream([white.encode(PROMPTS[0])])
    bias: Any = getattr(white.anatomy.outputs[0], "bias", None)
    columns = output_columns(white.anatomy.outputs[0]).view(4, 8, 32)
    summed = torch.einsum("rphs,hsd->rpd", heads[0], columns) + (0 if bias is None else bias)
    torch.testing.assert_close(summed, written[0], atol=1e-4, rtol=1e-4)


def test_hooks_are_taken_away_when_the_block_fails() -> None:
    white = model()
    with pytest.raises(RuntimeError), captured_heads(white.anatomy):
        raise RuntimeError
    assert not any(output._forward_pre_hooks for output in white.anatomy.outputs)
    assert str(Head(3, 1)) == "L3H1"


def test_sampling_keeps_to_the_best_and_repeats_with_a_seed() -> None:
    scores = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log().repeat(2000, 1)
    assert set(choice()(scores).tolist()) == {0}
    for options, kept in (({"top_k": 2}, {0, 1}), ({"top_p": 0.75}, {0, 1}), ({"top_p": 0.4}, {0}), ({}, {0, 1, 2, 3})):
        taken = [choice(1.0, **options, generator=torch.Generator().manual_seed(7))(scores) for _ in range(2)]
        assert set(taken[0].tolist()) == kept
        assert torch.equal(*taken)
    shares = torch.bincount(choice(1.0, generator=torch.Generator().manual_seed(1))(scores), minlength=4) / 2000
    assert shares.tolist() == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.04)


@pytest.mark.parametrize("wrong", [{"temperature": -1}, {"top_k": -1}, {"top_p": 0}, {"top_p": 1.5}])
def test_sampling_out_of_range_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        choice(**wrong)


# --- loading ----------------------------------------------------------------------------------------------------------


def test_a_folder_is_loaded_and_gives_what_was_saved(tmp_path: Path) -> None:
    network().save_pretrained(tmp_path / "tiny")
    tokenizer().save_pretrained(tmp_path / "tiny")
    white = WhiteBoxModel.load(tmp_path / "tiny")
    saved = model().network.state_dict()
    assert all(torch.equal(one, saved[name]) for name, one in white.network.state_dict().items())
    # not to the last bit: numbers that stand elsewhere in memory may be added up in another order
    assert torch.allclose(white.next_log_probs(PROMPTS), model().next_log_probs(PROMPTS), atol=1e-5)
    assert white.identity == "folder:tiny"
    assert not any(parameter.requires_grad for parameter in white.network.parameters())
    half = WhiteBoxModel.load(tmp_path / "tiny", dtype="float16")
    assert half.network.dtype is torch.float16
    assert half.next_log_probs(PROMPTS).isfinite().all()


def test_what_is_no_model_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.gguf").write_bytes(b"GGUF and nothing behind it")
    for name, words in (
        ("no such thing", "catalogue name"),
        (tmp_path / "missing.gguf", "there is no file"),
        (tmp_path / "empty", "can't be loaded"),
        (tmp_path / "broken.gguf", "can't be loaded"),
    ):
        with pytest.raises(UnknownModel, match=words):
            WhiteBoxModel.load(name, home=tmp_path)
    with pytest.raises(UsageError, match="float32"):
        WhiteBoxModel.load("smollm2-135m", dtype="int3")


def test_an_encoder_decoder_is_refused(tmp_path: Path) -> None:
    from transformers import T5Config

    T5Config(d_model=16, num_layers=1, num_heads=2, vocab_size=50).save_pretrained(tmp_path / "t5")
    with pytest.raises(UsageError, match="encoder-decoder"):
        WhiteBoxModel.load(tmp_path / "t5")


def test_memory_that_runs_out_says_what_to_try(monkeypatch: pytest.MonkeyPatch) -> None:
    white = model()

    def full(**_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(white.network, "forward", lambda *_, **__: full())
    with pytest.raises(ModelError, match="batch=1"):
        white.next_log_probs(PROMPTS[:2])


def test_a_gguf_file_is_unpacked_once_and_answers(smollm2_file: Path, models_home: Path) -> None:
    first = WhiteBoxModel.load(smollm2_file, home=models_home)
    best = int(first.next_log_probs(["The capital of France is"]).argmax())
    assert first.decode([best]) == " Paris"
    assert first.identity.startswith("gguf:")
    assert (first.anatomy.heads, first.anatomy.head_size, len(first.anatomy.layers)) == (9, 64, 30)
    (kept,) = (models_home / "models" / "unpacked").glob(f"{smollm2_file.stem}-1")
    stamp = (kept / "model.safetensors").stat().st_mtime_ns
    again = WhiteBoxModel.load(smollm2_file, home=models_home)
    assert (kept / "model.safetensors").stat().st_mtime_ns == stamp
    kept = first.network.state_dict()
    assert all(torch.equal(one, kept[name]) for name, one in again.network.state_dict().items())


def test_nothing_of_torch_is_loaded_before_it_is_used() -> None:
    code = "import sys, pansophy, pansophy.models, pansophy.cli.main; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    code = "import sys; sys.modules['torch'] = None; from pansophy.models import WhiteBoxModel"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'pansophy[torch]'" in told.stderr
