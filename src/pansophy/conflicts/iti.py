"""ITI: heads in which truth can be read off are shifted towards it, at every token.

Li et al. 2023, "Inference-Time Intervention", arXiv 2306.03341: a logistic probe a head tells true from false
statements by the head's output at their last token; the heads whose probes are right most often are shifted along the
difference of the two means, by so many standard deviations. Ours: nothing but where the heads are found.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from pansophy.errors import UsageError
from pansophy.models.white_box import Head, WhiteBoxModel, captured_heads, edited_heads
from pansophy.papers import Paper

PAPER = Paper(
    system="ITI",
    title="Inference-Time Intervention: Eliciting Truthful Answers from a Language Model",
    authors="Kenneth Li, Oam Patel, Fernanda Viégas, Hanspeter Pfister, Martin Wattenberg",
    year=2023,
    arxiv="2306.03341",
    module="pansophy.conflicts.iti",
    venue="NeurIPS 2023",
)

HEADS = 48
STRENGTH = 15.0


@dataclass(frozen=True, slots=True)
class Shift:
    """Where a head is shifted: by one standard deviation of its outputs along the direction, [head_size]; `accuracy` is
    its probe's on statements that it was not fitted on."""

    head: Head
    step: Tensor
    accuracy: float


@dataclass(frozen=True, slots=True)
class Steering:
    """Shifts of the heads that tell best, the best first."""

    shifts: tuple[Shift, ...]

    @contextmanager
    def applied(self, model: WhiteBoxModel, strength: float = STRENGTH) -> Iterator[None]:
        """In the block every pass is shifted at its last position, so that each new token is; `strength` counts
        standard deviations."""
        moves = self._moves(model) * strength

        def shifted(layer: int, outputs: Tensor) -> Tensor:
            outputs = outputs.clone()
            outputs[:, -1] += moves[layer].to(outputs)
            return outputs

        with edited_heads(model.anatomy, shifted):
            yield

    @contextmanager
    def baked_in(self, model: WhiteBoxModel, strength: float = STRENGTH) -> Iterator[None]:
        """In the block the output projections' biases hold the shift, at all positions.

        Raises:
            UsageError: the projections of this model have no bias to hold it.
        """
        moves = self._moves(model) * strength
        changed: list[tuple[Tensor, Tensor]] = []
        try:
            for layer, output in enumerate(model.anatomy.outputs):
                bias = getattr(output, "bias", None)
                if not isinstance(bias, Tensor):
                    raise UsageError(f"{model.name}'s output projections have no bias: use applied")
                changed.append((bias.data, bias.data.clone()))
                zero = torch.zeros_like(moves[layer].reshape(1, -1))
                both = torch.cat([moves[layer].reshape(1, -1), zero]).to(bias)
                with torch.no_grad():
                    there, without = output(both)
                bias.data += there - without
            yield
        finally:
            for bias_data, before in changed:
                bias_data.copy_(before)

    def _moves(self, model: WhiteBoxModel) -> Tensor:
        """[layers, heads, head_size]."""
        anatomy = model.anatomy
        moves = torch.zeros(len(anatomy.layers), anatomy.heads, anatomy.head_size, device=model.device)
        for shift in self.shifts:
            moves[shift.head] = shift.step.to(moves)
        return moves


def fit(
    model: WhiteBoxModel,
    statements: Sequence[str],
    labels: Sequence[bool],
    *,
    heads: int = HEADS,
    held_out: float = 0.2,
    seed: int = 0,
    batch: int = 16,
) -> Steering:
    """Find where truth can be read off.

    Args:
        statements: true and false ones, best as question and answer in one text.
        labels: which are true.
        heads: how many to shift.
        held_out: the share of statements on which probes are judged.
        seed: of which these are.
        batch: rows at a time.

    Raises:
        UsageError: a part has no true or no false statement, or the lists have different lengths.
    """
    from sklearn.linear_model import LogisticRegression

    if len(statements) != len(labels):
        raise UsageError(f"{len(statements)} statements and {len(labels)} labels: give one for each")
    order = list(range(len(statements)))
    random.Random(seed).shuffle(order)
    cut = round(len(order) * (1 - held_out))
    fitted, judged = order[:cut], order[cut:]
    for part in (fitted, judged):
        if len({bool(labels[place]) for place in part}) < 2:
            raise UsageError("probes are fitted and judged on true and on false statements: give more of both")
    outputs = _last_outputs(model, statements, batch)  # [statements, layers, heads, head_size]
    truth = torch.tensor([bool(label) for label in labels])
    found = []
    for layer in range(outputs.shape[1]):
        for head in range(outputs.shape[2]):
            here = outputs[:, layer, head]
            probe = LogisticRegression(max_iter=1000, random_state=seed)
            probe.fit(here[fitted].numpy(), truth[fitted].numpy())
            accuracy = float(probe.score(here[judged].numpy(), truth[judged].numpy()))
            found.append(Shift(Head(layer, head), _step(here[fitted], truth[fitted]), accuracy))
    return Steering(tuple(sorted(found, key=lambda shift: -shift.accuracy)[:heads]))


def _step(outputs: Tensor, truth: Tensor) -> Tensor:
    """One standard deviation of the outputs' projections, along the difference of the means."""
    direction = outputs[truth].mean(0) - outputs[~truth].mean(0)
    direction = direction / direction.norm().clamp(min=1e-12)
    step: Tensor = direction * (outputs @ direction).std()
    return step


def _last_outputs(model: WhiteBoxModel, statements: Sequence[str], batch: int) -> Tensor:
    parts = []
    for begin in range(0, len(statements), batch):
        with captured_heads(model.anatomy) as heads:
            model.stream([model.encode(text) for text in statements[begin : begin + batch]])
        parts.append(torch.stack([layer[:, -1].float().cpu() for layer in heads], dim=1))
    return torch.cat(parts)
