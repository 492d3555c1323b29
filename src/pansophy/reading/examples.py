"""Worked examples: what findings look like, a question about them, and its answer. They go in front of the material.

A small model that gets a question wrong in its own words often gets it right when it has seen two or three like it
(docs/experiments.md). Examples should be of the question's kind and about something else. Knows nothing of models.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rapidfuzz.distance import Indel

from pansophy.errors import UsageError
from pansophy.types import Example


def nearest(examples: Sequence[Example], question: str, most: int) -> tuple[Example, ...]:
    """The examples whose questions are most like `question` by their words, at most `most`, in the order given.

    What a question is about should not matter, and mostly doesn't: its other words, and how many there are, do.
    """
    if len(examples) <= most:
        return tuple(examples)
    words = words_of(question)
    likeness = [Indel.normalized_similarity(words_of(example.question), words) for example in examples]
    best = sorted(range(len(examples)), key=lambda at: (-likeness[at], at))[:most]
    return tuple(examples[at] for at in sorted(best))


def topic_of(question: str, examples: Sequence[Example]) -> str:
    """What `question` is about: its words without those of the example most like it, which make its form.

    The question itself where there are no examples, or nothing would be left.
    """
    form = {word for example in nearest(examples, question, 1) for word in words_of(example.question)}
    return " ".join(word for word in words_of(question) if word not in form) or question


_CJK = r"[\u2e80-\u9fff\uf900-\ufaff]"


def words_of(text: str) -> list[str]:
    """Words and numbers, in lower case; where words are not spaced, characters."""
    return re.findall(rf"{_CJK}|(?:(?!{_CJK})[^\W_])+", text.casefold())


def as_examples(given: Iterable[Example | Mapping[str, Any]]) -> tuple[Example, ...]:
    """Examples from what a settings file or the command line gives.

    Raises:
        UsageError: it is no list, or one lacks findings, question or answer; says which.
    """
    if not isinstance(given, list | tuple):
        raise UsageError(f"examples must be a list of them, not {given!r}")
    return tuple(_example(one, f"example {number}") for number, one in enumerate(given, 1))


def read_examples(path: Path) -> tuple[Example, ...]:
    """Examples from a JSONL file of objects with `findings` (a list), `question` and `answer`.

    Raises:
        UsageError: the file can't be read, or a line is no example; says which.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the examples in {path} can't be read: {error}") from None
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise UsageError(f"{path}, line {number}: no JSON ({error})") from None
        found.append(_example(value, f"{path}, line {number}"))
    if not found:
        raise UsageError(f"{path} has no examples")
    return tuple(found)


def _example(given: Any, where: str) -> Example:
    if isinstance(given, Example):
        return given
    expected = f"{where}: an example has findings (a list of texts), question and answer"
    if not isinstance(given, Mapping) or set(given) != {"findings", "question", "answer"}:
        raise UsageError(expected)
    findings, question, answer = given["findings"], given["question"], given["answer"]
    if isinstance(findings, str) or not isinstance(findings, Sequence) or not findings:
        raise UsageError(expected)
    if not all(isinstance(text, str) and text.strip() for text in (*findings, question, answer)):
        raise UsageError(expected)
    return Example(tuple(findings), question, answer)
