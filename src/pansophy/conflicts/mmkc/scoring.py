"""How often a model keeps its answer, takes the false one, or says something else: OAR, CAR and IAR.

What counts is the same model's answer without external information, right or wrong. `mode="official"` scores as the
authors' code does, for comparison: it takes the first of the letters A to D anywhere ("The answer is C" is A), and
leaves out only those original answers that are the conflicting letter and nothing else.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pansophy.conflicts.mmkc.items import LETTERS
from pansophy.conflicts.outcomes import AnswerRates, Outcome, answer_rates
from pansophy.errors import UsageError
from pansophy.evaluation.metrics import contains_normalised, normalise_english, option_letter
from pansophy.evaluation.report.statistics import Estimate, bootstrap
from pansophy.evaluation.report.tables import Table, interval

Row = Mapping[str, Any]
Mode = Literal["strict", "official"]
Judge = Callable[[str, str], bool]
"""Whether two open answers are the same, asked where containment doesn't tell."""

_LONE = re.compile(r"\s*\(?([A-Da-d])\s*[).:]*\s*$")


@dataclass(frozen=True, slots=True)
class KindScore:
    """`counted` items are behind the `rates`; `filtered` ones had the conflicting answer from the start, of `unparsed`
    ones an answer could not be understood, `missing` ones have no answer with the external information."""

    rates: AnswerRates
    counted: int
    filtered: int
    unparsed: int
    missing: int


@dataclass(frozen=True, slots=True)
class MMKCScore:
    """The scores by kind, over all items (`weighted`), and the plain mean of the kinds' rates (OAR, CAR, IAR)."""

    kinds: dict[str, KindScore]
    weighted: KindScore
    plain: tuple[float, float, float]

    def table(self) -> Table:
        lines = [(kind, *_cells(score)) for kind, score in (*self.kinds.items(), ("all items", self.weighted))]
        lines.append(("mean of kinds", *(f"{100 * rate:.1f}" for rate in self.plain), "", "", "", ""))
        header = ("Kind", "OAR", "CAR", "IAR", "Items", "Left out", "Not understood", "Missing")
        note = "Shares x 100 of the items that count, with 95% bootstrap intervals."
        return Table("Answers under conflict", header, tuple(lines), 1, (note,))

    def csv(self) -> str:
        """The same numbers, one line for each kind, rates as shares."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("kind", "oar", "car", "iar", "counted", "filtered", "unparsed", "missing"))
        for kind, one in (*self.kinds.items(), ("all", self.weighted)):
            rates = (one.rates.oar.mean, one.rates.car.mean, one.rates.iar.mean)
            writer.writerow((kind, *rates, one.counted, one.filtered, one.unparsed, one.missing))
        return text.getvalue()


def score(
    original: Sequence[Row], conflict: Sequence[Row], *, mode: Mode = "strict", judge: Judge | None = None
) -> MMKCScore:
    """Score the rows of one model in a conflicting setting against its original rows.

    Args:
        original: of `ask_items` without external information.
        conflict: of `ask_items` with.
        mode: "official" scores choices as the authors' code does.
        judge: for open answers.

    Raises:
        UsageError: the rows are no such pair: an id twice, other settings, forms that differ, open ones in official
            mode, no rows.
    """
    setting, form = _checked(original, conflict)
    if mode == "official" and form != "choice":
        raise UsageError("the authors' code scores choices only: use mode='strict' for open answers")
    # One false text can mislead to one answer, two to two.
    told = 1 if setting == "context_memory" else 2
    later = {row["id"]: row for row in conflict}
    found: dict[str, list[Outcome | str]] = {}
    for row in original:
        what = _outcome(row, later.get(row["id"]), told, mode, judge)
        found.setdefault(row["kind"], []).append(what)
    kinds = {kind: _kind_score(outcomes) for kind, outcomes in found.items()}
    rates = [(one.rates.oar.mean, one.rates.car.mean, one.rates.iar.mean) for one in kinds.values() if one.counted]
    plain = tuple(float(rate) for rate in np.mean(rates, axis=0)) if rates else (0.0, 0.0, 0.0)
    whole = _kind_score([outcome for outcomes in found.values() for outcome in outcomes])
    return MMKCScore(kinds, whole, (plain[0], plain[1], plain[2]))


@dataclass(frozen=True, slots=True)
class DetectionScore:
    """Accuracy on texts with a conflict and on true ones, and the mean of both; a reply that is neither yes nor no is
    wrong, and counted in `unparsed`."""

    conflict: Estimate
    agreement: Estimate
    average: float
    unparsed: int


def score_detection(rows: Sequence[Row]) -> DetectionScore:
    """The accuracy of `detect_conflicts`' rows, whichever way their prompt asked."""
    right = {
        label: [float(row["said"] is label) for row in rows if row["conflict"] is label] for label in (True, False)
    }
    conflict, agreement = bootstrap(right[True]), bootstrap(right[False])
    unparsed = sum(row["said"] is None for row in rows)
    return DetectionScore(conflict, agreement, (conflict.mean + agreement.mean) / 2, unparsed)


