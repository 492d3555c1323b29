"""KAFT: fine-tune a model so that a relevant text beats its memory, and its memory beats an irrelevant one.

Li et al. 2022, "Large Language Models with Controllable Working Memory", arXiv 2211.05110. Each question is taught with
its passage, with the passage edited to say something else, with a passage that doesn't answer it, and with none; in the
last two the answer to learn is the model's own, so that no fact is taught. Ours, as the paper's data isn't public:
other answers and irrelevant passages are taken from the other items by rule, the ratio of the slices, LoRA.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pansophy.conflicts.outcomes import Outcome, Trial, share
from pansophy.conflicts.training.choosing import Alternatives, Passages
from pansophy.conflicts.training.items import Item
from pansophy.conflicts.training.rows import Example
from pansophy.errors import UsageError
from pansophy.evaluation.metrics import contains, exact_match, normalise_english
from pansophy.evaluation.report.statistics import Estimate, bootstrap
from pansophy.papers import Paper

PAPER = Paper(
    system="KAFT",
    title="Large Language Models with Controllable Working Memory",
    authors="Daliang Li, Ankit Singh Rawat, Manzil Zaheer, Xin Wang, Michal Lukasik, Andreas Veit, Felix Yu, et al.",
    year=2022,
    arxiv="2211.05110",
    module="pansophy.conflicts.training.kaft",
    venue="Findings of ACL 2023",
)

SLICES = ("relevant", "counterfactual", "irrelevant", "empty")
SOURCES = ("random", "search", "subject")
"""Where irrelevant passages come from: any other article, the best hit of a search, the same article."""


@dataclass(frozen=True, slots=True)
class KaftSettings:
    """The mixture.

    Args:
        relevant, counterfactual, irrelevant, empty: examples of each slice per question; 0 leaves a slice out. Above 1,
            another answer and another irrelevant passage are drawn for each, as far as there are others.
        gold_labels: teach the true answer where the model's own is due (the paper's "noisy" baseline).
        longest_own: words of an own answer; a question with a longer one is dropped.
        seed: of everything that is drawn.
    """

    relevant: float = 1.0  # ours
    counterfactual: float = 1.0  # ours
    irrelevant: float = 1.0  # ours
    empty: float = 0.5  # ours
    gold_labels: bool = False
    longest_own: int = 10  # ours
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.ratio.values()) < 0 or not any(self.ratio.values()):
            raise UsageError("the slices' shares must be 0 or more, and one above 0")

    @property
    def ratio(self) -> dict[str, float]:
        """Examples per question, by slice."""
        return {name: getattr(self, name) for name in SLICES}


@dataclass(frozen=True, slots=True)
class Mixture:
    """Examples in the order in which they are to be learnt.

    `drops` counts the items left out by reason, `sources` the irrelevant passages by where they come from.
    """

    rows: tuple[Example, ...] = field(repr=False)
    kept: int
    drops: Mapping[str, int]
    sources: Mapping[str, int]


def build_kaft(items: Sequence[Item], own: Mapping[str, str], settings: KaftSettings = KaftSettings()) -> Mixture:
    """The mixture of these items. An item is used in all slices or in none, so that they are balanced.

    Args:
        items: with their answers.
        own: what the model that is to be trained says to each question (by the item's id) without a text.
        settings: the mixture's.

    Raises:
        UsageError: no item can be used; says why.
    """
    alternatives, passages = Alternatives(items), Passages(items)
    drops: Counter[str] = Counter()
    usable: list[list[dict[str, Example]]] = []  # a question's draws
    for number, item in enumerate(items):
        first, *others = (
            _examples(item, number, own.get(item.id, ""), alternatives, passages, settings, draw)
            for draw in range(max(1, math.ceil(max(settings.ratio.values()))))
        )
        if isinstance(first, str):
            drops[first] += 1
        else:
            usable.append([first, *(first if isinstance(other, str) else other for other in others)])
    if not usable:
        told = "; ".join(f"{reason}: {count}" for reason, count in drops.most_common())
        raise UsageError(f"none of {len(items)} items can be used ({told or 'there are none'})")
    source = random.Random(settings.seed)
    rows = []
    for name, per_question in settings.ratio.items():
        order = usable[:]
        source.shuffle(order)
        wanted = round(per_question * len(order))
        rows += [order[place % len(order)][place // len(order)][name] for place in range(wanted)]
    source.shuffle(rows)
    return Mixture(tuple(rows), len(usable), dict(drops), dict(Counter(row.source for row in rows if row.source)))


def _examples(
    item: Item, number: int, own: str, alternatives: Alternatives, passages: Passages, settings: KaftSettings, draw: int
) -> dict[str, Example] | str:
    """The item's example for each slice, or why it has none. Draws after the first don't take its own replacement."""
    if not item.answers:
        return "the question has no answer"
    if not own.strip():
        return "the model's own answer is empty"
    if len(own.split()) > settings.longest_own:
        return f"the model's own answer is longer than {settings.longest_own} words"
    again = f" {draw}" if draw else ""
    source = random.Random(f"{settings.seed} {item.id}{again}")
    replacement = alternatives.replacement(replace(item, replacement="") if draw else item, source)
    if not replacement:
        return "no other answer fits the passage"
    edited = item.saying(replacement)
    if edited.refusal is not None:
        return edited.refusal.value
    where, elsewhere = _irrelevant(item, number + draw, passages, source)
    if not elsewhere:
        return "no passage of another article lacks the answer"
    gold = item.answers[0]
    instead = gold if settings.gold_labels else own
    told = {  # slice -> context, answer, where the context comes from
        "relevant": (item.context, gold, ""),
        "counterfactual": (edited.text, replacement, ""),
        "irrelevant": (elsewhere, instead, where),
        "empty": ("", instead, ""),
    }
    return {
        name: Example(
            f"{item.id}/{name}{again.replace(' ', '/')}",
            name,
            item.id,
            item.question,
            context,
            answer,
            item.answers,
            replacement,
            own,
            of,
        )
        for name, (context, answer, of) in told.items()
    }


def _irrelevant(item: Item, number: int, passages: Passages, source: random.Random) -> tuple[str, str]:
    """A passage that doesn't answer the question and where it comes from; the sources take turns."""
    for turn in range(len(SOURCES)):
        where = SOURCES[(number + turn) % len(SOURCES)]
        if where == "random":
            found = next(iter(passages.drawn(item, item.answers, source)), "")
        elif where == "search":
            found = passages.found(item, item.answers)
        else:
            found = passages.beside(item, item.answers, source)
        if found:
            return where, found
    return "", ""


@dataclass(frozen=True, slots=True)
class KaftReport:
    """How a model treats texts; shares with their 95% bootstrap intervals.

    On edited passages: `controllability`, the share that says what the text says; `memorisation`, the true answer;
    `neither` (they add up to 1); `true_conflict` is the controllability where the model's own answer is the true one.
    On irrelevant ones: `robustness`, the share equal to the model's own answer, `robustness_contains` that says it,
    `copied` that says something of the passage instead. `lost_gold` is by how much the share of true answers falls from
    no passage to an irrelevant one. With the true passage and with none: exact match and containment.
    """

    controllability: Estimate
    memorisation: Estimate
    neither: Estimate
    true_conflict: Estimate
    robustness: Estimate
    robustness_contains: Estimate
    copied: Estimate
    lost_gold: float
    relevant_exact: Estimate
    relevant_contains: Estimate
    empty_exact: Estimate
    empty_own: Estimate
    items: Mapping[str, int]


def evaluate_kaft(rows: Sequence[Example], replies: Sequence[str]) -> KaftReport:
    """Score a model's replies to the rows. "Says" is containment of whole words, normalised.

    Raises:
        ValueError: there are not as many replies as rows.
    """
    pairs = list(zip(rows, replies, strict=True))
    by_slice = {name: [(row, reply) for row, reply in pairs if row.kind == name] for name in SLICES}
    edited, elsewhere, empty = by_slice["counterfactual"], by_slice["irrelevant"], by_slice["empty"]
    outcomes = [Trial(reply, memory=row.answers, context=row.replacement).outcome(contains) for row, reply in edited]
    conflicts = [outcome for (row, _), outcome in zip(edited, outcomes, strict=True) if contains(row.own, row.answers)]
    true_beside = [contains(reply, row.answers) for row, reply in elsewhere]
    true_without = [contains(reply, row.answers) for row, reply in empty]
    relevant = by_slice["relevant"]
    return KaftReport(
        controllability=share(outcomes, Outcome.CONTEXT),
        memorisation=share(outcomes, Outcome.MEMORY),
        neither=share(outcomes, Outcome.OTHER),
        true_conflict=share(conflicts, Outcome.CONTEXT),
        robustness=bootstrap([exact_match(reply, row.own) for row, reply in elsewhere]),
        robustness_contains=bootstrap([contains(reply, row.own) for row, reply in elsewhere]),
        copied=bootstrap([_copied(row, reply) for row, reply in elsewhere]),
        lost_gold=bootstrap(true_without).mean - bootstrap(true_beside).mean,
        relevant_exact=bootstrap([exact_match(reply, row.answers) for row, reply in relevant]),
        relevant_contains=bootstrap([contains(reply, row.answers) for row, reply in relevant]),
        empty_exact=bootstrap([exact_match(reply, row.answers) for row, reply in empty]),
        empty_own=bootstrap([exact_match(reply, row.own) for row, reply in empty]),
        items={name: len(found) for name, found in by_slice.items()} | {"true_conflict": len(conflicts)},
    )


def _copied(row: Example, reply: str) -> float:
    """Whether the reply is a span of the passage, and not what the model says without it."""
    return float(bool(normalise_english(reply)) and contains(row.context, reply) and not exact_match(reply, row.own))
