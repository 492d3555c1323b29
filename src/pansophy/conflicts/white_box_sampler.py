"""Answers drawn from a white-box model, with the whole distribution at each place, as DYNAMICQA asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import torch

from pansophy.conflicts.sampling import Sample
from pansophy.models.white_box import WhiteBoxModel
from pansophy.models.white_box.streams import choice
from pansophy.types import ChatMessage


class WhiteBoxSampler:
    """A `Sampler` over a torch model; all answers to a prompt are drawn as one batch.

    Args:
        model: asked by its chat template, or, without one, by the messages as plain text.
    """

    def __init__(self, model: WhiteBoxModel) -> None:
        self._model = model
        self._busy = asyncio.Lock()

    @property
    def identity(self) -> str:
        return self._model.identity

    async def sample(
        self, messages: Sequence[ChatMessage], *, count: int, temperature: float, max_tokens: int, seed: int
    ) -> list[Sample]:
        """See `Sampler.sample`. The same seed and count draw the same answers.

        Raises:
            ContextOverflow: the prompt and `max_tokens` don't fit the window.
        """
        async with self._busy:  # a batch fills the processor as it is
            return await asyncio.to_thread(self._drawn, messages, count, temperature, max_tokens, seed)

    def _drawn(
        self, messages: Sequence[ChatMessage], count: int, temperature: float, max_tokens: int, seed: int
    ) -> list[Sample]:
        model = self._model
        if model.tokenizer.chat_template:
            prompt = model.chat_prompt(messages)
        else:
            prompt = "\n".join(message.content for message in messages)
        take = choice(temperature, generator=torch.Generator(model.device).manual_seed(seed))
        stream = model.stream([model.encode(prompt)] * count, share=True)
        tokens: list[list[int]] = [[] for _ in range(count)]
        likelihoods: list[list[float]] = [[] for _ in range(count)]
        totals = torch.zeros_like(stream.log_probs)  # [count, vocabulary]
        over = [False] * count
        for place in range(max_tokens):
            log_probs = stream.log_probs
            taken = take(log_probs)
            for row, token in enumerate(taken.tolist()):
                if over[row]:
                    continue
                if token in model.end_tokens:
                    over[row] = True
                    continue
                tokens[row].append(token)
                likelihoods[row].append(float(log_probs[row, token]))
                totals[row] += log_probs[row].exp()
            if all(over) or place + 1 == max_tokens:
                break
            stream.append(taken)
        return [
            Sample(
                model.decode(kept).strip(),
                tuple(told),
                (totals[row] / len(kept)).cpu().numpy() if kept else None,
            )
            for row, (kept, told) in enumerate(zip(tokens, likelihoods, strict=True))
        ]
