"""Two streams over one text: each step is seen with the context and without, and a combiner makes one step of both.

Costs two forward passes a token, of which short prompts make one of twice the rows (early layers take one). Every
method of `combiners/` runs here, in batches of rows of different lengths, greedily or sampled, with a trace of each
token; `TwoStreamProcessor` puts the same into transformers' own `generate`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from transformers import LogitsProcessor

from pansophy.conflicts.combiners.base import Combined, Combiner, entropy
from pansophy.errors import UsageError
from pansophy.models.white_box import Stream, WhiteBoxModel
from pansophy.models.white_box.streams import Masks, choice
from pansophy.types import ChatMessage

LONGEST_JOINED = 512
"""Tokens of the longest prompt up to which both streams run as one batch."""
Prompts = Callable[[str, str], tuple[str, str]]
"""From a question and a context to the prompts with the context and without it."""


@dataclass(frozen=True, slots=True)
class TracedToken:
    """How one token came about.

    `context_entropy` and `prior_entropy` are in nats; `gated` says whether the method stepped in; the weights are those
    of `Combined`, None where the scores are no weighted sum; the choices are what each stream alone would have said.
    """

    token: int
    text: str
    context_entropy: float
    prior_entropy: float
    gated: bool | None
    context_weight: float | None
    prior_weight: float | None
    context_choice: str
    prior_choice: str


@dataclass(frozen=True, slots=True)
class Reply:
    """A text and how it came about. `finished` is False if it was cut at `max_new_tokens`."""

    text: str
    tokens: tuple[int, ...]
    finished: bool
    trace: tuple[TracedToken, ...] = field(repr=False)

    def to_html(self) -> str:
        """The trace as one self-contained page: see `conflicts/picture.py`."""
        from pansophy.conflicts.picture import page

        return page(self)


@dataclass(frozen=True, slots=True)
class Decoding:
    """How tokens are taken.

    Args:
        max_new_tokens: the most tokens of a reply.
        temperature, top_k, top_p: as in `white_box.streams.choice`; greedy by default.
        seed: of the random numbers, where there are any.
        stop: texts at which a reply ends, itself left out.
    """

    max_new_tokens: int = 64
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ("\n",)

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise UsageError(f"max_new_tokens must be at least 1, not {self.max_new_tokens}")


def plain_prompts(question: str, context: str) -> tuple[str, str]:
    """`Background: ... Q: ... A:` as in CK-PLUG; without a context both are the question alone."""
    alone = f"Q: {question}\nA:"
    return (f"Background: {context}\n{alone}" if context.strip() else alone), alone


def chat_prompts(model: WhiteBoxModel) -> Prompts:
    """The same as a turn of the model's chat. Raises UsageError if it has no chat template."""

    def prompts(question: str, context: str) -> tuple[str, str]:
        given, alone = f"Background: {context}\n\n{question}" if context.strip() else question, question
        with_context, without = (model.chat_prompt([ChatMessage("user", text)]) for text in (given, alone))
        return with_context, without

    return prompts


class TwoStreamDecoder:
    """Answers with a dial between context and memory.

    Args:
        model: whose log-probabilities are combined.
        prompts: how questions and contexts are put; `plain_prompts` by default.
    """

    def __init__(self, model: WhiteBoxModel, prompts: Prompts = plain_prompts) -> None:
        self.model, self.prompts = model, prompts

    def generate(
        self,
        question: str,
        context: str,
        *,
        combiner: Combiner | None = None,
        decoding: Decoding = Decoding(),
    ) -> Reply:
        """The reply to one question; see `generate_all`."""
        return self.generate_all([question], [context], combiner=combiner, decoding=decoding)[0]

    def generate_all(
        self,
        questions: Sequence[str],
        contexts: Sequence[str],
        *,
        combiner: Combiner | None = None,
        decoding: Decoding = Decoding(),
    ) -> list[Reply]:
        """The replies to several questions, decoded as one batch; what each gets doesn't depend on the others.

        Args:
            questions: what is asked.
            contexts: one for each; where it is empty, decoding is plain.
            combiner: the method; None is plain decoding with the context.
            decoding: how tokens are taken. With a seed, what is sampled depends on the place in the batch.

        Raises:
            UsageError: the lists have different lengths, or are empty.
            ContextOverflow: the window is full before `max_new_tokens`.
        """
        if len(questions) != len(contexts):
            raise UsageError(f"{len(questions)} questions and {len(contexts)} contexts: give one for each")
        pairs = [self.prompts(question, context) for question, context in zip(questions, contexts, strict=True)]
        plain = [not context.strip() for context in contexts]
        return decode(self.model, [a for a, _ in pairs], [b for _, b in pairs], combiner, decoding, plain)


