"""The result in words. The value is computed before; a model may only put it into the words of the question.

Its answer counts if it holds every label and value of the result and no other number; else the result is given plainly.
"""

from __future__ import annotations

from dataclasses import replace

from pansophy.engine import complete_as
from pansophy.errors import BudgetExceeded, ModelError
from pansophy.events import ReasoningStarted, ReasoningTried
from pansophy.models import ChatModel
from pansophy.reading.aggregation.plan import COMMON, Plan
from pansophy.reading.aggregation.prompts import Stated, state_prompt
from pansophy.reading.aggregation.records import whole
from pansophy.reading.aggregation.reduce import Result, text_of
from pansophy.reading.aggregation.values import shown
from pansophy.reading.extagents.prompts import language_of
from pansophy.reading.passages import fits
from pansophy.reading.quotes import holds_numbers
from pansophy.reading.strategy import Session
from pansophy.types import Evidence

MOST_STATED = 20
"""Values that a model is still asked to put into words; a longer list is given as it is."""
MOST_CITED = 20
"""Records that the answer names; the others are its evidence too."""

_MONOTONE = ("count", "count_distinct", "set", "chain")
"""Reductions to which more records can only add."""
_INCOMPLETE = {
    "en": ("at least; not everything could be read", "from what could be read"),
    "zh": ("至少；未能读取全部内容", "仅依据已读取的内容"),
}


def plainly(session: Session, plan: Plan, result: Result, missing: bool) -> str:
    """The result as it is, in brackets whether something is `missing` from it; "" if there is none."""
    return "" if result.empty else _qualified(session, plan, text_of(result, plan), missing)


async def stated(session: Session, model: ChatModel, plan: Plan, result: Result, missing: bool, max_tokens: int) -> str:
    """The result in the words of `model`, if these repeat it; else plainly. A call that fails costs no result."""
    plain = plainly(session, plan, result, missing)
    prompt = state_prompt(session.question, text_of(result, plan))
    if len(_parts(plan, result)) > MOST_STATED or not await fits(model, [prompt], max_tokens):
        return plain
    session.emit(ReasoningStarted(round=1, attempt=1, shown=(), forced=False))
    try:
        reply, completion = await complete_as(session.engine, model, prompt, Stated, max_tokens=max_tokens)
    except (ModelError, BudgetExceeded) as error:
        session.warn(f"the result is given plainly: {model.name} did not put it into words ({error})")
        return plain
    text = reply.answer.strip() if reply is not None else ""
    if not repeats(text, session.question, plan, result):
        session.warn(f"the result is given plainly: {model.name} did not repeat it")
        text = text_of(result, plan)
    session.emit(
        ReasoningTried(round=1, attempt=1, answered=True, forced=False, answer=text, cited=(), usage=completion.usage)
    )
    return _qualified(session, plan, text, missing)


def repeats(text: str, question: str, plan: Plan, result: Result) -> bool:
    """Whether `text` holds everything that the result does, and no number that neither it nor the question has."""
    held = all(whole([part]).search(text) for part in _parts(plan, result))
    return held and holds_numbers(text, f"{question} {text_of(result, plan)}")


def evidence_of(result: Result) -> tuple[Evidence, ...]:
    """The quotes of the records that the result rests on, in the order of the text; the first ones cited."""
    records = sorted(result.records, key=lambda record: record.position)
    found = {
        (place.document, place.start, place.end): Evidence(
            place.document, place.start, place.end, place.quote, record.statement, 100.0, 1
        )
        for record in records
        for place in record.places
    }
    return tuple(replace(item, cited=number < MOST_CITED) for number, item in enumerate(found.values()))


def _parts(plan: Plan, result: Result) -> list[str]:
    """What an answer must hold."""
    labels = [shown(row.label) for row in result.rows if row.label is not None]
    if plan.reduce in COMMON and not plan.group_by:
        return labels
    return labels + [shown(value) for row in result.rows for value in row.values]


def _qualified(session: Session, plan: Plan, text: str, missing: bool) -> str:
    if not missing:
        return text
    monotone = plan.reduce in _MONOTONE and not plan.group_by and not plan.take
    at_least, as_read = _INCOMPLETE[language_of(session.question)]
    return f"{text} ({at_least if monotone else as_read})"
