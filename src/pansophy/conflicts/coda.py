"""CoDA: finds the part of a prompt that the rest overshadows, and decodes against the prompt without it.

Zhang et al. 2025, "The Law of Knowledge Overshadowing", arXiv 2502.16143, of which no code is published. From the
paper: the indicator's parts (relative pointwise mutual information, escape reward) and the contrast. Ours: how spans
are found, how they are masked, that the spans are judged once, before the first token, and the strength `beta`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from pansophy.conflicts.combiners.base import Combined, Combiner, Prior
from pansophy.conflicts.decoding import Decoding, Reply, decode
from pansophy.errors import UsageError
from pansophy.models.white_box import WhiteBoxModel
from pansophy.papers import Paper

PAPER = Paper(
    system="CoDA",
    title="The Law of Knowledge Overshadowing: Towards Understanding, Predicting, and Preventing LLM Hallucination",
    authors="Yuji Zhang, Sha Li, Cheng Qian, Jiateng Liu, Pengfei Yu, Chi Han, Yi R. Fung, et al.",
    year=2025,
    arxiv="2502.16143",
    module="pansophy.conflicts.coda",
    venue="Findings of ACL 2025",
)

Mask = Literal["neutral", "delete", "attention"]
"""A span is replaced by something neutral, left out, or stays where it is and is not attended to."""
Gate = Literal["indicator", "always", "never"]
MOST_SPANS = 16
LEAST = -100.0
"""Log-probability, in nats, below which nothing is told apart."""
SHORT_PROMPT = 12
"""Words; in a shorter prompt every word of content is a candidate."""

_NAMED = re.compile(r"[A-Z][\w'-]*(?: (?:of |the )?[A-Z][\w'-]*)*|\b\d[\d.,]*\b")
_NEGATION = re.compile(r"\b(?:not|no|never|none|neither|nor|without|\w+n't)\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_][\w'-]*")
_FUNCTION_WORDS = """
a an the of in into on at to for from by with and or but is are was were be been do does did has have had who what which
when where why how that this these those it its as than then there
"""
_FUNCTION = frozenset(_FUNCTION_WORDS.split())


@dataclass(frozen=True)
class CoDA(Combiner):
    """`(1 + beta) * whole - beta * masked` on the tokens that the whole prompt finds likely: at least `relative` times
    as likely as its best.

    Args:
        beta: inf is the paper's pure difference; 1 is gentler. relative: which tokens are likely. escape: hold a token
        that only the whole prompt finds likely against the least of the masked prompt's likely ones
            instead of its own probability there (the paper's escape reward, as it is recalled). Better with a low
            `relative`, without effect with a high one (docs/experiments.md).
    """

    beta: float = 1.0
    relative: float = 0.1
    escape: bool = False
    name: ClassVar[str] = "coda"
    prior: ClassVar[Prior] = "span masked"

    def __post_init__(self) -> None:
        if not self.beta >= 0 or not 0 < self.relative <= 1:
            raise UsageError("beta must be at least 0, and relative in (0, 1]")

    def combine(self, context: Tensor, prior: Tensor) -> Combined:
        likely, against = _likely(context, self.relative), prior
        if self.escape:
            likely_masked = _likely(prior, self.relative)
            least = prior.masked_fill(~likely_masked, torch.inf).amin(-1, keepdim=True)
            against = torch.where(likely_masked, prior, least)
        against = against.clamp(min=LEAST)  # what the masked prompt rules out is a strong reason, not an infinite one
        scores = context - against if math.isinf(self.beta) else (1 + self.beta) * context - self.beta * against
        return Combined(scores.masked_fill(~likely, -torch.inf))


def indicator(whole: Tensor, masked: Tensor, relative: float = 0.1) -> Tensor:
    """Below 0: the masked condition is overshadowed.

    Args:
        whole, masked: log-probabilities of the next token, [rows, vocabulary], of the prompt and of the masked one.
        relative: which tokens are likely.

    Returns:
        [rows]: over tokens likely to both, what the condition takes from them; plus, over those likely only with it, by
        how much they are above the least of the masked prompt's likely ones.
    """
    likely, likely_masked = _likely(whole, relative), _likely(masked, relative)
    taken = (whole - masked).clamp(max=0).masked_fill(~(likely & likely_masked), 0).sum(-1)
    least = masked.masked_fill(~likely_masked, torch.inf).amin(-1, keepdim=True)
    escaped = (whole - least).masked_fill(~(likely & ~likely_masked), 0).sum(-1)
    return taken + escaped


def _likely(log_probs: Tensor, relative: float) -> Tensor:
    return log_probs >= log_probs.amax(-1, keepdim=True) + math.log(relative)


@dataclass(frozen=True, slots=True)
class Overshadowing:
    """A span of a prompt, `prompt[start:end] == text`, and its indicator: the lower, the more it is overshadowed."""

    start: int
    end: int
    text: str
    indicator: float


def candidates(prompt: str) -> list[tuple[int, int]]:
    """Spans that may be overshadowed: names, numbers, negations, in a short prompt every word of content; in the order
    of the text, at most `MOST_SPANS`, none within another."""
    found = [match.span() for match in _NAMED.finditer(prompt)] + [match.span() for match in _NEGATION.finditer(prompt)]
    words = [match for match in _WORD.finditer(prompt) if match[0].lower() not in _FUNCTION]
    if len(prompt.split()) < SHORT_PROMPT:
        found += [match.span() for match in words]
    apart: list[tuple[int, int]] = []
    for start, end in sorted(set(found), key=lambda span: (span[0] - span[1], span)):  # longest first
        is_function = prompt[start:end].lower() in _FUNCTION
        if not is_function and all(end <= other or start >= after for other, after in apart):
            apart.append((start, end))
    return sorted(apart)[:MOST_SPANS]


def masked(prompt: str, start: int, end: int, mask: Mask = "neutral", neutral: str = "_") -> str:
    """The prompt with a span replaced by `neutral`, or left out with a blank beside it; as it is with "attention"."""
    if mask == "attention":
        return prompt
    if mask == "neutral":
        return prompt[:start] + neutral + prompt[end:]
    before, after = prompt[:start], prompt[end:]
    return before[:-1] + after if before.endswith(" ") else before + after.removeprefix(" ")


def detect(
    model: WhiteBoxModel, prompt: str, *, relative: float = 0.1, mask: Mask = "neutral", neutral: str = "_"
) -> list[Overshadowing]:
    """The candidates of a prompt, the most overshadowed first; with `mask="attention"` none that is all of it.

    Raises:
        UsageError: the prompt has only one token, so that nothing of it can be masked; or `mask="attention"`, and the
            tokenizer doesn't tell the places of its tokens.
    """
    if len(model.encode(prompt)) < 2:
        raise UsageError("a prompt of one token has nothing that could be overshadowed")
    return sorted(
        _judged(model, prompt, candidates(prompt), relative, mask, neutral), key=lambda found: found.indicator
    )


def _judged(
    model: WhiteBoxModel, prompt: str, spans: Sequence[tuple[int, int]], relative: float, mask: Mask, neutral: str
) -> list[Overshadowing]:
    """Spans with their indicators."""
    seen: dict[tuple[int, int], Sequence[int] | None] = dict.fromkeys(spans)
    if mask == "attention":
        masks = {span: model.mask_without(prompt, *span) for span in spans}
        seen = {span: one for span, one in masks.items() if any(one)}
    if not seen:
        return []
    texts = [masked(prompt, *span, mask, neutral) for span in seen]
    log_probs = model.next_log_probs([prompt, *texts], masks=[None, *seen.values()])
    values = indicator(log_probs[:1].expand(len(seen), -1), log_probs[1:], relative).tolist()
    return [Overshadowing(*span, prompt[slice(*span)], value) for span, value in zip(seen, values, strict=True)]


def generate(
    model: WhiteBoxModel,
    prompt: str,
    *,
    span: str | None = None,
    combiner: CoDA = CoDA(),
    gate: Gate = "indicator",
    mask: Mask = "neutral",
    neutral: str = "_",
    decoding: Decoding = Decoding(),  # noqa: B008 - frozen
) -> tuple[Reply, Overshadowing | None]:
    """Continue a prompt, against itself without its overshadowed span.

    Args:
        span: a text in the prompt; None looks for the most overshadowed one.
        gate: "indicator" contrasts only where the span's indicator is below 0, a weak sign (docs/guide/conflicts.md);
            "always", "never".

    Returns:
        The reply, and the span that it was contrasted with (None: plain decoding).

    Raises:
        UsageError: `span` doesn't stand in the prompt, or is all of it with `mask="attention"`.
    """
    if span is not None and (not span or span not in prompt):
        raise UsageError(f"{span!r} doesn't stand in the prompt")
    chosen = None
    if gate != "never":
        if span is None:
            found = detect(model, prompt, relative=combiner.relative, mask=mask, neutral=neutral)
        else:
            start = prompt.index(span)
            found = _judged(model, prompt, [(start, start + len(span))], combiner.relative, mask, neutral)
            if not found:
                raise UsageError(f"{span!r} is the whole prompt: nothing would be attended to")
        chosen = found[0] if found and (gate == "always" or found[0].indicator < 0) else None
    if chosen is None:
        (reply,) = decode(model, [prompt], [prompt], None, decoding)
        return reply, None
    place = (chosen.start, chosen.end)
    hidden = [model.mask_without(prompt, *place)] if mask == "attention" else None
    (reply,) = decode(model, [prompt], [masked(prompt, *place, mask, neutral)], combiner, decoding, masks=hidden)
    return reply, chosen
