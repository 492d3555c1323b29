"""The building blocks of GRPO, against closed forms written down again without tensors."""

from __future__ import annotations

import math
import statistics

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pansophy.reading.ikea.grpo import clipped, divergence, entropy, group_advantages, masked_mean, policy_loss

REWARDS = st.lists(st.sampled_from([-1.0, 0.0, 0.05, 1.0, 1.2, 1.4, 1.6]), min_size=1, max_size=24)


@given(REWARDS, st.randoms(use_true_random=False), st.booleans())
def test_advantages_are_distances_from_the_group_in_its_deviations(
    rewards: list[float], chance: object, scaled: bool
) -> None:
    groups = [chance.randint(0, 3) for _ in rewards]  # type: ignore[attr-defined]
    found = group_advantages(torch.tensor(rewards, dtype=torch.float64), groups, by_deviation=scaled)
    for place, group in enumerate(groups):
        own = [reward for reward, other in zip(rewards, groups, strict=True) if other == group]
        mean, deviation = (statistics.mean(own), statistics.stdev(own)) if len(own) > 1 else (0.0, 1.0)
        scale = deviation + 1e-6 if scaled else 1.0
        assert float(found[place]) == pytest.approx((rewards[place] - mean) / scale, abs=1e-6)


def test_a_group_of_equals_learns_nothing() -> None:
    assert group_advantages(torch.full((4,), 0.5), [1] * 4).tolist() == [0.0] * 4


def tensors(seed: int, rows: int = 5, tokens: int = 7) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    logits = torch.randn(rows, tokens, 11, dtype=torch.float64)
    taken = torch.randint(11, (rows, tokens))
    log_probs = logits.log_softmax(-1).gather(-1, taken[..., None])[..., 0]
    return {
        "logits": logits,
        "log_probs": log_probs,
        "before": log_probs + 0.4 * torch.randn_like(log_probs),
        "reference": log_probs + torch.randn_like(log_probs),
        "advantages": torch.randn(rows, dtype=torch.float64),
        "mask": (torch.rand(rows, tokens) < 0.6).double(),
    }


def by_hand(told: dict[str, Tensor], clip: float = 0.2) -> tuple[float, float, float, float]:
    """Loss, entropy, divergence and clipped share, token by token."""
    losses, spreads, distances, bounds = [], [], [], []
    for row, column in told["mask"].nonzero().tolist():
        now, before = float(told["log_probs"][row, column]), float(told["before"][row, column])
        ratio, advantage = math.exp(now - before), float(told["advantages"][row])
        held = min(max(ratio, 1 - clip), 1 + clip)
        losses.append(max(-advantage * ratio, -advantage * held))
        bounds.append(-advantage * held > -advantage * ratio)
        raw = [math.exp(value) for value in told["logits"][row, column].tolist()]
        spreads.append(-sum(one / sum(raw) * math.log(one / sum(raw)) for one in raw))
        step = float(told["reference"][row, column]) - now
        distances.append(min(math.exp(step) - step - 1, 10.0))
    return tuple(sum(values) / len(values) for values in (losses, spreads, distances, bounds))  # type: ignore[return-value]


@pytest.mark.parametrize("seed", range(20))
def test_the_loss_is_the_sum_of_its_closed_forms(seed: int) -> None:
    told = tensors(seed)
    loss = policy_loss(
        told["log_probs"], told["before"], told["reference"], entropy(told["logits"]), told["advantages"], told["mask"]
    )
    policy, spread, distance, bound = by_hand(told)
    assert float(loss.policy) == pytest.approx(policy, abs=1e-6)
    assert float(loss.entropy) == pytest.approx(spread, abs=1e-6)
    assert float(loss.divergence) == pytest.approx(distance, abs=1e-6)
    assert float(loss.clipped) == pytest.approx(bound, abs=1e-9)
    assert float(loss.total) == pytest.approx(policy - 0.001 * spread + 0.001 * distance, abs=1e-6)


def test_divergence_is_never_negative_and_never_more_than_ten() -> None:
    now, reference = torch.tensor([[0.0, -1.0, -30.0, -2.0]]), torch.tensor([[0.0, -3.0, -1.0, -40.0]])
    assert divergence(now, reference).tolist() == [[0.0, pytest.approx(math.exp(-2) + 2 - 1), 10.0, 10.0]]


@pytest.mark.parametrize(
    ("advantage", "ratio", "bound"), [(1.0, 1.5, 1), (1.0, 0.5, 0), (-1.0, 1.5, 0), (-1.0, 0.5, 1)]
)
def test_only_a_ratio_that_left_to_ones_advantage_is_clipped(advantage: float, ratio: float, bound: int) -> None:
    now = torch.tensor([[math.log(ratio)]], requires_grad=True)
    losses, decided = clipped(now, torch.zeros(1, 1), torch.tensor([advantage]))
    losses.sum().backward()
    assert decided.item() == bound
    assert now.grad is not None
    assert (now.grad.item() == 0) == bool(bound)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("spoilt", [0.0, 500.0, math.inf])
def test_masked_tokens_have_exactly_no_gradient(seed: int, spoilt: float) -> None:
    told = tensors(seed)
    logits = told["logits"].requires_grad_()
    log_probs = logits.log_softmax(-1)[..., 3]
    before = torch.where(told["mask"].bool(), told["before"], told["before"] - spoilt)
    loss = policy_loss(log_probs, before, told["reference"], entropy(logits), told["advantages"], told["mask"])
    loss.total.backward()
    gradient = logits.grad
    assert gradient is not None
    assert torch.isfinite(gradient).all()
    assert (gradient[told["mask"] == 0] == 0).all()
    assert (gradient[told["mask"] == 1].abs().sum(-1) > 0).all()


def test_at_the_first_step_the_gradient_is_that_of_the_advantage_times_the_log_probability() -> None:
    told = tensors(3)
    log_probs = told["log_probs"].requires_grad_()
    loss = policy_loss(
        log_probs, log_probs.detach(), log_probs.detach(), told["mask"] * 0, told["advantages"], told["mask"]
    )
    loss.total.backward()
    expected = -told["advantages"][:, None] * told["mask"] / told["mask"].sum()
    assert log_probs.grad is not None
    assert torch.allclose(log_probs.grad, expected, atol=1e-9)


@given(st.lists(st.tuples(st.floats(-5, 5), st.booleans()), min_size=1, max_size=20))
@settings(max_examples=50)
def test_a_masked_mean_is_the_mean_of_what_is_left(told: list[tuple[float, bool]]) -> None:
    values = torch.tensor([[value if kept else math.nan for value, kept in told]], dtype=torch.float64)
    mask = torch.tensor([[float(kept) for _, kept in told]])
    left = [value for value, kept in told if kept]
    assert float(masked_mean(values, mask)) == pytest.approx(sum(left) / len(left) if left else 0.0, abs=1e-9)
