"""Combiners: identities between methods, formulas by hand, and no number that isn't one."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pansophy.conflicts import (
    ACD,
    COIECD,
    GRD,
    AdaCAD,
    CKPlug,
    CoDA,
    Combiner,
    ContextAwareDecoding,
    DoLa,
    Interpolation,
)
from pansophy.conflicts.combiners import COMBINERS
from pansophy.errors import UsageError

PURE: tuple[Combiner, ...] = (
    *(CKPlug(alpha=alpha, tau=tau) for alpha in (0, 0.5, 1, None) for tau in (0, 1, math.inf)),
    *(ContextAwareDecoding(a) for a in (-0.5, 0, 1)),
    AdaCAD(),
    AdaCAD(floor=0.3),
    COIECD(),
    ACD(),
    GRD(),
    Interpolation(0.5),
    CoDA(),
    CoDA(beta=math.inf),
    CoDA(beta=math.inf, escape=True),
)


def pair(seed: int, rows: int = 3, vocabulary: int = 40, sharpness: float = 3.0) -> tuple[Tensor, Tensor]:
    chance = torch.Generator().manual_seed(seed)
    return tuple((sharpness * torch.randn(rows, vocabulary, generator=chance)).log_softmax(-1) for _ in "12")  # type: ignore[return-value]


pairs = st.builds(
    pair, st.integers(0, 10_000), st.integers(1, 4), st.integers(2, 60), st.sampled_from([0.1, 1.0, 5.0, 20.0])
)


def best(combiner: Combiner, context: Tensor, prior: Tensor) -> list[int]:
    return combiner.combine(context, prior).scores.argmax(-1).tolist()


# --- identities -------------------------------------------------------------------------------------------------------


@given(pairs)
def test_plain_decoding_is_a_point_of_every_family(streams: tuple[Tensor, Tensor]) -> None:
    context, prior = streams
    plain = context.argmax(-1).tolist()
    for combiner in (CKPlug(alpha=0.5), CKPlug(alpha=0.5, tau=math.inf), ContextAwareDecoding(0), Interpolation(1)):
        assert best(combiner, context, prior) == plain
    for combiner in (AdaCAD(), ACD(), ContextAwareDecoding(1), Interpolation(0.3), CKPlug(alpha=None, tau=0)):
        assert best(combiner, context, context) == plain


@given(pairs)
def test_memory_alone_is_the_other_end(streams: tuple[Tensor, Tensor]) -> None:
    context, prior = streams
    memory = prior.argmax(-1).tolist()
    assert best(CKPlug(alpha=1, tau=math.inf), context, prior) == memory
    assert best(Interpolation(0), context, prior) == memory


@given(pairs, st.sampled_from([0.25, 0.5, 1.0]))
def test_ck_plug_without_its_gate_and_filter_is_cad(streams: tuple[Tensor, Tensor], a: float) -> None:
    context, prior = streams
    dial = CKPlug(alpha=1 / (2 + a), tau=math.inf, k=None).combine(context, prior).scores
    cad = ContextAwareDecoding(a).combine(context, prior).scores
    assert dial.argmax(-1).tolist() == cad.argmax(-1).tolist()
    torch.testing.assert_close(dial * (2 + a), cad, atol=1e-3, rtol=1e-4)  # the same up to a temperature


@given(pairs, st.floats(0, 3))
def test_cad_is_an_interpolation_beyond_the_context(streams: tuple[Tensor, Tensor], a: float) -> None:
    torch.testing.assert_close(
        ContextAwareDecoding(a).combine(*streams).scores, Interpolation(1 + a).combine(*streams).scores
    )


@given(pairs)
def test_greater_trust_in_memory_never_lowers_the_gap_to_memorys_best(streams: tuple[Tensor, Tensor]) -> None:
    """score(memory's best) - score(context's best) grows with alpha: the dial turns one way."""
    context, prior = streams
    m, c = prior.argmax(-1)[:, None], context.argmax(-1)[:, None]
    gaps = []
    for alpha in (0.0, 0.25, 0.5, 0.75, 1.0):
        scores = CKPlug(alpha=alpha, tau=math.inf).combine(context, prior).scores
        gaps.append((scores.gather(-1, m) - scores.gather(-1, c))[:, 0])
    assert all((later - earlier >= -1e-4).all() for earlier, later in pairwise(gaps))


# --- formulas ---------------------------------------------------------------------------------------------------------


def ck_plug_by_numpy(
    lc: np.ndarray, lp: np.ndarray, alpha: float | None, tau: float, k: int, relative: float
) -> tuple[np.ndarray, float]:
    """The specification's steps 1 to 6, one row; and how far the entropies are from where the gate opens."""

    def near(values: np.ndarray) -> np.ndarray:
        kth = np.sort(values)[::-1][min(k, len(values)) - 1]
        return values >= min(kth, values.max() + math.log(relative))

    keep = near(lc) | near(lp)
    pc, pp = (np.where(keep, np.exp(values), 0) / np.exp(values)[keep].sum() for values in (lc, lp))
    hc, hp = (-(p * np.log(p + 1e-9)).sum() for p in (pc, pp))
    score, apart = lc.copy(), float(tau * hc - (hp - hc))
    if apart > 0:
        if alpha is None:
            n = 1 + abs(hc - hp) / (hc + hp)
            score = 2 * hc / (hc + hp * n) * lp + 2 * hp / (hc + hp * n) * (lc - lp)
        else:
            score = alpha * lp + (1 - alpha) * (lc - lp)
    return np.where(keep, score, -np.inf), apart


