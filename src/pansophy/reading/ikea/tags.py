"""What a search agent writes between its tags: where its text is cut, what it does next, what it answers.

Pure functions over text; each takes unclosed and nested tags as they come. Knows nothing of retrieval and rewards.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

SEARCH_OPENS, SEARCH_CLOSES, ANSWER_CLOSES = "<search>", "</search>", "</answer>"
NOTICE = (
    "\nMy last step was not valid: it has to end with a query between search tags, or with the answer between answer "
    "tags, each of them opened and closed. I try again.\n"
)
"""What stands in a transcript where the agent neither searched nor answered. It has no tag that could be counted."""

_ACTION = re.compile(r"<(search|answer)>(.*?)</\1>", re.DOTALL)
_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_LOOK_ALIKE = re.compile(r"[(\[](?:think|search|answer)\b|\b(?:think|search|answer)[)\]]")
_FOREIGN_TAG = re.compile(r"<(\s*/?\s*(?:think|search|information|answer)\s*)>", re.IGNORECASE)
_FOREIGN_OPENING = re.compile(r"([(\[])(?=(?:think|search|answer)\b)")
_FOREIGN_CLOSING = re.compile(r"\b(think|search|answer)(?=[)\]])")


@dataclass(frozen=True, slots=True)
class Action:
    """A search for a query, or the answer; `content` without white space around it."""

    kind: Literal["search", "answer"]
    content: str


def cut(text: str) -> str:
    """A generation up to its first closing search tag, else up to its first closing answer tag, else all of it."""
    for tag in (SEARCH_CLOSES, ANSWER_CLOSES):
        before, found, _ = text.partition(tag)
        if found:
            return before + tag
    return text


def action_of(text: str) -> Action | None:
    """The first complete search or answer in a generation."""
    found = _ACTION.search(text)
    if found is None:
        return None
    return Action("search" if found[1] == "search" else "answer", found[2].strip())


def answer_of(transcript: str) -> str | None:
    """What stands in the last complete answer block, None without one."""
    blocks = _ANSWER.findall(transcript)
    return blocks[-1].strip() if blocks else None


def searches_in(transcript: str) -> int:
    """How many search tags were opened."""
    return transcript.count(SEARCH_OPENS)


def is_malformed(transcript: str) -> bool:
    """Whether a transcript breaks the form: an invalid step, no thinking, or brackets in the place of tags."""
    thinks = "<think>" in transcript and "</think>" in transcript
    return NOTICE.strip() in transcript or not thinks or _LOOK_ALIKE.search(transcript) is not None


def inert(text: str) -> str:
    """Text of a document, in which nothing can be taken for a tag, for a look-alike of one, or for the notice."""
    text = _FOREIGN_TAG.sub(r"‹\1›", text.replace(NOTICE.strip(), ""))
    return _FOREIGN_CLOSING.sub(r"\1 ", _FOREIGN_OPENING.sub(r"\1 ", text))
