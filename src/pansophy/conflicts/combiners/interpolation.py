"""The power family: p_context^weight * p_prior^(1 - weight) (arXiv 2606.10298)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from pansophy.conflicts.combiners.base import Combined, Combiner, linear


@dataclass(frozen=True)
class Interpolation(Combiner):
    """`weight * context + (1 - weight) * prior`.

    Args:
        weight: 0 is memory alone, 1 plain decoding with the context; above 1 extrapolates, as CAD does.
    """

    weight: float = 0.5
    name: ClassVar[str] = "interpolation"

    def combine(self, context: Tensor, prior: Tensor) -> Combined:
        return linear(context, prior, self.weight, 1 - self.weight)
