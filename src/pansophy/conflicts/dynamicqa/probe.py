"""Asks a question with and without contexts, and measures how far each context sways the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pansophy.conflicts.clusters import GROUPINGS, Clusters
from pansophy.conflicts.dynamicqa.behaviour import Behaviour, Stem, behaviour, same
from pansophy.conflicts.dynamicqa.measures import coherent_persuasion, discrete_entropy, semantic_entropy
from pansophy.conflicts.entailment import Entailment, name_of, same_answer
from pansophy.conflicts.sampling import Sample, Sampler, distributions
from pansophy.errors import UsageError
from pansophy.types import ChatMessage


@dataclass(frozen=True, slots=True)
class DynamicQASettings:
    """How answers are drawn and grouped.

    Args:
        samples: answers with and without each context, beside the most likely one.
        temperature: at which they are drawn.
        max_tokens: of an answer.
        seed: of the first answer.
        grouping: of answers that say the same: "bidirectional", or "official" for the clusters of the paper's code.
    """

    samples: int = 10  # the paper's code: num_gen_sample
    temperature: float = 0.5  # the paper's code
    max_tokens: int = 20  # the paper's code
    seed: int = 10  # the paper's code
    grouping: str = "bidirectional"  # ours; the paper's clusters may overlap

    def __post_init__(self) -> None:
        if self.samples < 2:
            raise UsageError(f"a conflict shows in several answers: samples must be at least 2, not {self.samples}")
        if self.grouping not in GROUPINGS:
            raise UsageError(f"there is no grouping {self.grouping!r}: choose one of {', '.join(GROUPINGS)}")


@dataclass(frozen=True, slots=True)
class Context:
    """A text, and what it answers to the question (so that the model's behaviour can be told)."""

    text: str
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class Drawn:
    """The answers to one prompt.

    `answer` is the most likely one, `answers` were drawn, `clusters` group them. `entropy` is their semantic entropy,
    `discrete_entropy` that of the clusters' shares; where one of the answers has no log-probabilities, the first is
    None and in the second all weigh the same.
    """

    answer: str
    answers: tuple[str, ...]
    clusters: Clusters
    entropy: float | None
    discrete_entropy: float


@dataclass(frozen=True, slots=True)
class Swayed:
    """What one context did.

    `persuasion` is the CP score in nats (None where the model tells no distributions). `behaviour` and `changed`
    (persuaded to another answer than its own) are None where the context's answer isn't known.
    """

    drawn: Drawn
    persuasion: float | None
    behaviour: Behaviour | None
    changed: bool | None


@dataclass(frozen=True, slots=True)
class Conflict:
    """How a model answers without a context, and how each context sways it."""

    question: str
    without: Drawn
    contexts: tuple[Swayed, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class ConflictProbe:
    """Measures conflicts.

    Args:
        sampler: draws the model's answers.
        entailment: whether one answer entails another; by default, whether they are equal when normalised.
        settings: how answers are drawn and grouped.
        stem: as for `rouge_l`, by which answers are compared with the context's.
    """

    def __init__(
        self,
        sampler: Sampler,
        entailment: Entailment = same_answer,
        settings: DynamicQASettings = DynamicQASettings(),
        *,
        stem: Stem | None = None,
    ) -> None:
        self.sampler = sampler
        self.settings = settings
        self._entailment = entailment
        self._stem = stem

    def describe(self) -> dict[str, Any]:
        """All that can change what is measured, as JSON data."""
        return {
            "model": self.sampler.identity,
            "entailment": name_of(self._entailment),
            "stem": None if self._stem is None else name_of(self._stem),
            "settings": asdict(self.settings),
        }

    async def measure(self, question: str, contexts: Sequence[str | Context], *, about: str = "") -> Conflict:
        """The conflict between the model and each of `contexts`.

        Args:
            question: what is asked.
            contexts: what the model is told.
            about: what the question is about, told where there is no context.

        Raises:
            UsageError: the question or a context is empty.
            ModelError, BudgetExceeded: as the sampler raises them.
        """
        given = [Context(one) if isinstance(one, str) else one for one in contexts]
        if not question.strip() or any(not one.text.strip() for one in given):
            raise UsageError("a question and its contexts must have a text")
        before, drawn_before = await self._drawn(question_prompt(question, about))
        swayed = []
        for context in given:
            after, drawn_after = await self._drawn(context_prompt(question, context.text))
            swayed.append(
                Swayed(
                    drawn_after,
                    self._persuasion(after, drawn_after, before, drawn_before),
                    *self._did(context, drawn_after, drawn_before),
                )
            )
        return Conflict(question, drawn_before, tuple(swayed))

    async def _drawn(self, prompt: Sequence[ChatMessage]) -> tuple[list[Sample], Drawn]:
        asked, most = self.settings, self.settings.max_tokens
        (likely,) = await self.sampler.sample(prompt, count=1, temperature=0.0, max_tokens=most, seed=asked.seed)
        samples = await self.sampler.sample(
            prompt, count=asked.samples, temperature=asked.temperature, max_tokens=most, seed=asked.seed
        )
        answers = tuple(sample.text for sample in samples)
        clusters = GROUPINGS[asked.grouping](answers, self._entailment)
        known = [sample.log_likelihood for sample in samples]
        likelihoods = [one for one in known if one is not None]
        if len(likelihoods) < len(known):
            return samples, Drawn(likely.text, answers, clusters, None, discrete_entropy(clusters))
        entropies = semantic_entropy(likelihoods, clusters), discrete_entropy(clusters, likelihoods)
        return samples, Drawn(likely.text, answers, clusters, *entropies)

    @staticmethod
    def _persuasion(
        after: Sequence[Sample], drawn_after: Drawn, before: Sequence[Sample], drawn_before: Drawn
    ) -> float | None:
        rows = distributions([*after, *before])
        if rows is None:
            return None
        split = len(after)
        return coherent_persuasion(rows[:split], drawn_after.clusters, rows[split:], drawn_before.clusters)

    def _did(self, context: Context, after: Drawn, before: Drawn) -> tuple[Behaviour | None, bool | None]:
        if context.answer is None:
            return None, None
        did = behaviour(after.answer, context.answer, before.answer, self._stem)
        return did, did is Behaviour.PERSUADED and not same(after.answer, before.answer, self._stem)


def context_prompt(question: str, context: str) -> list[ChatMessage]:
    """The question with a context, for an answer of one word."""
    told = "Read the context, then answer the question in one word."
    return [ChatMessage("user", f"{told}\n[Context]: {context}\n[Question]: {question}\n[Answer]:")]


def question_prompt(question: str, about: str = "") -> list[ChatMessage]:
    """The question alone, for an answer of one word."""
    told = "Answer the question in one word."
    topic = f"\nThe question is about {about}." if about else ""
    return [ChatMessage("user", f"{told}{topic}\n[Question]: {question}\n[Answer]:")]
