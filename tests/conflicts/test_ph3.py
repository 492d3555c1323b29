"""PH3: effects of heads on the direct path are exact, a built model's two heads are found, and pruning turns it
around."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.white_box.tiny import model
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from pansophy.conflicts.facts import Fact, KnownFact
from pansophy.conflicts.ph3 import (
    HeadMask,
    HeadScores,
    _frozen,
    conflict_shares,
    direct_effects,
    drift,
    heat_map,
    locate_heads,
    tune,
)
from pansophy.errors import SourceError, UsageError
from pansophy.models.white_box import Head, WhiteBoxModel, captured_heads

PROMPT = "the capital of France is Rome . the capital of France is"


# --- a model that is built by hand

COUNT = 8
SUBJECTS, ANSWERS, LIES = (range(n * COUNT, (n + 1) * COUNT) for n in range(3))
CONTEXT_HEAD, MEMORY_HEAD = Head(0, 1), Head(1, 2)


def built(lie_gain: float = 6.0, memory_gain: float = 4.0) -> WhiteBoxModel:
    """Two layers of four heads that look everywhere alike. One copies the lie, one tells the answer to a subject; no
    other head and no feed-forward layer does anything."""
    size = 3 * COUNT
    config = LlamaConfig(
        vocab_size=size, hidden_size=size, intermediate_size=4, num_hidden_layers=2, num_attention_heads=4,
        head_dim=COUNT, num_key_value_heads=4, max_position_embeddings=16, tie_word_embeddings=False,
        bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    network = LlamaForCausalLM(config)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.fill_(1.0 if "norm" in name else 0.0)
        network.model.embed_tokens.weight.copy_(torch.eye(size))
        network.lm_head.weight.copy_(torch.eye(size))
        network.lm_head.weight[: SUBJECTS.stop] = 0  # nobody answers with a subject
        for head, reads, writes, gain in (
            (CONTEXT_HEAD, LIES, LIES, lie_gain),
            (MEMORY_HEAD, SUBJECTS, ANSWERS, memory_gain),
        ):
            attention: Any = network.model.layers[head.layer].self_attn
            rows = slice(head.head * COUNT, (head.head + 1) * COUNT)
            attention.v_proj.weight[rows, reads.start : reads.stop] = torch.eye(COUNT)
            attention.o_proj.weight[writes.start : writes.stop, rows] = gain * torch.eye(COUNT)
    words = [f"{kind}{n}" for kind in ("subject", "answer", "lie") for n in range(COUNT)]
    raw = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="subject0"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    return WhiteBoxModel(network.requires_grad_(False), PreTrainedTokenizerFast(tokenizer_object=raw), "built")


def built_facts() -> list[KnownFact]:
    facts = []
    for n in range(COUNT):
        lie = (3 * n + 1) % COUNT
        fact = Fact(f"subject{n}", (f"answer{n}",), f"lie{lie}", f"subject{n}", f"lie{lie} subject{n}")
        facts.append(KnownFact(fact, ANSWERS[n], LIES[lie]))
    return facts


@pytest.mark.parametrize("mode", ["direct", "full"])
def test_the_two_heads_of_a_built_model_are_found(mode: Any) -> None:
    scores = locate_heads(built(), built_facts(), mode=mode, batch=3)
    assert scores.ranked("context")[0] == CONTEXT_HEAD
    assert scores.ranked("memory")[0] == MEMORY_HEAD
    others = scores.memory.abs() + scores.context.abs()
    others[CONTEXT_HEAD] = others[MEMORY_HEAD] = 0
    assert others.max() < (1e-6 if mode == "direct" else 1e-3)


def test_pruning_one_side_gives_all_answers_to_the_other() -> None:
    white, known = built(), built_facts()
    scores = locate_heads(white, known)
    assert conflict_shares(white, known).context.mean == 1
    assert conflict_shares(white, known, scores.against(1, "memory")).memory.mean == 1
    turned = built(lie_gain=4.0, memory_gain=40.0)
    assert conflict_shares(turned, known).memory.mean == 1
    assert conflict_shares(turned, known, locate_heads(turned, known).against(1, "context")).context.mean == 1


def test_tuning_takes_the_fewest_heads_that_do_it_and_refuses_what_breaks_the_model() -> None:
    white, known = built(), built_facts()
    scores = locate_heads(white, known)
    tuned = tune(white, scores, known, "memory", ks=(3, 1, 2))
    assert (tuned.k, tuned.mask.heads, sorted(tuned.tried)) == (1, (CONTEXT_HEAD,), [1, 2, 3])
    texts = ["lie1 subject2 lie1 lie1"]
    with pytest.raises(UsageError, match="raises the loss"):
        tune(white, scores, known, "memory", ks=(1,), neutral=texts, most_drift=-1.0)


# --- exactness


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_what_heads_feed_forward_layers_and_embeddings_write_adds_up_to_the_logits(family: str) -> None:
    """Direct logit attribution under the frozen normalisation: nothing is lost and nothing is counted twice."""
    white = model(family)
    parts: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        return lambda *seen: parts.__setitem__(name, (seen[-1][0] if isinstance(seen[-1], tuple) else seen[-1])[:, -1])

    layers = list(white.anatomy.layers)
    handles = [layer.mlp.register_forward_hook(keep(f"mlp{n}")) for n, layer in enumerate(layers)]
    seen: list[tuple[Tensor, Tensor]] = []
    handles.append(
        white.anatomy.norm.register_forward_hook(lambda _, i, o: seen.append((i[0][:, -1], o[:, -1])))  # type: ignore[misc]
    )
    handles.append(layers[0].register_forward_pre_hook(lambda _, i: parts.__setitem__("embedded", i[0][:, -1])))
    with captured_heads(white.anatomy) as heads:
        stream = white.stream([white.encode(PROMPT)])
    for handle in handles:
        handle.remove()
    before, after = seen[-1]
    reading = _frozen(white.anatomy.norm, before, after)
    tokens = torch.tensor([[5, 17]])
    by_heads = direct_effects(white, reading, [layer[:, -1] for layer in heads], tokens).sum((2, 3))  # [tokens, rows]
    unembedding: Any = white.anatomy.unembedding.weight
    rest = sum(parts[name].double() for name in ("embedded", "mlp0", "mlp1"))
    biases = [getattr(output, "bias", None) for output in white.anatomy.outputs]
    rest = rest + sum(bias.double() for bias in biases if bias is not None)
    if isinstance(white.anatomy.norm, nn.LayerNorm):
        rest = rest - rest.mean(-1, keepdim=True)
    normed = rest * reading
    bias = getattr(white.anatomy.norm, "bias", None)
    normed = normed + (0 if bias is None else bias.double())
    logits = by_heads[:, 0] + (unembedding.double()[tokens[0]] @ normed[0])
    difference = logits[0] - logits[1]
    expected = stream.log_probs[0, 5] - stream.log_probs[0, 17]
    assert float(difference) == pytest.approx(float(expected), abs=1e-3)


@pytest.mark.parametrize("family", ["llama", "gpt2", "neox", "opt"])
def test_pruning_by_hooks_and_in_the_weights_is_the_same_and_is_undone(family: str) -> None:
    white, mask = model(family), HeadMask((Head(0, 1), Head(1, 3)))
    before = white.next_log_probs([PROMPT])
    with mask.applied(white):
        pruned = white.next_log_probs([PROMPT])
    with mask.baked_in(white):
        baked = white.next_log_probs([PROMPT])
    torch.testing.assert_close(baked, pruned)
    assert not torch.allclose(pruned, before, atol=1e-3)
    assert torch.equal(white.next_log_probs([PROMPT]), before)


def test_a_mask_is_saved_and_loaded_and_wrong_ones_are_told(tmp_path: Path) -> None:
    mask = HeadMask((Head(1, 2), Head(0, 3)))
    mask.save(tmp_path / "mask.json")
    assert HeadMask.load(tmp_path / "mask.json") == mask
    (tmp_path / "wrong.json").write_text('{"heads": [1]}')
    with pytest.raises(SourceError):
        HeadMask.load(tmp_path / "wrong.json")
    with pytest.raises(UsageError, match="no head L5H0"), HeadMask((Head(5, 0),)).applied(model()):
        pass


def test_drift_is_nothing_without_heads_and_something_with_them() -> None:
    white = model()
    none, some = (drift(white, HeadMask(heads), [PROMPT]) for heads in ((), (Head(0, 0), Head(1, 1))))
    assert (none.rise, none.divergence) == (0, pytest.approx(0, abs=1e-6))
    assert some.divergence > 0.01
    with pytest.raises(UsageError, match="two tokens"):
        drift(white, HeadMask(()), ["Paris"])


def test_too_few_facts_and_heads_are_told() -> None:
    with pytest.raises(UsageError, match="at least two"):
        locate_heads(built(), built_facts()[:1])
    scores = HeadScores(torch.zeros(2, 4), torch.zeros(2, 4), 1)
    with pytest.raises(UsageError, match="between 1 and 8"):
        scores.against(9, "memory")


def test_the_map_shows_every_head() -> None:
    scores = locate_heads(built(), built_facts())
    assert heat_map(scores).count("<td ") == 8 == len(scores.rows())


# --- a real model

CAPITALS = (
    "Italy Rome,Germany Berlin,Japan Tokyo,France Paris,Russia Moscow,Spain Madrid,Austria Vienna,Peru Lima,"
    "Cuba Havana,Greece Athens,Norway Oslo,Poland Warsaw,Hungary Budapest,Ireland Dublin,Portugal Lisbon,Kenya Nairobi"
)


def test_heads_found_on_half_of_the_facts_turn_the_other_half(smollm2: WhiteBoxModel) -> None:
    from pansophy.conflicts.facts import known_facts

    pairs = [entry.split() for entry in CAPITALS.split(",")]
    facts = []
    for place, (country, capital) in enumerate(pairs):
        prompt, lie = f"The name of the capital city of {country} is", pairs[(place + 5) % len(pairs)][1]
        facts.append(Fact(country, (capital,), lie, prompt, f"{prompt} {lie}. {prompt}"))
    known = known_facts(smollm2, facts).facts
    assert len(known) >= 8
    scores = locate_heads(smollm2, known[::2])
    rest = known[1::2]
    base = conflict_shares(smollm2, rest)
    told = conflict_shares(smollm2, rest, scores.against(7, "context"))
    remembered = conflict_shares(smollm2, rest, scores.against(7, "memory"))
    chance = random.Random(0)
    drawn = [HeadMask(tuple(Head(*divmod(one, 9)) for one in chance.sample(range(270), 7))) for _ in range(3)]
    at_random = [conflict_shares(smollm2, rest, mask) for mask in drawn]
    assert told.context.mean >= base.context.mean + 0.3
    assert told.context.mean >= sum(one.context.mean for one in at_random) / 3 + 0.25
    assert remembered.memory.mean >= base.memory.mean
