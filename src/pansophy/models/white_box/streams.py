"""Step-wise decoding: a batch of prompts of different lengths whose texts grow by one token at a time.

Two streams over the same growing text differ only in their prompts; whoever compares them appends the same tokens to
both. Knows nothing of texts: prompts and tokens are numbers here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from pansophy.errors import ContextOverflow, UsageError
from pansophy.models.white_box.anatomy import Anatomy
from pansophy.models.white_box.heads import heads_are_touched

Masks = Sequence[Sequence[int] | None]
"""Which tokens of each row are attended to."""
SHORTEST_SHARED = 16
"""Tokens that all prompts must begin with for a pass of their own to pay."""


class Stream:
    """Prompts with their cache.

    Args:
        network: the model.
        prompts: token ids, one list a row, none of them empty; padded at the left here.
        masks: for each row 1 for tokens that later ones attend to and 0 for the others, or None for all 1. Every token
            keeps its place, but a prompt ends with the last token that is attended to, since it tells the next one.
        window: the most positions of prompt and text together.
        early: layers whose logits are wanted at each step as well, as if the model ended there; 0: the embeddings; n:
            behind the n-th of the layers, of which the last is no early one.
        anatomy: of `network`, needed with `early`.
        share: read what all prompts begin with once, in a pass of its own; in the same pass where heads are captured or
            edited, since edits may go by the places in a pass.

    Attributes:
        log_probs: [rows, vocabulary], float32: of the next token of each row.
        early_log_probs: [layers of `early`, rows, vocabulary].

    Raises:
        UsageError: there is no prompt, or one is empty or masked as a whole, a mask isn't as long as its prompt, or
            there is no such early layer.
        ContextOverflow: a prompt is longer than the window.
    """

    def __init__(
        self,
        network: PreTrainedModel,
        prompts: Sequence[Sequence[int]],
        *,
        window: int,
        early: Sequence[int] = (),
        anatomy: Anatomy | None = None,
        masks: Masks | None = None,
        share: bool = False,
    ) -> None:
        if not prompts or not all(prompts):
            raise UsageError("a stream needs prompts of at least one token")
        prompts, attended = _attended(prompts, masks or [None] * len(prompts))
        if early and anatomy is not None and not 0 <= min(early) <= max(early) < len(anatomy.layers):
            raise UsageError(f"early layers are 0 to {len(anatomy.layers) - 1}, not {', '.join(map(str, early))}")
        self._network, self._window, self._early, self._anatomy = network, window, tuple(early), anatomy
        self._check(max(map(len, prompts)))
        self.cache = DynamicCache(config=network.config)
        self._mask = torch.zeros(1, 0, dtype=torch.long, device=network.device)  # [rows, positions]
        self._next: Tensor  # [rows]: the position of each row's next token
        shared = _shared(prompts, attended) if share and not heads_are_touched(network) else 0
        if shared:
            self._read([prompts[0][:shared]], [attended[0][:shared]])
            self.cache.batch_repeat_interleave(len(prompts))
        self._read([prompt[shared:] for prompt in prompts], [given[shared:] for given in attended])

    @property
    def rows(self) -> int:
        return self._mask.shape[0]

    def append(self, tokens: Tensor) -> None:
        """Let the text of every row grow by one token; `tokens` is [rows].

        Raises:
            ContextOverflow: the window is full.
        """
        self._check(self._mask.shape[1] + 1)
        self._mask = torch.cat([self._mask, self._mask.new_ones(self.rows, 1)], dim=1)
        self._run(tokens[:, None], self._next[:, None])
        self._next = self._next + 1

    def _read(self, prompts: Sequence[Sequence[int]], attended: Sequence[Sequence[int]]) -> None:
        """Read prompts, behind what all of them begin with if that has been read."""
        before = self._mask.expand(len(prompts), -1)
        tokens, mask = padded(prompts, self._mask.device)
        self._mask = torch.cat([before, padded(attended, self._mask.device)[0]], dim=1)
        self._next = before.shape[1] + mask.sum(1)
        self._run(tokens, (before.shape[1] + mask.cumsum(1) - 1).clamp(min=0))

    def _check(self, length: int) -> None:
        if length > self._window:
            raise ContextOverflow(f"prompt and text have {length} tokens, and the model's window {self._window}")

    @torch.inference_mode()
    def _run(self, tokens: Tensor, positions: Tensor) -> None:
        ran: Any = self._network(
            input_ids=tokens,
            attention_mask=self._mask,
            position_ids=positions,
            cache=self.cache,
            use_cache=True,
            output_hidden_states=bool(self._early),
            logits_to_keep=1,
        )
        self.log_probs = ran.logits[:, -1].float().log_softmax(-1)
        if self._early:
            assert self._anatomy is not None
            hidden = torch.stack([ran.hidden_states[layer][:, -1] for layer in self._early])
            self.early_log_probs = self._anatomy.unembedding(self._anatomy.norm(hidden)).float().log_softmax(-1)


def _attended(prompts: Sequence[Sequence[int]], masks: Masks) -> tuple[list[Sequence[int]], list[Sequence[int]]]:
    """The prompts up to their last token that is attended to, and their masks."""
    if len(masks) != len(prompts):
        raise UsageError(f"{len(prompts)} prompts and {len(masks)} masks: give one for each")
    kept: list[Sequence[int]] = []
    attended: list[Sequence[int]] = []
    for prompt, mask in zip(prompts, masks, strict=True):
        given = [1] * len(prompt) if mask is None else [int(bool(one)) for one in mask]
        if len(given) != len(prompt) or not any(given):
            raise UsageError(
                f"a mask of {len(given)} for {len(prompt)} tokens: it needs as many, and one that is not 0"
            )
        end = max(place for place, one in enumerate(given) if one) + 1
        kept.append(prompt[:end])
        attended.append(given[:end])
    return kept, attended


def _shared(prompts: Sequence[Sequence[int]], attended: Sequence[Sequence[int]]) -> int:
    """How many tokens all prompts begin with, at least one left over for each; 0 if it's one prompt, or too few."""
    if len(prompts) == 1:
        return 0
    most = min(map(len, prompts)) - 1
    rows = [list(zip(prompt, given, strict=True)) for prompt, given in zip(prompts, attended, strict=True)]
    shared = sum(1 for _ in takewhile(lambda place: len({row[place] for row in rows}) == 1, range(most)))
    return shared if shared >= SHORTEST_SHARED else 0


