"""CK-PLUG: one dial between what the model knows and what it is told (Bi et al. 2025, arXiv 2503.15888).

Follows the released code where the paper differs: tokens are kept by either stream, entropies are those after that, and
a step is changed where the context gives no more certainty than `tau` says. On fluent long lies entropy falls, and the
test doesn't see the conflict: raise `tau` there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pansophy.conflicts.combiners.base import Combined, Combiner, linear
from pansophy.errors import UsageError
from pansophy.papers import Paper

PAPER = Paper(
    system="CK-PLUG",
    title="Parameters vs. Context: Fine-Grained Control of Knowledge Reliance in Language Models",
    authors="Baolong Bi, Shenghua Liu, Yiwei Wang, Yilong Xu, Junfeng Fang, Lingrui Mei, Xueqi Cheng",
    year=2025,
    arxiv="2503.15888",
    module="pansophy.conflicts.combiners.ck_plug",
    venue="ICLR 2026",
)


@dataclass(frozen=True)
class CKPlug(Combiner):
    """On steps in conflict `alpha * prior + (1 - alpha) * (context - prior)`, elsewhere the context.

    Args:
        alpha: in [0, 1]; 1 is the model's memory, 0 what the context adds to it, 0.5 plain decoding. None weighs the
            two by their entropies, step by step.
        tau: a step is in conflict if `H(prior) - H(context) < tau * H(context)`; 0 as the paper's main text has it, 1
            as released; inf changes every step.
        k: tokens are kept that are among the k best of either stream or have at least `relative` times its best's
            probability; None keeps all.
        relative: see `k`.

    Raises:
        UsageError: a value out of its range.
    """

    alpha: float | None = None
    tau: float = 1.0
    k: int | None = 10
    relative: float = 0.01
    name: ClassVar[str] = "ck_plug"

    def __post_init__(self) -> None:
        if self.alpha is not None and not 0 <= self.alpha <= 1:
            raise UsageError(f"alpha must be between 0 (the text) and 1 (the model), not {self.alpha}")
        if not self.tau >= 0:
            raise UsageError(f"tau must be at least 0, not {self.tau}")
        if self.k is not None and self.k < 1:
            raise UsageError(f"k must be at least 1, not {self.k}")
        if not 0 < self.relative <= 1:
            raise UsageError(f"relative must be in (0, 1], not {self.relative}")

    def combine(self, context: Tensor, prior: Tensor) -> Combined:
        kept = self._near_the_best(context) | self._near_the_best(prior)  # [rows, vocabulary]
        of_context, of_prior = _entropy(context, kept), _entropy(prior, kept)  # [rows]
        gate = (of_prior - of_context < self.tau * of_context) | (of_context.isfinite() & math.isinf(self.tau))
        if self.alpha is None:
            changed_context, changed_prior = _adaptive(of_context, of_prior)
        else:
            changed_context = torch.full_like(of_context, 1 - self.alpha)
            changed_prior = torch.full_like(of_context, 2 * self.alpha - 1)
        mixed = linear(
            context,
            prior,
            torch.where(gate, changed_context, torch.ones_like(of_context)),
            torch.where(gate, changed_prior, torch.zeros_like(of_context)),
        )
        # a token that one stream rules out has no place on the dial of the other
        scores = mixed.scores.masked_fill(~kept, -torch.inf)
        return Combined(scores, gate, mixed.context_weight, mixed.prior_weight)

    def _near_the_best(self, log_probs: Tensor) -> Tensor:
        if self.k is None:
            return torch.ones_like(log_probs, dtype=torch.bool)
        best = log_probs.topk(min(self.k, log_probs.shape[-1])).values
        least = torch.minimum(best[:, -1:], best[:, :1] + math.log(self.relative))
        return log_probs >= least


def _entropy(log_probs: Tensor, kept: Tensor) -> Tensor:
    """Of what is kept, in nats, with the released code's guard inside the logarithm."""
    probs = log_probs.masked_fill(~kept, -torch.inf).softmax(-1)
    return -(probs * (probs + 1e-9).log()).sum(-1)


def _adaptive(of_context: Tensor, of_prior: Tensor) -> tuple[Tensor, Tensor]:
    """The released code's weights of context and prior; two certain streams: the context."""
    both = of_context + of_prior
    certain = both <= 1e-6
    safe = both.masked_fill(certain, 1.0)
    stretched = of_context + of_prior * (1 + (of_context - of_prior).abs() / safe)
    stretched = stretched.masked_fill(certain, 1.0)
    para, cont = 2 * of_context / stretched, 2 * of_prior / stretched
    return (
        torch.where(certain, torch.ones_like(cont), cont),
        torch.where(certain, torch.zeros_like(para), para - cont),
    )
