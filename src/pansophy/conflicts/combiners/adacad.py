"""AdaCAD: CAD whose strength is how far the two streams are apart (Wang et al. 2024, arXiv 2409.07394)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pansophy.conflicts.combiners.base import Combined, Combiner, entropy, linear
from pansophy.papers import Paper

PAPER = Paper(
    system="AdaCAD",
    title="AdaCAD: Adaptively Decoding to Balance Conflicts between Contextual and Parametric Knowledge",
    authors="Han Wang, Archiki Prasad, Elias Stengel-Eskin, Mohit Bansal",
    year=2024,
    arxiv="2409.07394",
    module="pansophy.conflicts.combiners.adacad",
    venue="NAACL 2025",
)


@dataclass(frozen=True)
class AdaCAD(Combiner):
    """CAD with a = the Jensen-Shannon divergence of the streams, in nats: between 0 and ln 2.

    Args:
        floor: the least a; 0 for questions, 0.3 for long texts in the paper.
    """

    floor: float = 0.0
    name: ClassVar[str] = "adacad"

    def combine(self, context: Tensor, prior: Tensor) -> Combined:
        middle = (context.exp() + prior.exp()) / 2
        divergence = torch.special.entr(middle).sum(-1) - (entropy(context) + entropy(prior)) / 2
        a = divergence.clamp(min=self.floor)
        return linear(context, prior, 1 + a, -a)