def padded(prompts: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Token ids and mask, [rows, longest], with zeros at the left of shorter prompts."""
    longest = max(map(len, prompts))
    tokens = torch.zeros(len(prompts), longest, dtype=torch.long)
    mask = torch.zeros_like(tokens)
    for row, prompt in enumerate(prompts):
        tokens[row, longest - len(prompt) :] = torch.tensor(prompt)
        mask[row, longest - len(prompt) :] = 1
    return tokens.to(device), mask.to(device)


Choice = Callable[[Tensor], Tensor]
"""From scores, [rows, vocabulary], to the tokens that are taken, [rows]."""


def choice(
    temperature: float = 0.0, top_k: int = 0, top_p: float = 1.0, generator: torch.Generator | None = None
) -> Choice:
    """How tokens are taken from scores: the best one at temperature 0, else sampled.

    Args:
        temperature: what scores are divided by before the softmax.
        top_k: keep only so many of the best; 0 keeps all.
        top_p: keep the fewest of the best whose probabilities reach this sum.
        generator: of random numbers.

    Raises:
        UsageError: a value out of its range.
    """
    if temperature < 0 or top_k < 0 or not 0 < top_p <= 1:
        raise UsageError("temperature and top_k must be at least 0, and top_p in (0, 1]")

    def best(scores: Tensor) -> Tensor:
        return scores.argmax(-1)

    def sampled(scores: Tensor) -> Tensor:
        scores = scores / temperature
        if top_k:
            least = scores.topk(min(top_k, scores.shape[-1])).values[:, -1:]
            scores = scores.masked_fill(scores < least, -torch.inf)
        if top_p < 1:
            ordered, places = scores.softmax(-1).sort(descending=True)
            before = ordered.cumsum(-1) - ordered  # what stands before a token, so that the first is always kept
            scores = scores.masked_fill((before >= top_p).scatter(-1, places, before >= top_p), -torch.inf)
        return torch.multinomial(scores.softmax(-1), 1, generator=generator)[:, 0]

    return sampled if temperature else best
