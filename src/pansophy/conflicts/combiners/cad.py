"""CAD: what the context adds is added again (Shi et al. 2023, arXiv 2305.14739, eq. 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from pansophy.conflicts.combiners.base import Combined, Combiner, linear
from pansophy.papers import Paper

PAPER = Paper(
    system="CAD",
    title="Trusting Your Evidence: Hallucinate Less with Context-aware Decoding",
    authors="Weijia Shi, Xiaochuang Han, Mike Lewis, Yulia Tsvetkov, Luke Zettlemoyer, Scott Wen-tau Yih",
    year=2023,
    arxiv="2305.14739",
    module="pansophy.conflicts.combiners.cad",
    venue="NAACL 2024",
)


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
