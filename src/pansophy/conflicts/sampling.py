"""Answers drawn from a model, with what it thought of their tokens: what every measure of belief starts from.

A `Sampler` is anything that draws answers; `ChatSampler` makes one of a chat model. Chat models tell the few likeliest
tokens at each place at most, so that their distributions are estimates: what is left of the probability is spread
evenly over a vocabulary of `VOCABULARY` tokens. A white-box sampler gives the whole distribution.

Knows nothing of what is asked.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pansophy.engine import Engine
from pansophy.errors import EmptyReply
from pansophy.models import ChatModel
from pansophy.types import ChatMessage, TokenLogprob

FloatArray = npt.NDArray[np.floating]

VOCABULARY = 32_000
"""How many tokens are taken to share the probability that a chat model doesn't tell of."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer.

    `log_likelihoods` has the natural log-probability of each generated token, before any temperature; None where the
    model doesn't say. `distribution` is the next-token distribution, averaged over the generated places: an array of
    shape [vocabulary], or the tokens that were told of with their probabilities; None where the model doesn't say.
    """

    text: str
    log_likelihoods: tuple[float, ...] | None = None
    distribution: FloatArray | Mapping[str, float] | None = field(default=None, compare=False, repr=False)

    @property
    def log_likelihood(self) -> float | None:
        """The mean over its tokens; None where the model doesn't say, or said nothing."""
        return float(np.mean(self.log_likelihoods)) if self.log_likelihoods else None


class Sampler(Protocol):
    """Draws answers. `identity` says what exactly answers, as that of a chat model does."""

    @property
    def identity(self) -> str: ...

    async def sample(
        self, messages: Sequence[ChatMessage], *, count: int, temperature: float, max_tokens: int, seed: int
    ) -> list[Sample]:
        """`count` answers to one prompt; the same seed draws the same ones where the model can promise it."""
        ...


class ChatSampler:
    """Draws answers from a chat model, through an engine that sees to limits and retries."""

    def __init__(self, model: ChatModel, engine: Engine) -> None:
        self._model = model
        self._engine = engine

    @property
    def identity(self) -> str:
        return self._model.identity

    async def sample(
        self, messages: Sequence[ChatMessage], *, count: int, temperature: float, max_tokens: int, seed: int
    ) -> list[Sample]:
        """See `Sampler.sample`; the i-th answer has the seed `seed + i`. No reply at all is an empty answer.

        Raises:
            As `Engine.complete`, but for `EmptyReply`.
        """
        seeds = range(seed, seed + count)
        return list(await asyncio.gather(*(self._one(messages, temperature, max_tokens, one) for one in seeds)))

    async def _one(self, messages: Sequence[ChatMessage], temperature: float, max_tokens: int, seed: int) -> Sample:
        try:
            completion = await self._engine.complete(
                self._model, messages, max_tokens=max_tokens, temperature=temperature, seed=seed, logprobs=True
            )
        except EmptyReply:
            return Sample("")
        text, tokens = completion.text.strip(), completion.logprobs
        if not tokens:
            return Sample(text)
        return Sample(text, tuple(token.logprob for token in tokens), mean_distribution(tokens))


def mean_distribution(tokens: Sequence[TokenLogprob]) -> dict[str, float]:
    """The probabilities of the likeliest tokens at each place, averaged over the places."""
    total: dict[str, float] = {}
    for token in tokens:
        for name, logprob in dict([*token.top, (token.token, token.logprob)]).items():
            total[name] = total.get(name, 0.0) + math.exp(logprob)
    return {name: mass / len(tokens) for name, mass in total.items()}


def distributions(samples: Sequence[Sample]) -> FloatArray | None:
    """The samples' distributions on one vocabulary.

    Returns:
        An array of shape [samples, vocabulary] whose rows add up to 1; None when a sample that says something has
        none. A sample that says nothing and has none gets an even distribution.

    Raises:
        ValueError: the samples come from samplers of different kinds or vocabularies.
    """
    known = [sample.distribution for sample in samples]
    if any(one is None and sample.text for one, sample in zip(known, samples, strict=True)):
        return None
    arrays = [one for one in known if isinstance(one, np.ndarray)]
    tables = [one for one in known if isinstance(one, Mapping)]
    if not arrays and not tables:
        return None
    if (arrays and tables) or len({one.shape for one in arrays}) > 1:
        raise ValueError("the samples' distributions are over different vocabularies")
    if arrays:
        even = np.full(arrays[0].shape, 1 / arrays[0].size, arrays[0].dtype)
        return np.stack([one if isinstance(one, np.ndarray) else even for one in known])
    names = list(dict.fromkeys(name for table in tables for name in table))
    return np.stack([_filled(one if isinstance(one, Mapping) else {}, names) for one in known])


def _filled(table: Mapping[str, float], names: Sequence[str]) -> FloatArray:
    """The probabilities of `names`, and in the end what all other tokens have together."""
    rest = max(1.0 - sum(table.values()), 1e-9)
    unseen = rest / VOCABULARY
    masses = [table.get(name, unseen) for name in names]
    others = max(rest - unseen * sum(name not in table for name in names), unseen)
    row = np.array([*masses, others])
    return np.asarray(row / row.sum())
