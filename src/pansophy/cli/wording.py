"""Small texts for people: counts, clock times, and foreign text made safe to print."""

from __future__ import annotations

import re

from pansophy.events import ClaimTold, ConflictSettled, ReasoningTried

ENDLESS = 1_000_000
"""The width of a console in which nothing is wrapped: for what is no terminal."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """`text` without control characters: what a document or a model says must not steer the terminal."""
    return _CONTROL.sub("", text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """`text` on one line, runs of white space as one blank, without control characters."""
    return printable(" ".join(text.split()))


def short_count(number: int) -> str:
    """1234 as "1.2k"."""
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if number >= size:
            value = number / size
            return f"{value:.1f}{unit}" if value < 99.95 else f"{value:.0f}{unit}"
    return str(number)


def clock(seconds: float) -> str:
    """Seconds as "0:07" or "1:02:03"."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def counted(number: int, noun: str) -> str:
    """ "1 call", "2 calls", "1,200 calls"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def claim_said(event: ClaimTold) -> str:
    """What one passage tells by itself, or the model without any."""
    who = event.document or "the model, without any text"
    beside = f" beside {event.beside}" if event.beside else ""
    return f"{who}{beside}: {event.answer or 'no answer'}"


def settled_said(event: ConflictSettled) -> str:
    """How the ledger came out."""
    if len(event.claims) < 2:
        return f"no contradiction: {event.reason}"
    if event.settled is None:
        return f"unresolved among {', '.join(event.claims)}: {event.reason}"
    return f"{event.claims[event.settled]}: {event.reason}"


def try_said(event: ReasoningTried) -> str:
    """What the reasoning agent said in one try: its answer, an unsure one with how sure it was, or a refusal."""
    sure = "" if event.certainty is None else f" ({event.certainty:.0%} sure)"
    if event.answered:
        return event.answer + sure
    return f"perhaps {event.answer}{sure}" if event.answer and sure else "not answerable from these"
