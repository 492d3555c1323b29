"""What a question asks for, by its words, in English and Chinese. Knows nothing of texts and strategies.

A question is only taken for one of counting if it says that it means the whole text ("How many letters are there in
the book?", "the most common name"): most that begin with "How many" ask for a number that stands somewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum


class Asked(StrEnum):
    """A count, a list or an extreme over the whole text; the text as a whole; a fact that stands somewhere."""

    AGGREGATE = "aggregate"
    OVERVIEW = "overview"
    FACT = "fact"


_TEXT = (
    r"(?:texts?|lists?|books?|story|stories|novel|documents?|files?|reports?|logs?|records|table|data|corpus"
    r"|collection|letters|notes|transcripts?|chapters?)"
)
_SCOPE = (
    rf"(?:\bin (?:the|this|these|all|all the|my) (?:\w+ )?{_TEXT}\b"
    r"|\b(?:in total|in all|altogether|overall|mentioned|listed|recorded)\b)"
)
_EXTREME = (
    r"(?:most|fewest|least|largest|smallest|highest|lowest|earliest|latest|oldest|youngest|longest|shortest|biggest"
    r"|cheapest)"
)
_WHOLE = "(?:文中|全文|文本中|书中|全书|列表中|文档中|文件中|所有文档)"

_CUES: Mapping[Asked, tuple[str, ...]] = {
    Asked.AGGREGATE: (
        r"\b(?:most|least) (?:common|frequent|often)\b|\b(?:most|least) frequently\b",
        rf"\bhow (?:often|many times)\b.*(?:\b(?:appears?|occurs?|mentions?|says?|said)\b|{_SCOPE})",
        r"\b(?:list|name|count|enumerate|give|find)(?: me)? (?:all|every|each)\b|^\s*count\b|\b(?:what|who) are all\b",
        r"\b(?:total|average|mean|sum|number|count) (?:\w+ )?of (?:all|every|each)\b",
        rf"\b(?:how many|how much|number of|total|average|sum of)\b.*{_SCOPE}",
        rf"\b(?:which|who|what)\b.*\b{_EXTREME}\b.*{_SCOPE}",
        r"多少次|几次|出现.{0,4}次数|最(?:常见|频繁|常出现)|(?:列出|列举|找出|数出|统计).{0,3}(?:所有|全部|每)",
        r"(?:总共|一共|合计|共计|总计).{0,12}(?:多少|几)|(?:所有|全部).*(?:总和|总数|总额|平均)",
        rf"{_WHOLE}.*(?:多少|几[个位名次种]|有哪些|总[和数额]|平均|最[大小高低早晚多少长短])",
    ),
    Asked.OVERVIEW: (
        r"\bsummar(?:y|ies|i[sz]e)\b|\boverview\b|\bgist\b|\bsynopsis\b|\b(?:outline|plot of) (?:the|this)\b",
        rf"\bwhat (?:is|are|was|were) (?:it|this|(?:the|this|these) (?:\w+ )?{_TEXT}) (?:all )?about\b",
        r"\bmain (?:themes?|points?|ideas?|arguments?|topics?|findings|conclusions?)\b|\bkey (?:points|takeaways)\b",
        r"总结|概括|概述|综述|摘要|大意|梗概|主要内容|主旨|中心思想|讲了什么|主要观点",
    ),
}
"""Patterns of words; the first kind that has one in the question is the question's."""

_PRESENT = re.compile(
    r"\b(?:is|are|am|has|have|does|do|can|now|currently|today)\b|\bwho (?!was\b)\w+s\b|\bwh\w+'s\b", re.IGNORECASE
)
_EARLIER = re.compile(
    r"\b(?:before|after|first|earlier|earliest|previously|formerly|originally|initially|used to|at the beginning)\b"
    r"|之前|以前|之后|最初|原来|起初|首先|曾经",
    re.IGNORECASE,
)
_HAN = r"[\u4e00-\u9fff]"
_PERFECT = re.compile(rf"{_HAN}[了过]")


class Time(StrEnum):
    """How things stand; what happened once; what was before something else, or first."""

    NOW = "now"
    ONCE = "once"
    EARLIER = "earlier"


def time_of(question: str) -> Time:
    """The time that a question asks about, by its tense and its adverbs."""
    if _EARLIER.search(question):
        return Time.EARLIER
    if _PRESENT.search(question) or (re.search(_HAN, question) and not _PERFECT.search(question)):
        return Time.NOW
    return Time.ONCE


_COMPILED = {asked: re.compile("|".join(cues), re.IGNORECASE) for asked, cues in _CUES.items()}


def asked_for(question: str) -> Asked:
    """What the question asks for."""
    words = " ".join(question.split())
    return next((asked for asked, cues in _COMPILED.items() if cues.search(words)), Asked.FACT)