def decode(
    model: WhiteBoxModel,
    with_context: Sequence[str],
    without: Sequence[str],
    combiner: Combiner | None,
    decoding: Decoding,
    plain: Sequence[bool] | None = None,
    masks: Masks | None = None,
    share: bool = False,
) -> list[Reply]:
    """Decode from pairs of prompts: what `TwoStreamDecoder` does once they are put. Rows that are `plain` follow the
    first alone; `masks` say which tokens of the prompts in `without` are attended to, and `share` that what prompts
    begin with is read once (see `Stream` for both)."""
    rows = _Rows(model, [model.encode(text) for text in with_context], decoding)
    streams = _Streams(model, rows.prompts, [model.encode(text) for text in without], combiner, masks, share)
    take = choice(decoding.temperature, decoding.top_k, decoding.top_p, _generator(model, decoding.seed))
    follows = torch.tensor(plain if plain is not None else [False] * len(with_context), device=model.device)
    for _ in range(decoding.max_new_tokens):
        combined = streams.combined(follows)
        tokens = take(combined.scores)
        rows.grow(tokens, combined, *streams.log_probs())
        if rows.are_over:
            break
        streams.append(tokens)
    return rows.replies()


def _generator(model: WhiteBoxModel, seed: int | None) -> torch.Generator | None:
    return None if seed is None else torch.Generator(model.device).manual_seed(seed)


