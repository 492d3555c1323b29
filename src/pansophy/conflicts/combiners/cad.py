"""CAD: what the context adds is added again (Shi et al. 2023, arXiv 2305.14739, eq. 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from pansophy.conflicts.combiners.base import Combined, Combiner, linear


@dataclass(frozen=True)
class ContextAwareDecoding(Combiner):
    """`(1 + a) * context - a * prior`.

    Args:
        a: 1 for questions, 0.5 for summaries in the paper; 0 is plain decoding, below 0 leans on memory.
    """

    a: float = 1.0
    name: ClassVar[str] = "cad"

    def combine(self, context: Tensor, prior: Tensor) -> Combined:
        return linear(context, prior, 1 + self.a, -self.a)
