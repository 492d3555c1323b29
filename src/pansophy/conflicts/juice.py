"""JUICE: heads are scaled by what they said on the untouched prompt, so that a change doesn't feed on itself.

arXiv 2503.10996 (ICML 2025), as its code has it: the model runs twice; the first run records the chosen heads' outputs,
the second adds them again, enlarged or suppressed. Heads that serve both sides make pruning a blunt tool; scaling them
on a clean, a contradicting and an arguing prompt alike is what is asked of each here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from pansophy.conflicts.facts import KnownFact
from pansophy.conflicts.ph3 import Side
from pansophy.errors import UsageError
from pansophy.models.white_box import Head, WhiteBoxModel, captured_heads, edited_heads
from pansophy.papers import Paper

PAPER = Paper(
    system="JUICE",
    title="Taming Knowledge Conflicts in Language Models",
    authors="Gaotang Li, Yuzhong Chen, Hanghang Tong",
    year=2025,
    arxiv="2503.10996",
    module="pansophy.conflicts.juice",
    venue="ICML 2025",
)

ENLARGED, SUPPRESSED = (1.0, 3.0, 5.0, 10.0, 30.0), (-1.0, -2.0, -5.0)
"""Factors that each head is tried with when heads are chosen."""
GRID = ((1.0, 2.0, 3.0, 5.0), (-0.5, -1.0, -1.5, -2.0, -3.0, -5.0))
"""Strengths for enlarged and suppressed heads that are tried on validation facts; the paper has a grid of this size."""


@dataclass(frozen=True, slots=True)
class Intervention:
    """How many times a head's own output is added to it: above 0 enlarges, below suppresses."""

    strengths: Mapping[Head, float]

    def next_log_probs(self, model: WhiteBoxModel, prompts: Sequence[str], *, batch: int = 8) -> Tensor:
        """Of the next token with the intervention, [prompts, vocabulary]; two runs a prompt."""
        parts = [self._run(model, prompts[begin : begin + batch]) for begin in range(0, len(prompts), batch)]
        return torch.cat(parts)

    def generate(self, model: WhiteBoxModel, prompt: str, *, max_new_tokens: int = 32) -> str:
        """The greedy continuation with the intervention; two runs a token."""
        tokens = model.encode(prompt)
        with captured_heads(model.anatomy) as said:
            plain = model.stream([tokens])
        with self._added(model, said):
            changed = model.stream([tokens])
        written: list[int] = []
        while len(written) < max_new_tokens:
            token = changed.log_probs.argmax(-1)
            if int(token) in model.end_tokens:
                break
            written.append(int(token))
            with captured_heads(model.anatomy) as said:
                plain.append(token)
            with self._added(model, said):
                changed.append(token)
        return model.decode(written).strip()

    def _run(self, model: WhiteBoxModel, prompts: Sequence[str]) -> Tensor:
        tokens = [model.encode(prompt) for prompt in prompts]
        with captured_heads(model.anatomy) as said:
            model.stream(tokens)
        with self._added(model, said):
            log_probs: Tensor = model.stream(tokens).log_probs
        return log_probs

    def _added(self, model: WhiteBoxModel, said: Sequence[Tensor]) -> AbstractContextManager[None]:
        """The second run: what the heads said in the first is added, as often as `strengths` says."""
        factors = self._factors(model)
        return edited_heads(model.anatomy, lambda layer, outputs: outputs + factors[layer] * said[layer])

    def _factors(self, model: WhiteBoxModel) -> Tensor:
        """[layers, heads, 1]."""
        anatomy = model.anatomy
        factors = torch.zeros(len(anatomy.layers), anatomy.heads, 1, device=model.device, dtype=model.network.dtype)
        for (layer, head), strength in self.strengths.items():
            if not (0 <= layer < factors.shape[0] and 0 <= head < anatomy.heads):
                raise UsageError(f"{model.name} has no head {Head(layer, head)}")
            factors[layer, head] = strength
        return factors


