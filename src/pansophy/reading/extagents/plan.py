"""What the settings mean for one question: every "auto" decided, by the models, the corpus and the question's words.

Knows nothing of calls, but for how many tokens a prompt has.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from pansophy.corpus import Corpus
from pansophy.corpus.pages import Page
from pansophy.errors import UsageError
from pansophy.models import ChatModel, EmbeddedModel
from pansophy.reading.cues import Time, time_of
from pansophy.reading.examples import nearest
from pansophy.reading.extagents.messages import Message
from pansophy.reading.extagents.prompts import Language, language_of, reason_prompt, seek_prompt
from pansophy.reading.extagents.seeking import JUDGE_TOKENS
from pansophy.reading.extagents.settings import SMALL_MODEL, ExtAgentsSettings, Step
from pansophy.types import Chunk, Example, Span

FIRST_STEPS: tuple[Step, ...] = (1, 2, 4, 8, "all")
"""Section 3 of the paper: accumulation at t = 1."""
LATEST_STEPS: tuple[Step, ...] = (1, 2, 3, 4, 6, 8, 16, "all")
"""The last sentences mostly say how things stand, and each one before them is another to be misled by."""
LATER_STEPS: tuple[Step, ...] = ("all",)
"""Section 3 of the paper: one try with everything for t >= 2."""
FIRST_STEPS_WITH_EXTRACTS: tuple[Step, ...] = (5, "all")
"""Small models refuse too rarely for a try with less to be worth its time (docs/experiments.md)."""
LARGEST_CHUNK = 16_000
SMALL_MODEL_CHUNK = {"rank": 400, "document": 800}
"""Estimated tokens of a chunk for small models: a passage each when ranked, larger when every chunk is read."""
LEAST_CHUNK = 100
"""Estimated tokens down to which chunks are made smaller for a small window."""
SHORT_DOCUMENT_CHUNKS = 64


@dataclass(frozen=True, slots=True)
class Plan:
    """The settings with every "auto" decided, for one question over one corpus."""

    settings: ExtAgentsSettings
    order: Literal["rank", "latest", "document"]
    extracts: bool
    measured: bool
    language: Language
    chunk_tokens: int
    rounds: int
    schedule: tuple[Step, ...]
    max_chunks: int | None
    cap: int | None
    judge: bool
    links: int
    links_later: bool
    by_topic: bool
    examples: tuple[Example, ...]
    read_ahead: bool
    reread: bool

    @property
    def rank(self) -> bool:
        """Whether a search chooses what is read."""
        return self.order != "document"


def plan_of(
    settings: ExtAgentsSettings, question: str, corpus: Corpus, model: ChatModel, seeker_model: ChatModel
) -> Plan:
    """What `settings` mean for this question, this corpus and these models."""
    extracts = settings.findings == "extracts" or (settings.findings == "auto" and is_small(seeker_model))
    single = settings.unit == "sentences"
    time = time_of(question)
    short = len(corpus.documents()) == 1 and corpus.chunk_count <= SHORT_DOCUMENT_CHUNKS
    order = settings.order if settings.order != "auto" else _usual_order(single, short, time)
    rank = order != "document"
    links = settings.links if settings.links is not None else 4 if single else 2
    room = min(seeker_model.window // 2, LARGEST_CHUNK)
    usual = min(SMALL_MODEL_CHUNK["rank" if rank else "document"], room) if extracts else room
    local = isinstance(model, EmbeddedModel)
    measured = settings.verdict == "measured" or (settings.verdict == "auto" and is_small(model))
    return Plan(
        settings=settings,
        order=order,
        extracts=extracts,
        measured=measured,
        language=language_of(question) if settings.language == "auto" else settings.language,
        chunk_tokens=settings.chunk_tokens or usual,
        schedule=settings.schedule or _usual_steps(order, single, extracts),
        rounds=settings.rounds or (2 if extracts else 5),
        max_chunks=settings.max_chunks
        or (_usual_chunks(single, extracts) if rank and not settings.exhaustive else None),
        cap=4 if settings.max_synchronised is None and extracts else settings.max_synchronised,
        reread=not extracts if settings.reread is None else settings.reread,
        judge=not single if settings.judge is None else settings.judge,
        links=links,
        links_later=single and time is not Time.EARLIER,
        by_topic=single and time is Time.ONCE and bool(settings.examples),
        examples=nearest(settings.examples, question, settings.most_examples) if measured else (),
        read_ahead=not local if settings.read_ahead is None else settings.read_ahead,
    )


async def fitted(plan: Plan, question: str, model: ChatModel, seeker_model: ChatModel) -> Plan:
    """`plan` with chunks that fit the seeker's window beside the question and the reply.

    Chunks of no given size are halved until they fit: questions of different lengths should share their chunks.

    Raises:
        UsageError: a window can't hold one chunk, or one finding, with the question and the reply. Says the
            smallest that can.
    """
    nothing = Page((Chunk("", 0, 0, "", 0),), 0)
    prompt = seek_prompt(nothing, question, (), plan.language, judge=plan.extracts)
    needed = await seeker_model.count_prompt(prompt)
    needed += JUDGE_TOKENS if plan.extracts else plan.settings.seek_tokens
    size = plan.chunk_tokens
    while plan.settings.chunk_tokens is None and needed + size > seeker_model.window and size > LEAST_CHUNK:
        size = max(LEAST_CHUNK, size // 2)
    to_read = needed + size, f"a chunk of {size} tokens"
    finding = min(size, plan.settings.extract_tokens) if plan.extracts else plan.settings.seek_tokens
    blank = Message(0, 1, 0.0, "", "", "", Span("", 0, 0), 0, "")
    prompt = reason_prompt(
        [blank],
        question,
        plan.language,
        ask="weigh" if plan.measured else "judge",
        total=1,
        examples=plan.examples,
    )
    needed = await model.count_prompt(prompt) + plan.settings.answer_tokens + finding
    to_reason = needed, f"a finding of {finding} tokens"
    _check_window(seeker_model, *(max(to_read, to_reason) if seeker_model is model else to_read))
    _check_window(model, *to_reason)
    return replace(plan, chunk_tokens=size)


def _check_window(model: ChatModel, smallest: int, what: str) -> None:
    if smallest > model.window:
        raise UsageError(
            f"the window of {model.name} is {model.window} tokens, but {what} with the question and the reply needs "
            f"{smallest}: use a window of at least {smallest}, or smaller chunks (chunk_tokens) or replies"
        )


def _usual_chunks(single: bool, extracts: bool) -> int:
    return 24 if single else 10 if extracts else 32


def _usual_order(single: bool, short: bool, time: Time) -> Literal["rank", "latest", "document"]:
    if single:
        return "latest" if time is Time.NOW else "rank"
    return "document" if short else "rank"


def _usual_steps(order: str, single: bool, extracts: bool) -> tuple[Step, ...]:
    if order == "latest":
        return LATEST_STEPS
    if single:
        return ("all",)
    return FIRST_STEPS_WITH_EXTRACTS if extracts else FIRST_STEPS


def _parameters(model: ChatModel) -> float | None:
    """Billions of parameters, where the model knows."""
    value = getattr(model, "parameters", None)
    return float(value) if value else None


def is_small(model: ChatModel) -> bool:
    """Whether the model is known to have fewer than `SMALL_MODEL` billion parameters."""
    parameters = _parameters(model)
    return parameters is not None and parameters < SMALL_MODEL
