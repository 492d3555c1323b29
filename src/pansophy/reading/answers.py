"""Short answers compared by their words: which say the same. Knows nothing of where they come from."""

from __future__ import annotations

import re

from pansophy.evaluation.metrics import normalise_english

_DENYING = {"not", "no", "never", "none", "without", "nicht", "kein", "keine", "pas", "不", "没", "没有", "未"}


def words(text: str) -> list[str]:
    """The words of an answer in one form: no case, punctuation, articles; Chinese by characters."""
    return re.findall(r"[\u2e80-\u9fff\uf900-\ufaff]|[^\W\u2e80-\u9fff\uf900-\ufaff]+", normalise_english(text))


def same_claim(one: str, other: str) -> bool:
    """Whether two short answers say the same: their words are equal, or those of one stand in the other in a row
    ("Ada Berg", "the mayor Ada Berg"). Not where one of them denies and the other doesn't, nor where the longer one
    adds a number to one ("15", "15 of 20")."""
    short, long = sorted((words(one), words(other)), key=len)
    if short == long:
        return bool(short)
    if not short or bool(_DENYING & set(short)) != bool(_DENYING & set(long)):
        return False
    starts = range(len(long) - len(short) + 1)
    at = next((start for start in starts if long[start : start + len(short)] == short), None)
    if at is None:
        return False
    added = long[:at] + long[at + len(short) :]
    numeral = all(word.isdecimal() for word in short)
    # "1912" and "March 1912" are one time; "15" and "15 million" are two numbers
    return not numeral or (not any(word.isdecimal() for word in added) and at + len(short) == len(long))


def says(answer: str, claim: str) -> bool:
    """Whether an answer, which may be a whole sentence, has all words of a claim in a row."""
    long, short = words(answer), words(claim)
    return bool(short) and any(long[start : start + len(short)] == short for start in range(len(long)))
