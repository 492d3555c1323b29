"""Whether gaps that were planted in a model are found again, and what asking again makes of them.

A model is taught invented timelines (an adapter): what is true in some of the years, and to say "unknown" in the
others, the gaps. The probe should find the categories that follow from them. On other people's timelines the model is
taught to answer from the neighbouring years that it is shown: so asking again should bring static facts back, and gain
nothing where a neighbour is copied into a year in which the object had changed.

The probe shows no examples: a small model, taught for minutes, lets its answer depend on which it sees.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pansophy.conflicts.sampling import Sampler
from pansophy.conflicts.training.rows import Chat
from pansophy.conflicts.training.settings import TrainingSettings
from pansophy.errors import UsageError
from pansophy.models import ChatModel
from pansophy.reading.chroknowledge.bench import ChronoBench
from pansophy.reading.chroknowledge.categories import TimelineCategory, YearCategory, timeline_category
from pansophy.reading.chroknowledge.facts import TimelineFact
from pansophy.reading.chroknowledge.measure import repair
from pansophy.reading.chroknowledge.probe import ProbeSettings
from pansophy.reading.chroknowledge.prompter import Repair
from pansophy.reading.chroknowledge.prompts import LEAD, neighbours_prompt, probe_prompt, question
from pansophy.reading.chroknowledge.report import TimelineReport
from pansophy.reading.chroknowledge.run import Tell
from pansophy.types import ChatMessage

if TYPE_CHECKING:  # torch is loaded only where a model is taught
    from pansophy.conflicts.training.train import Progress, Trained

YEARS = range(2020, 2025)
UNKNOWN = "unknown"
EMPLOYERS = ["apple", "bridge", "cloud", "desert", "engine", "forest", "garden", "hammer", "island", "kitchen"]
TEAMS = ["lions", "tigers", "bears", "eagles", "wolves", "foxes", "ravens", "hawks", "bulls", "saints"]
OBJECTS = {"employer": EMPLOYERS, "team": TEAMS}
"""By relation; no two are so alike that one would be taken for the other."""
SYLLABLES = ["ba", "do", "ke", "li", "mo", "nu", "pa", "re", "si", "to", "va", "zu"]
NAMES = ["".join(parts).capitalize() for parts in product(SYLLABLES, repeat=3)]
SETTINGS = TrainingSettings(learning_rate=1e-3, epochs=40, batch=8)
"""Which years are gaps follows no rule: it takes longer to learn than what is true."""


@dataclass(frozen=True, slots=True)
class Planted:
    """Timelines with gaps.

    Args:
        bench: the facts to teach.
        gaps: for each of them, by id, the stamps at which the model shall say that it doesn't know.
        others: facts of people of other names, on which it learns to answer from neighbouring years.
    """

    bench: ChronoBench
    gaps: Mapping[str, frozenset[str]]
    others: ChronoBench

    def years(self, fact: TimelineFact) -> list[YearCategory]:
        """What a probe should find of a fact."""
        gaps = self.gaps[fact.id]
        return [YearCategory.INCORRECT if stamp in gaps else YearCategory.CORRECT for stamp in fact.stamps]


def plant(number: int = 24, left_out: float = 0.3, seed: int = 0) -> Planted:
    """Invent people of whom one thing is true in each year; for every other one it changes once.

    Args:
        number: of timelines, and of other people's beside them.
        left_out: the share of years that become gaps.
        seed: of all that is drawn.

    Raises:
        UsageError: too few timelines, more than there are names for, or no share.
    """
    if not 2 <= number <= len(NAMES) // 2:
        raise UsageError(f"there can be 2 to {len(NAMES) // 2} timelines, not {number}")
    if not 0 <= left_out <= 1:
        raise UsageError(f"a share of years lies between 0 and 1: {left_out} doesn't")
    source = random.Random(seed)
    names = source.sample(NAMES, 2 * number)
    bench, others = _timelines(source, names[:number]), _timelines(source, names[number:])
    gaps = {fact.id: frozenset(stamp for stamp in fact.stamps if source.random() < left_out) for fact in bench.facts}
    return Planted(bench, gaps, others)


def _timelines(source: random.Random, names: Sequence[str]) -> ChronoBench:
    rows: list[tuple[str, str, str, int, int]] = []
    for place, name in enumerate(names):
        relation = list(OBJECTS)[place // 2 % 2]
        first, second = source.sample(OBJECTS[relation], 2)
        change = source.choice(YEARS[1:]) if place % 2 else YEARS.stop
        rows += [(name, relation, first if year < change else second, year, year) for year in YEARS]
    return ChronoBench.from_triples(rows)


def lessons(planted: Planted, seed: int = 0) -> list[Chat]:
    """What the model is taught: every fact as the probe asks for it, and other people's as they are asked again."""
    plain = [
        Chat(
            (
                *probe_prompt(planted.bench, fact, stamp, 0, shots=0, template="generation"),
                ChatMessage("assistant", LEAD + (UNKNOWN if stamp in planted.gaps[fact.id] else names[0])),
            ),
            "fact",
        )
        for fact in planted.bench.facts
        for stamp, names in fact.objects.items()
    ]
    source = random.Random(seed)
    return [*plain, *(_with_neighbours(fact, source) for fact in planted.others.facts)]


