"""One wrapper over a transformers causal model and its tokenizer: what methods that look inside need of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from pansophy.errors import ContextOverflow, ModelError, UsageError
from pansophy.models.pull import PullProgress
from pansophy.models.white_box.anatomy import Anatomy, anatomy_of
from pansophy.models.white_box.loading import load
from pansophy.models.white_box.streams import Masks, Stream, padded
from pansophy.types import ChatMessage

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
NO_LIMIT = 2**20
"""Positions, where a model says nothing of a window."""


def placed(device: str | None, dtype: str | None) -> tuple[torch.device, torch.dtype]:
    """Where a model computes and in which numbers: by default on a GPU in bfloat16, else on the CPU in float32.

    Raises:
        UsageError: there are no such numbers.
    """
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    dtype = dtype or ("float32" if place.type == "cpu" else "bfloat16")
    if dtype not in DTYPES:
        raise UsageError(f"dtype must be one of {', '.join(DTYPES)}, not {dtype!r}")
    return place, DTYPES[dtype]


class WhiteBoxModel:
    """A causal language model that may be looked into. It is in evaluation mode, and its weights have no gradients.

    Args:
        network: the model, already where it shall compute.
        tokenizer: its tokenizer.
        name: for messages and results.
        identity: which weights these are exactly, for caches and results; `name` by default.

    Raises:
        UsageError: `network` is an encoder-decoder.
    """

    def __init__(
        self, network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str = "model", identity: str = ""
    ) -> None:
        if network.config.is_encoder_decoder:
            raise UsageError(f"{name} is an encoder-decoder; a causal language model is needed")
        self.network, self.tokenizer = network.eval(), tokenizer
        self.name, self.identity = name, identity or name

    @classmethod
    def load(
        cls,
        name: str | Path,
        *,
        device: str | None = None,
        dtype: str | None = None,
        home: Path | None = None,
        progress: Callable[[PullProgress], None] | None = None,
    ) -> WhiteBoxModel:
        """The model of this name, ready to compute.

        Args:
            name: a catalogue name ("smollm2-135m"), the path of a `.gguf` file (unpacked to full precision at the first
                load), a folder with a config and safetensors, an adapter's folder, or owner/name of the hub.
            device: "cpu", "cuda", "mps", ...; a GPU by default if there is one.
            dtype: "float32", "bfloat16" or "float16"; float32 by default on a CPU, bfloat16 on a GPU.
            home: where model files are kept; `PANSOPHY_HOME` by default.
            progress: called while a catalogue's file is pulled.

        Raises:
            UnknownModel: there is no such model, or it can't be loaded; says why.
            UsageError: it is an encoder-decoder, or `dtype` is none of the three.
            ModelError: there is not enough memory; says what to do.
        """
        place, kind = placed(device, dtype)
        loaded = load(name, place, kind, home, progress)
        return cls(loaded.network, loaded.tokenizer, str(name), loaded.identity)

    @cached_property
    def anatomy(self) -> Anatomy:
        """Where its parts are. Raises UsageError if it isn't built like a decoder of attention layers."""
        return anatomy_of(self.network)

    @property
    def device(self) -> torch.device:
        device: torch.device = self.network.device
        return device

    @property
    def window(self) -> int:
        """The most positions of prompt and text."""
        return int(getattr(self.network.config.get_text_config(), "max_position_embeddings", None) or NO_LIMIT)

    @property
    def vocabulary_size(self) -> int:
        return int(self.network.config.get_text_config().vocab_size)

    @property
    def end_tokens(self) -> frozenset[int]:
        """Tokens that end a text."""
        told: Any = self.network.generation_config.eos_token_id if self.network.generation_config else None
        ends = [told] if isinstance(told, int) else list(told or [])
        if self.tokenizer.eos_token_id is not None:
            ends.append(self.tokenizer.eos_token_id)
        return frozenset(ends)

    def encode(self, text: str) -> list[int]:
        """The tokens of a prompt, with those that the tokenizer puts in front of every text; never empty."""
        tokens: list[int] = self.tokenizer(text).input_ids
        if tokens:
            return tokens
        start = self.tokenizer.bos_token_id
        if start is None:
            start = self.tokenizer.eos_token_id
        if start is None:
            raise UsageError(f"an empty prompt has no token, and {self.name} has none to begin a text with")
        return [start]

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens, without special ones."""
        return str(self.tokenizer.decode(list(tokens), skip_special_tokens=True))

    def chat_prompt(self, messages: Sequence[ChatMessage]) -> str:
        """The messages as this model was taught to read them, up to where its reply begins.

        Raises:
            UsageError: the model has no chat template.
        """
        if not self.tokenizer.chat_template:
            raise UsageError(f"{self.name} has no chat template: give it plain text")
        turns = [{"role": message.role, "content": message.content} for message in messages]
        return str(self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))

    def mask_without(self, text: str, start: int, end: int) -> list[int]:
        """For each token of `encode(text)` 1, or 0 if it has a letter of `text[start:end]`: a mask for `stream`.

        Raises:
            UsageError: the tokenizer doesn't tell which letters a token is of.
        """
        if not self.tokenizer.is_fast:
            raise UsageError(f"the tokenizer of {self.name} doesn't tell the places of its tokens")
        places = self.tokenizer(text, return_offsets_mapping=True).offset_mapping
        return [int(begin == after or after <= start or end <= begin) for begin, after in places]

    def stream(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        early: Sequence[int] = (),
        masks: Masks | None = None,
        share: bool = False,
    ) -> Stream:
        """Step-wise decoding from these prompts (token ids): see `Stream`."""
        anatomy = self.anatomy if early else None
        with self._memory_told(len(prompts)):
            return Stream(
                self.network, prompts, window=self.window, early=early, anatomy=anatomy, masks=masks, share=share
            )

    def next_log_probs(self, prompts: Sequence[str], *, batch: int = 8, masks: Masks | None = None) -> Tensor:
        """Log-probabilities of the next token, [prompts, vocabulary], float32; `masks` as for `Stream`."""
        masks = masks or [None] * len(prompts)
        if len(masks) != len(prompts):
            raise UsageError(f"{len(prompts)} prompts and {len(masks)} masks: give one for each")
        parts = [
            self.stream(
                [self.encode(prompt) for prompt in prompts[begin : begin + batch]], masks=masks[begin : begin + batch]
            ).log_probs
            for begin in range(0, len(prompts), batch)
        ]
        return torch.cat(parts)

    def log_probs(self, prompts: Sequence[str], continuations: Sequence[str], *, batch: int = 8) -> list[Tensor]:
        """What the model gives each token of a continuation, given its prompt and the tokens before.

        Prompt and continuation are tokenised together, since a tokenizer may join a blank at the end of the one to the
        word at the beginning of the other; tokens count from the first that the continuation changes.

        Args:
            prompts: one for each continuation.
            continuations: what is scored, usually with its leading blank.
            batch: rows at a time.

        Returns:
            For each, log-probabilities in nats, [tokens of the continuation]; their sum is the continuation's.

        Raises:
            UsageError: the lists have different lengths, or a continuation has no token of its own.
            ContextOverflow: one doesn't fit the window.
        """
        if len(prompts) != len(continuations):
            raise UsageError(f"{len(prompts)} prompts and {len(continuations)} continuations: give one for each")
        whole, begins = [], []
        for prompt, continuation in zip(prompts, continuations, strict=True):
            alone, together = self.encode(prompt), self.encode(prompt + continuation)
            shared = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(alone, together, strict=False))))
            if shared == len(together):
                raise UsageError(f"the continuation {continuation!r} has no token of its own")
            if len(together) > self.window:
                raise ContextOverflow(
                    f"prompt and continuation have {len(together)} tokens, and {self.name}'s window {self.window}"
                )
            whole.append(together)
            begins.append(max(shared, 1))
        found: list[Tensor] = []
        for begin in range(0, len(whole), batch):
            found += self._scored(whole[begin : begin + batch], begins[begin : begin + batch])
        return found

    @torch.inference_mode()
    def _scored(self, rows: Sequence[Sequence[int]], begins: Sequence[int]) -> list[Tensor]:
        tokens, mask = padded(rows, self.device)
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        keep = max(len(row) - begin for row, begin in zip(rows, begins, strict=True)) + 1
        with self._memory_told(len(rows)):
            ran: Any = self.network(
                input_ids=tokens, attention_mask=mask, position_ids=positions, use_cache=False, logits_to_keep=keep
            )
        logits = ran.logits[:, -keep:-1].float().log_softmax(-1)  # [rows, keep - 1, vocabulary]
        taken = logits.gather(-1, tokens[:, -keep + 1 :, None])[..., 0]  # [rows, keep - 1]
        return [taken[row, -(len(ids) - begin) :] for row, (ids, begin) in enumerate(zip(rows, begins, strict=True))]

    def _memory_told(self, rows: int) -> _MemoryTold:
        return _MemoryTold(self.name, rows)


class _MemoryTold:
    """Says what to do when memory runs out in the block."""

    def __init__(self, name: str, rows: int) -> None:
        self._name, self._rows = name, rows

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: object) -> None:
        if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
            smaller = f"batch={max(self._rows // 2, 1)}" if self._rows > 1 else "a shorter text or dtype='bfloat16'"
            raise ModelError(f"{self._name} ran out of memory with {self._rows} rows at once: try {smaller}") from error
