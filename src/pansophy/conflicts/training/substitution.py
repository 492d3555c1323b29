"""Put another answer in the place of every mention of the true one, or say why that can't be done.

A mention is a whole word or phrase, whatever its case: "art" isn't mentioned by "start". A text is refused rather than
left half edited, for a counterfactual text that still tells the true answer teaches the opposite of what it is for.
This module knows nothing about models, nor about what the texts are for.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["SLOT", "Refusal", "Substitution", "count_refusals", "fill", "mentions", "substitute"]

SLOT = "[ENTITY]"
"""Where the answer belongs, in a text that says so."""


class Refusal(StrEnum):
    """Why a text could not be edited."""

    EMPTY_ANSWER = "the answer or its replacement is empty"
    REPLACEMENT_IS_ALIAS = "the replacement is itself an alias of the answer"
    ANSWER_NOT_FOUND = "the answer is not in the context"
    REPLACEMENT_PRESENT = "the replacement is already in the context"
    REPLACEMENT_HAS_ALIAS = "the replacement contains an alias of the answer"
    ALIAS_LEFT = "an alias of the answer is left in the edited context"
    SLOT_IN_WORD = "a slot is inside a word"
    SLOT_LEFT = "a slot without its brackets is left in the context"


@dataclass(frozen=True, slots=True)
class Substitution:
    """What became of one text: either `text` and how many mentions were replaced, or the refusal."""

    text: str = ""
    replaced: int = 0
    refusal: Refusal | None = None


def _pattern(names: Iterable[str]) -> re.Pattern[str]:
    """Any of the names as a whole phrase, the longest first, so that no shorter alias breaks up a longer one."""
    ordered = sorted({name.strip() for name in names if name.strip()}, key=lambda name: (-len(name), name))
    if not ordered:
        return re.compile(r"(?!)")
    phrases = (r"\s+".join(re.escape(word) for word in name.split()) for name in ordered)
    return re.compile(rf"(?<!\w)(?:{'|'.join(phrases)})(?!\w)", re.IGNORECASE)


def mentions(text: str, names: Iterable[str]) -> list[tuple[int, int]]:
    """The spans in `text` where one of `names` stands as a whole phrase, whatever its case."""
    return [match.span() for match in _pattern(names).finditer(text)]


def _in_case_of(found: str, replacement: str) -> str:
    """The replacement written with a capital where the mention had one."""
    if found[:1].isupper() and replacement[:1].islower():
        return replacement[:1].upper() + replacement[1:]
    return replacement


def _unusable(names: Sequence[str], new: str) -> Refusal | None:
    """Why `new` can stand for none of `names` in any text."""
    if not names or not new:
        return Refusal.EMPTY_ANSWER
    folded = " ".join(new.casefold().split())
    if any(" ".join(name.casefold().split()) == folded for name in names):
        return Refusal.REPLACEMENT_IS_ALIAS
    return None


def substitute(context: str, answers: Sequence[str], replacement: str) -> Substitution:
    """Replace every mention of any of `answers` in `context` by `replacement`; a possessive ending stays."""
    new = replacement.strip()
    names = [answer.strip() for answer in answers if answer.strip()]
    if refusal := _unusable(names, new):
        return Substitution(refusal=refusal)
    found = mentions(context, names)
    if not found:
        return Substitution(refusal=Refusal.ANSWER_NOT_FOUND)
    if mentions(context, [new]):
        return Substitution(refusal=Refusal.REPLACEMENT_PRESENT)
    edited = _pattern(names).sub(lambda match: _in_case_of(match.group(), new), context)
    if mentions(edited, names):
        return Substitution(refusal=Refusal.REPLACEMENT_HAS_ALIAS if mentions(new, names) else Refusal.ALIAS_LEFT)
    return Substitution(edited, len(found))


def fill(context: str, answers: Sequence[str], replacement: str, *, slot: str = SLOT) -> Substitution:
    """Put `replacement` into every slot of `context`, and change nothing else.

    A text that also tells the answer outside its slots is refused, as is one that tells the replacement there: the
    slots would not decide what it says. So are a replacement that has an alias in it, a slot inside a word
    ("[ENTITY]er"), which would make up a word, and one without its brackets, which would stay.
    """
    new = replacement.strip()
    names = [answer.strip() for answer in answers if answer.strip()]
    if refusal := _unusable(names, new):
        return Substitution(refusal=refusal)
    parts = context.split(slot)
    if len(parts) == 1:
        return Substitution(refusal=Refusal.ANSWER_NOT_FOUND)
    rest = "\0".join(parts)  # no phrase reaches across a slot
    if mentions(rest, names):
        return Substitution(refusal=Refusal.ALIAS_LEFT)
    if mentions(rest, [new]):
        return Substitution(refusal=Refusal.REPLACEMENT_PRESENT)
    edited = new.join(parts)
    if mentions(edited, names) or mentions(new, names):
        return Substitution(refusal=Refusal.REPLACEMENT_HAS_ALIAS)
    if re.search(rf"\w{re.escape(slot)}|{re.escape(slot)}\w", context):
        return Substitution(refusal=Refusal.SLOT_IN_WORD)
    if slot.strip("[]") in rest:
        return Substitution(refusal=Refusal.SLOT_LEFT)
    return Substitution(edited, len(parts) - 1)


def count_refusals(results: Iterable[Substitution]) -> dict[str, int]:
    """How many texts were refused for each reason; reasons that never occurred are left out."""
    return dict(Counter(result.refusal.value for result in results if result.refusal is not None))
