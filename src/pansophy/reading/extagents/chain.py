"""Questions that hide others: for "Who is the mentor of the heir of Ada?" it takes to know who the heir of Ada is.

Asked for the answer at once, a small model loses its way among facts that would suffice; asked for one relation after
the other, each about the one found before, it doesn't (docs/experiments.md). That questions should be asked one by one
is from Press et al. 2022, "Measuring and Narrowing the Compositionality Gap in Language Models", arXiv 2210.03350;
here the words of the question take it apart, not a model: relations that are nested by "of", by "'s" or by 的, and
nothing else. Knows nothing of texts and models.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pansophy.types import Example

_WORDS = r"[^\W\d_][\w-]*(?: (?!of\b)[\w-]+){0,2}"
"""A relation: up to three words."""
_ASKS = re.compile(
    r"(?P<asks>(?:who|what|where|(?:which|what|whose) [\w -]+?) (?:is|was|are|were)) (?P<rest>[^?]+?)\s*\??",
    re.IGNORECASE,
)
_OF = re.compile(rf"the (?P<relation>{_WORDS}) of (?P<rest>.+)", re.IGNORECASE)
_OWNED = re.compile(rf"(?P<rest>.+)['’]s (?P<relation>{_WORDS})", re.IGNORECASE)
_CHINESE = re.compile(
    r"(?P<start>[^的?？]+)(?P<relations>(?:的[^的是?？]+){2,})(?P<asks>是(?:谁|什么|哪\w+|多少))[?？]?"
)

_EXAMPLES = (
    Example(("Ines Vale made the coat that Ada Berg wears.",), "Who is the tailor of Ada Berg?", "Ines Vale"),
    Example(("From Lindhof the whole of Ostrow is ruled.",), "What is the capital of Ostrow?", "Lindhof"),
    Example(("The Heron was Karl Stein's last picture.",), "Who is the painter of the Heron?", "Karl Stein"),
    Example(("Marsby is where Pia Lund learned to read.",), "What is the school of Pia Lund?", "Marsby"),
)
_CHINESE_EXAMPLES = (
    Example(("林娟穿的大衣是赵文缝的。",), "林娟的裁缝是谁？", "赵文"),
    Example(("整个东川都归明城管辖。",), "东川的首府是什么？", "明城"),
    Example(("《白鹭》是石磊的最后一幅画。",), "《白鹭》的画家是谁？", "石磊"),
    Example(("小平是在河湾学会认字的。",), "小平的学校是什么？", "河湾"),
)
"""A relation is mostly told in other words than it is asked for, and a small model then answers with whom the question
names: shown a few, of other relations, it doesn't."""


@dataclass(frozen=True, slots=True)
class Chain:
    """Relations to go through from `start`, the first one first; the last one's answer answers the question."""

    asks: str
    relations: tuple[str, ...]
    start: str
    chinese: bool = False

    def question(self, number: int, known: str) -> str:
        """The question for relation `number` (from 0) of `known`, the answer to the one before it (or `start`)."""
        relation, last = self.relations[number], number == len(self.relations) - 1
        if self.chinese:
            return f"{known}的{relation}{self.asks if last else '是什么'}？"
        return f"{self.asks if last else 'What is'} the {relation} of {known}?"


def chain_of(question: str) -> Chain | None:
    """The relations that `question` nests; None if it doesn't name two or more, and a name that they begin with."""
    question = " ".join(question.split())
    if found := _CHINESE.fullmatch(question):
        relations = tuple(found["relations"].removeprefix("的").split("的"))
        return Chain(found["asks"], relations, found["start"], chinese=True)
    if not (found := _ASKS.fullmatch(question)):
        return None
    start, relations = _parted(found["rest"])
    # a chain begins with a name: what has no capital or numeral is rather more of the description
    named = re.search(r"[A-Z]|\d", start) and not re.search(r"\b(?:of|who|which|that|and|or)\b", start)
    return Chain(found["asks"], relations, start) if named and len(relations) > 1 else None


def _parted(phrase: str) -> tuple[str, tuple[str, ...]]:
    """Whom `phrase` begins with, and the relations that lead from there."""
    if found := _OF.fullmatch(phrase) or _OWNED.fullmatch(phrase):
        start, relations = _parted(found["rest"])
        return start, (*relations, found["relation"])
    return phrase, ()


def examples_for(chain: Chain) -> tuple[Example, ...]:
    """Questions for one relation, with the sentence that tells it and the answer, in the language of `chain`."""
    return _CHINESE_EXAMPLES if chain.chinese else _EXAMPLES
