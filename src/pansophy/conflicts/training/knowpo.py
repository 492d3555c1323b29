"""KnowPO: teach by preference pairs to take the answer from texts that have it, and not to quote from those that don't.

Zhang et al. 2024, "KnowPO: Knowledge-aware Preference Optimization for Controllable Knowledge Selection in
Retrieval-Augmented Language Models", arXiv 2408.03297. Examples first show four kinds of context; pairs of other
questions then set the right answer against one from memory (A_1), against a wrong span of a relevant context (A_2), and
against a span of an irrelevant one (B). Ours: answers are edited and wrong spans found by rule, with no language model;
passages are shuffled in pairs too, where the authors' code has the relevant one always first.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pansophy.conflicts.outcomes import refuses
from pansophy.conflicts.training.choosing import Alternatives, Passages, kind_of, spans
from pansophy.conflicts.training.frames import by_context, by_memory, refusal
from pansophy.conflicts.training.gaps import mean_gaps
from pansophy.conflicts.training.items import Item
from pansophy.conflicts.training.rows import Example, Pair, counts
from pansophy.errors import UsageError
from pansophy.evaluation.metrics import contains, normalise_english
from pansophy.papers import Paper

PAPER = Paper(
    system="KnowPO",
    title="KnowPO: Knowledge-aware Preference Optimization for Controllable Knowledge Selection in "
    "Retrieval-Augmented Language Models",
    authors="Ruizhe Zhang, Yongxin Xu, Yuzhen Xiao, Runchuan Zhu, Xinke Jiang, Xu Chu, Junfeng Zhao, Yasha Wang",
    year=2024,
    arxiv="2408.03297",
    module="pansophy.conflicts.training.knowpo",
    venue="AAAI 2025",
)


@dataclass(frozen=True, slots=True)
class KnowpoSettings:
    """What is built.

    Args:
        passages: of a context.
        imitate: the share of questions that become examples; the others become pairs.
        robust: the share of questions that are asked with irrelevant passages, where all have an answer. Questions
            without an answer are asked so in any case.
        empty: the share of those examples that get no passage at all.
        ratio: pairs of A_1 and A_2 to pairs of B; those too many are left out.
        longest_own: words of an own answer; one longer is not used.
        seed: of everything that is drawn.
    """

    passages: int = 4  # the authors' code
    imitate: float = 0.5  # ours
    robust: float = 0.4  # the authors' code: 3500 of 9500 questions for pairs, half of those for examples
    empty: float = 0.2  # the authors' code: 800 of 4000
    ratio: tuple[int, int] = (24, 7)  # the authors' code: 12000 to 3500
    longest_own: int = 10  # ours
    seed: int = 0

    def __post_init__(self) -> None:
        if self.passages < 2:
            raise UsageError(f"a context needs at least 2 passages to choose from, not {self.passages}")
        if not all(0 <= share <= 1 for share in (self.imitate, self.robust, self.empty)):
            raise UsageError("imitate, robust and empty are shares, 0 to 1")
        if min(self.ratio) < 0 or not any(self.ratio):
            raise UsageError(f"the ratio has two numbers of 0 or more, one of them above 0, not {self.ratio}")


@dataclass(frozen=True, slots=True)
class KnowpoData:
    """What both stages learn from, of different questions.

    `drops` counts by reason what was left out, `fallbacks` where a rule's first choice wasn't there. `gaps` are by kind
    of pair the words that the chosen answer has more than the rejected one, on average.
    """

    examples: tuple[Example, ...] = field(repr=False)
    pairs: tuple[Pair, ...] = field(repr=False)
    drops: Mapping[str, int]
    fallbacks: Mapping[str, int]

    @property
    def gaps(self) -> dict[str, float]:
        found: dict[str, list[int]] = {}
        for pair in self.pairs:
            found.setdefault(pair.kind, []).append(len(pair.chosen.split()) - len(pair.rejected.split()))
        return mean_gaps(found)

    @property
    def counts(self) -> dict[str, int]:
        return {**counts(self.examples), **counts(self.pairs)}


def build_knowpo(
    items: Sequence[Item], own: Mapping[str, str], settings: KnowpoSettings = KnowpoSettings()
) -> KnowpoData:
    """Examples and pairs of these items.

    Args:
        items: with or without answers.
        own: what the model that is to be trained says to each question (by the item's id) without a text; empty, or
            that it doesn't know, where it doesn't.
        settings: what is built.

    Raises:
        UsageError: nothing can be built; says why.
    """
    builder = _Builder(items, own, settings)
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(item.question.casefold().strip(), []).append(item)
    source = random.Random(settings.seed)
    questions = sorted(groups)
    source.shuffle(questions)
    split = round(settings.imitate * len(questions))
    parts = [[item for name in names for item in groups[name]] for names in (questions[:split], questions[split:])]
    examples = [row for item, robust in builder.roles(parts[0]) for row in builder.examples(item, robust)]
    pairs = [row for item, robust in builder.roles(parts[1]) for row in builder.pairs(item, robust)]
    source.shuffle(examples)
    source.shuffle(pairs)
    kept = _in_ratio(pairs, settings.ratio)
    if cut := len(pairs) - len(kept):
        builder.drops["more pairs of a side than the ratio takes"] += cut
    if not examples and not kept:
        told = "; ".join(f"{reason}: {count}" for reason, count in builder.drops.most_common())
        raise UsageError(f"nothing can be built of {len(items)} items ({told or 'there are none'})")
    return KnowpoData(tuple(examples), tuple(kept), dict(builder.drops), dict(builder.fallbacks))


def _in_ratio(pairs: Sequence[Pair], ratio: tuple[int, int]) -> list[Pair]:
    """The first pairs of each side, as many as fit the ratio of A to B."""
    sides = [[pair for pair in pairs if pair.kind.startswith(side)] for side in "AB"]
    steps = min((len(side) / part for side, part in zip(sides, ratio, strict=True) if part), default=0.0)
    allowed = [int(steps * part) for part in ratio]
    kept = {pair.id for side, most in zip(sides, allowed, strict=True) for pair in side[:most]}
    return [pair for pair in pairs if pair.id in kept]


class _Builder:
    """Makes rows of single items, and counts what it could not make."""

    def __init__(self, items: Sequence[Item], own: Mapping[str, str], settings: KnowpoSettings) -> None:
        self._own, self._settings = own, settings
        self._alternatives, self._passages = Alternatives(items), Passages(items)
        self._told_apart = any(not item.answers for item in items)
        self.drops: Counter[str] = Counter()
        self.fallbacks: Counter[str] = Counter()

    def roles(self, items: Sequence[Item]) -> list[tuple[Item, bool]]:
        """Each item, and whether it is asked with irrelevant passages."""
        if self._told_apart:
            return [(item, not item.answers) for item in items]
        robust = round(self._settings.robust * len(items))
        return [(item, place < robust) for place, item in enumerate(items)]

    def examples(self, item: Item, robust: bool) -> list[Example]:
        source = self._source(item)
        own = self._own_of(item)
        if robust:
            if own is None:
                return self._drop("the model's own answer is too long")
            answer = by_memory(own) if own else refusal()
            kind = "empty" if source.random() < self._settings.empty else "irrelevant"
            context = self._irrelevant(item, source) if kind == "irrelevant" else ""
            if context is None:
                return self._drop("too few passages that don't have the answer")
            return [Example(f"{item.id}/{kind}", kind, item.id, item.question, context, answer, item.answers, "", own)]
        made = []
        for kind, context, answer in self._relevant(item, source):
            told = (item.answers, answer if kind == "counterfactual" else "", own or "")
            made.append(Example(f"{item.id}/{kind}", kind, item.id, item.question, context, answer, *told))
        return made

    def pairs(self, item: Item, robust: bool) -> list[Pair]:
        source = self._source(item)
        own = self._own_of(item)
        if robust:
            return self._pair_b(item, own, source)
        kind = source.choice(("A_1", "A_2"))
        made = []
        for about, context, answer in self._relevant(item, source):
            names = item.answers if about == "related" else (answer,)
            wrong = ""
            if kind == "A_1":
                if own is None:
                    return self._drop("the model's own answer is too long")
                if contains(own, names):
                    self.drops["the model's own answer is that of the context"] += 1
                    continue
                rejected = by_memory(own) if own else refusal()
            else:
                wrong = self._wrong(item, context, [*item.answers, answer], source)
                if not wrong:
                    self.drops["no wrong span of the answer's kind in the context"] += 1
                    continue
                rejected = by_context(wrong)
            key = f"{item.id}/{kind}/{about}"
            told = (by_context(answer), rejected, answer, own or "", wrong, about)
            made.append(Pair(key, kind, item.id, item.question, context, *told))
        return made

    def _pair_b(self, item: Item, own: str | None, source: random.Random) -> list[Pair]:
        if own is None:
            return self._drop("the model's own answer is too long")
        context = self._irrelevant(item, source)
        if context is None:
            return self._drop("too few passages that don't have the answer")
        wrong = self._wrong(item, context, [*item.answers, own], source, like=own)
        if not wrong:
            return self._drop("no wrong span of the answer's kind in the context")
        chosen = by_memory(own) if own else refusal()
        kind = "B known" if own else "B unknown"
        told = (chosen, by_memory(wrong), own, own, wrong, "irrelevant")
        return [Pair(f"{item.id}/B", kind, item.id, item.question, context, *told)]

    def _source(self, item: Item) -> random.Random:
        return random.Random(f"{self._settings.seed} {item.id}")

    def _drop(self, reason: str) -> list[Any]:
        self.drops[reason] += 1
        return []

    def _own_of(self, item: Item) -> str | None:
        """The model's own answer, empty where it doesn't know; None where it is too long to use."""
        own = self._own.get(item.id, "").strip().rstrip(".")
        if refuses(own) or not normalise_english(own):
            return ""
        return own if len(own.split()) <= self._settings.longest_own else None

    def _relevant(self, item: Item, source: random.Random) -> list[tuple[str, str, str]]:
        """Kind, context and answer of the two relevant contexts, with the same passages beside."""
        replacement = self._alternatives.replacement(item, source)
        if not replacement:
            return self._drop("no other answer fits the passage")
        edited = item.saying(replacement)
        if edited.refusal is not None:
            return self._drop(edited.refusal.value)
        banned = [*item.answers, replacement]
        beside = self._passages.beside(item, banned, source)
        if not beside:
            self.fallbacks["no other passage of the same article"] += 1
        wanted = self._settings.passages - 1 - bool(beside)
        others = self._passages.drawn(item, banned, source, wanted) if wanted else []
        if len(others) < wanted:
            return self._drop("too few passages that don't have the answer")
        noise = [*([beside] if beside else []), *others]
        return [
            ("related", _joined([item.context, *noise], source), item.answers[0]),
            ("counterfactual", _joined([edited.text, *noise], source), replacement),
        ]

    def _irrelevant(self, item: Item, source: random.Random) -> str | None:
        """The passage of a question that has no answer, else the nearest one without it, and others; None if there are
        too few."""
        first = self._passages.found(item, item.answers) if item.answers else item.context
        others = self._passages.drawn(item, [*item.answers], source, self._settings.passages)
        noise = [one for one in others if one != first][: self._settings.passages - bool(first)]
        if not first:
            self.fallbacks["no passage near the question without its answer"] += 1
        taken = [*([first] if first else []), *noise]
        return _joined(taken, source) if len(taken) == self._settings.passages else None

    def _wrong(self, item: Item, context: str, right: Sequence[str], source: random.Random, like: str = "") -> str:
        """A span of the context that could be taken for an answer, and is none of the right ones nor in the question;
        empty if there is none."""
        kind = kind_of(item.answers[0] if item.answers else like or "Name")
        for found in (self._alternatives.mentioned(item, context), spans(context, kind)):
            fitting = [
                one
                for one in found
                if not any(contains(one, name) or contains(name, one) for name in right if normalise_english(name))
                and not contains(item.question, one)
                and normalise_english(one)
            ]
            if fitting:
                return source.choice(fitting)
        return ""


def _joined(passages: Sequence[str], source: random.Random) -> str:
    """The passages in random order, one a line."""
    lines = [" ".join(passage.split()) for passage in passages]
    source.shuffle(lines)
    return "\n".join(lines)
