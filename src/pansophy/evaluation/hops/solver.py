"""Answers a question from sentences alone: it reads them and knows nothing of the chains that they were made of.

The checks on the generator and the haystack use it: it must find every answer, and none when any one fact of the chain
is missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pansophy.errors import UsageError
from pansophy.evaluation.hops.relations import ASKS, PERSON, RELATIONS, SHIP, Relation

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
    return fact_in(sentence) is not None


def solve(sentences: Iterable[str], question: str) -> str:
    """The answer that the sentences give to a question; what isn't a fact is passed over.

    Raises:
        UsageError: the question isn't of the kind that `generate` makes, or the sentences don't answer it; says what
            they don't tell.
    """
    found, missing = follow(sentences, question)
    if missing:
        raise UsageError(f"the facts don't tell the {missing} of {found}")
    return found


def follow(sentences: Iterable[str], question: str) -> tuple[str, str]:
    """How far the sentences lead: whom or what they lead to, and the noun of the relation that they don't tell of it
    ("" when that is the answer).

    Raises:
        UsageError: the question isn't of the kind that `generate` makes.
    """
    asked = _QUESTION.fullmatch(question)
    if asked is None or (unknown := [noun for noun in asked[1].split(" of the ") if noun not in _NOUNS]):
        raise UsageError(f"the question {question!r} can't be read{f': {unknown[0]} is no relation' if asked else ''}")
    told = {(relation, source): target for relation, source, target in filter(None, map(fact_in, sentences))}
    found = asked[2]
    for noun in reversed(asked[1].split(" of the ")):
        if (_NOUNS[noun], found) not in told:
            return found, noun
        found = told[_NOUNS[noun], found]
    return found, ""


def single_question(noun: str, of: str) -> str:
    """The question for a single relation, by one of its nouns."""
    relation = _NOUNS[noun]
    return f"{ASKS[relation.target]} is the {noun} of {'the ' if relation.source == SHIP else ''}{of}?"


def fact_in(sentence: str) -> tuple[Relation, str, str] | None:
    """The relation that a sentence tells, of whom, and who or what that is; None if it tells none."""
    for pattern, relation in _PATTERNS:
        if match := pattern.fullmatch(sentence):
            return relation, match["s"], match["t"]
    return None
