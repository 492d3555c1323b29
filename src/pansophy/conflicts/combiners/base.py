"""What every combiner has in common. Knows nothing of models and texts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

Prior = Literal["without context", "early layers", "span masked"]
"""Where the second stream comes from."""


@dataclass(frozen=True, slots=True)
class Combined:
    """What becomes of one step.

    Attributes:
        scores: [rows, vocabulary]; what is sampled from or whose best is taken. -inf: never.
        gate: [rows], whether the method stepped in; None if it always does.
        context_weight, prior_weight: [rows]; the scores are `context_weight * context + prior_weight * prior` where a
            token is not ruled out. None where that isn't so.
    """

    scores: Tensor
    gate: Tensor | None = None
    context_weight: Tensor | None = None
    prior_weight: Tensor | None = None


Step = Callable[[Tensor, Tensor], Combined]
"""From log-probabilities with and without the context, each [rows, vocabulary], to scores. With early layers the second
is [layers, rows, vocabulary]."""


class Combiner(ABC):
    """A method. One object serves any number of texts; `start` begins one batch of them."""

    name: ClassVar[str]
    prior: ClassVar[Prior] = "without context"

    def start(self) -> Step:
        """What is called at each step of one batch; holds what the method remembers from step to step."""
        return self.combine

    @abstractmethod
    def combine(self, context: Tensor, prior: Tensor) -> Combined:
        """One step, without regard to those before it."""

    def layers(self, count: int) -> tuple[int, ...]:
        """Which early layers of `count` are read, where `prior` is "early layers"."""
        return ()


def entropy(log_probs: Tensor) -> Tensor:
    """In nats, over the last dimension; tokens that can't come count nothing."""
    each: Tensor = torch.special.entr(log_probs.exp())
    return each.sum(-1)


def linear(context: Tensor, prior: Tensor, context_weight: Tensor | float, prior_weight: Tensor | float) -> Combined:
    """`context_weight * context + prior_weight * prior`, with weights of one number or one a row, [rows].

    A token that the context rules out (-inf) stays ruled out, whatever the other stream says.
    """
    rows = context.shape[0]
    weights = [torch.as_tensor(w, dtype=context.dtype, device=context.device) for w in (context_weight, prior_weight)]
    first, second = (weight.expand(rows) if weight.dim() == 0 else weight for weight in weights)
    scores = first[:, None] * context + second[:, None] * prior
    return Combined(scores.masked_fill(scores.isnan() | context.isneginf(), -torch.inf), None, first, second)
