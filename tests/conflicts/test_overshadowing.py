"""The law of overshadowing: fitted where it holds, predicted with a band, and seen on a model that learns only true
things."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

from pansophy.conflicts.coda import CoDA
from pansophy.conflicts.overshadowing import OvershadowLaw, corpus_audit, overshadowing_rate
from pansophy.errors import UsageError


def law_points(noise: float = 0.01, seed: int = 0) -> list[tuple[float, float]]:
    chance = np.random.default_rng(seed)
    return [(p, 0.2 * math.log(p / 1.5) + noise * chance.standard_normal()) for p in (2, 4, 8, 16, 32, 64)]


def test_a_line_is_found_again_through_noise() -> None:
    line = OvershadowLaw.fit({"P": law_points()}).lines["P"]
    assert line.slope == pytest.approx(0.2, rel=0.05)
    assert line.onset == pytest.approx(1.5, rel=0.15)


def test_saturated_points_are_left_out() -> None:
    points = [*law_points(0), (1.0, 0.0), (1e4, 1.0), (1e5, 1.0)]
    assert OvershadowLaw.fit({"P": points}).lines["P"].slope == pytest.approx(0.2)


def test_predictions_stay_between_zero_and_one_and_the_band_grows_away_from_the_points() -> None:
    law = OvershadowLaw.fit({"P": law_points(0.03), "L": law_points(0.03, 1)})
    near, far = law.predict(P=10), law.predict(P=1e9)
    assert near.low < near.rate < near.high
    assert (far.rate, far.high) == (1, 1)
    inside = law.predict(L=45)
    assert inside.high - inside.low > near.high - near.low - 0.2
    assert law.predict(P=10, confidence=0.5).high < near.high


@pytest.mark.parametrize(
    "points",
    [
        [(2, 0.1), (4, 0.3)],
        [(2, 0.0), (4, 0.0), (8, 1.0), (16, 0.5)],
        [(2, 0.1), (2, 0.2), (2, 0.3)],
        [(0, 0.1), (2, 0.2), (3, 0.3)],
    ],
)
def test_too_little_to_fit_is_told(points: list[tuple[float, float]]) -> None:
    with pytest.raises(UsageError):
        OvershadowLaw.fit({"P": points})


def test_wrong_predictions_are_told() -> None:
    law = OvershadowLaw.fit({"P": law_points()})
    for wrong in ({}, {"S": 3.0}, {"P": 0.0}, {"P": 2.0, "S": 3.0}):
        with pytest.raises(UsageError):
            law.predict(**wrong)
    assert math.isnan(overshadowing_rate(0.3, 0))
    assert overshadowing_rate(0.3, 0.6) == 0.5


def test_an_audit_lists_the_rare_facts_that_the_popular_ones_may_swallow() -> None:
    told = (
        [("singer in", "France", "Ana")] * 1 + [("singer in", "Spain", "Bo")] * 6 + [("singer in", "Italy", "Bo")] * 6
    )
    told += [("river in", "Spain", "Ebro")] * 3
    law = OvershadowLaw.fit({"P": law_points()})
    (rare,) = corpus_audit(told, law)
    assert (rare.condition, rare.answer, rare.popular_answer, rare.popularity) == ("France", "Ana", "Bo", 12)
    assert rare.risk == pytest.approx(law.predict(P=12).rate)
    assert corpus_audit(told, least_popularity=20) == []


# --- the law and its repair on a model that is trained here -----------------------------------------------------------

VOCABULARY, SHARED, SETS, UNUSED = 400, 4, 120, 399


def toy_sets(popularity: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Sequences shared + condition -> answer: `popularity` conditions of each set lead to one answer, one to
    another."""
    chance = torch.Generator().manual_seed(seed)
    rows, answers, rare = [], [], []
    for _ in range(SETS):
        shared = torch.randint(0, VOCABULARY - 2, (SHARED,), generator=chance)
        conditions = torch.randperm(VOCABULARY - 2, generator=chance)[: popularity + 1]
        popular, other = torch.randperm(VOCABULARY - 2, generator=chance)[:2]
        for place, condition in enumerate(conditions):
            rows.append(torch.cat([shared, condition[None]]))
            answers.append(popular if place < popularity else other)
            rare.append(place == popularity)
    return torch.stack(rows), torch.stack(answers), torch.tensor(rare)


def trained(prompts: Tensor, answers: Tensor, steps: int, seed: int) -> GPT2LMHeadModel:
    torch.manual_seed(seed)
    shape = {"vocab_size": VOCABULARY, "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 8}
    model = GPT2LMHeadModel(
        GPT2Config(**shape, bos_token_id=None, eos_token_id=None, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)
    )
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    chance = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        batch = torch.randint(0, len(prompts), (256,), generator=chance)
        logits = model(prompts[batch]).logits[:, -1]
        loss = torch.nn.functional.cross_entropy(logits, answers[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def at_sixteen() -> tuple[GPT2LMHeadModel, Tensor, Tensor, Tensor]:
    prompts, answers, rare = toy_sets(16, 0)
    return trained(prompts, answers, 300, 0), prompts, answers, rare


def rate(model: GPT2LMHeadModel, prompts: Tensor, answers: Tensor, rare: Tensor, popularity: int) -> float:
    best = model(prompts).logits[:, -1].argmax(-1)
    popular = answers.view(SETS, popularity + 1)[:, 0]
    hallucinated = (best[rare] == popular).float().mean().item()
    recalled = (best[~rare] == answers[~rare]).float().mean().item()
    return overshadowing_rate(hallucinated, recalled)


def test_popular_answers_swallow_rare_ones_the_more_the_more_popular_they_are(
    at_sixteen: tuple[GPT2LMHeadModel, Tensor, Tensor, Tensor],
) -> None:
    model, prompts, answers, rare = at_sixteen
    rates = {16: rate(model, prompts, answers, rare, 16)}
    few = toy_sets(4, 0)
    rates[4] = rate(trained(few[0], few[1], 300, 0), *few, 4)
    assert rates[16] - rates[4] >= 0.4


def test_coda_repairs_what_was_swallowed_and_its_threshold_matters(
    at_sixteen: tuple[GPT2LMHeadModel, Tensor, Tensor, Tensor],
) -> None:
    model, prompts, answers, rare = at_sixteen
    hidden = prompts[rare].clone()
    hidden[:, -1] = UNUSED
    whole, rest = (model(one).logits[:, -1].log_softmax(-1) for one in (prompts[rare], hidden))
    wanted = answers[rare]

    def accuracy(scores: Tensor) -> float:
        return (scores.argmax(-1) == wanted).float().mean().item()

    greedy = accuracy(whole)
    assert accuracy(CoDA(beta=math.inf).combine(whole, rest).scores) >= greedy + 0.1
    assert accuracy(CoDA(beta=math.inf, relative=0.01).combine(whole, rest).scores) < accuracy(
        CoDA(beta=math.inf).combine(whole, rest).scores
    )
