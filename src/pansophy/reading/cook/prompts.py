"""All that models are told, and what their replies about what they need mean.

Documents are put in one line each, so that none can end its own part of a prompt.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pansophy.types import ChatMessage

Examples = Sequence[tuple[str, str]]
"""Questions with their answers, shown as earlier turns."""

WRITE = (
    "Write one short paragraph of facts that help to answer the question below. Write the facts alone, and do not "
    "answer the question itself."
)
MORE = "Do you need more information to answer the question? Reply with Yes or No."
WHICH = "What kind of information do you need? Reply with one sentence."
CHOOSE = "Choose the source of information that helps most. Reply with its line, word for word."

_NO = re.compile(r"\bno\b", re.IGNORECASE)


def write_prompt(question: str) -> list[ChatMessage]:
    """Asks a chat model for a document."""
    return [ChatMessage("user", f"{WRITE}\n\nQuestion: {question}")]


def knowledge_prompt(question: str, documents: Sequence[str], examples: Examples = ()) -> list[ChatMessage]:
    """The question after the documents, each once and in their order; alone if there are none."""
    turns = [
        message for asked, said in examples for message in (ChatMessage("user", asked), ChatMessage("assistant", said))
    ]
    return [*turns, ChatMessage("user", with_knowledge(question, documents))]


def with_knowledge(question: str, documents: Sequence[str]) -> str:
    """ "Knowledge:", the documents a line each, and the question."""
    return "\n".join(["Knowledge:", *documents, "", question]) if documents else question


def bullets_prompt(question: str, paragraphs: Sequence[str], examples: Examples = ()) -> list[ChatMessage]:
    """MoCo's: the paragraphs of all models as a list."""
    return knowledge_prompt(question, [f"- {paragraph}" for paragraph in paragraphs], examples)


def asking_prompt(question: str, documents: Sequence[str], ask: str) -> list[ChatMessage]:
    """What has been gathered so far, and a question about what is missing."""
    return [ChatMessage("user", f"{with_knowledge(f'Question: {question}', documents)}\n\n{ask}")]


def choose_ask(descriptions: Sequence[str]) -> str:
    """Lists what the cards know."""
    return "\n".join(["Sources of information:", *(f"- {one}" for one in descriptions), "", CHOOSE])


def says_no(reply: str) -> bool:
    """Whether the word "no" stands in a reply; "know" and "not" aren't the word. Any other reply is a yes."""
    return bool(_NO.search(reply))


def named(reply: str, names: Sequence[Sequence[str]]) -> int | None:
    """Which of several things a reply names first: the place in `names`, each entry the names of one thing.

    Letter case and blanks don't count, names are whole words; of two that begin at the same place the longer one is
    meant. None if it names none.
    """
    said = _folded(reply)
    found = []
    for place, own in enumerate(names):
        for name in filter(None, map(_folded, own)):
            if match := re.search(rf"(?<!\w){re.escape(name)}(?!\w)", said):
                found.append((match.start(), -len(name), place))
    return min(found)[2] if found else None


def _folded(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".")
