"""COIECD: tokens that the context makes likely are taken from it, the others from memory (Yuan et al. 2024,
2402.11893).

As released: the entropy in the paper's bound cancels in the softmax over the vocabulary, so only the context's own
log-probabilities decide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pansophy.conflicts.combiners.base import Combined, Combiner
from pansophy.papers import Paper

PAPER = Paper(
    system="COIECD",
    title="Discerning and Resolving Knowledge Conflicts through Adaptive Decoding with "
    "Contextual Information-Entropy Constraint",
    authors="Xiaowei Yuan, Zhao Yang, Yequan Wang, Shengping Liu, Jun Zhao, Kang Liu",
    year=2024,
    arxiv="2402.11893",
    module="pansophy.conflicts.combiners.coiecd",
    venue="Findings of ACL 2024",
)


@dataclass(frozen=True)
class COIECD(Combiner):
    """`c * context + (1 - c) * prior + a * (context - prior)` with c of each token 0 or 1.

    Args:
        a: how much of the difference is added.
        factor: tokens less than so many times less likely than the best are the context's (the paper's lambda as the
            released code has it).
    """

    a: float = 1.0
    factor: float = 4.0
    name: ClassVar[str] = "coiecd"

    def combine(self, context: Tensor, prior: Tensor) -> Combined:
        unlikely = (-context).log_softmax(-1)
        least, most = unlikely.amin(-1, keepdim=True), unlikely.amax(-1, keepdim=True)
        from_memory = unlikely >= least + math.log(self.factor)
        alone = (~from_memory).sum(-1, keepdim=True) == 1
        from_memory = from_memory | alone
        from_memory = from_memory & ~(unlikely > most - math.log(self.factor))
        scores = torch.where(from_memory, prior, context) + self.a * (context - prior)
        return Combined(scores.masked_fill(scores.isnan() | context.isneginf(), -torch.inf))
