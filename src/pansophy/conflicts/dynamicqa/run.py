"""Probes many facts, each with both of its answers, into a folder that can be gone on with."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pansophy.conflicts.dynamicqa.facts import Fact
from pansophy.conflicts.dynamicqa.probe import ConflictProbe, Context, Drawn, Swayed
from pansophy.conflicts.results import ResultFolder
from pansophy.errors import AuthenticationFailed, ModelError, UnknownModel, UsageError
from pansophy.runs.fingerprint import canonical_json

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ProbeProgress:
    """One more fact is done: `done` of `total`; `rows` came of it, one for each of its answers."""

    done: int
    total: int
    rows: tuple[Row, ...]


async def probe_facts(
    probe: ConflictProbe,
    facts: Sequence[Fact],
    folder: str | Path,
    *,
    limit: int | None = None,
    at_once: int = 1,
    on_progress: Callable[[ProbeProgress], None] | None = None,
) -> list[Row]:
    """Measure each fact with a context for either answer; what is in the folder already is not measured again.

    A fact that a model fails on is a row with its error, and is tried again by the next call. Rows hold the model's
    answers and the measures, never the facts' texts.

    Args:
        probe: measures.
        facts: of one or several partitions.
        folder: for the rows (`pansophy.conflicts.results`).
        limit: only so many facts of each partition, the first ones.
        at_once: how many facts are measured at the same time.
        on_progress: is told of each fact.

    Returns:
        All rows of the folder.

    Raises:
        UsageError: two facts of one partition have the same id.
        RunError: the folder has results of other facts, another model or other settings.
        AuthenticationFailed, UnknownModel, BudgetExceeded: no fact can be measured any more.
    """
    repeated = [one for one, times in Counter((fact.partition, fact.id) for fact in facts).items() if times > 1]
    if repeated:
        raise UsageError(f"the partition {repeated[0][0]} has the id {repeated[0][1]} more than once: name them apart")
    digest = hashlib.sha256(canonical_json([asdict(fact) for fact in facts]).encode()).hexdigest()
    results = ResultFolder(folder, {"measure": "dynamicqa", "facts": digest, **probe.describe()})
    chosen = _first_of_each(facts, limit)
    waiting = [fact for fact in chosen if any(_identity(fact, name) not in results for name in fact.answers)]
    done = len(chosen) - len(waiting)
    width = max(at_once, 1)

    async def measure(fact: Fact) -> None:
        nonlocal done
        rows = await _rows(probe, fact, [name for name in fact.answers if _identity(fact, name) not in results])
        for row in rows:
            results.append(row)
        done += 1
        if on_progress is not None:
            on_progress(ProbeProgress(done, len(chosen), tuple(rows)))

    for begin in range(0, len(waiting), width):
        await asyncio.gather(*map(measure, waiting[begin : begin + width]))
    return results.rows


def _first_of_each(facts: Sequence[Fact], limit: int | None) -> list[Fact]:
    taken: dict[str, int] = {}
    chosen = []
    for fact in facts:
        taken[fact.partition] = taken.get(fact.partition, 0) + 1
        if limit is None or taken[fact.partition] <= limit:
            chosen.append(fact)
    return chosen


async def _rows(probe: ConflictProbe, fact: Fact, names: Sequence[str]) -> list[Row]:
    contexts = [Context(fact.context(fact.answers[name]), fact.answers[name]) for name in names]
    try:
        conflict = await probe.measure(fact.question, contexts, about=fact.subject)
    except (AuthenticationFailed, UnknownModel):
        raise
    except ModelError as error:
        return [{**_about(fact, name), "error": str(error)} for name in names]
    swayed = zip(names, conflict.contexts, strict=True)
    return [{**_about(fact, name), "error": None, **_measured(conflict.without, one)} for name, one in swayed]


def _about(fact: Fact, name: str) -> Row:
    return {
        "id": _identity(fact, name),
        "partition": fact.partition,
        "answer": name,
        "edits": fact.edits,
        "popularity": fact.popularity,
        "flags": list(fact.flags),
    }


def _measured(without: Drawn, swayed: Swayed) -> Row:
    return {
        "behaviour": swayed.behaviour,
        "changed": swayed.changed,
        "persuasion": swayed.persuasion,
        "without": asdict(without),
        "with": asdict(swayed.drawn),
    }


def _identity(fact: Fact, name: str) -> str:
    return f"{fact.partition}/{fact.id}/{name}"
