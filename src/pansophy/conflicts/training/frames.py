"""The sentences that KnowPO's answers stand in, of like length, so that no side of a pair is known by its length."""

from __future__ import annotations

import re

__all__ = ["by_context", "by_memory", "refusal", "unframed"]

_CONTEXT = "According to the supplied knowledge and to my own understanding, the answer is {}."
_MEMORY = "The supplied knowledge doesn't tell; from my own knowledge, it may be {}."
_REFUSAL = "Sorry, I don't know, and the supplied knowledge doesn't tell; please give me better documents."
_SAID = re.compile(
    "|".join(
        re.escape(frame).replace(re.escape("{}"), "(.*?)").replace(r"\.", r"\.?$") for frame in (_CONTEXT, _MEMORY)
    )
)


def by_context(answer: str) -> str:
    """Says that the answer comes from the texts (the paper's FA)."""
    return _CONTEXT.format(answer)


def by_memory(answer: str) -> str:
    """Says that the texts are of no use, and what the model believes itself (the paper's FP)."""
    return _MEMORY.format(answer)


def refusal() -> str:
    """Says that neither the texts nor the model can tell (the paper's FU)."""
    return _REFUSAL


def unframed(reply: str) -> str:
    """What a reply answers, without the sentence around; a reply in no frame as it is."""
    found = _SAID.match(reply.strip())
    return next((group for group in found.groups() if group is not None), "") if found else reply.strip()
