"""What probed and repaired timelines say together: shares, gains, and what a model holds true from when to when.

Knows nothing of pages.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from pansophy.evaluation.report.markdown import markdown_table
from pansophy.evaluation.report.statistics import Estimate, bootstrap
from pansophy.evaluation.report.tables import Table, interval
from pansophy.reading.chroknowledge.categories import TimelineCategory, YearCategory
from pansophy.reading.chroknowledge.facts import stamp_key
from pansophy.reading.chroknowledge.probe import ProbedFact
from pansophy.reading.chroknowledge.prompter import Repair

LEVELS = {
    YearCategory.CORRECT: "correct",
    YearCategory.PARTIAL_1: "partial",
    YearCategory.PARTIAL_2: "partial",
    YearCategory.INCORRECT: "incorrect",
}
"""As the paper's tables call a year's categories."""

NAMES = {
    TimelineCategory.KNOWN: "Known",
    TimelineCategory.PARTIAL: "Partial Known",
    TimelineCategory.CUT_OFF: "Cut-off",
    TimelineCategory.UNKNOWN: "Unknown",
}


@dataclass(frozen=True, slots=True)
class Interval:
    """An answer that holds from one stamp to another, both included."""

    answer: str
    start: str
    end: str

    def __str__(self) -> str:
        return self.answer if not self.start else f"{self.answer} {'-'.join(dict.fromkeys((self.start, self.end)))}"


def intervals(said: Iterable[tuple[str, str]]) -> list[Interval]:
    """Stamps with the answer at each, in order, as intervals; answers are the same but for case.

    Years that are left out end an interval; of other stamps it can't be told whether any is left out.
    """
    found: list[Interval] = []
    for stamp, answer in said:
        last = found[-1] if found else None
        if last and last.answer.casefold() == answer.casefold() and not _gap(last.end, stamp):
            found[-1] = Interval(last.answer, last.start, stamp)
        else:
            found.append(Interval(answer, stamp, stamp))
    return found


def _gap(one: str, other: str) -> bool:
    return one.isdigit() and other.isdigit() and int(other) != int(one) + 1


@dataclass(frozen=True)
class TimelineReport:
    """All that came of a bench. `repairs` is empty where nothing was repaired; `failed` counts facts that couldn't be
    probed or repaired to their end."""

    probed: tuple[ProbedFact, ...]
    repairs: tuple[Repair, ...] = ()
    failed: int = 0

    @property
    def stamps(self) -> list[str]:
        """All stamps of all facts, in order."""
        return sorted({stamp for one in self.probed for stamp in one.fact.stamps}, key=stamp_key)

    @cached_property
    def repair_of(self) -> dict[str, Repair]:
        return {one.probed.fact.id: one for one in self.repairs}

    @property
    def gain(self) -> float:
        """How many percentage points more of the timelines are Known after the repair; 0 without one."""
        known = [one.probed.category is TimelineCategory.KNOWN for one in self.repairs]
        after = [one.category is TimelineCategory.KNOWN for one in self.repairs]
        return 100 * (sum(after) - sum(known)) / len(after) if after else 0.0

    def share(self, category: TimelineCategory) -> float:
        """The share of a category before any repair, 0..1."""
        return sum(one.category is category for one in self.probed) / max(len(self.probed), 1)

    def tables(self) -> list[Table]:
        gains = [self._gains()] if self.repairs else []
        return [self._timelines(), *gains, self._stamps()]

    def markdown(self) -> str:
        """The tables, each with its notes."""
        return "\n\n".join(part for one in self.tables() for part in (markdown_table(one), *one.notes)) + "\n"

    def lines(self) -> str:
        """One line of JSON for each fact: its categories, and what holds and what is said from when to when."""
        return "".join(json.dumps(self._line(one), ensure_ascii=False) + "\n" for one in self.probed)

    def said(self, one: ProbedFact) -> list[Interval]:
        """What the model says of a fact, from when to when; "" where it says nothing."""
        return intervals((year.stamp, year.usual) for year in one.years)

    def said_after(self, one: ProbedFact) -> list[Interval]:
        """The same after the repair."""
        repair = self.repair_of.get(one.fact.id)
        again = {year.stamp: year.answer for year in repair.years} if repair else {}
        return intervals((year.stamp, again.get(year.stamp) or year.usual) for year in one.years)

    def true(self, one: ProbedFact) -> list[Interval]:
        """What is true of a fact, from when to when; several objects of a stamp are joined."""
        return intervals((stamp, "; ".join(here)) for stamp, here in one.fact.objects.items())

    def _line(self, one: ProbedFact) -> dict[str, Any]:
        repair = self.repair_of.get(one.fact.id)
        line: dict[str, Any] = {
            "fact": one.fact.id,
            "kind": one.fact.kind,
            "category": one.category,
            "years": {year.stamp: year.category for year in one.years},
            "true": [asdict(part) for part in self.true(one)],
            "said": [asdict(part) for part in self.said(one)],
        }
        if repair is not None:
            line["category_after"] = repair.category
            line["said_after"] = [asdict(part) for part in self.said_after(one)]
        return line

    def _groups(self) -> dict[str, list[ProbedFact]]:
        """The facts all together, by kind, and by relation where there are several."""
        names: list[Callable[[ProbedFact], str]] = [lambda one: str(one.fact.kind), lambda one: one.fact.relation]
        groups = {"all": list(self.probed)}
        for name_of in names:
            names_here = list(dict.fromkeys(map(name_of, self.probed)))
            if len(names_here) > 1:
                groups.update({name: [one for one in self.probed if name_of(one) == name] for name in names_here})
        return groups

    def _timelines(self) -> Table:
        header = ("Facts", "Timelines", *NAMES.values())
        lines = tuple(
            (name, str(len(group)), *(_share([one.category is kind for one in group]) for kind in NAMES))
            for name, group in self._groups().items()
        )
        formless = sum(year.formless for one in self.probed for year in one.years)
        notes = ["Shares x 100 of timelines, with 95% bootstrap intervals over facts."]
        if formless:
            notes.append(
                f"Replies without an answer in the form of the examples: {formless:,}. They count for nothing."
            )
        if self.failed:
            notes.append(f"Facts that failed and are left out: {self.failed}.")
        return Table("Timelines", header, lines, 1, tuple(notes))

    def _gains(self) -> Table:
        header = ("Facts", "Timelines", "Known", "Known after", "Gain", "By earlier alone", "Asked again", "Now right")
        known = TimelineCategory.KNOWN
        lines = []
        for name, group in self._groups().items():
            found = [self.repair_of[one.fact.id] for one in group if one.fact.id in self.repair_of]
            before = [one.probed.category is known for one in found]
            after = [one.category is known for one in found]
            earlier = [one.category_by_earlier is known for one in found]
            asked = [year for one in found for year in one.years]
            gains = (interval(_difference(part, before), signed=True) for part in (after, earlier))
            right = sum(year.known for year in asked)
            lines.append((name, str(len(found)), _share(before), _share(after), *gains, str(len(asked)), str(right)))
        note = (
            "ChroKnowPrompt: shares x 100 of timelines of which every stamp is right, before and after Partial Known "
            "ones were asked again; gains in percentage points; the last two columns count stamps."
        )
        return Table("Repair", header, tuple(lines), 1, (note,))

    def _stamps(self) -> Table:
        header = ("Stamp", "Facts", "Correct", "Partial", "Incorrect")
        lines = tuple(
            (stamp or "no time", str(len(levels)), *(f"{100 * share:.1f}" for share in shares_of(levels)))
            for stamp, levels in self.levels().items()
        )
        return Table("Stamps", header, lines, 1, ("Shares x 100 of the facts that have the stamp.",))

    def levels(self) -> dict[str, list[str]]:
        """The level of each fact at each stamp."""
        found: dict[str, list[str]] = {stamp: [] for stamp in self.stamps}
        for one in self.probed:
            for year in one.years:
                found[year.stamp].append(LEVELS[year.category])
        return found


def shares_of(levels: Sequence[str]) -> list[float]:
    """The shares of correct, partial and incorrect."""
    return [levels.count(level) / len(levels) for level in dict.fromkeys(LEVELS.values())]


def _share(found: Sequence[bool]) -> str:
    return interval(bootstrap([float(one) for one in found]))


def _difference(after: Sequence[bool], before: Sequence[bool]) -> Estimate:
    return bootstrap([float(one) - float(other) for one, other in zip(after, before, strict=True)])