@given(pairs, st.sampled_from([None, 0.0, 0.3, 1.0]), st.sampled_from([0.0, 1.0, 3.0]), st.integers(1, 12))
def test_ck_plug_follows_its_steps(streams: tuple[Tensor, Tensor], alpha: float | None, tau: float, k: int) -> None:
    context, prior = (stream.double() for stream in streams)
    scores = CKPlug(alpha=alpha, tau=tau, k=k).combine(context, prior).scores
    for row in range(context.shape[0]):
        expected, apart = ck_plug_by_numpy(context[row].numpy(), prior[row].numpy(), alpha, tau, k, 0.01)
        if abs(apart) > 1e-9:  # at the gate itself rounding decides
            np.testing.assert_allclose(scores[row].numpy(), expected, atol=1e-6)


def test_adacad_measures_the_divergence_in_nats() -> None:
    apart = torch.tensor([[1.0, 0.0]]).log(), torch.tensor([[0.0, 1.0]]).log()
    assert AdaCAD().combine(*apart).context_weight.item() == pytest.approx(1 + math.log(2))  # type: ignore[union-attr]
    same = pair(1)[0]
    assert AdaCAD().combine(same, same).context_weight.tolist() == pytest.approx([1, 1, 1], abs=1e-5)  # type: ignore[union-attr]
    assert AdaCAD(floor=0.3).combine(same, same).context_weight.tolist() == pytest.approx([1.3] * 3, abs=1e-5)  # type: ignore[union-attr]


def test_acd_weighs_by_entropy() -> None:
    context, prior = torch.tensor([[0.5, 0.5, 0.0, 0.0]]).log(), torch.full((1, 4), 0.25).log()
    assert ACD().combine(context, prior).context_weight.item() == pytest.approx(2 / 3)  # type: ignore[union-attr]


def test_coiecd_takes_likely_tokens_from_the_context_and_a_lone_one_from_memory() -> None:
    context = torch.tensor([[0.5, 0.3, 0.1, 0.1]]).log()
    prior = torch.tensor([[0.1, 0.2, 0.3, 0.4]]).log()
    scores = COIECD(a=0.0).combine(context, prior).scores
    unlikely = (-context).log_softmax(-1)[0]
    from_memory = [
        bool(one >= unlikely.min() + math.log(4)) and not bool(one > unlikely.max() - math.log(4)) for one in unlikely
    ]
    expected = torch.where(torch.tensor([from_memory]), prior, context)
    torch.testing.assert_close(scores, expected)
    lone = torch.tensor([[0.9, 0.05, 0.03, 0.02]]).log()
    assert COIECD(a=0.0).combine(lone, prior).scores[0, 0] == prior[0, 0]


