"""What became of an answer under conflict: the model's memory, the context's claim, or something else.

One family under the names that papers give it, each as its source defines it: RM and RC (PH3), ConR, ParR and MR
(CK-PLUG), BCU and CCU (CUB), OAR, CAR and IAR (MMKC-Bench), R_Ad and R_Ro (KnowPO). Memory is always what the same
model says without the context. Knows nothing of models: it is given answers and probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pansophy.errors import UsageError
from pansophy.evaluation.metrics import Gold, contains
from pansophy.evaluation.report.statistics import Estimate, bootstrap


class Outcome(StrEnum):
    """Whose answer it is."""

    MEMORY = "memory"
    CONTEXT = "context"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Shares:
    """The three shares, which sum to 1, each with its 95 % bootstrap interval over items.

    In PH3 `memory` is RM and `context` RC; in MMKC-Bench the three are OAR, CAR and IAR.
    """

    memory: Estimate
    context: Estimate
    other: Estimate
    items: int


def outcome_of(answer: object, memory: object, context: object) -> Outcome:
    """By equality: of first tokens (PH3's RM and RC), of option letters (MMKC-Bench). Memory comes first.

    Raises:
        UsageError: memory and context say the same, so that nothing is in conflict.
    """
    if memory == context:
        raise UsageError(f"memory and context both say {memory!r}: drop the item")
    return Outcome.MEMORY if answer == memory else Outcome.CONTEXT if answer == context else Outcome.OTHER


def shares(outcomes: Sequence[Outcome], *, seed: int = 0) -> Shares:
    """Raises UsageError without outcomes."""
    if not outcomes:
        raise UsageError("no item is left to count")

    def share(of: Outcome) -> Estimate:
        return bootstrap([float(one is of) for one in outcomes], seed=seed)

    return Shares(share(Outcome.MEMORY), share(Outcome.CONTEXT), share(Outcome.OTHER), len(outcomes))


@dataclass(frozen=True, slots=True)
class Reliance:
    """CK-PLUG's measures: the share of replies that contain the context's answer (`con_r`), the model's own (`par_r`),
    either (`hit_rate`); `mr` = ParR / (ParR + ConR), None if no reply contains any. A reply can count for both."""

    con_r: float
    par_r: float
    hit_rate: float
    mr: float | None


def reliance(replies: Sequence[str], memories: Sequence[Gold], contexts: Sequence[Gold]) -> Reliance:
    """Of replies, with the model's and the context's answers, aliases included (arXiv 2503.15888, section 4.1).

    Raises:
        UsageError: the lists have different lengths, or are empty.
    """
    _same_length(replies, memories, contexts)
    says = [(contains(reply, c), contains(reply, m)) for reply, m, c in zip(replies, memories, contexts, strict=True)]
    con, par = (sum(column) / len(says) for column in zip(*says, strict=True))
    hit = sum(max(pair) for pair in says) / len(says)
    return Reliance(con, par, hit, par / (par + con) if par + con else None)


def binary_context_utilisation(answer: object, wanted: object) -> int:
    """BCU of one item (arXiv 2505.16518): 1 if the first token is the context's, or, where the context is irrelevant,
    the model's own without it; say which by `wanted`."""
    return int(answer == wanted)


def continuous_context_utilisation(with_context: float, without: float) -> float:
    """CCU of one token (arXiv 2505.16518): how much of the way to certainty, or to impossibility, the context moves its
    probability; in [-1, 1].

    Raises:
        UsageError: a probability out of [0, 1].
    """
    if not 0 <= with_context <= 1 or not 0 <= without <= 1:
        raise UsageError(f"probabilities are between 0 and 1, not {with_context} and {without}")
    if with_context == without:
        return 0.0
    if with_context > without:
        return (with_context - without) / (1 - without)
    return (with_context - without) / without


def adherence(replies: Sequence[str], answers: Sequence[Gold], *, seed: int = 0) -> Estimate:
    """R_Ad (arXiv 2408.03297): the share of replies to relevant or counterfactual contexts that contain the context's
    answer; containment after normalisation is ours."""
    _same_length(replies, answers)
    return bootstrap([contains(reply, gold) for reply, gold in zip(replies, answers, strict=True)], seed=seed)


def robustness(
    replies: Sequence[str], memories: Sequence[Gold | None], refused: Sequence[bool], *, seed: int = 0
) -> Estimate:
    """R_Ro (arXiv 2408.03297): the share of replies to irrelevant contexts that contain what the model says without
    one, or that refuse where it doesn't know (`memories` None)."""
    _same_length(replies, memories, refused)
    kept = [
        float(refuses) if memory is None else contains(reply, memory)
        for reply, memory, refuses in zip(replies, memories, refused, strict=True)
    ]
    return bootstrap(kept, seed=seed)


def _same_length(*columns: Sequence[object]) -> None:
    if len({len(column) for column in columns}) != 1 or not columns[0]:
        raise UsageError(f"one entry for each item is needed, not {', '.join(str(len(column)) for column in columns)}")
