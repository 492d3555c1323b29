"""Counting words: the text is a list of words, and the most common ones are wanted. Only who reads it all can count."""

from __future__ import annotations

import random
from collections.abc import Callable

from pansophy.errors import UsageError
from pansophy.evaluation.haystack import Count
from pansophy.evaluation.invented import words
from pansophy.evaluation.ruler.problem import Problem

COMMON, COMMON_TIMES, OTHER_TIMES = 10, 30, 3
"""The benchmark's num_cw, freq_cw and freq_ucw: ten words stand there 30 times each, all others 3 times."""
FREQUENT, ALPHA = 3, 2.0
"""The benchmark's frequent-words task: the first three words of a zeta distribution with this exponent."""


def common_words(seed: int, tokens: int, count: Count) -> Problem:
    """A problem of the task "cwe": the ten words that a numbered list holds more often than all others.

    Args:
        seed: of the words and their order.
        tokens: the most tokens of the text.
        count: the tokenizer's.

    Raises:
        UsageError: `tokens` has no room for the common words and one other.
    """
    known: list[str] = []

    def text_of(others: int) -> str:
        if len(known) < COMMON + others:
            known.extend(words(random.Random(f"cwe:{seed}:words"), COMMON + others, 3, apart=COMMON)[len(known) :])
        listed = known[:COMMON] * COMMON_TIMES + known[COMMON : COMMON + others] * OTHER_TIMES
        random.Random(f"cwe:{seed}:{others}").shuffle(listed)
        return "\n".join(f"{number}. {word}" for number, word in enumerate(listed, 1))

    others = _most(lambda n: count(text_of(n)) <= tokens, "cwe", tokens)
    made = text_of(others)
    question = f"What are the {COMMON} most common words in the list?"
    return Problem(question, tuple(known[:COMMON]), text=made)


def frequent_words(seed: int, tokens: int, count: Count) -> Problem:
    """A problem of the task "fwe": the three most frequent words of a coded text, whose frequencies fall as 1/rank².

    Arguments and errors as for `common_words`.
    """
    coded = words(random.Random(f"fwe:{seed}:words"), 200, 3, apart=20)
    weights = [rank**-ALPHA for rank in range(1, len(coded) + 1)]

    def text_of(length: int) -> str:
        drawn = random.Random(f"fwe:{seed}").choices(coded, weights, k=length)
        return " ".join(drawn)

    length = _most(lambda n: count(text_of(n)) <= tokens, "fwe", tokens)
    made = text_of(length)
    listed = made.split(" ")
    ranked = sorted(set(listed), key=lambda word: (-listed.count(word), word))
    counts = [listed.count(word) for word in ranked[: FREQUENT + 1]]
    if len(counts) <= FREQUENT or counts[FREQUENT] == counts[FREQUENT - 1]:
        raise UsageError(f"{tokens} tokens are too few for three words that stand out: give more")
    return Problem(f"What are the {FREQUENT} most frequent words in the text?", tuple(ranked[:FREQUENT]), text=made)


def _most(fits: Callable[[int], bool], task: str, tokens: int) -> int:
    """The largest n of at least 1 for which `fits(n)`."""
    if not fits(1):
        raise UsageError(f"{task} doesn't fit {tokens} tokens: give more")
    high = 2
    while fits(high):
        high *= 2
    low = high // 2
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
