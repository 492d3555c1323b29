"""A tiny network that writes tags and a few words."""

from __future__ import annotations

from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from pansophy.models.white_box import WhiteBoxModel

PIECES = [
    "<think>", "</think>", "<search>", "</search>", "<answer>", "</answer>", "Paris", "Rome", "Oslo", "lamp", " ", ".",
]  # fmt: skip


def tags_tokenizer() -> PreTrainedTokenizerFast:
    """One token for each tag and word, and one for every other character."""
    letters = [*map(chr, range(33, 127)), "\n"]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(["<unk>", "<end>", *PIECES, *letters]))}
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    known = "|".join(sorted(PIECES[:-2], key=len, reverse=True))
    raw.normalizer = normalizers.Sequence([])
    raw.pre_tokenizer = pre_tokenizers.Split(Regex(f"(?:{known})|[\\s\\S]"), behavior="isolated")
    raw.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="<unk>", eos_token="<end>")


def tiny(seed: int = 0, window: int = 256) -> WhiteBoxModel:
    """A network that writes tags and words and hardly anything else: the bias is in the embedding of every token."""
    torch.manual_seed(seed)
    words = tags_tokenizer()
    shape: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    heads: dict[str, Any] = {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": window}
    ends: dict[str, Any] = {"bos_token_id": None, "eos_token_id": 1, "pad_token_id": None}
    made = LlamaForCausalLM(LlamaConfig(vocab_size=len(words), **ends, **shape, **heads, tie_word_embeddings=False))
    with torch.no_grad():
        made.model.embed_tokens.weight[:, 0] = 1.0
        made.lm_head.weight.mul_(2.0)
        made.lm_head.weight[:, 0] = -8.0
        made.lm_head.weight[2 : 2 + len(PIECES), 0] = 0.0
    return WhiteBoxModel(made.eval().requires_grad_(False), words, "tiny")
