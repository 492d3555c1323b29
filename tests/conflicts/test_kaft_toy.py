"""KAFT on a model that is trained here: two layers that know 200 facts learn from half of them whom to trust."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from tests.white_box.tiny import tokenizer
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM

from pansophy.conflicts.training.answering import answer_rows
from pansophy.conflicts.training.items import Item
from pansophy.conflicts.training.kaft import KaftReport, KaftSettings, build_kaft, evaluate_kaft
from pansophy.conflicts.training.rows import Example
from pansophy.conflicts.training.train import prompts_of
from pansophy.models.white_box import WhiteBoxModel
from pansophy.models.white_box.streams import padded

pytestmark = pytest.mark.slow

KEYS = [f"{a}{b}{c}a" for a in "BDFGKLMNRS" for b in "aeiou" for c in "dlnt"]
VALUES = [f"{a}{b}x" for a in "PTVZH" for b in "aeio"]  # so few that both halves of the keys have all of them
TRUE_ALONE = KaftSettings(counterfactual=0, irrelevant=0, empty=0)


def facts(seed: int) -> list[Item]:
    source = random.Random(seed)
    return [Item(key, key, (source.choice(VALUES),), f"{key} is [ENTITY].", subject=key) for key in KEYS]


def untrained(seed: int) -> WhiteBoxModel:
    words = tokenizer(["Background", "Q", "A", "is", *KEYS, *VALUES])
    torch.manual_seed(seed)
    shape = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    ends = {"bos_token_id": None, "eos_token_id": 1, "pad_token_id": None}
    network = LlamaForCausalLM(LlamaConfig(vocab_size=len(words), max_position_embeddings=64, **shape, **ends))
    return WhiteBoxModel(network, words, "toy")


def learn(white: WhiteBoxModel, rows: Sequence[Example], steps: int, rate: float, decay: float = 0.0) -> None:
    """So many steps of 32 rows, of whatever has a gradient; the rate falls to 0 where there is a decay."""
    source = random.Random(0)
    put = prompts_of(white)
    told = [(white.encode(put(row.question, row.context)[0]), white.encode(f" {row.answer}")[0]) for row in rows]
    moved = torch.optim.AdamW(
        [one for one in white.network.parameters() if one.requires_grad], rate, weight_decay=decay
    )
    falling = torch.optim.lr_scheduler.LinearLR(moved, 1, 0 if decay else 1, steps)
    for _ in range(steps):
        some = source.sample(told, 32)
        tokens, mask = padded([prompt for prompt, _ in some], white.device)
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        scores: Tensor = white.network(tokens, attention_mask=mask, position_ids=positions, logits_to_keep=1).logits
        loss = cross_entropy(scores[:, -1], torch.tensor([answer for _, answer in some]))
        moved.zero_grad()
        loss.backward()
        moved.step()
        falling.step()


def taught(mixture: KaftSettings) -> tuple[KaftReport, KaftReport]:
    """What is measured of keys that the mixture hadn't, before it and after.

    Facts are learnt first, by all weights, then the mixture, by attention alone: what is known stays where it is.
    """
    items, white = facts(seed=0), untrained(seed=0)
    plain = [Example(item.id, "empty", item.id, item.question, "", item.answers[0]) for item in items]
    learn(white, plain, 500, rate=3e-3)
    white.network.eval()
    own = {row.item: reply for row, reply in zip(plain, answer_rows(white, plain, max_new_tokens=1), strict=True)}
    assert own == {item.id: item.answers[0] for item in items}
    order = random.Random(0).sample(items, len(items))
    asked = build_kaft(order[100:], own, KaftSettings(empty=1)).rows
    before = evaluate_kaft(asked, answer_rows(white, asked, max_new_tokens=1))
    rows = [row for seed in range(40) for row in build_kaft(order[:100], own, replace(mixture, seed=seed)).rows]
    for name, weights in white.network.named_parameters():
        weights.requires_grad_("self_attn" in name)
    learn(white, rows, 4000, rate=1e-3, decay=0.5)
    return before, evaluate_kaft(asked, answer_rows(white, asked, max_new_tokens=1))


def test_kaft_carries_over_to_keys_that_it_was_not_taught() -> None:
    before, after = taught(KaftSettings())
    assert before.controllability.mean <= 0.1
    assert after.controllability.mean >= 0.95
    assert after.robustness.mean >= 0.95
    assert after.empty_own.mean >= 0.95


def test_true_passages_alone_teach_nothing_about_conflicts() -> None:
    """Memory agrees with them, so that it is all that is needed."""
    _, after = taught(TRUE_ALONE)
    assert after.relevant_exact.mean >= 0.95
    assert after.controllability.mean <= 0.1
    assert after.robustness.mean <= 0.6
