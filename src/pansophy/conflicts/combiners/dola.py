"""DoLa: what the last layer knows more than an early one (Chuang et al. 2023, arXiv 2309.03883).

The second stream is an early layer, chosen at each step as the one furthest from the last. As in the released code that
distance is half of KL(M||last) + KL(M||early), averaged over the vocabulary: the reverse of a true Jensen-Shannon
divergence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from pansophy.conflicts.combiners.base import Combined, Combiner, Prior
from pansophy.papers import Paper

PAPER = Paper(
    system="DoLa",
    title="DoLa: Decoding by Contrasting Layers Improves Factuality in Large Language Models",
    authors="Yung-Sung Chuang, Yujia Xie, Hongyin Luo, Yoon Kim, James Glass, Pengcheng He",
    year=2023,
    arxiv="2309.03883",
    module="pansophy.conflicts.combiners.dola",
    venue="ICLR 2024",
)


@dataclass(frozen=True)
class DoLa(Combiner):
    """`last - early` on the tokens that the last layer finds at least `relative` times as likely as its best.

    Args:
        candidates: early layers to choose among: every second of the lower or of the upper half, as in the paper, or
            their numbers (0: the embeddings).
        relative: which tokens may come at all.
    """

    candidates: Literal["low", "high"] | tuple[int, ...] = "high"
    relative: float = 0.1
    name: ClassVar[str] = "dola"
    prior: ClassVar[Prior] = "early layers"

    def layers(self, count: int) -> tuple[int, ...]:
        if isinstance(self.candidates, tuple):
            return self.candidates
        half = count // 2
        return tuple(range(0, half, 2)) or (0,) if self.candidates == "low" else tuple(range(half, count, 2))

    def combine(self, context: Tensor, prior: Tensor) -> Combined:
        """`prior` is [layers, rows, vocabulary]."""
        last, early = context.exp(), prior.exp()
        middle = (last + early) / 2  # [layers, rows, vocabulary]
        log_middle = middle.clamp(min=1e-30).log()
        apart = 0.5 * (middle * (2 * log_middle - context - prior)).nan_to_num(0.0, 0.0, 0.0).mean(-1)
        chosen = apart.argmax(0)  # [rows]
        weaker = prior[chosen, torch.arange(context.shape[0], device=context.device)]
        allowed = context >= context.amax(-1, keepdim=True) + math.log(self.relative)
        return Combined((context - weaker).masked_fill(~allowed, -torch.inf))
