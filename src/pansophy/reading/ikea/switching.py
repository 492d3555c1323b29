"""From which share of right memories on the reward teaches to answer without a search: in closed form, and learnt.

The learner is the smallest there is: two weights that make of a question's familiarity the probability of searching.
Its episodes are played in `SearchEnv` and paid by the reward under test, its updates are those of `grpo.py`. So what
it comes to is what reward and optimiser teach, with no language model in the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pansophy.errors import UsageError
from pansophy.reading.ikea.environment import SearchEnv
from pansophy.reading.ikea.grpo import group_advantages, policy_loss
from pansophy.reading.ikea.reward import IkeaReward

RIGHT, WRONG = "Hulda", "Runa"


def search_pays(reward: IkeaReward, known: float, found: float = 1.0, searches: int = 1) -> float:
    """How much more a search earns than a direct answer, in expectation.

    Args:
        reward: by which both are paid.
        known: probability that a direct answer is right.
        found: probability that the answer after searching is right.
        searches: how many there are.
    """
    right = 1 + reward.r_plus * max(0.0, 1 - searches / reward.rt_max)
    return right * found + reward.r_minus * (1 - found) - (1 + reward.r_plus) * known


def pay(reward: IkeaReward) -> Tensor:
    """What four episodes earn, [answered at once or after a search, wrong or right]."""
    env = SearchEnv(lambda query, topk: [])
    earned = torch.empty(2, 2)
    for searched in (0, 1):
        for right in (0, 1):
            episode = env.begin("Which ferry?")
            if searched:
                env.step(episode, "<think> unsure </think> <search> ferry </search>")
            env.step(episode, f"<think> so </think> <answer> {RIGHT if right else WRONG} </answer>")
            earned[searched, right] = reward(episode.transcript, RIGHT)
    return earned


@dataclass(frozen=True, slots=True)
class Question:
    """`known` is the probability that a direct answer is right, `found` that one after a search is; `familiarity` is
    what the learner sees of it."""

    known: float
    familiarity: float = 0.0
    found: float = 1.0


@dataclass(frozen=True, slots=True)
class Chooser:
    """Two weights: the probability of a search is the logistic function of `bias` + `weight` * familiarity."""

    bias: float
    weight: float

    def search_rate(self, questions: Sequence[Question]) -> float:
        """The mean probability of a search."""
        return float(self._rates(questions).mean())

    def exact_match(self, questions: Sequence[Question]) -> float:
        """The expected share of right answers, 0..1."""
        rates = self._rates(questions)
        found, known = (torch.tensor([getattr(one, name) for one in questions]) for name in ("found", "known"))
        return float((rates * found + (1 - rates) * known).mean())

    def _rates(self, questions: Sequence[Question]) -> Tensor:
        return torch.sigmoid(self.bias + self.weight * torch.tensor([one.familiarity for one in questions]))


def learn(
    questions: Sequence[Question],
    reward: IkeaReward,
    *,
    steps: int = 200,
    group: int = 16,
    learning_rate: float = 0.05,
    by_deviation: bool = True,
    seed: int = 0,
) -> Chooser:
    """Train a chooser that at first searches every other time.

    Args:
        questions: of every step.
        reward: of an episode.
        steps: updates.
        group: episodes of a question in a step.
        learning_rate: of Adam.
        by_deviation: as for `group_advantages`.
        seed: of all that is drawn.

    Raises:
        UsageError: there are no questions.
    """
    if not questions:
        raise UsageError("there are no questions to learn from")
    generator = torch.Generator().manual_seed(seed)
    earned = pay(reward)
    weights = torch.zeros(2, requires_grad=True)
    optimiser = torch.optim.Adam([weights], lr=learning_rate)
    each = [one for one in questions for _ in range(group)]
    groups = [number for number in range(len(questions)) for _ in range(group)]
    seen = torch.tensor([[1.0, one.familiarity] for one in each])  # [episodes, 2]
    chances = torch.tensor([[one.known, one.found] for one in each])  # [episodes, 2]
    for _ in range(steps):
        logits = seen @ weights
        searched = (torch.rand(len(each), generator=generator) < torch.sigmoid(logits)).long()
        chance = chances.gather(1, searched[:, None])[:, 0]
        right = (torch.rand(len(each), generator=generator) < chance).long()
        advantages = group_advantages(earned[searched, right], groups, by_deviation=by_deviation)
        both = torch.stack([-logits, logits], 1)  # the choice is an episode's only token: [episodes, 2]
        log_probs = torch.nn.functional.logsigmoid(both.gather(1, searched[:, None]))
        nothing = torch.zeros_like(log_probs)
        loss = policy_loss(
            log_probs, log_probs.detach(), log_probs.detach(), nothing, advantages, torch.ones_like(log_probs)
        )
        optimiser.zero_grad()
        loss.total.backward()
        optimiser.step()
    bias, weight = weights.tolist()
    return Chooser(bias, weight)


def crossing(shares: Sequence[float], rates: Sequence[float], at: float = 0.5) -> float | None:
    """Where rates that fall with their shares pass `at`, between two of them by a straight line; None if nowhere."""
    for (left, high), (right, low) in zip(
        zip(shares, rates, strict=True), zip(shares[1:], rates[1:], strict=True), strict=False
    ):
        if high >= at > low:
            return left + (right - left) * (high - at) / (high - low)
    return None
