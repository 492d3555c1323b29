"""PH3: finds the heads that write memory and those that write what the context says, and prunes one side.

Jin et al. 2024, "Cutting Off the Head Ends the Conflict", arXiv 2402.18154. A head's effect is what the logits of the
two answers lose when its output at the last position is replaced, on the direct path alone, by that of another fact's
prompt: two forward passes a fact, whatever the number of heads. Ours: how prompts are corrupted (another fact of the
set), the ranking by the difference of the two effects, and how the number of heads is chosen (as JUICE does it).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from pansophy.conflicts.facts import KnownFact
from pansophy.conflicts.outcomes import Outcome, Shares, shares
from pansophy.errors import SourceError, UsageError
from pansophy.models.white_box import Head, WhiteBoxModel, captured_heads, edited_heads
from pansophy.models.white_box.anatomy import output_columns
from pansophy.papers import Paper

PAPER = Paper(
    system="PH3",
    title="Cutting Off the Head Ends the Conflict: A Mechanism for Interpreting and Mitigating Knowledge Conflicts in "
    "Language Models",
    authors="Zhuoran Jin, Pengfei Cao, Hongbang Yuan, Yubo Chen, Jiexin Xu, Huaijun Li, et al.",
    year=2024,
    arxiv="2402.18154",
    module="pansophy.conflicts.ph3",
    venue="Findings of ACL 2024",
)

Side = Literal["memory", "context"]
KS = (1, 3, 5, 7, 9, 15)
EQUAL = 1000.0
"""Entries so large that what a normalisation adds for safety is nothing beside them."""
MOST_DRIFT = 0.5
"""Nats by which a pruned model's loss on neutral text may rise before a number of heads is no longer chosen."""


