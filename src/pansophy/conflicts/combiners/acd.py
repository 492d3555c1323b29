"""ACD: an ensemble that leans to whoever is surer (Kim et al. 2024, in the words of CUB, arXiv 2505.16518)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pansophy.conflicts.combiners.base import Combined, Combiner, entropy, linear


@dataclass(frozen=True)
class ACD(Combiner):
    """`prior + w * (context - prior)` with w = H(prior) / (H(prior) + H(context)); two certain streams: the context."""

    name: ClassVar[str] = "acd"

    def combine(self, context: Tensor, prior: Tensor) -> Combined:
        of_context, of_prior = entropy(context), entropy(prior)
        both = of_context + of_prior
        weight = torch.where(both > 0, of_prior / both.clamp(min=1e-12), 1.0)
        return linear(context, prior, weight, 1 - weight)
