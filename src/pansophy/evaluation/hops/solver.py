"""Answers a question from sentences alone: it reads them and knows nothing of the chains that they were made of.

The checks on the generator and the haystack use it: it must find every answer, and none when any one fact of the chain
is missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pansophy.errors import UsageError
from pansophy.evaluation.hops.relations import ASKS, PERSON, RELATIONS, Relation

_WORD = r"[A-Z][a-z]+"


def _pattern(relation: Relation, sentence: str) -> re.Pattern[str]:
    source, target = (f"{_WORD} {_WORD}" if kind == PERSON else _WORD for kind in (relation.source, relation.target))
    return re.compile(re.escape(sentence).replace(r"\{s\}", f"(?P<s>{source})").replace(r"\{t\}", f"(?P<t>{target})"))


_PATTERNS = [(_pattern(relation, sentence), relation) for relation in RELATIONS for sentence in relation.sentences]
_NOUNS = {noun: relation for relation in RELATIONS for noun in relation.nouns}
_QUESTION = re.compile(
    rf"(?:{'|'.join(ASKS.values())}) is the ([a-z]+(?: of the [a-z]+)*) of (?:the )?({_WORD}(?: {_WORD})?)\?"
)


def is_fact(sentence: str) -> bool:
    """Whether a sentence tells one of the relations."""
    return _read(sentence) is not None


def solve(sentences: Iterable[str], question: str) -> str:
    """The answer that the sentences give to a question; what isn't a fact is passed over.

    Raises:
        UsageError: the question isn't of the kind that `generate` makes, or the sentences don't answer it; says what
            they don't tell.
    """
    asked = _QUESTION.fullmatch(question)
    if asked is None or (unknown := [noun for noun in asked[1].split(" of the ") if noun not in _NOUNS]):
        raise UsageError(f"the question {question!r} can't be read{f': {unknown[0]} is no relation' if asked else ''}")
    told = {(relation, source): target for relation, source, target in filter(None, map(_read, sentences))}
    found = asked[2]
    for noun in reversed(asked[1].split(" of the ")):
        if (_NOUNS[noun], found) not in told:
            raise UsageError(f"the facts don't tell the {noun} of {found}")
        found = told[_NOUNS[noun], found]
    return found


def _read(sentence: str) -> tuple[Relation, str, str] | None:
    for pattern, relation in _PATTERNS:
        if match := pattern.fullmatch(sentence):
            return relation, match["s"], match["t"]
    return None
