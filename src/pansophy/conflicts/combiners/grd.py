"""GRD: whom to trust is decided once, where the streams first disagree (keith-Jiang/conflict-aware-decoding, 2026)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pansophy.conflicts.combiners.base import Combined, Combiner, Step, entropy
from pansophy.errors import UsageError


@dataclass(frozen=True)
class GRD(Combiner):
    """The context is followed up to the first step at which the best tokens differ. There memory is trusted if its best
    has more than `sure` and its entropy is the lower; then, and at every later step, the trusted stream's best wins:
    the prior's by just the interpolation that lets it.

    Args:
        sure: the probability above which memory may be trusted.
        margin: how far beyond the point where the two best tie; in (0, 1].
    """

    sure: float = 0.5
    margin: float = 0.75
    name: ClassVar[str] = "grd"

    def __post_init__(self) -> None:
        if not 0 < self.margin <= 1 or not 0 <= self.sure <= 1:
            raise UsageError("margin must be in (0, 1], and sure in [0, 1]")

    def start(self) -> Step:
        decided: list[Tensor] = []  # [rows] each: whether a row has met a disagreement, whether it trusts memory

        def step(context: Tensor, prior: Tensor) -> Combined:
            if not decided:
                decided.extend(torch.zeros(context.shape[0], dtype=torch.bool, device=context.device) for _ in "12")
            met, trusts_prior = decided
            combined, differ, sure = self._at(context, prior, met, trusts_prior)
            decided[:] = [met | differ, torch.where(met, trusts_prior, differ & sure)]
            return combined

        return step

    def combine(self, context: Tensor, prior: Tensor) -> Combined:
        return self.start()(context, prior)

    def _at(self, context: Tensor, prior: Tensor, met: Tensor, trusted: Tensor) -> tuple[Combined, Tensor, Tensor]:
        best_context, best_prior = context.argmax(-1), prior.argmax(-1)  # [rows]
        differ = best_context != best_prior
        sure = (prior.amax(-1).exp() > self.sure) & (entropy(prior) < entropy(context))
        trusts = torch.where(met, trusted, sure) & differ

        def lead(stream: Tensor, over: Tensor, under: Tensor) -> Tensor:
            return (stream.gather(-1, over[:, None]) - stream.gather(-1, under[:, None]))[:, 0]

        by_context, by_prior = lead(context, best_context, best_prior), lead(prior, best_prior, best_context)
        tie = (by_prior / (by_context + by_prior).clamp(min=1e-12)).nan_to_num(1.0)
        weight = torch.where(trusts, (1 - self.margin) * tie, torch.ones_like(tie))
        scores = weight[:, None] * context + (1 - weight)[:, None] * prior
        scores = scores.masked_fill(scores.isnan(), -torch.inf)
        none_left = scores.amax(-1, keepdim=True).isneginf()  # each stream rules out what the other says
        scores = torch.where(trusts[:, None], torch.where(none_left, prior, scores), context)
        return Combined(scores, trusts, weight, 1 - weight), differ, sure
