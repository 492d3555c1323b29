"""From a question to a plan: one call, and one more that is told what was wrong."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any

from pydantic import create_model

from pansophy.engine import parse_reply, schema_of
from pansophy.errors import UsageError
from pansophy.models import ChatModel
from pansophy.reading.aggregation.plan import Plan, read_plan
from pansophy.reading.aggregation.prompts import SAMPLE_CHARACTERS, mend_prompt, plan_prompt
from pansophy.reading.passages import fits
from pansophy.reading.strategy import Session
from pansophy.types import Usage

_Draft = create_model("_Draft", **dict.fromkeys(Plan.model_fields, (Any, None)))  # type: ignore[call-overload]
"""A reply that names anything of a plan: what is wrong in it is an error to tell the planner, not to pass over."""


@dataclass(frozen=True, slots=True)
class Planned:
    """The plan, or None and the last mistake; `usage` is that of all calls."""

    plan: Plan | None
    mistake: str
    usage: Usage


async def planned(session: Session, model: ChatModel, max_tokens: int) -> Planned:
    """The plan that `model` makes for the session's question.

    Raises:
        UsageError: the window has no room for the planner's instructions.
        ModelError, BudgetExceeded: as `Engine.complete`.
    """
    (first,) = await asyncio.to_thread(session.corpus.read, [0])
    text = first.text[:SAMPLE_CHARACTERS]
    prompt = plan_prompt(session.question, [replace(first, text=text, end=first.start + len(text))])
    if not await fits(model, [prompt], max_tokens):
        raise UsageError(
            f"the window of {model.name} ({model.window} tokens) is too small to plan in: give a plan (the setting "
            "plan), or take a larger window"
        )
    asked, mistake, usage = prompt, "", Usage()
    for _ in range(2):
        completion = await session.engine.complete(model, asked, schema=schema_of(Plan), max_tokens=max_tokens)
        usage += completion.usage
        draft = parse_reply(completion.text, _Draft)
        try:
            if completion.finish_reason == "length":
                raise UsageError(f"the plan is wrong: it is longer than the {max_tokens} tokens that it may have")
            if draft is None:
                raise UsageError("the plan is wrong: it is no JSON object with the names of a plan")
            return Planned(read_plan(draft.model_dump(exclude_unset=True)), "", usage)
        except UsageError as error:
            mistake = str(error)
        asked = mend_prompt(prompt, completion.text, mistake)
        if not await fits(model, [asked], max_tokens):
            break
    return Planned(None, mistake, usage)
