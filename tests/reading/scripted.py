"""Scripted agents: replies as functions of what stands in a prompt, and what a prompt shows."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from pansophy import Corpus, ScriptedModel
from pansophy.models.scripted import ScriptedCall
from pansophy.reading.extagents import ExtAgents
from pansophy.reading.extagents.prompts import REASONER, SEEKER
from pansophy.types import Answer, ChatMessage, Completion, TokenLogprob, Usage

Prompt = Sequence[ChatMessage]

QUESTION = "Which lamp hangs in the hall of the house?"


def lamp(number: int) -> str:
    """The text of chunk `number` of `houses`."""
    return f"House {number}: lamp {number} hangs in the hall, and clock {number * 7} stands beside it."


@lru_cache
def houses(count: int) -> Corpus:
    """`count` short documents "house-00", ...; each is one chunk and says of itself what `lamp` says."""
    return Corpus.from_texts({f"house-{number:02}": lamp(number) for number in range(count)})


# --- what a prompt shows ----------------------------------------------------------------------------------------------


def is_seek(prompt: Prompt) -> bool:
    return prompt[0].content == SEEKER


def is_reason(prompt: Prompt) -> bool:
    return prompt[0].content == REASONER


def text_of(prompt: Prompt) -> str:
    """The user's message."""
    return prompt[1].content


def house_of(prompt: Prompt) -> int:
    """The number of the house that a seeking agent reads."""
    found = re.search(r"House (\d+):", text_of(prompt).partition("</text>")[0])
    assert found is not None
    return int(found[1])


def after_chunk(prompt: Prompt) -> str:
    """What a seeking agent is told beside its chunk."""
    return text_of(prompt).partition("</text>")[2]


def findings_of(prompt: Prompt) -> list[str]:
    """The findings that the reasoning agent is shown, in their order."""
    frame = text_of(prompt).partition("<findings>\n")[2].partition("\n</findings>")[0]
    return re.split(r"\n\n(?=\[\d+\] )", frame) if frame else []


def can_refuse(call: ScriptedCall) -> bool:
    return "answerable" in text_of(call.messages) or "answerable" in json.dumps(call.schema)


def seeks(model: ScriptedModel) -> list[ScriptedCall]:
    return [call for call in model.calls if is_seek(call.messages)]


def tries(model: ScriptedModel) -> list[ScriptedCall]:
    return [call for call in model.calls if is_reason(call.messages)]


# --- replies ----------------------------------------------------------------------------------------------------------


def seen(statement: str, quote: str, rating: Any = 50, relevant: Any = True) -> str:
    """A seeking agent's reply."""
    return json.dumps(
        {"relevant": relevant, "quote": quote, "statement": statement, "rating": rating}, ensure_ascii=False
    )


def nothing() -> str:
    return seen("", "", 0, relevant=False)


def answered(text: str, *findings: int) -> str:
    return json.dumps({"answerable": True, "answer": text, "findings": list(findings)}, ensure_ascii=False)


def refused(guess: str = "") -> str:
    return json.dumps({"answerable": False, "answer": guess, "findings": []}, ensure_ascii=False)


def judged(yes: float) -> Completion:
    """A judging agent's reply whose log-probabilities say yes with probability `yes`."""
    import math

    word = "yes" if yes >= 0.5 else "no"
    top = (("yes", math.log(max(yes, 1e-9))), ("no", math.log(max(1 - yes, 1e-9))))
    chosen = top[0] if word == "yes" else top[1]
    return Completion(word, "stop", Usage(1, 10, 0, 1), (TokenLogprob(*chosen, top),))


def weighed(text: str, certainty: float) -> Completion:
    """A reasoning agent's answer with a token of probability `certainty`, and else certain ones."""
    import math

    tokens = [(text[:1], 0.0), (text[1:], math.log(certainty))]
    return Completion(text, "stop", Usage(1, 10, 0, 1), tuple(TokenLogprob(*token) for token in tokens))


def lamp_seen(prompt: Prompt) -> str:
    """Every house has its lamp; all are rated alike."""
    number = house_of(prompt)
    return seen(f"Lamp {number} hangs in house {number}.", f"lamp {number} hangs in the hall")


def agents(
    seek: Callable[[Prompt], Any] = lamp_seen,
    reason: Callable[[Prompt], Any] = lambda prompt: refused(),
    **options: Any,
) -> ScriptedModel:
    """A model that replies with `seek` or `reason`, according to whose prompt it gets."""
    return ScriptedModel(lambda prompt, _: seek(prompt) if is_seek(prompt) else reason(prompt), **options)


async def read(
    model: ScriptedModel, corpus: Corpus, question: str = QUESTION, *, limits: Any = None, **settings: Any
) -> Answer:
    """`question` answered by ExtAgents with `settings`; each of the short documents of a test is a chunk of its own."""
    settings.setdefault("chunk_tokens", 20)
    options = {} if limits is None else {"limits": limits}
    return await ExtAgents(model, settings=settings, **options).run(question, corpus)


def check_evidence(answer: Answer, corpus: Corpus) -> None:
    """The evidence law: each quote stands where the answer says that it does."""
    for item in answer.evidence:
        assert item.quote
        assert corpus.document(item.document).text[item.start : item.end] == item.quote


async def other_tasks() -> set[asyncio.Task[Any]]:
    """The tasks of the running loop beside this one."""
    return asyncio.all_tasks() - {asyncio.current_task()}
