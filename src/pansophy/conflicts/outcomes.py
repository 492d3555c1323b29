"""Whose word an answer follows: the model's memory, the context, or neither; and the field's rates made of that.

Every rate compares a reply given with a context to what the same model says without it. They differ in what counts as
saying so and in what they are a share of; each is named and defined as its source does:

- RM, RC (PH3, Jin et al. 2024, arXiv 2402.18154): `token_rates`;
- ConR, ParR, MR (CK-PLUG, Bi et al. 2025, arXiv 2503.15888): `reliance_rates`;
- OAR, CAR, IAR (MMKC-Bench, Jia et al. 2025, arXiv 2505.19509): `answer_rates`;
- BCU, CCU (CUB, Hagström et al. 2025, arXiv 2505.16518): `binary_utilisation`, `continuous_utilisation`;
- R_Ad, R_Ro (KnowPO, Zhang et al. 2024, arXiv 2408.03297): `adherence`, `robustness`.

Rates are shares (0..1) with 95% bootstrap intervals over questions. Knows nothing of models, prompts or files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pansophy.evaluation.metrics import Gold, contains_normalised, golds_of, normalise_english
from pansophy.evaluation.report.statistics import Estimate, bootstrap, bootstrap_ratio

Says = Callable[[str, Gold], float]
"""Whether a reply says an answer (any of several names for it): 1 or 0."""

_UNKNOWING = ("don't know", "do not know", "not know", "unknown", "unsure", "not sure", "cannot answer", "can't answer")


class Outcome(StrEnum):
    """Whose word an answer follows."""

    MEMORY = "memory"
    CONTEXT = "context"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Trial:
    """A question that was asked with a context.

    `reply` is what the model said; `memory` what the same model says without the context (with its other names; empty
    when it doesn't know); `context` what the context says. `relevant` tells whether the context answers the question.
    """

    reply: str
    memory: Gold
    context: Gold
    relevant: bool = True

    def outcome(self, says: Says = contains_normalised) -> Outcome:
        """Memory if the reply says what memory says, else context if it says what the context says, else other."""
        if says(self.reply, self.memory):
            return Outcome.MEMORY
        return Outcome.CONTEXT if says(self.reply, self.context) else Outcome.OTHER


def same_token(reply: str, gold: Gold) -> float:
    """1 when the reply is an answer, but for the blanks around: for replies of one token."""
    return float(reply.strip() in {one.strip() for one in golds_of(gold)})


def refuses(reply: str) -> bool:
    """Whether a reply says that it doesn't know, in one of the usual English ways."""
    said = reply.lower().replace("’", "'")
    return any(words in said for words in _UNKNOWING)


@dataclass(frozen=True, slots=True)
class TokenRates:
    """`rm`: the share of first tokens that are memory's; `rc`: that are the context's."""

    rm: Estimate
    rc: Estimate


def token_rates(trials: Sequence[Trial], says: Says = same_token) -> TokenRates:
    """PH3's RM and RC: over questions that the model knows without a context, where `reply` is the first token."""
    outcomes = [trial.outcome(says) for trial in trials]
    return TokenRates(share(outcomes, Outcome.MEMORY), share(outcomes, Outcome.CONTEXT))


@dataclass(frozen=True, slots=True)
class RelianceRates:
    """`con_r`: replies that say the context's answer; `par_r`: memory's; one that says both counts in both.

    `mr` is the memory ratio ParR / (ParR + ConR), `hit` the share that says either.
    """

    con_r: Estimate
    par_r: Estimate
    mr: Estimate
    hit: Estimate


def reliance_rates(trials: Sequence[Trial], says: Says = contains_normalised) -> RelianceRates:
    """CK-PLUG's ConR, ParR, MR and hit rate."""
    context = [says(trial.reply, trial.context) for trial in trials]
    memory = [says(trial.reply, trial.memory) for trial in trials]
    either = [max(pair) for pair in zip(context, memory, strict=True)]
    both = [sum(pair) for pair in zip(context, memory, strict=True)]
    return RelianceRates(bootstrap(context), bootstrap(memory), bootstrap_ratio(memory, both), bootstrap(either))


@dataclass(frozen=True, slots=True)
class AnswerRates:
    """Shares that add up to 1: the original answer is kept (`oar`), the conflicting one taken (`car`), neither
    (`iar`)."""

    oar: Estimate
    car: Estimate
    iar: Estimate


def answer_rates(outcomes: Sequence[Outcome]) -> AnswerRates:
    """MMKC-Bench's OAR, CAR and IAR."""
    return AnswerRates(*(share(outcomes, one) for one in (Outcome.MEMORY, Outcome.CONTEXT, Outcome.OTHER)))


@dataclass(frozen=True, slots=True)
class Shares:
    """The shares of the three outcomes, which add up to 1, over `items` questions."""

    memory: Estimate
    context: Estimate
    other: Estimate
    items: int


def shares(outcomes: Sequence[Outcome]) -> Shares:
    """The shares of all three."""
    memory, context, other = (share(outcomes, one) for one in (Outcome.MEMORY, Outcome.CONTEXT, Outcome.OTHER))
    return Shares(memory, context, other, len(outcomes))


def binary_utilisation(trials: Sequence[Trial], says: Says = same_token) -> Estimate:
    """CUB's BCU: the share that says the context's answer where the context is relevant, else memory's."""
    return bootstrap([says(trial.reply, trial.context if trial.relevant else trial.memory) for trial in trials])


def continuous_utilisation(with_context: float, without: float) -> float:
    """CUB's CCU of a token, -1..1: how much of its possible way its probability went when the context came.

    Args:
        with_context: the token's probability with the context.
        without: its probability without.

    Raises:
        ValueError: a probability is not within 0..1.
    """
    if not (0 <= with_context <= 1 and 0 <= without <= 1):
        raise ValueError(f"probabilities are 0..1, not {with_context} and {without}")
    change = with_context - without
    if change == 0:
        return 0.0
    return change / (1 - without) if change > 0 else change / without


def adherence(trials: Iterable[Trial], says: Says = contains_normalised) -> Estimate:
    """KnowPO's R_Ad: of the trials with a relevant context, those whose reply says the context's answer."""
    return bootstrap([says(trial.reply, trial.context) for trial in trials if trial.relevant])


def robustness(trials: Iterable[Trial], says: Says = contains_normalised) -> Estimate:
    """KnowPO's R_Ro: of the trials with an irrelevant context, those whose reply says what memory says, or that it
    doesn't know where memory doesn't."""
    return bootstrap([_robust(trial, says) for trial in trials if not trial.relevant])


def _robust(trial: Trial, says: Says) -> float:
    known = any(normalise_english(one) for one in golds_of(trial.memory))
    return says(trial.reply, trial.memory) if known else float(refuses(trial.reply))


def share(outcomes: Sequence[Outcome], wanted: Outcome) -> Estimate:
    """The share of one outcome."""
    return bootstrap([float(one is wanted) for one in outcomes])
