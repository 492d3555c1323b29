"""A bench probed and repaired in one call: models opened and closed, answers kept, the report written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pansophy.conflicts.closed_book import CachedSampler
from pansophy.conflicts.sampling import ChatSampler, Sampler
from pansophy.engine import Engine, Limits
from pansophy.errors import UsageError
from pansophy.events import Event, Warned
from pansophy.models import ChatModel, open_model
from pansophy.reading.chroknowledge.bench import ChronoBench
from pansophy.reading.chroknowledge.categories import fuzzy
from pansophy.reading.chroknowledge.page import write_report
from pansophy.reading.chroknowledge.probe import ProbedFact, ProbeSettings, TimelineProbe, short_of_examples
from pansophy.reading.chroknowledge.prompter import ChroKnowPrompter, most_calls
from pansophy.reading.chroknowledge.report import TimelineReport
from pansophy.reading.chroknowledge.run import Tell, must_name_objects, probe_facts, repair_facts

ANSWERS = "answers.sqlite"
"""The file of all replies, by model, prompt and settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a measurement may be told beside model, bench and folder.

    Args:
        settings: of the probe.
        prev: earlier stamps that a repair shows at the most.
        next: later ones.
        limit: only so many facts, the first ones.
        at_once: stamps that are probed, or facts that are repaired, at the same time.
        limits: what all calls together may take.
        base_url: of the endpoint, for a model given by name.
        tell: is told of each stamp and each repaired fact.
        say: is told in words how many calls there will be at most, and of what is odd.
    """

    settings: ProbeSettings = field(default_factory=ProbeSettings)
    prev: int = 3  # the paper
    next: int = 3  # the paper
    limit: int | None = None
    at_once: int = 1
    limits: Limits = field(default_factory=Limits)
    base_url: str | None = None
    tell: Tell | None = None
    say: Callable[[str], None] | None = None


def probe(model: str | ChatModel | Sampler, bench: ChronoBench, folder: str | Path, **options: Any) -> TimelineReport:
    """`aprobe` for code without an event loop; takes the same arguments."""
    return _run(aprobe(model, bench, folder, **options))


def repair(model: str | ChatModel | Sampler, bench: ChronoBench, folder: str | Path, **options: Any) -> TimelineReport:
    """`arepair` for code without an event loop; takes the same arguments."""
    return _run(arepair(model, bench, folder, **options))


async def aprobe(
    model: str | ChatModel | Sampler, bench: ChronoBench, folder: str | Path, **options: Any
) -> TimelineReport:
    """Probe a bench into `folder`, where its report is written; what is there already is not asked again.

    Args:
        model: a chat model or its name (see `open_model`), or whatever draws answers.
        bench: the facts.
        folder: for rows, replies and report.
        options: the fields of `Options`.

    Raises:
        RunError: the folder has results of other facts, another model or other settings; or no fact could be probed.
        AuthenticationFailed, UnknownModel, BudgetExceeded: the probe can't go on.
    """
    asked = Options(**options)
    async with _sampler(model, folder, asked) as sampler:
        _, probed = await _probed(sampler, bench, folder, asked)
    report = TimelineReport(tuple(probed), failed=len(bench.facts[: asked.limit]) - len(probed))
    write_report(report, folder)
    return report


async def arepair(
    model: str | ChatModel | Sampler, bench: ChronoBench, folder: str | Path, **options: Any
) -> TimelineReport:
    """Probe what isn't probed yet, then ask again what is partly known; arguments and errors as for `aprobe`.

    Raises:
        UsageError: the settings' template isn't "generation".
    """
    asked = Options(**options)
    must_name_objects(asked.settings)
    async with _sampler(model, folder, asked) as sampler:
        prompter = ChroKnowPrompter(
            sampler,
            asked.prev,
            asked.next,
            match=fuzzy(asked.settings.threshold),
            max_tokens=asked.settings.max_tokens,
            seed=asked.settings.seed,
        )
        probing, probed = await _probed(sampler, bench, folder, asked)
        _say(asked, f"repair: at most {most_calls(probed, asked.prev, asked.next):,} calls")
        repairs = await repair_facts(prompter, probing, probed, folder, at_once=asked.at_once, on_progress=asked.tell)
    failed = len(bench.facts[: asked.limit]) - len(repairs)
    report = TimelineReport(tuple(probed), tuple(repairs), failed)
    write_report(report, folder)
    return report


async def _probed(
    sampler: Sampler, bench: ChronoBench, folder: str | Path, asked: Options
) -> tuple[TimelineProbe, list[ProbedFact]]:
    probing = TimelineProbe(sampler, bench, asked.settings)
    moments = sum(len(fact.stamps) for fact in bench.facts[: asked.limit])
    prompts = asked.settings.prompts
    _say(asked, f"probe: {moments:,} stamps x {prompts} prompts x 2 = {moments * prompts * 2:,} calls, less those made")
    if short := short_of_examples(bench, asked.settings):
        _say(asked, f"warning: {short:,} stamps have fewer than {asked.settings.shots} other facts to show as examples")
    probed = await probe_facts(probing, folder, limit=asked.limit, at_once=asked.at_once, on_progress=asked.tell)
    return probing, probed


@asynccontextmanager
async def _sampler(model: str | ChatModel | Sampler, folder: str | Path, asked: Options) -> AsyncIterator[Sampler]:
    """What draws the model's answers and keeps them; a model given by name is closed in the end."""

    def hear(event: Event) -> None:
        if isinstance(event, Warned):
            _say(asked, f"warning: {event.message}")

    chat = open_model(model, base_url=asked.base_url) if isinstance(model, str) else model
    try:
        if isinstance(chat, ChatModel):
            engine = Engine(asked.limits, emit=hear)
            await engine.prepare(chat)
            yield CachedSampler(ChatSampler(chat, engine), Path(folder, ANSWERS))
        else:
            yield CachedSampler(chat, Path(folder, ANSWERS))
    finally:
        if isinstance(model, str) and isinstance(chat, ChatModel):
            await chat.aclose()


def _say(asked: Options, words: str) -> None:
    if asked.say is not None:
        asked.say(words)


def _run(work: Coroutine[Any, Any, TimelineReport]) -> TimelineReport:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    work.close()
    raise UsageError("an event loop is running already: await aprobe(...) or arepair(...) there")
