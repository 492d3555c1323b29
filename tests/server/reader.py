"""A scripted model that reads: it finds the sentence that shares the most words with the question, and cites it."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from tests.reading.scripted import findings_of, is_reason, is_seek

from pansophy.models import ScriptedModel
from pansophy.models.scripted import Reply
from pansophy.types import ChatMessage

Prompt = Sequence[ChatMessage]
QUESTION = "Which lamp hangs in the hall of house 2?"
SENTENCE = "House 2: lamp 2 hangs in the hall, and a clock stands beside it."


def reader(before: Callable[[Prompt], Awaitable[None]] | None = None, **options: Any) -> ScriptedModel:
    """Answers as a reading model does; `before` is awaited before each reply."""

    async def reply(prompt: Prompt, schema: Any) -> Reply:
        if before is not None:
            await before(prompt)
        return replying(prompt)

    return ScriptedModel(reply, **options)


def replying(prompt: Prompt) -> str:
    if is_seek(prompt):
        text = prompt[1].content.partition("</text>")[0]
        found = re.search(r"lamp (2) hangs in the hall", text) or re.search(r"lamp (\d+) hangs in the hall", text)
        if found is None:
            return json.dumps({"relevant": False, "quote": "", "statement": "", "rating": 0})
        rating = 90 if found[1] == "2" else 20
        statement = f"It is lamp {found[1]}."
        return json.dumps({"relevant": True, "quote": found[0], "statement": statement, "rating": rating})
    if is_reason(prompt):
        for number, finding in enumerate(findings_of(prompt), start=1):
            if re.search(r"lamp 2\b", str(finding)):
                return json.dumps({"answerable": True, "answer": "lamp 2", "findings": [number]})
        return json.dumps({"answerable": False, "answer": "", "findings": []})
    if "next question" in prompt[0].content:
        return QUESTION
    return f"You said: {prompt[-1].content[:50]}"
