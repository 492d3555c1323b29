"""KnowPO's measures: whether a model takes the answer from contexts that have it, and none from those that don't.

Knows nothing of how rows are built. R_Ad and R_Ro are those of `conflicts/outcomes.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pansophy.conflicts.outcomes import Trial, adherence, refuses, robustness
from pansophy.conflicts.training.frames import unframed
from pansophy.conflicts.training.rows import Example
from pansophy.evaluation.metrics import contains, normalise_english
from pansophy.evaluation.report.statistics import Estimate, bootstrap

RELEVANT = ("related", "counterfactual")


@dataclass(frozen=True, slots=True)
class KnowpoReport:
    """How a model treats contexts; shares with their 95% bootstrap intervals.

    `r_ad`: relevant contexts (as they are, and edited) whose answer is said; `r_ad_related` of the former alone.
    `r_ro`: irrelevant ones where the model's own answer is said, or that it doesn't know where it doesn't.
    `ignorance`: relevant contexts answered from memory, of those that say otherwise. `overinclusion`: irrelevant ones
    of which a span is said instead; `distraction`: relevant ones of which another span is said.
    """

    r_ad: Estimate
    r_ad_related: Estimate
    r_ro: Estimate
    ignorance: Estimate
    overinclusion: Estimate
    distraction: Estimate
    items: Mapping[str, int]


def evaluate_knowpo(rows: Sequence[Example], replies: Sequence[str]) -> KnowpoReport:
    """Score a model's replies to examples.

    Raises:
        ValueError: there are not as many replies as rows.
    """
    pairs = list(zip(rows, replies, strict=True))
    relevant = [(row, reply) for row, reply in pairs if row.kind in RELEVANT]
    elsewhere = [(row, reply) for row, reply in pairs if row.kind == "irrelevant"]
    trials = [Trial(reply, memory=row.own, context=_told(row)) for row, reply in relevant]
    apart = [Trial(reply, memory=row.own, context="", relevant=False) for row, reply in elsewhere]
    related = [Trial(reply, row.own, _told(row)) for row, reply in relevant if row.kind == "related"]
    differ = [(row, reply) for row, reply in relevant if not contains(row.own, _told(row))]
    return KnowpoReport(
        r_ad=adherence(trials),
        r_ad_related=adherence(related),
        r_ro=robustness(apart),
        ignorance=bootstrap([_ignores(row, reply) for row, reply in differ]),
        overinclusion=bootstrap([_quotes(row, reply, (row.own,)) for row, reply in elsewhere]),
        distraction=bootstrap([_quotes(row, reply, _told(row)) for row, reply in relevant]),
        items={"relevant": len(relevant), "related": len(related), "irrelevant": len(elsewhere), "differ": len(differ)},
    )


def _told(row: Example) -> tuple[str, ...]:
    """What a relevant context says."""
    return (row.replacement,) if row.kind == "counterfactual" else row.answers


def _ignores(row: Example, reply: str) -> float:
    own = contains(reply, row.own) if row.own else float(refuses(reply))
    return float(own and not contains(reply, _told(row)))


def _quotes(row: Example, reply: str, right: Sequence[str]) -> float:
    said = unframed(reply)
    return float(bool(normalise_english(said)) and contains(row.context, said) and not contains(said, right))
