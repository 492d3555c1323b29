"""Whom each way of decoding follows on facts that the model knows and is told a lie about.

RM and RC of first tokens (PH3's measures): the shares of known facts on which memory, or the lie, is the best token.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from torch import Tensor

from pansophy.conflicts import ACD, COIECD, GRD, AdaCAD, CKPlug, CoDA, Combiner, ContextAwareDecoding, DoLa, iti, juice
from pansophy.conflicts.decoding import Decoding, TwoStreamDecoder
from pansophy.conflicts.facts import KnownFact
from pansophy.conflicts.outcomes import Shares, shares
from pansophy.conflicts.ph3 import HeadMask, Side, conflict_shares, locate_heads
from pansophy.errors import UsageError
from pansophy.models.white_box import Head, WhiteBoxModel

METHODS: Mapping[str, Combiner] = {
    **{f"CK-PLUG alpha={alpha}": CKPlug(alpha) for alpha in (0.0, 0.25, 0.5, 0.75, 1.0)},
    "CK-PLUG adaptive": CKPlug(),
    "CK-PLUG alpha=1 tau=0": CKPlug(1.0, tau=0),
    "CK-PLUG alpha=1 tau=3": CKPlug(1.0, tau=3),
    "CAD a=0.5": ContextAwareDecoding(0.5),
    "CAD a=1": ContextAwareDecoding(1.0),
    "CAD a=-0.5": ContextAwareDecoding(-0.5),
    "AdaCAD": AdaCAD(),
    "COIECD": COIECD(),
    "ACD": ACD(),
    "GRD": GRD(),
    "DoLa high": DoLa(),
    "CoDA beta=inf": CoDA(math.inf),
}
STRENGTHS = (1.0, 3.0, 5.0, 10.0, 15.0)
"""Of ITI that are tried; 15 is its own, for much larger models."""
CONTEXTS = ("substituted", "coherent")


def measure(
    model: WhiteBoxModel, known: Sequence[KnownFact], context: str, methods: Mapping[str, Combiner] = METHODS
) -> dict[str, Shares]:
    """Shares of memory, lie and others, of plain decoding and of each method, on one kind of context.

    Args:
        known: facts that the model knows.
        context: "substituted" or "coherent".
        methods: by the name that they have in the result.

    Raises:
        UsageError: the facts have no such contexts.
    """
    if context not in CONTEXTS or not all(getattr(one.fact, context) for one in known):
        raise UsageError(f"the facts have no contexts of the kind {context!r}")
    told = [model.encode(getattr(one.fact, context)) for one in known]
    alone = model.next_log_probs([one.fact.prompt for one in known])
    count = len(model.anatomy.layers)
    with_context = model.stream(told).log_probs
    found = {"plain": _shares(with_context, known)}
    for name, method in methods.items():
        if layers := method.layers(count):
            stream = model.stream(told, early=layers)
            scores = method.start()(stream.log_probs, stream.early_log_probs).scores
        else:
            scores = method.start()(with_context, alone).scores
        found[name] = _shares(scores, known)
    return found


def _shares(scores: Tensor, known: Sequence[KnownFact]) -> Shares:
    best = scores.argmax(-1).tolist()
    return shares([one.outcome(token) for token, one in zip(best, known, strict=True)])


def measure_heads(
    model: WhiteBoxModel, known: Sequence[KnownFact], *, k: int = 7, draws: int = 5, seed: int = 0
) -> dict[str, Shares]:
    """PH3, JUICE and ITI fitted on half of the facts (drawn by `seed`) and judged on the other, beside as many heads as
    PH3's drawn at random."""
    order = list(known)
    chance = random.Random(seed)
    chance.shuffle(order)
    half = len(order) // 2
    scores, rest = locate_heads(model, order[:half]), order[half:]
    found = {"plain": conflict_shares(model, rest)}
    for toward in ("memory", "context"):
        for count in (3, k):
            found[f"PH3 k={count} toward {toward}"] = conflict_shares(model, rest, scores.against(count, toward))
    heads = [Head(layer, head) for layer in range(len(model.anatomy.layers)) for head in range(model.anatomy.heads)]
    for draw in range(draws):
        mask = HeadMask(tuple(chance.sample(heads, k)))
        found[f"random k={k}, draw {draw}"] = conflict_shares(model, rest, mask)
    for side in ("memory", "context"):
        shares = _juice(model, order[:half], rest, side)
        found[f"JUICE toward {side}{'' if shares else ': no head helps'}"] = shares or found["plain"]
    return found | {"ITI toward memory": _iti(model, order[:half], rest)}


def _juice(
    model: WhiteBoxModel, located: Sequence[KnownFact], judged: Sequence[KnownFact], toward: Side
) -> Shares | None:
    """Heads chosen on four facts, as in the paper, and strengths by the others of `located`; None if no head helps.

    A quicker choice than the paper's: of the last third of the layers, where memory and context meet (PH3), on clean
    and contradicting prompts alone, by one factor of each kind instead of eight.
    """
    count = len(model.anatomy.layers)
    late = range(count - -(-count // 3), count)
    try:
        few = [replace(one, fact=replace(one.fact, coherent="")) for one in located[:4]]
        heads = juice.choose_heads(model, few, toward, enlarged=(3.0,), suppressed=(-2.0,), layers=late)
    except UsageError:
        return None
    intervention, _ = juice.tune(model, heads, located[4:], toward)
    return _shares(intervention.next_log_probs(model, [one.fact.substituted for one in judged]), judged)


def _iti(model: WhiteBoxModel, located: Sequence[KnownFact], judged: Sequence[KnownFact]) -> Shares:
    """Probes fitted on each fact of `located` with its answer (true) and with its lie; the strength that brings most
    of `located` back to memory."""
    said = [(f"{one.fact.prompt} {text}", true) for one in located for text, true in _both(one)]
    steering = iti.fit(model, [text for text, _ in said], [true for _, true in said])

    def steered(facts: Sequence[KnownFact], strength: float) -> Shares:
        with steering.applied(model, strength):
            return conflict_shares(model, facts)

    best = max(STRENGTHS, key=lambda strength: steered(located, strength).memory.mean)
    return steered(judged, best)


def _both(one: KnownFact) -> tuple[tuple[str, bool], tuple[str, bool]]:
    return (one.fact.answers[0], True), (one.fact.lie, False)


def step_cost(model: WhiteBoxModel, known: Sequence[KnownFact], *, tokens: int = 32, repeats: int = 5) -> float:
    """How many times as long as plain decoding a reply takes with two streams: the median of paired runs."""
    decoder = TwoStreamDecoder(model, lambda question, context: (f"{context} {question}", question))
    decoding = Decoding(max_new_tokens=tokens, stop=())
    ratios = []
    for one in list(known)[:repeats]:
        seconds = []
        for method in (None, ContextAwareDecoding()):
            started = time.perf_counter()
            reply = decoder.generate(one.fact.prompt, one.fact.substituted, combiner=method, decoding=decoding)
            seconds.append((time.perf_counter() - started) / max(len(reply.tokens), 1))
        ratios.append(seconds[1] / seconds[0])
    return sorted(ratios)[len(ratios) // 2]


def as_rows(found: Mapping[str, Shares]) -> list[dict[str, Any]]:
    """For result files."""
    return [{"method": name, **asdict(told)} for name, told in found.items()]
