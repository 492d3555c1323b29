"""Group relative policy optimisation (DeepSeekMath, arXiv 2402.03300) as pure functions over tensors.

Every function over tokens takes a mask, [rows, tokens], which is 1 at the tokens that the agent wrote and 0 at all
others: at what the search brought, at notices and at padding. What is masked has no part in any value and exactly no
gradient. Knows nothing of models and texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

EPSILON = 1e-6
MOST_DIVERGENCE = 10.0
"""Of one token, with either sign."""


@dataclass(frozen=True, slots=True)
class Loss:
    """What is minimised (`total`), and its parts: means over the agent's tokens."""

    total: Tensor
    policy: Tensor
    entropy: Tensor
    divergence: Tensor
    clipped: Tensor


def group_advantages(rewards: Tensor, groups: Sequence[int], *, by_deviation: bool = True) -> Tensor:
    """How much better each episode did than the others of its question.

    Args:
        rewards: [episodes].
        groups: the number of each episode's question.
        by_deviation: divide by the group's standard deviation (with n - 1), as in the paper; else only the mean is
            taken off, and the choice between two ways to act is where their expected rewards are equal. A group of one
            has mean 0 and deviation 1.

    Returns:
        [episodes].
    """
    _, own = torch.as_tensor(groups, device=rewards.device).unique(return_inverse=True)  # [episodes]
    counts = own.bincount().to(rewards)
    several = counts > 1
    means = torch.zeros_like(counts).index_add(0, own, rewards) / counts * several
    away: Tensor = rewards - means[own]
    if not by_deviation:
        return away
    squares = torch.zeros_like(counts).index_add(0, own, away.square())
    deviations: Tensor = torch.where(several, (squares / (counts - 1).clamp(min=1)).sqrt(), torch.ones_like(counts))
    scaled: Tensor = away / (deviations[own] + EPSILON)
    return scaled


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of the values where the mask is 1; 0 if it is nowhere."""
    return _only(values, mask).sum() / mask.sum().clamp(min=1)


def _only(values: Tensor, mask: Tensor) -> Tensor:
    """The values where the mask is 1, else 0: not by a product, in which infinite values would become NaN."""
    return torch.where(mask.bool(), values, torch.zeros_like(values))


def clipped(log_probs: Tensor, before: Tensor, advantages: Tensor, clip: float = 0.2) -> tuple[Tensor, Tensor]:
    """The loss of each token, and whether the clipped ratio decided it.

    Args:
        log_probs: of the tokens now, [rows, tokens].
        before: of the same by the policy that wrote them.
        advantages: [rows]; one for all tokens of a row.
        clip: how far the ratio of probabilities may leave 1 to one's advantage.
    """
    ratio = (log_probs - before.detach()).exp()
    each = advantages[:, None]
    free, bound = -each * ratio, -each * ratio.clamp(1 - clip, 1 + clip)
    return torch.maximum(free, bound), (bound > free).float()


def divergence(log_probs: Tensor, reference: Tensor) -> Tensor:
    """Estimated Kullback-Leibler divergence from the reference model, for each token: exp(d) - d - 1 with d = log
    p_reference - log p, held within +-`MOST_DIVERGENCE` (Schulman's low-variance estimate)."""
    step = reference.detach() - log_probs
    return (step.exp() - step - 1).clamp(-MOST_DIVERGENCE, MOST_DIVERGENCE)


def entropy(logits: Tensor) -> Tensor:
    """Entropy of the next-token distributions in nats: [..., vocabulary] to [...]."""
    log_probs = logits.log_softmax(-1)
    return -(log_probs.exp() * log_probs).sum(-1)


def policy_loss(
    log_probs: Tensor,
    before: Tensor,
    reference: Tensor,
    entropies: Tensor,
    advantages: Tensor,
    mask: Tensor,
    *,
    clip: float = 0.2,
    entropy_weight: float = 0.001,
    divergence_weight: float = 0.001,
) -> Loss:
    """GRPO's loss.

    Args:
        log_probs: of the tokens now, [rows, tokens], as all that follow.
        before: by the policy that wrote them.
        reference: by the model that training began with.
        entropies: of the distributions that the tokens were drawn from, as they are now.
        advantages: [rows].
        mask: 1 at the agent's own tokens.
        clip: as in `clipped`.
        entropy_weight: how much entropy is rewarded.
        divergence_weight: how much the distance from the reference model costs.
    """
    # First of all, so that what is masked can't overflow behind the mask and spoil the gradient.
    log_probs, before, reference = (_only(values, mask) for values in (log_probs, before, reference))
    losses, bound = clipped(log_probs, before, advantages, clip)
    policy = masked_mean(losses, mask)
    spread = masked_mean(entropies, mask)
    distance = masked_mean(divergence(log_probs, reference), mask)
    total = policy - entropy_weight * spread + divergence_weight * distance
    return Loss(total, policy.detach(), spread.detach(), distance.detach(), masked_mean(bound, mask))
