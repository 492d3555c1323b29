"""What a context did to an answer: persuaded, stubborn, or neither."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum

from pansophy.evaluation.metrics import rouge_l

THRESHOLD = 0.3  # the paper's code
"""The ROUGE-L above which two answers are the same."""

Stem = Callable[[str], str]

_LEAD = re.compile(r"\b(assistant|answer)\s*:|:", re.IGNORECASE)


class Behaviour(StrEnum):
    """What the model did when the context came."""

    PERSUADED = "persuaded"
    STUBBORN = "stubborn"
    OTHER = "other"


def behaviour(reply: str, context_answer: str, own_answer: str, stem: Stem | None = None) -> Behaviour:
    """Persuaded when the reply is the context's answer; else stubborn when it is what the model says without it.

    Args:
        reply: to the question with the context.
        context_answer: what the context says.
        own_answer: to the question alone.
        stem: as for `rouge_l`; the paper's code stems by Porter's rules.
    """
    if same(reply, context_answer, stem):
        return Behaviour.PERSUADED
    return Behaviour.STUBBORN if same(reply, own_answer, stem) else Behaviour.OTHER


def same(reply: str, answer: str, stem: Stem | None = None) -> bool:
    """Whether two answers are the same by ROUGE-L."""
    return rouge_l(_LEAD.sub(" ", reply), _LEAD.sub(" ", answer), stem=stem) > THRESHOLD
