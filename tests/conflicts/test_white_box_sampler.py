"""Answers of a white-box model: drawn as it samples, with the distributions that it had."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.white_box.tiny import model

from pansophy.conflicts.sampling import distributions
from pansophy.conflicts.white_box_sampler import WhiteBoxSampler
from pansophy.types import ChatMessage

ASKED = [ChatMessage("user", "the capital of France is")]


async def drawn(count: int = 4, temperature: float = 0.8, seed: int = 1):
    return await WhiteBoxSampler(model()).sample(ASKED, count=count, temperature=temperature, max_tokens=6, seed=seed)


async def test_the_same_seed_draws_the_same_answers_and_another_others() -> None:
    first, again, other = await drawn(), await drawn(), await drawn(seed=2)
    assert first == again
    assert [one.text for one in first] != [one.text for one in other]


async def test_likelihoods_and_distributions_are_those_of_the_model_before_any_temperature() -> None:
    white = model()
    (greedy,) = await drawn(count=1, temperature=0.0)
    tokens, expected, likelihoods = white.encode(ASKED[0].content), [], []
    for _ in range(6):
        log_probs = white.network(torch.tensor([tokens])).logits[0, -1].log_softmax(-1)
        best = int(log_probs.argmax())
        if best in white.end_tokens:
            break
        tokens.append(best)
        likelihoods.append(float(log_probs[best]))
        expected.append(log_probs.exp().numpy())
    assert greedy.log_likelihoods == pytest.approx(likelihoods, abs=1e-4)
    np.testing.assert_allclose(greedy.distribution, np.mean(expected, axis=0), atol=1e-5)


async def test_answers_have_distributions_that_measures_can_compare() -> None:
    rows = distributions(await drawn())
    assert rows is not None
    np.testing.assert_allclose(rows.sum(1), 1, atol=1e-4)