class _Streams:
    """The one or two streams that a combiner needs, grown together.

    Short prompts of both run as one batch, since a step of twice as many rows takes hardly longer; where a context is
    long, padding the prompts without it to its length would cost more than that saves.
    """

    def __init__(
        self,
        model: WhiteBoxModel,
        with_context: Sequence[Sequence[int]],
        without: Sequence[Sequence[int]],
        combiner: Combiner | None,
        masks: Masks | None,
        share: bool,
    ) -> None:
        self._rows = len(with_context)
        self._step = None if combiner is None else combiner.start()
        self._early = combiner is not None and combiner.prior == "early layers"
        if combiner is None or self._early:
            layers = combiner.layers(len(model.anatomy.layers)) if combiner is not None else ()
            self._streams = [model.stream(with_context, early=layers, share=share)]
        elif max(map(len, with_context)) <= LONGEST_JOINED:
            joined = None if masks is None else [*[None] * self._rows, *masks]
            self._streams = [model.stream([*with_context, *without], masks=joined, share=share)]
        else:
            self._streams = [model.stream(with_context, share=share), model.stream(without, masks=masks, share=share)]

    def log_probs(self) -> tuple[Tensor, Tensor]:
        """Of both streams, [rows, vocabulary]; of the earliest layer where layers are the second, and without a method
        the first again."""
        if self._early:
            return self._streams[0].log_probs, self._streams[0].early_log_probs[0]
        both = torch.cat([stream.log_probs for stream in self._streams])
        return both[: self._rows], both[-self._rows :]

    def combined(self, plain: Tensor) -> Combined:
        context, prior = self.log_probs()
        if self._step is None:
            return Combined(context)
        combined = self._step(context, self._streams[0].early_log_probs if self._early else prior)
        if not plain.any():
            return combined
        gate = torch.ones_like(plain) if combined.gate is None else combined.gate
        scores = torch.where(plain[:, None], context, combined.scores)
        return Combined(scores, gate & ~plain, combined.context_weight, combined.prior_weight)

    def append(self, tokens: Tensor) -> None:
        for stream in self._streams:
            stream.append(tokens.repeat(stream.rows // self._rows))


class _Rows:
    """The replies as they grow."""

    def __init__(self, model: WhiteBoxModel, prompts: list[list[int]], decoding: Decoding) -> None:
        self.prompts = prompts
        self._model, self._decoding, self._ends = model, decoding, model.end_tokens
        self._traces: list[list[TracedToken]] = [[] for _ in prompts]
        self._texts = [""] * len(prompts)
        self._over = [False] * len(prompts)

    @property
    def are_over(self) -> bool:
        return all(self._over)

    def grow(self, tokens: Tensor, combined: Combined, context: Tensor, prior: Tensor) -> None:
        of_context, of_prior = entropy(context).tolist(), entropy(prior).tolist()
        best_context, best_prior = context.argmax(-1).tolist(), prior.argmax(-1).tolist()
        columns = [
            None if values is None else values.tolist()
            for values in (combined.gate, combined.context_weight, combined.prior_weight)
        ]
        for row, token in enumerate(tokens.tolist()):
            if self._over[row]:
                continue
            if token in self._ends:
                self._over[row] = True
                continue
            gate, context_weight, prior_weight = (None if values is None else values[row] for values in columns)
            said, by_context, by_prior = (
                str(self._model.tokenizer.decode([one])) for one in (token, best_context[row], best_prior[row])
            )
            self._traces[row].append(
                TracedToken(
                    token=token,
                    text=said,
                    context_entropy=of_context[row],
                    prior_entropy=of_prior[row],
                    gated=gate,
                    context_weight=context_weight,
                    prior_weight=prior_weight,
                    context_choice=by_context,
                    prior_choice=by_prior,
                )
            )
            text = self._model.decode([one.token for one in self._traces[row]])
            ends = [place for stop in self._decoding.stop if (place := text.find(stop, self._begin(text))) >= 0]
            self._over[row] = bool(ends)
            self._texts[row] = text[: min(ends)] if ends else text

    def _begin(self, text: str) -> int:
        """Where a stop may stand: a reply doesn't end before it has begun."""
        return len(text) - len(text.lstrip())

    def replies(self) -> list[Reply]:
        return [
            Reply(text.strip(), tuple(one.token for one in trace), over, tuple(trace))
            for text, trace, over in zip(self._texts, self._traces, self._over, strict=True)
        ]


class TwoStreamProcessor(LogitsProcessor):
    """The same inside `model.network.generate(..., logits_processor=[...])`: keeps the stream without the context
    itself.

    For one `generate` call, greedy or sampled, with as many rows as prompts; beams reorder rows, and are refused.

    Args:
        model: the model that generates.
        without: the prompts without the context, one a row.
        combiner: a method whose second stream is without the context.
    """

    def __init__(self, model: WhiteBoxModel, without: Sequence[str], combiner: Combiner) -> None:
        if combiner.prior != "without context":
            raise UsageError(f"{combiner.name} reads {combiner.prior}: use TwoStreamDecoder")
        self._prior: Stream = model.stream([model.encode(text) for text in without])
        self._step = combiner.start()
        self._length: int | None = None

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        if input_ids.shape[0] != self._prior.rows:
            raise UsageError(
                f"{input_ids.shape[0]} rows for {self._prior.rows} prompts: beams and several replies to a prompt "
                "can't be combined with another stream"
            )
        if self._length is not None:
            self._prior.append(input_ids[:, -1])
        self._length = input_ids.shape[1]
        return self._step(scores.float().log_softmax(-1), self._prior.log_probs).scores.to(scores.dtype)
