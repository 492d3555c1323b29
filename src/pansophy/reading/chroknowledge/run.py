"""Probes and repairs whole benches into a folder that can be gone on with, each fact under its own id."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from pansophy.conflicts.results import ResultFolder
from pansophy.errors import AuthenticationFailed, ModelError, UnknownModel, UsageError
from pansophy.reading.chroknowledge.categories import TimelineCategory
from pansophy.reading.chroknowledge.facts import TimelineFact
from pansophy.reading.chroknowledge.probe import ProbedFact, ProbedYear, ProbeSettings, TimelineProbe
from pansophy.reading.chroknowledge.prompter import ChroKnowPrompter, Repair

REPAIR = "repair"
"""The folder of a repair, inside that of its probe."""

T = TypeVar("T")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class TimelineProgress:
    """One more stamp is probed, or one more fact repaired: `done` of `total`; `row` came of it."""

    done: int
    total: int
    row: Row


Tell = Callable[[TimelineProgress], None]


async def probe_facts(
    probe: TimelineProbe,
    folder: str | Path,
    *,
    limit: int | None = None,
    at_once: int = 1,
    on_progress: Tell | None = None,
) -> list[ProbedFact]:
    """Probe each fact at each stamp; what is in the folder already is not probed again.

    A stamp that a model fails on is a row with its error, and is tried again by the next call.

    Args:
        probe: asks.
        folder: for the rows (`pansophy.conflicts.results`).
        limit: only so many facts, the first ones.
        at_once: how many stamps are probed at the same time.
        on_progress: is told of each stamp.

    Returns:
        The facts of which every stamp is probed.

    Raises:
        RunError: the folder has results of other facts, another model or other settings.
        AuthenticationFailed, UnknownModel, BudgetExceeded: nothing can be probed any more.
    """
    made_with = {"measure": "timeline", **_described(probe)}
    facts = probe.bench.facts[:limit]
    results = ResultFolder(folder, made_with)
    asked = [(fact, stamp) for fact in facts for stamp in fact.stamps]

    async def measure(fact: TimelineFact, stamp: str) -> Row:
        about = {"id": _identity(fact, stamp), "fact": fact.id, "stamp": stamp, "kind": fact.kind, "error": None}
        year = await _or_error(probe.year(fact, stamp))
        return {**about, "error": year} if isinstance(year, str) else {**about, **year.to_dict()}

    waiting = [one for one in asked if _identity(*one) not in results]
    await _fill(results, (measure(*one) for one in waiting), len(asked), len(waiting), at_once, on_progress)
    rows = {row["id"]: row for row in results.rows}
    probed = []
    for fact in facts:
        known = [rows[_identity(fact, stamp)] for stamp in fact.stamps]
        if not any(row["error"] for row in known):
            probed.append(ProbedFact(fact, tuple(map(ProbedYear.from_dict, known))))
    return probed


async def repair_facts(
    prompter: ChroKnowPrompter,
    probe: TimelineProbe,
    probed: Sequence[ProbedFact],
    folder: str | Path,
    *,
    at_once: int = 1,
    on_progress: Tell | None = None,
) -> list[Repair]:
    """Repair what is partly known of `probed`; what is in the folder already is not asked again.

    Args:
        prompter: asks again.
        probe: what the facts were probed with.
        probed: the facts; those that aren't Partial Known come back as they are.
        folder: that of the probe; the rows stand in its `REPAIR`.
        at_once: how many facts are repaired at the same time.
        on_progress: is told of each fact.

    Returns:
        One repair for each fact, in their order; facts that failed are left out.

    Raises:
        UsageError: the answers were letters or truth values, not objects.
        RunError: the folder has results that were made in another way.
        AuthenticationFailed, UnknownModel, BudgetExceeded: nothing can be asked any more.
    """
    must_name_objects(probe.settings)
    spans = {"prev": prompter.prev, "next": prompter.next}
    results = ResultFolder(Path(folder, REPAIR), {"measure": "timeline repair", **_described(probe), **spans})

    async def measure(one: ProbedFact) -> Row:
        found = await _or_error(prompter.repair(one))
        about = {"id": one.fact.id, "error": None}
        return {**about, "error": found} if isinstance(found, str) else {**about, **found.to_dict()}

    partial = [one for one in probed if one.category is TimelineCategory.PARTIAL]
    waiting = [one for one in partial if one.fact.id not in results]
    await _fill(results, map(measure, waiting), len(partial), len(waiting), at_once, on_progress)
    rows = {row["id"]: row for row in results.rows}
    untouched: Row = {"years": [], "error": None}
    found = [(one, rows.get(one.fact.id, untouched)) for one in probed]
    return [Repair.from_dict(one, row) for one, row in found if not row["error"]]


def must_name_objects(settings: ProbeSettings) -> None:
    """Letters and truth values of one year say nothing of another. Raises UsageError where these are the answers."""
    if settings.template != "generation":
        raise UsageError(f"only answers that name objects can be repaired, not those of {settings.template!r}")


async def _fill(
    results: ResultFolder,
    measures: Iterable[Coroutine[Any, Any, Row]],
    total: int,
    waiting: int,
    at_once: int,
    tell: Tell | None,
) -> None:
    """Run the measures, `at_once` at a time, and put their rows on disk as they come."""
    queue = iter(measures)
    done = total - waiting

    async def work() -> None:
        nonlocal done
        for measure in queue:
            row = await measure
            results.append(row)
            done += 1
            if tell is not None:
                tell(TimelineProgress(done, total, row))

    workers = [asyncio.create_task(work()) for _ in range(max(at_once, 1))]
    try:
        await asyncio.gather(*workers)
    finally:  # where one has failed, the others shall not go on
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


async def _or_error(measure: Coroutine[Any, Any, T]) -> T | str:
    """What comes of it, or why nothing does; what would stop all others as well is raised."""
    try:
        return await measure
    except (AuthenticationFailed, UnknownModel):
        raise
    except ModelError as error:
        return str(error)


def _described(probe: TimelineProbe) -> dict[str, Any]:
    return {"model": probe.sampler.identity, "facts": probe.bench.digest, "settings": asdict(probe.settings)}


def _identity(fact: TimelineFact, stamp: str) -> str:
    return f"{fact.id} @ {stamp}" if stamp else fact.id