def chosen_letter(prediction: object, options: Sequence[str] | None = None) -> str | None:
    """The option that a reply chooses: its letter in any usual way, else the one option whose text it says."""
    if not isinstance(prediction, str):
        return None
    if lone := _LONE.match(prediction):
        return lone[1].upper()
    if letter := option_letter(prediction):
        return letter
    said = [
        letter for letter, text in zip(LETTERS, options or (), strict=False) if contains_normalised(prediction, text)
    ]
    return said[0] if len(said) == 1 else None


def first_letter(prediction: object) -> str | None:
    """The authors' rule: the first of the letters A to D, of either case, anywhere."""
    found = re.search("[A-Da-d]", prediction) if isinstance(prediction, str) else None
    return found[0].upper() if found else None


_FILTERED, _UNPARSED, _MISSING = "filtered", "unparsed", "missing"


def _outcome(row: Row, later: Row | None, told: int, mode: Mode, judge: Judge | None) -> Outcome | str:
    conflicts = row["conflicts"][:told]
    if row["form"] == "open":
        return _open_outcome(row["prediction"], later, conflicts, judge)
    if mode == "official":
        return _choice_outcome(row["prediction"] in conflicts, first_letter(row["prediction"]), later, told, mode)
    before = chosen_letter(row["prediction"], row["options"])
    return _choice_outcome(before in conflicts, before, later, told, mode)


def _choice_outcome(filtered: bool, before: str | None, later: Row | None, told: int, mode: Mode) -> Outcome | str:
    if filtered:
        return _FILTERED
    if later is None:
        return _MISSING
    said = later["prediction"]
    after = first_letter(said) if mode == "official" else chosen_letter(said, later["options"])
    if before is None or after is None:
        return _UNPARSED
    if after == before:
        return Outcome.MEMORY
    return Outcome.CONTEXT if after in later["conflicts"][:told] else Outcome.OTHER


def _open_outcome(before: object, later: Row | None, conflicts: Sequence[str], judge: Judge | None) -> Outcome | str:
    if not isinstance(before, str) or not normalise_english(before):
        return _UNPARSED
    if contains_normalised(before, conflicts):
        return _FILTERED
    if later is None:
        return _MISSING
    after = later["prediction"]
    if not isinstance(after, str) or not normalise_english(after):
        return _UNPARSED
    if contains_normalised(after, before) or contains_normalised(before, after):
        return Outcome.MEMORY
    if contains_normalised(after, conflicts):
        return Outcome.CONTEXT
    return Outcome.MEMORY if judge is not None and judge(after, before) else Outcome.OTHER


def _checked(original: Sequence[Row], conflict: Sequence[Row]) -> tuple[str, str]:
    for rows in (original, conflict):
        if not rows:
            raise UsageError("there are no rows to score")
        if len({row["id"] for row in rows}) < len(rows):
            raise UsageError("an id occurs more than once: the rows are of several runs")
        if len({(row["setting"], row["form"]) for row in rows}) > 1:
            raise UsageError("the rows are of several settings or forms: score one at a time")
    (before, form), (after, form_after) = ((rows[0]["setting"], rows[0]["form"]) for rows in (original, conflict))
    if before != "original" or after == "original" or form != form_after:
        raise UsageError(
            f"expected original rows and conflicting ones of one form, not {before}, {form} and {after}, {form_after}"
        )
    return str(after), str(form)


def _kind_score(outcomes: Sequence[Outcome | str]) -> KindScore:
    counted = [one for one in outcomes if isinstance(one, Outcome)]
    left = {name: sum(one == name for one in outcomes) for name in (_FILTERED, _UNPARSED, _MISSING)}
    return KindScore(answer_rates(counted), len(counted), *left.values())


def _cells(one: KindScore) -> tuple[str, ...]:
    rates = (interval(rate) for rate in (one.rates.oar, one.rates.car, one.rates.iar))
    return (*rates, str(one.counted), str(one.filtered), str(one.unparsed), str(one.missing))
