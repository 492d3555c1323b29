"""The settings of ExtAgents. Defaults are the paper's (arXiv 2505.21471) unless the comment says otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pansophy.errors import UsageError
from pansophy.reading.examples import as_examples
from pansophy.types import Example

Step = int | Literal["all"]

SMALL_MODEL = 3.0
"""Billions of parameters below which a model's own quotes and ratings are too often invented (docs/experiments.md)."""


@dataclass(frozen=True, slots=True)
class ExtAgentsSettings:
    """How ExtAgents reads.

    Args:
        rounds: T, the rounds of seeking and reasoning; None for 5, or 2 with extracts.
        schedule: how many messages the reasoning agent is given in round 1, try after try; None for 1, 2, 4, 8, all,
            or 5, all with extracts (a small model is sure of itself too soon); with sentences all, or 1, 2, 3, 4, 6, 8,
            16, all of the latest.
        later_schedule: the same for the rounds after; None for all at once, or, of the latest, from shortly before the
            last sentence that the question found on, then from before the one before it.
        order: chunks by "rank" (search) or in "document" order; "auto" takes document order when the corpus is one
            short document. "latest" searches, and gives the reasoning agent the end of the text first: for what
            changes, the last word holds. With sentences "auto" is "latest", unless the question asks for what was
            earlier ("before", "first").
        unit: what a seeking agent reads and a message holds: "chunks", or the single "sentences" that a search over
            sentences ranks best, shown in the order of the text. For facts that stand alone in a text about other
            things.
        stepwise: whether a question that nests others ("the mentor of the heir of Ada") is asked as a chain of them,
            each about the answer to the one before (`pansophy.reading.extagents.chain`); None does so with sentences.
        chunk_tokens: tokens of a chunk; None for a size that suits the model.
        max_chunks: the most chunks read (or sentences, beside those that `links` finds); None for 32 in rank order (10
            with extracts, 24 sentences), and for all in document order or with `exhaustive`.
        exhaustive: read all chunks before the reasoning agent's first try. With the same `max_chunks` the answer is the
            same as without.
        read_ahead: read the next step's chunks while a reasoning try runs; None does so unless the model runs on
            this machine, where both would share its cores.
        lookahead: in rank order, a step of k messages chooses them among the first `lookahead * k` chunks, by the
            search and the ratings together. 1 is the paper's order, by the search alone.
        links: in rank order, how many documents that the best three chunks mention by title are read right after them;
            with sentences, how many names that they hold are looked for in their turn (of the latest, in round 2); None
            for 2, or 4 with sentences.
        requery: in rank order, rounds after the first search again with what was found, so that a second hop that
            shares no word with the question is reached.
        reread: in later rounds every chunk is read again, with what others found; None does so, except with extracts,
            whose words would hardly change: then later rounds read only what the new search found.
        findings: "statements" (the seeking agent words what it found, quotes it and rates it) or "extracts" (it only
            judges the chunk, by the probability of its yes; the message is the chunk's own text); "auto" takes
            extracts for models below `SMALL_MODEL` billion parameters.
        judge: with extracts, whether seeking agents judge them; None does so, except with sentences: of a single one a
            small model can't tell whether it will be needed (docs/experiments.md), and the search's word stands.
        verdict: when the reasoning agent is believed: "stated" (it says that it can answer), or "measured" (it always
            answers, in plain text, and the probability of its answer decides); "auto" measures models below
            `SMALL_MODEL` billion parameters, who say yes to anything.
        least_certainty: with "measured", the probability of the answer's least probable token at which it is believed.
        extract_tokens: the most tokens of an extract.
        max_synchronised: the most messages shown to seeking agents; None for as many as fit the window (4 with
            extracts: a processor at hand prefills each of them once for every chunk).
        exclude_empty: leave out messages of agents that say their chunk holds nothing.
        stop_when_settled: skip the rounds left when a round changed no message (they would ask the same again).
        examples: findings, questions and answers that show the reasoning agent what is wanted (see
            `pansophy.reading.examples`). Only where its answers are measured: they show it how to answer, not how to
            refuse. With sentences, if some are worded like an example's findings, the others are left out.
        most_examples: of them, so many are shown: those whose questions are most like the one asked.
        language: of the prompts; "auto" goes by the question. The reply follows the question's language in any case.
        seek_tokens: tokens reserved for a seeking agent's reply.
        answer_tokens: tokens reserved for the reasoning agent's reply.
    """

    rounds: int | None = None  # table 12: T = 5
    schedule: tuple[Step, ...] | None = None  # section 3: 1, 2, 4, 8, all at t = 1
    later_schedule: tuple[Step, ...] | None = None  # section 3: one try with everything for t >= 2
    order: Literal["auto", "rank", "latest", "document"] = "auto"
    unit: Literal["chunks", "sentences"] = "chunks"  # ours
    stepwise: bool | None = None  # ours
    chunk_tokens: int | None = None
    max_chunks: int | None = None
    exhaustive: bool = False
    read_ahead: bool | None = None
    lookahead: int = 1  # section 3: the order of retrieval
    links: int | None = None  # ours: what a second hop needs shares words with the first, not with the question
    requery: bool = True  # ours
    reread: bool | None = None  # ours
    findings: Literal["auto", "statements", "extracts"] = "auto"  # ours
    judge: bool | None = None  # ours
    verdict: Literal["auto", "stated", "measured"] = "auto"  # ours
    least_certainty: float = 0.5  # ours: likelier than everything else together
    extract_tokens: int = 250  # ours
    max_synchronised: int | None = None
    exclude_empty: bool = True  # "chunk exclusion"
    stop_when_settled: bool = True  # ours
    examples: tuple[Example, ...] = ()  # ours
    most_examples: int = 3  # ours
    language: Literal["auto", "en", "zh"] = "auto"
    seek_tokens: int = 256
    answer_tokens: int = 192

    def __post_init__(self) -> None:
        for name in ("schedule", "later_schedule"):  # from JSON they come as lists
            if getattr(self, name) is not None:
                object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "examples", as_examples(self.examples))
        for name in (
            "rounds",
            "chunk_tokens",
            "max_chunks",
            "lookahead",
            "extract_tokens",
            "seek_tokens",
            "most_examples",
        ):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name} must be at least 1, not {value}")
        if self.links is not None and self.links < 0:
            raise UsageError(f"links must be at least 0, not {self.links}")
        if self.answer_tokens < 16:
            raise UsageError(f"answer_tokens must be at least 16, not {self.answer_tokens}")
        if self.max_synchronised is not None and self.max_synchronised < 0:
            raise UsageError(f"max_synchronised must be at least 0, not {self.max_synchronised}")
        _check_choice("order", self.order, ("auto", "rank", "latest", "document"))
        _check_choice("unit", self.unit, ("chunks", "sentences"))
        if self.unit == "sentences" and (self.order == "document" or self.exhaustive):
            raise UsageError(
                "sentences are chosen by a search: unit='sentences' goes neither with order='document' nor exhaustive"
            )
        _check_choice("findings", self.findings, ("auto", "statements", "extracts"))
        _check_choice("verdict", self.verdict, ("auto", "stated", "measured"))
        if not 0 <= self.least_certainty <= 1:
            raise UsageError(f"least_certainty must be between 0 and 1, not {self.least_certainty}")
        _check_choice("language", self.language, ("auto", "en", "zh"))
        for name in ("schedule", "later_schedule"):
            if getattr(self, name) is not None:
                _check_schedule(name, getattr(self, name))


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UsageError(f"{name} must be one of {', '.join(choices)}, not {value!r}")


def _check_schedule(name: str, steps: tuple[Step, ...]) -> None:
    numbers = [step for step in steps if step != "all"]
    rising = all(isinstance(n, int) and n >= 1 for n in numbers) and numbers == sorted(set(numbers))
    if not steps or not rising or "all" in steps[:-1]:
        raise UsageError(f"{name} must be rising numbers, perhaps with 'all' at the end, not {list(steps)}")


def step_sizes(steps: tuple[Step, ...], available: int) -> list[int]:
    """The schedule for `available` messages: never more than there are, no size twice.

    A schedule without "all" ends at its last number; one that is longer than the messages ends with all of them.
    """
    sizes: list[int] = []
    for step in steps:
        size = available if step == "all" else min(step, available)
        if size and (not sizes or size > sizes[-1]):
            sizes.append(size)
    return sizes