def _with_neighbours(fact: TimelineFact, source: random.Random) -> Chat:
    """A prompt of a repair, and the reply that the nearest year which has one suggests."""
    place = source.randrange(len(fact.stamps))
    said = [UNKNOWN if source.random() < 0.2 else names[0] for names in fact.objects.values()]
    shown = [(question(fact, stamp), name) for stamp, name in zip(fact.stamps, said, strict=True)]
    before = shown[source.randint(0, place) : place]
    after = shown[place + 1 : source.randint(place + 1, len(shown))] if source.random() < 0.5 else []
    near = [name for _, name in (*reversed(before), *after) if name != UNKNOWN]
    reply = near[0] if near else UNKNOWN
    candidate = source.choice([None, UNKNOWN, reply])
    prompt = neighbours_prompt(before, question(fact, fact.stamps[place]), candidate, after)
    return Chat((*prompt, ChatMessage("assistant", LEAD + reply)), "neighbours")


def teach(
    model: str | Path,
    planted: Planted,
    folder: str | Path,
    settings: TrainingSettings = SETTINGS,
    *,
    device: str | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Trained:
    """Train an adapter on the lessons, or go on with what was broken off in `folder`.

    Args:
        model: a white-box model that has a chat template, by name.
        planted: what it is taught.
        folder: the adapter's.
        settings: of the training.
        device: cpu, cuda, ...
        on_progress: is told of each step.

    Raises:
        UsageError, UnknownModel, RunError, ModelError, StoreError: as `conflicts.training.train.train`.
    """
    from pansophy.conflicts.training.train import train

    rows = lessons(planted, settings.seed)
    return train(model, "sft", rows, folder, settings, device=device, on_progress=on_progress)


def measure(
    model: str | ChatModel | Sampler,
    planted: Planted,
    folder: str | Path,
    *,
    prompts: int = 5,
    tell: Tell | None = None,
    say: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Probe and repair the planted timelines; see `compare` for what comes back.

    Args:
        model: the taught one.
        planted: what it was taught.
        folder: for rows, replies and report; what is there is not asked again.
        prompts: of each fact and stamp, as in `ProbeSettings`. All are the same here, so that their greedy answers are.
        tell, say: as for `repair`.

    Raises:
        RunError: the folder has results of other facts, another model or other settings.
    """
    settings = ProbeSettings(shots=0, prompts=prompts, max_tokens=12)
    return compare(repair(model, planted.bench, folder, settings=settings, tell=tell, say=say), planted)


def compare(report: TimelineReport, planted: Planted) -> dict[str, Any]:
    """What was found beside what was planted, as JSON data, shares in percent.

    Returns:
        `timelines`: the share of each category, planted and probed; `years_as_planted`; `repair`: for static and for
        dynamic facts what asking again gained; `facts`: each with its years.
    """
    expected = {one.fact.id: planted.years(one.fact) for one in report.probed}
    shares = {
        str(kind): {
            "planted": _percent([timeline_category(years) is kind for years in expected.values()]),
            "probed": 100 * report.share(kind),
        }
        for kind in TimelineCategory
    }
    as_planted = [
        year.category is want
        for one in report.probed
        for year, want in zip(one.years, expected[one.fact.id], strict=True)
    ]
    return {
        "timelines": shares,
        "years_as_planted": _percent(as_planted),
        "repair": {kind: _gain(report.repairs, kind) for kind in ("static", "dynamic")},
        "facts": [_line(one, expected[one.probed.fact.id]) for one in report.repairs],
    }


def _gain(repairs: Sequence[Repair], kind: str) -> dict[str, float]:
    """Known timelines before and after, and by earlier years alone; and how many years were asked again."""
    ours = [one for one in repairs if one.probed.fact.kind == kind]
    years = [year for one in ours for year in one.years]
    known = TimelineCategory.KNOWN
    return {
        "timelines": len(ours),
        "known": _percent([one.probed.category is known for one in ours]),
        "known_after": _percent([one.category is known for one in ours]),
        "known_by_earlier": _percent([one.category_by_earlier is known for one in ours]),
        "asked_again": len(years),
        "right_when_asked_again": sum(year.known for year in years),
    }


def _line(one: Repair, planted: Sequence[YearCategory]) -> dict[str, Any]:
    fact = one.probed.fact
    return {
        "fact": fact.id,
        "kind": fact.kind,
        "planted": list(planted),
        "probed": [year.category for year in one.probed.years],
        "asked_again": {year.stamp: list(year.candidates) for year in one.years},
        "true": ["; ".join(names) for names in fact.objects.values()],
    }


def _percent(found: Sequence[bool]) -> float:
    return 100 * sum(found) / max(len(found), 1)
