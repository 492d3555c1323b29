"""A chat turned into texts to read and a question about them, for clients that know nothing but chats.

What is long is material, what is short is asked. The question is the user's last message, or the short part of it if
the message holds its text too. Where there were turns before, the model first says the question again so that it stands
alone, as is usual in conversational question answering (Vakulenko et al. 2021, arXiv 2004.14652).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pansophy.engine import Engine, Limits
from pansophy.errors import UsageError
from pansophy.models import ChatModel
from pansophy.tokens import estimate_tokens
from pansophy.types import ChatMessage, Usage

LONGEST_QUESTION = 400
"""Tokens, by estimate, of the longest message or part that is taken as a question: whatever is longer is material."""
REMEMBERED = 1200
"""Tokens of the turns before that the question is understood from."""
_SPACE = re.compile(r"\s+")

STANDALONE = """\
Below is a conversation and the user's next question. Say that question again so that it can be understood without the \
conversation, in its own language, and change nothing else. Reply with the question alone."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a chat asks for: `question` about `texts` (name -> text), after the turns `before` it."""

    question: str
    texts: Mapping[str, str]
    before: tuple[ChatMessage, ...]


def reading_of(messages: Sequence[ChatMessage], *, longest: int = LONGEST_QUESTION) -> Reading:
    """What is asked, what is to be read, and what was said before.

    Args:
        messages: the chat; an earlier message that is longer than `longest` tokens is material.
        longest: see `LONGEST_QUESTION`.

    Raises:
        UsageError: the chat has no message of the user, or only material and no question.
    """
    last = max((place for place, message in enumerate(messages) if message.role == "user"), default=-1)
    if last < 0:
        raise UsageError("the chat has no message of the user: there is nothing to answer")
    texts: dict[str, str] = {}
    before = []
    for place, message in enumerate(messages[:last], start=1):
        if estimate_tokens(message.content) > longest:
            texts[f"message-{place}"] = message.content
        elif message.role != "system" and message.content.strip():
            before.append(message)
    question, text = question_in(messages[last].content, longest)
    if text.strip():
        texts[f"message-{last + 1}"] = text
    if not question:
        raise UsageError("the last message holds a text but no question: end it with one, in a paragraph of its own")
    return Reading(question, texts, tuple(before))


def conversation_of(messages: Sequence[ChatMessage]) -> str:
    """A chat as a text to read, for one that is too long although no message is."""
    return "\n\n".join(f"{message.role}: {message.content}" for message in messages)


def question_in(message: str, longest: int = LONGEST_QUESTION) -> tuple[str, str]:
    """The question in a message, and the text that it stands before or after ("" if the message is the question).

    The last paragraph is the question, unless it is too long for one or only the first ends as a question does.
    """
    if estimate_tokens(message) <= longest:
        return message.strip(), ""
    for split in (r"\n\s*\n", r"\n"):
        parts = re.split(f"({split})", message.strip())
        first, last = parts[0], parts[-1]
        fits = {text: estimate_tokens(text) <= longest for text in (first, last)}
        if fits[first] and (not fits[last] or (_asks(first) and not _asks(last))):
            return first.strip(), "".join(parts[1:]).strip()
        if fits[last]:
            return last.strip(), "".join(parts[:-1]).strip()
    return "", message


def _asks(text: str) -> bool:
    return text.rstrip(" \t\n\"'”»)*").endswith(("?", "？", "؟", ";"))


async def standing_alone(model: ChatModel, reading: Reading) -> tuple[str, Usage]:
    """The reading's question, said so that it stands without what was said before it; and what that cost.

    Raises:
        ModelError: the model can't be asked.
    """
    if not reading.before:
        return reading.question, Usage()
    told, left = [], min(REMEMBERED, model.window // 4)
    for message in reversed(reading.before):
        left -= estimate_tokens(message.content)
        if left < 0:
            break
        told.append(f"{message.role}: {_SPACE.sub(' ', message.content)}")
    if not told:
        return reading.question, Usage()
    conversation = "\n".join(reversed(told))
    prompt = f"{STANDALONE}\n\n{conversation}\n\nQuestion: {reading.question}"
    engine = Engine(Limits())
    completion = await engine.complete(model, [ChatMessage("user", prompt)], max_tokens=LONGEST_QUESTION)
    said = completion.text.strip()
    usable = completion.finish_reason == "stop" and 0 < estimate_tokens(said) <= LONGEST_QUESTION
    return said if usable else reading.question, engine.usage