@dataclass(frozen=True, slots=True)
class HeadScores:
    """The effects of all heads, each [layers, heads]: what the logit of the model's own answer (`memory`) and of the
    context's (`context`) owes to the head, in logits, averaged over `items` facts."""

    memory: Tensor
    context: Tensor
    items: int

    def ranked(self, side: Side) -> list[Head]:
        """All heads, those first that write for this side and not for the other."""
        lead = self.memory - self.context if side == "memory" else self.context - self.memory
        heads = lead.shape[1]
        return [Head(place // heads, place % heads) for place in lead.flatten().argsort(descending=True).tolist()]

    def against(self, k: int, toward: Side) -> HeadMask:
        """The mask that strengthens `toward`: the k first heads of the other side."""
        if not 1 <= k <= self.memory.numel():
            raise UsageError(f"k must be between 1 and {self.memory.numel()}, not {k}")
        return HeadMask(tuple(self.ranked("context" if toward == "memory" else "memory")[:k]))

    def rows(self) -> list[dict[str, float | int]]:
        """One row a head, for tables and files."""
        layers, heads = self.memory.shape
        return [
            {"layer": n, "head": h, "memory": float(self.memory[n, h]), "context": float(self.context[n, h])}
            for n in range(layers)
            for h in range(heads)
        ]


@dataclass(frozen=True, slots=True)
class HeadMask:
    """Heads whose output is taken away, at all positions."""

    heads: tuple[Head, ...]

    @contextmanager
    def applied(self, model: WhiteBoxModel) -> Iterator[None]:
        """The model without these heads, in the block.

        Raises:
            UsageError: the model has no such head.
        """
        kept = self._kept(model)

        with edited_heads(model.anatomy, lambda layer, outputs: outputs * kept[layer][:, None].to(outputs)):
            yield

    @contextmanager
    def baked_in(self, model: WhiteBoxModel) -> Iterator[None]:
        """The same in the weights: the heads' rows of the output projections are zero in the block, and put back after
        it. Without a block, save the model inside of it."""
        self._kept(model)  # are they there?
        removed = []
        for layer, head in self.heads:
            columns = output_columns(model.anatomy.outputs[layer]).data
            size = model.anatomy.head_size
            removed.append((columns[head * size : (head + 1) * size], columns[head * size : (head + 1) * size].clone()))
        try:
            for view, _ in removed:
                view.zero_()
            yield
        finally:
            for view, weights in removed:
                view.copy_(weights)

    def save(self, path: Path) -> None:
        path.write_text(json.dumps({"heads": [list(head) for head in self.heads]}) + "\n", "utf-8")

    @classmethod
    def load(cls, path: Path) -> HeadMask:
        """Raises SourceError if the file holds no mask."""
        try:
            return cls(
                tuple(Head(int(layer), int(head)) for layer, head in json.loads(path.read_text("utf-8"))["heads"])
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SourceError(f"{path} holds no head mask: {error}") from error

    def _kept(self, model: WhiteBoxModel) -> Tensor:
        """[layers, heads]: 1, and 0 for those that are taken away."""
        kept = torch.ones(len(model.anatomy.layers), model.anatomy.heads, device=model.device)
        for layer, head in self.heads:
            if not (0 <= layer < kept.shape[0] and 0 <= head < kept.shape[1]):
                raise UsageError(f"{model.name} has no head {Head(layer, head)}")
            kept[layer, head] = 0
        return kept


def locate_heads(
    model: WhiteBoxModel, known: Sequence[KnownFact], *, mode: Literal["direct", "full"] = "direct", batch: int = 8
) -> HeadScores:
    """What each head writes for memory and for the context, on facts that the model knows.

    Args:
        known: at least two facts (20 to 50 are better); half of what is at hand, so that pruning can be judged on the
        rest. mode: "direct" patches the path from a head to the logits, with the final normalisation as it was: two
        forward
            passes a fact. "full" runs the model once a head, with the other heads held and all else computed anew.
        batch: rows at a time.

    Raises:
        UsageError: fewer than two facts, or none that can be corrupted by another.
    """
    pairs = _corrupted(known)
    totals = torch.zeros(2, len(model.anatomy.layers), model.anatomy.heads, dtype=torch.float64)
    for begin in range(0, len(pairs), batch):
        part = pairs[begin : begin + batch]
        totals += _effects(model, part) if mode == "direct" else _full_effects(model, part)
    memory, context = (totals / len(pairs)).float()
    return HeadScores(memory, context, len(pairs))


def _corrupted(known: Sequence[KnownFact]) -> list[tuple[KnownFact, KnownFact]]:
    """Each fact with the next one whose answers are none of its own."""
    pairs = []
    for place, one in enumerate(known):
        others = [*known[place + 1 :], *known[:place]]
        mine = {one.memory, one.context}
        other = next((two for two in others if not mine & {two.memory, two.context}), None)
        if other is not None:
            pairs.append((one, other))
    if not pairs:
        raise UsageError("locating heads takes at least two known facts with different answers")
    return pairs


@dataclass(frozen=True, slots=True)
class _Run:
    """`heads`: a layer's outputs at the last position, each [rows, heads, head_size]; `reading`: [rows, hidden], what
    is read of the final residual for one more unit of a normalised hidden dimension (the frozen normalisation)."""

    heads: list[Tensor]
    reading: Tensor
    logits: Tensor


def _run(model: WhiteBoxModel, prompts: Sequence[str]) -> _Run:
    seen: list[tuple[Tensor, Tensor]] = []

    def keep(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen.append((inputs[0][:, -1], output[:, -1]))

    handle = model.anatomy.norm.register_forward_hook(keep)
    try:
        with captured_heads(model.anatomy) as heads:
            stream = model.stream([model.encode(prompt) for prompt in prompts])
    finally:
        handle.remove()
    return _Run([layer[:, -1] for layer in heads], _frozen(model.anatomy.norm, *seen[-1]), stream.log_probs)


@torch.inference_mode()
def _frozen(norm: nn.Module, before: Tensor, after: Tensor) -> Tensor:
    """The normalisation's factor of each dimension in this run, [rows, hidden]; its mean and bias are left to the
    caller."""
    before, after = before.double(), after.double()
    if isinstance(norm, nn.LayerNorm):
        before = before - before.mean(-1, keepdim=True)
        gain = norm.weight.double()
        after = after - (0 if norm.bias is None else norm.bias.double())
    else:  # by its root mean square: equal entries come out as the gains, in whichever way its weight holds them
        gain = norm(torch.full_like(before[:1], EQUAL, dtype=next(norm.parameters()).dtype))[0].double()
    largest = (before * gain).abs().argmax(-1, keepdim=True)  # a dimension from which the scale can be told
    scale = (before * gain).gather(-1, largest) / after.gather(-1, largest)  # [rows, 1]
    return gain / scale


@torch.inference_mode()
def _effects(model: WhiteBoxModel, pairs: Sequence[tuple[KnownFact, KnownFact]]) -> Tensor:
    """[2, layers, heads], summed over the facts."""
    original = _run(model, [one.fact.substituted for one, _ in pairs])
    other = _run(model, [two.fact.substituted for _, two in pairs])
    changes = [after - before for before, after in zip(original.heads, other.heads, strict=True)]
    answers = torch.tensor([[one.memory, one.context] for one, _ in pairs], device=model.device)
    return -direct_effects(model, original.reading, changes, answers).sum(1).cpu()


def direct_effects(model: WhiteBoxModel, reading: Tensor, changes: Sequence[Tensor], tokens: Tensor) -> Tensor:
    """How changes of heads' outputs move the logits of tokens on the direct path, [tokens, rows, layers, heads].

    Args:
        reading: [rows, hidden], the frozen normalisation.
        changes: a layer's each, [rows, heads, head_size].
        tokens: [rows, tokens].
    """
    unembedding = model.anatomy.unembedding.weight
    assert isinstance(unembedding, Tensor)
    directions = unembedding.double()[tokens] * reading[:, None]  # [rows, tokens, hidden]
    if isinstance(model.anatomy.norm, nn.LayerNorm):  # the mean is taken away: of the change, or of what reads it
        directions = directions - directions.mean(-1, keepdim=True)
    found = []
    for output, change in zip(model.anatomy.outputs, changes, strict=True):
        columns = output_columns(output).double().view(model.anatomy.heads, model.anatomy.head_size, -1)
        read = torch.einsum("hsd,rtd->rths", columns, directions)
        found.append(torch.einsum("rhs,rths->trh", change.double(), read))
    return torch.stack(found, dim=2)


@torch.inference_mode()
def _full_effects(model: WhiteBoxModel, pairs: Sequence[tuple[KnownFact, KnownFact]]) -> Tensor:
    prompts = [one.fact.substituted for one, _ in pairs]
    original, other = _run(model, prompts), _run(model, [two.fact.substituted for _, two in pairs])
    tokens = [model.encode(prompt) for prompt in prompts]
    answers = torch.tensor([[one.memory, one.context] for one, _ in pairs], device=model.device)
    before = _logits(model, tokens).gather(-1, answers)
    found = torch.zeros(2, len(original.heads), model.anatomy.heads, dtype=torch.float64)
    for layer in range(len(original.heads)):
        for head in range(model.anatomy.heads):

            def patched(at: int, outputs: Tensor, layer: int = layer, head: int = head) -> Tensor:
                outputs = outputs.clone()
                outputs[:, -1] = original.heads[at]
                if at == layer:
                    outputs[:, -1, head] = other.heads[at][:, head]
                return outputs

            with edited_heads(model.anatomy, patched):
                after = _logits(model, tokens).gather(-1, answers)
            found[:, layer, head] = (before - after).double().sum(0).cpu()
    return found


def _logits(model: WhiteBoxModel, prompts: Sequence[Sequence[int]]) -> Tensor:
    """Of the next tokens, not normalised: an effect on a logit must not depend on all others."""
    kept: list[Tensor] = []
    handle = model.anatomy.unembedding.register_forward_hook(lambda *seen: kept.append(seen[-1][:, -1].float()))
    try:
        model.stream(prompts)
    finally:
        handle.remove()
    return kept[-1]


def conflict_shares(model: WhiteBoxModel, known: Sequence[KnownFact], mask: HeadMask | None = None) -> Shares:
    """RM, RC and the rest on facts with a lie in front, of the model or without the mask's heads."""
    return shares(_outcomes(model, known, mask))


def _outcomes(model: WhiteBoxModel, known: Sequence[KnownFact], mask: HeadMask | None) -> list[Outcome]:
    prompts = [one.fact.substituted for one in known]
    if mask is None:
        best = model.next_log_probs(prompts).argmax(-1).tolist()
    else:
        with mask.applied(model):
            best = model.next_log_probs(prompts).argmax(-1).tolist()
    return [one.outcome(token) for token, one in zip(best, known, strict=True)]


@dataclass(frozen=True, slots=True)
class Drift:
    """What pruning costs elsewhere: the mean loss a token on neutral texts before and after, in nats, and the mean
    divergence of the pruned model's next tokens from the whole one's."""

    loss_before: float
    loss_after: float
    divergence: float

    @property
    def rise(self) -> float:
        return self.loss_after - self.loss_before


def drift(model: WhiteBoxModel, mask: HeadMask, texts: Sequence[str]) -> Drift:
    """Measure the mask's cost on texts that have nothing to do with the facts.

    Raises:
        UsageError: a text has fewer than two tokens.
    """
    totals, count = [0.0, 0.0, 0.0], 0
    for text in texts:
        tokens = torch.tensor([model.encode(text)[: model.window]], device=model.device)
        if tokens.shape[1] < 2:
            raise UsageError("a neutral text needs at least two tokens")
        with torch.inference_mode():
            whole = model.network(tokens).logits[0, :-1].float().log_softmax(-1)
            with mask.applied(model):
                pruned = model.network(tokens).logits[0, :-1].float().log_softmax(-1)
        following = tokens[0, 1:, None]
        for place, part in enumerate(
            (-whole.gather(-1, following), -pruned.gather(-1, following), whole.exp() * (whole - pruned))
        ):
            totals[place] += float(part.sum())
        count += tokens.shape[1] - 1
    before, after, divergence = (total / count for total in totals)
    return Drift(before, after, divergence)


@dataclass(frozen=True, slots=True)
class Tuned:
    """The mask that was chosen, with the shares on the validation facts of every number of heads that was tried."""

    k: int
    mask: HeadMask
    tried: dict[int, Shares]
    refused: tuple[int, ...]


def tune(
    model: WhiteBoxModel,
    scores: HeadScores,
    validation: Sequence[KnownFact],
    toward: Side,
    *,
    ks: Sequence[int] = KS,
    neutral: Sequence[str] = (),
    most_drift: float = MOST_DRIFT,
) -> Tuned:
    """The number of heads whose pruning gives the wanted answer most often; the smallest of equals.

    Args:
        validation: facts that were not used for locating. neutral: texts on which the loss may not rise by more than
        `most_drift`; pruning many heads breaks a model, and a
            number that does is refused.

    Raises:
        UsageError: every number was refused.
    """
    tried: dict[int, Shares] = {}
    refused = []
    for k in sorted(ks):
        mask = scores.against(k, toward)
        if neutral and not drift(model, mask, neutral).rise <= most_drift:
            refused.append(k)
        else:
            tried[k] = conflict_shares(model, validation, mask)
    if not tried:
        raise UsageError(f"pruning {min(ks)} heads or more raises the loss on neutral texts by over {most_drift} nats")
    best = max(tried, key=lambda k: (getattr(tried[k], toward).mean, -k))
    return Tuned(best, scores.against(best, toward), tried, tuple(refused))


def heat_map(scores: HeadScores) -> str:
    """All heads as one HTML page: green writes what the context says, orange what the model remembers."""
    lead = (scores.context - scores.memory).tolist()
    most = max((abs(value) for row in lead for value in row), default=0.0) or 1.0
    rows = "".join(
        f"<tr><th>L{layer}"
        + "".join(
            f'<td style="background:{"#2f6f5e" if value > 0 else "#b25600"}{math.ceil(255 * abs(value) / most):02x}" '
            f'title="L{layer}H{head}: {value:+.3f}">'
            for head, value in enumerate(row)
        )
        for layer, row in enumerate(lead)
    )
    style = "td { width: 1.4rem; height: 1rem } :root { color-scheme: light dark; font: 13px system-ui }"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Heads</title><style>{style}</style>'
        f"<p>Context (green) against memory (orange), at most {most:.2f} logits, {scores.items} facts</p>"
        f"<table>{rows}</table></html>\n"
    )