def test_grd_decides_once_whom_to_trust() -> None:
    agreed = torch.tensor([[0.7, 0.2, 0.1]]).log()
    for sure_prior, follows in (
        (torch.tensor([[0.05, 0.9, 0.05]]).log(), 1),
        (torch.tensor([[0.3, 0.4, 0.3]]).log(), 0),
    ):
        step = GRD().start()
        assert step(agreed, agreed).scores.argmax().item() == 0  # no disagreement yet
        assert step(agreed, sure_prior).scores.argmax().item() == follows
        later = torch.tensor([[0.1, 0.2, 0.7]]).log(), torch.tensor([[0.4, 0.3, 0.3]]).log()
        assert step(*later).scores.argmax().item() == (
            0 if follows else 2
        )  # the choice holds, however unsure it is now


def test_grd_decides_for_each_row_by_itself() -> None:
    context = torch.tensor([[0.7, 0.2, 0.1], [0.7, 0.2, 0.1]]).log()
    prior = torch.tensor([[0.05, 0.9, 0.05], [0.7, 0.2, 0.1]]).log()
    step = GRD().start()
    assert step(context, prior).scores.argmax(-1).tolist() == [1, 0]
    assert step(context.flip(0), prior.flip(0)).scores.argmax(-1).tolist() == [0, 1]


def test_dola_takes_the_furthest_early_layer_and_only_likely_tokens() -> None:
    last = torch.tensor([[0.6, 0.3, 0.1, 1e-6]]).log()
    near = last * 0.9
    far = torch.tensor([[0.05, 0.85, 0.05, 0.05]]).log()
    scores = DoLa(candidates=(0, 1)).combine(last, torch.stack([near.log_softmax(-1), far])).scores
    torch.testing.assert_close(scores[0, :3], (last - far)[0, :3])
    assert scores[0, 3] == -torch.inf
    assert DoLa().layers(8) == (4, 6)
    assert DoLa("low").layers(8) == (0, 2)
    assert DoLa("low").layers(1) == (0,)


# --- hard cases -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("combiner", PURE, ids=repr)
@settings(max_examples=15)
@given(pairs)
def test_scores_are_numbers_and_one_token_is_always_possible(
    combiner: Combiner, streams: tuple[Tensor, Tensor]
) -> None:
    context, prior = streams
    sure = torch.full_like(context, -torch.inf)
    sure[:, 0] = 0
    ties = torch.full_like(context, -math.log(context.shape[-1]))
    for first, second in ((context, prior), (sure, prior), (context, sure), (sure, sure), (ties, ties), (ties, sure)):
        scores = combiner.combine(first, second).scores
        assert not scores.isnan().any()
        assert (scores.amax(-1) > -torch.inf).all()
        alone = combiner.combine(first[:1], second[:1]).scores
        torch.testing.assert_close(scores[:1], alone)  # rows don't see each other


@pytest.mark.parametrize("combiner", PURE, ids=repr)
def test_half_precision_gives_numbers(combiner: Combiner) -> None:
    context, prior = (stream.half().float().log_softmax(-1) for stream in pair(3, sharpness=40.0))
    assert not combiner.combine(context, prior).scores.isnan().any()


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (CKPlug, {"alpha": -0.1}),
        (CKPlug, {"alpha": 1.1}),
        (CKPlug, {"alpha": math.nan}),
        (CKPlug, {"tau": -1}),
        (CKPlug, {"k": 0}),
        (CKPlug, {"relative": 0}),
        (CoDA, {"beta": -1}),
        (CoDA, {"relative": 2}),
        (GRD, {"margin": 0}),
    ],
)
def test_values_out_of_range_are_refused(kind: type[Combiner], wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        kind(**wrong)


def test_every_method_has_a_name() -> None:
    assert {name: kind.name for name, kind in COMBINERS.items()} == {name: name for name in COMBINERS}
