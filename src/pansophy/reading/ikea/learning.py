"""The part of training that touches weights: probabilities of episodes' tokens, GRPO's loss over them, and its steps.

Knows nothing of texts, questions and files.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pansophy.models.white_box.streams import padded
from pansophy.reading.ikea.grpo import entropy, policy_loss
from pansophy.reading.ikea.settings import GrpoSettings
from pansophy.reading.ikea.writing import Rollout

LONGEST_GRADIENT = 1.0
"""The norm that a gradient is scaled down to: the authors' framework's default."""


@dataclass(frozen=True, slots=True)
class Sums:
    """What a step's updates came to: means over the agent's tokens, and over the updates."""

    loss: float
    policy_loss: float
    entropy: float
    divergence: float
    clipped: float
    gradient_norm: float
    learning_rate: float


class Learner:
    """Updates an adapter.

    Args:
        network: a peft model whose adapter is trained.
        settings: the training's.
        before: the name of an adapter that the agent is held to; None for the network without any.
    """

    def __init__(self, network: Any, settings: GrpoSettings, before: str | None = None) -> None:
        self._network, self._settings, self._before = network, settings, before
        self._trained = {name: one for name, one in network.named_parameters() if one.requires_grad}
        self._optimiser = torch.optim.AdamW(
            list(self._trained.values()), lr=settings.learning_rate, weight_decay=0.0, betas=(0.9, 0.999)
        )

    def update(self, rollouts: Sequence[Rollout], advantages: Tensor, step: int, chance: random.Random) -> Sums:
        """Change the weights once for each part of the episodes.

        Args:
            rollouts: the step's episodes.
            advantages: [rollouts].
            step: its number, from 0.
            chance: divides the episodes into parts.
        """
        settings = self._settings
        rate = settings.learning_rate * min(1.0, (step + 1) / max(1.0, settings.warm_up * settings.steps))
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        order = list(range(len(rollouts)))
        chance.shuffle(order)
        batches = [
            [order[place : place + settings.at_once] for place in range(0, len(order), settings.at_once)]
            for order in (sorted(order[part :: settings.updates]) for part in range(settings.updates))
        ]
        # With one update the policy that wrote the episodes is the one that is updated: no need to ask it twice.
        before: dict[int, Tensor] = {}
        if settings.updates > 1:
            with torch.no_grad():
                for batch in (batch for part in batches for batch in part):
                    scores = self._scores([rollouts[number] for number in batch])[0]
                    before |= {number: scores[row] for row, number in enumerate(batch)}
        told = [self._part(part, rollouts, advantages, before) for part in batches]
        means = [sum(values) / len(told) for values in zip(*told, strict=True)]
        return Sums(*[*means, rate])

    def _part(
        self,
        batches: Sequence[Sequence[int]],
        rollouts: Sequence[Rollout],
        advantages: Tensor,
        before: dict[int, Tensor],
    ) -> list[float]:
        """One update: its loss is the mean over all tokens of all its batches, however these divide them."""
        settings = self._settings
        written = max(sum(rollouts[number].written for batch in batches for number in batch), 1)
        sums = [0.0] * 5
        self._optimiser.zero_grad()
        for batch in batches:
            chosen = [rollouts[number] for number in batch]
            share = sum(one.written for one in chosen) / written
            if not share:
                continue
            with torch.no_grad(), self._as_before():
                reference = self._scores(chosen)[0]
            log_probs, entropies, mask = self._scores(chosen)
            earlier = torch.stack([before[number] for number in batch]) if before else log_probs
            loss = policy_loss(
                log_probs,
                earlier.detach(),
                reference,
                entropies,
                advantages[list(batch)].to(log_probs),
                mask,
                clip=settings.clip,
                entropy_weight=settings.entropy_weight,
                divergence_weight=settings.divergence_weight,
            )
            (loss.total * share).backward()
            parts = (loss.total.detach(), loss.policy, loss.entropy, loss.divergence, loss.clipped)
            sums = [total + float(part) * share for total, part in zip(sums, parts, strict=True)]
        norm = torch.nn.utils.clip_grad_norm_(self._trained.values(), LONGEST_GRADIENT)
        self._optimiser.step()
        return [*sums, float(norm)]

    def _scores(self, rollouts: Sequence[Rollout]) -> tuple[Tensor, Tensor, Tensor]:
        """Log-probability and entropy at each token behind the prompts, and the mask, each [rows, longest].

        Rows are padded at the left, so that all end together.
        """
        device = next(self._network.parameters()).device
        tokens, seen = padded([[*one.prompt, *one.tokens] for one in rollouts], device)
        longest = max(max(len(one.tokens) for one in rollouts), 1)
        positions = (seen.cumsum(1) - 1).clamp(min=0)
        ran: Any = self._network(
            input_ids=tokens,
            attention_mask=seen,
            position_ids=positions,
            use_cache=False,
            logits_to_keep=longest + 1,
        )
        logits = ran.logits[:, -longest - 1 : -1].float() / self._settings.temperature  # [rows, longest, vocabulary]
        taken = logits.log_softmax(-1).gather(-1, tokens[:, -longest:, None])[..., 0]
        mask = torch.zeros(len(rollouts), longest, device=device)
        for row, one in enumerate(rollouts):
            if one.own:
                mask[row, -len(one.own) :] = torch.tensor(one.own, dtype=mask.dtype, device=device)
        return taken, entropy(logits), mask

    @contextmanager
    def _as_before(self) -> Iterator[None]:
        """The network as it was when the training began."""
        if self._before is None:
            with self._network.disable_adapter():
                yield
            return
        self._network.set_adapter(self._before)
        try:
            yield
        finally:
            self._network.set_adapter("default")

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        weights = {name: one.detach().cpu() for name, one in self._trained.items()}
        return {"weights": weights, "optimiser": self._optimiser.state_dict()}

    def load(self, state: dict[str, Any]) -> None:
        """Take up a checkpoint. Raises KeyError if it is another network's."""
        with torch.no_grad():
            for name, one in self._trained.items():
                one.copy_(state["weights"][name])
        self._optimiser.load_state_dict(state["optimiser"])
