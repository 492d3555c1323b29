"""The decoder of KID: perturbs what the model remembers of the text so far, and samples from that.

Each token costs a plain pass, and with terms at hand `steps` passes forward and back and one more. The text goes on
from the unperturbed cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from pansophy.conflicts.kid.terms import TermTokens
from pansophy.conflicts.kid.trie import KnowledgeTrie, LocalMemory, content_words
from pansophy.errors import ContextOverflow, UsageError
from pansophy.models.white_box import WhiteBoxModel
from pansophy.models.white_box.streams import choice

LEAST = 1e-15
"""Probability below which nothing is told apart in the divergence."""


@dataclass(frozen=True, slots=True)
class KIDSettings:
    """How strongly, and how tokens are taken.

    Args:
        steps: perturbations of each token.
        step_size: how far each goes.
        gamma: how much a large gradient is held back.
        beta: what a divergence of one nat from the model costs.
        adaptive_beta: double it where the divergence is above `target`, halve it where it is below.
        target: nats, with `adaptive_beta`.
        fusion: the perturbed distribution's part in the geometric mean with the plain one.
        hops: how far terms may be from what was said.
        memory: the words that count as said lately.
        keep_perturbation: go on from the perturbed cache instead of the plain one.
        strength: 0 is plain sampling, 1 the method; multiplies `step_size`.
        temperature, top_k, top_p: as in `white_box.streams.choice`.
        no_repeat: no run of so many tokens comes twice; 0 allows it.
    """

    steps: int = 3
    step_size: float = 0.02  # ours, found on passages kept apart; the paper's is 0.01
    gamma: float = 1.5
    beta: float = 0.01
    adaptive_beta: bool = False  # the paper's, as it is recalled
    target: float = 0.1  # ours
    fusion: float = 0.99
    hops: int = 2  # ours; the released code has 1
    memory: int = 30  # ours
    keep_perturbation: bool = False  # the released code does
    strength: float = 1.0
    temperature: float = 1.0
    top_k: int = 20
    top_p: float = 0.92
    no_repeat: int = 2

    def __post_init__(self) -> None:
        if min(self.steps, self.hops, self.memory) < 1 or self.step_size <= 0 or self.beta < 0 or self.strength < 0:
            raise UsageError("steps, hops and memory are at least 1, step_size above 0, beta and strength at least 0")
        if not 0 <= self.fusion <= 1:
            raise UsageError(f"fusion must be in [0, 1], not {self.fusion}")


@dataclass(frozen=True, slots=True)
class KIDToken:
    """How one token came about: how many terms were at hand, what probability they had together before and after, and
    how far the perturbed distribution is from the plain one, in nats."""

    token: int
    text: str
    terms: int
    mass_before: float
    mass_after: float
    divergence: float


@dataclass(frozen=True, slots=True)
class KIDReply:
    """A text; `coverage` is the share of its content words that the trie has."""

    text: str
    tokens: tuple[int, ...]
    coverage: float
    trace: tuple[KIDToken, ...] = field(repr=False)


class KIDDecoder:
    """Continues prompts with terms of a trie.

    Args:
        model: whose cache is perturbed; its weights stay as they are.
        trie: the facts.
        settings: how strongly.
    """

    def __init__(self, model: WhiteBoxModel, trie: KnowledgeTrie, settings: KIDSettings = KIDSettings()) -> None:
        self.model, self.trie, self.settings = model, trie, settings
        self._terms = TermTokens(model.tokenizer)

    def generate(self, prompt: str, *, max_new_tokens: int = 63, seed: int | None = None) -> KIDReply:
        """The continuation of `prompt`.

        Raises:
            ContextOverflow: prompt and continuation don't fit the window.
        """
        settings, model = self.settings, self.model
        tokens = model.encode(prompt)
        if len(tokens) + max_new_tokens > model.window:
            raise ContextOverflow(
                f"the prompt's {len(tokens)} tokens and {max_new_tokens} more don't fit the window of {model.window}"
            )
        generator = None if seed is None else torch.Generator(model.device).manual_seed(seed)
        take = choice(settings.temperature, settings.top_k, settings.top_p, generator)
        memory = LocalMemory(settings.memory)
        memory.hear(prompt)
        begun, trace = len(tokens), list[KIDToken]()
        cache = self._read(tokens[:-1])
        while len(trace) < max_new_tokens:
            near = self.trie.query(memory.words(), settings.hops)
            terms, within = self._terms.next(near, tokens[begun:])
            step = self._step(cache, tokens[-1], terms, within=within)
            scores = step.scores.clone()
            scores[:, _repeating(tokens, settings.no_repeat)] = -torch.inf
            token = int(take(scores))
            if token in model.end_tokens:
                break
            cache = step.cache
            tokens.append(token)
            text = model.decode(tokens[begun:])
            memory.hear(text[-MOST_HEARD:])
            shown = str(model.tokenizer.decode([token]))
            trace.append(KIDToken(token, shown, len(terms), step.before, step.after, step.divergence))
        text = model.decode(tokens[begun:])
        words = content_words(text)
        covered = sum(word in self.trie for word in words) / len(words) if words else 0.0
        return KIDReply(text, tuple(tokens[begun:]), covered, tuple(trace))

    def _read(self, tokens: Sequence[int]) -> DynamicCache:
        cache = DynamicCache(config=self.model.network.config)
        if tokens:
            with torch.no_grad():
                self._run(cache, torch.tensor([list(tokens)], device=self.model.device))
        return cache

    def _run(self, cache: DynamicCache, tokens: Tensor) -> Tensor:
        """Logits of the next token, [1, vocabulary]; the cache grows by `tokens`."""
        ran: Any = self.model.network(input_ids=tokens, cache=cache, use_cache=True, logits_to_keep=1)
        logits: Tensor = ran.logits[:, -1].float()
        return logits

    def _step(self, cache: DynamicCache, last: int, terms: Sequence[int], *, within: bool = False) -> _Step:
        token = torch.tensor([[last]], device=self.model.device)
        kept = _copied(cache)
        with torch.no_grad():
            plain = self._run(kept, token).log_softmax(-1)
        before = float(plain[:, list(terms)].exp().sum()) if terms else 0.0
        idle = not terms or not self.settings.strength or cache.get_seq_length() == 0
        if idle or not (within or self._terms.word_ends(plain)):
            return _Step(plain, kept, before, before, 0.0)
        moved = self.perturbed(cache, token, terms, plain)
        with torch.no_grad():
            steered = self._run(moved, token).log_softmax(-1)
        divergence = float((steered.exp() * (steered - plain)).sum())
        fusion = self.settings.fusion
        scores = (fusion * steered + (1 - fusion) * plain).log_softmax(-1)
        after = float(steered[:, list(terms)].exp().sum())
        return _Step(scores, moved if self.settings.keep_perturbation else kept, before, after, divergence)

    def perturbed(self, cache: DynamicCache, token: Tensor, terms: Sequence[int], plain: Tensor) -> DynamicCache:
        """The cache, moved so that the terms become likelier as what follows `token`, [1, 1].

        Args:
            plain: the unperturbed log-probabilities, [1, vocabulary].

        Raises:
            UsageError: no gradient reaches the cache, as with some quantised weights.
        """
        settings = self.settings
        entries = _entries(cache)
        moves = [torch.zeros_like(entry) for entry in entries]
        norms = [LEAST] * len(entries)
        beta, chosen = settings.beta, list(terms)
        reference = plain.exp().clamp(min=LEAST)
        for _ in range(settings.steps):
            shifted = [(entry + move).requires_grad_() for entry, move in zip(entries, moves, strict=True)]
            with torch.enable_grad():
                probs = self._run(_cache_of(shifted), token).softmax(-1)
                divergence = (probs * (probs.clamp(min=LEAST) / reference).log()).sum()
                loss = -probs[:, chosen].sum().clamp(min=LEAST).log() + beta * divergence
            if not loss.requires_grad:
                raise UsageError(f"{self.model.name} passes no gradient to its cache: load it without quantisation")
            gradients = torch.autograd.grad(loss, shifted)
            norms = [max(norm, float(g.norm())) for norm, g in zip(norms, gradients, strict=True)]
            reach = settings.step_size * settings.strength
            moves = [
                move - reach * gradient / norm**settings.gamma
                for move, gradient, norm in zip(moves, gradients, norms, strict=True)
            ]
            if settings.adaptive_beta:
                beta *= 2 if float(divergence.detach()) > settings.target else 0.5
        return _cache_of([entry + move for entry, move in zip(entries, moves, strict=True)])


MOST_HEARD = 400
"""Characters at the end of the text that are looked through for what was said lately."""


@dataclass(frozen=True, slots=True)
class _Step:
    scores: Tensor
    cache: DynamicCache
    before: float
    after: float
    divergence: float


def _entries(cache: DynamicCache) -> list[Tensor]:
    """Keys and values of each layer in turn, [1, heads, positions, size]."""
    layers: Any = cache.layers
    return [entry for layer in layers for entry in (layer.keys, layer.values) if entry is not None]


def _copied(cache: DynamicCache) -> DynamicCache:
    """Another cache with the same entries: growing it leaves the first as it is."""
    return _cache_of(_entries(cache))


def _cache_of(entries: Sequence[Tensor]) -> DynamicCache:
    """A cache of these keys and values, in the order of `_entries`."""
    made = DynamicCache()
    for number, (keys, values) in enumerate(zip(entries[::2], entries[1::2], strict=True)):
        made.update(keys, values, number)
    return made


def _repeating(tokens: Sequence[int], size: int) -> list[int]:
    """The tokens that would make the last `size` a run that was there before."""
    if size < 1 or len(tokens) < size:
        return []
    last = tuple(tokens[len(tokens) - size + 1 :])
    runs = zip(*(tokens[n:] for n in range(size)), strict=False)
    return [run[-1] for run in runs if run[:-1] == last]