@dataclass(frozen=True, slots=True)
class ChosenHeads:
    """Heads to enlarge and to suppress for one side, the best first."""

    enlarged: tuple[Head, ...]
    suppressed: tuple[Head, ...]

    def intervention(self, enlarge: float, suppress: float) -> Intervention:
        """With these strengths for all heads of a kind."""
        return Intervention(dict.fromkeys(self.enlarged, enlarge) | dict.fromkeys(self.suppressed, suppress))


def choose_heads(
    model: WhiteBoxModel,
    known: Sequence[KnownFact],
    toward: Side,
    *,
    each: int = 5,
    enlarged: Sequence[float] = ENLARGED,
    suppressed: Sequence[float] = SUPPRESSED,
    layers: Sequence[int] | None = None,
) -> ChosenHeads:
    """The heads whose scaling makes the wanted answer likelier on every kind of prompt, the clean one too.

    Args:
        known: a few facts are enough (the paper takes four). each: how many to enlarge, and to suppress. enlarged,
        suppressed: the factors over which a head's effect is averaged; fewer are quicker, since each costs a run
            a head.
        layers: only these; all by default.

    Raises:
        UsageError: no head helps on every kind of prompt.
    """
    kinds = [[one.fact.prompt for one in known], [one.fact.substituted for one in known]]
    if all(one.fact.coherent for one in known):
        kinds.append([one.fact.coherent for one in known])
    prompts = [model.encode(prompt) for kind in kinds for prompt in kind]
    with captured_heads(model.anatomy) as said:  # the same whichever head is scaled
        model.stream(prompts)
    wanted = torch.tensor([getattr(one, toward) for one in known] * len(kinds), device=model.device)[:, None]

    def likely(strengths: Mapping[Head, float]) -> Tensor:
        """The wanted answer's mean probability on each kind, [kinds]."""
        with Intervention(strengths)._added(model, said):
            scores: Tensor = model.stream(prompts).log_probs.exp()
        return scores.gather(-1, wanted).view(len(kinds), -1).mean(1)

    before = likely({})
    # toward memory the clean prompt must not suffer; toward the context it asks for what nobody has told
    counted = slice(None) if toward == "memory" else slice(1, None)
    gains: dict[bool, list[tuple[float, Head]]] = {True: [], False: []}
    places = layers if layers is not None else range(len(model.anatomy.layers))
    for head in (Head(layer, number) for layer, number in product(places, range(model.anatomy.heads))):
        for enlarges, factors in ((True, enlarged), (False, suppressed)):
            gain = torch.stack([likely({head: factor}) - before for factor in factors]).mean(0)[counted]
            if (gain > 0).all():
                gains[enlarges].append((float(gain.mean()), head))
    best = {kind: tuple(head for _, head in sorted(found, reverse=True)[:each]) for kind, found in gains.items()}
    if not best[True] and not best[False]:
        raise UsageError("no head helps on every kind of prompt")
    return ChosenHeads(best[True], best[False])


def tune(
    model: WhiteBoxModel,
    heads: ChosenHeads,
    validation: Sequence[KnownFact],
    toward: Side,
    grid: tuple[Sequence[float], Sequence[float]] = GRID,
) -> tuple[Intervention, float]:
    """The strengths that give the wanted answer most often on facts with a lie in front, and how often; the first of
    equals."""
    prompts = [one.fact.substituted for one in validation]
    wanted = torch.tensor([getattr(one, toward) for one in validation], device=model.device)

    def share(one: Intervention) -> float:
        return float((one.next_log_probs(model, prompts).argmax(-1) == wanted).float().mean())

    tried = [heads.intervention(*strengths) for strengths in product(*grid)]
    shares = [share(one) for one in tried]
    best = max(range(len(tried)), key=lambda number: (shares[number], -number))
    return tried[best], shares[best]
