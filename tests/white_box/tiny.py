"""Tiny random models of several families, and a tokenizer of whole words that joins a blank to the word behind it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from pansophy.models.white_box import WhiteBoxModel

TEXT = "the capital of is was Paris Rome Oslo Bern France Italy Norway in a city . , ? Q A : lamp lit by Ida Ben not"
WORDS = TEXT.split()


def tokenizer(words: Sequence[str] = WORDS) -> PreTrainedTokenizerFast:
    """One token for each of these words, with or without a blank in front; letters for all others."""
    pieces = ["<unk>", "<end>", *words, *("▁" + word for word in words), "▁", *map(chr, range(33, 127)), "\n"]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    raw.normalizer = normalizers.Replace(" ", "▁")
    known = "|".join(sorted(words, key=len, reverse=True)).replace(".", r"\.").replace("?", r"\?")
    raw.pre_tokenizer = pre_tokenizers.Split(Regex(f"▁?(?:{known})|."), behavior="isolated")
    raw.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse()])
    return PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="<unk>", eos_token="<end>")


def network(family: str = "llama", *, seed: int = 0, **changes: Any) -> PreTrainedModel:
    """Two layers of four heads (two of keys and values in llama), untrained but not nearly uniform."""
    torch.manual_seed(seed)
    size = len(tokenizer())
    common: dict[str, Any] = {"vocab_size": size, "bos_token_id": None, "eos_token_id": 1, "pad_token_id": None}
    usual: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    if family == "llama":
        shape = {"intermediate_size": 48, "num_key_value_heads": 2, "max_position_embeddings": 128, **changes}
        made: PreTrainedModel = LlamaForCausalLM(LlamaConfig(**{**common, **usual, **shape}))
    elif family == "gpt2":
        made = GPT2LMHeadModel(GPT2Config(**common, n_embd=32, n_layer=2, n_head=4, n_positions=128, **changes))
    elif family == "neox":
        shape = {"intermediate_size": 48, "max_position_embeddings": 128}
        made = GPTNeoXForCausalLM(GPTNeoXConfig(**common, **usual, **shape, **changes))
    else:
        shape = {"ffn_dim": 48, "max_position_embeddings": 128, "word_embed_proj_dim": 32}
        made = OPTForCausalLM(OPTConfig(**{**common, "pad_token_id": 0}, **usual, **shape, **changes))
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.dim() > 1:
                parameter.mul_(8)
    return made.eval().requires_grad_(False)


def saved(folder: Path, *, chat: bool = False, **changes: Any) -> Path:
    """A tiny model's folder; with `chat` its messages are read as lines."""
    words = tokenizer()
    if chat:
        words.chat_template = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}"
    network(**changes).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def model(family: str = "llama", **changes: Any) -> WhiteBoxModel:
    return WhiteBoxModel(network(family, **changes), tokenizer(), f"tiny {family}")
