"""What the levels 3 and 4 do beside decomposition: carry numbers on, and join the views of several agents.

The paper has their architecture alone; the wording, the roles and the arithmetic are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pydantic import BaseModel

from pansophy.events import NoteWritten
from pansophy.models import ChatModel
from pansophy.reading.conclusion import Asking, Judging, Quoting, conclude, grounds
from pansophy.reading.passages import fits, whole
from pansophy.reading.pike_rag.decomposing import Decomposition
from pansophy.reading.pike_rag.forecasting import carried_on, read_points
from pansophy.reading.pike_rag.knowledge import KnowledgeBase
from pansophy.reading.pike_rag.prompts import forecast_prompt, join_prompt, view_prompt
from pansophy.reading.pike_rag.settings import PikeRagSettings
from pansophy.reading.pike_rag.trail import Trail
from pansophy.reading.strategy import Session
from pansophy.types import Answer, ChatMessage, Chunk, Verdict

ROLES = (
    "You look for the plain facts: who, where, when, how much.",
    "You look for causes and consequences.",
    "You look for what speaks against the obvious answer, and for exceptions.",
    "You look for what others did in the same position, and how it ended.",
    "You look for what would have to be done, step by step, and by whom.",
)


class Joined(BaseModel):
    """An answer with the numbers of the passages that it rests on."""

    answer: str = ""
    passages: list[int] = []


class JoinedOrNot(Joined):
    """First whether the passages answer the question."""

    answerable: bool = True


async def forecast(session: Session, model: ChatModel, chunks: Sequence[Chunk], settings: PikeRagSettings) -> Answer:
    """Level 3: answer from the chunks and from what their numbers come to."""
    points = await read_points(session, model, chunks, settings.atom_tokens)
    lines = carried_on(session.question, points)
    session.described = {**session.described, "forecasts": lines}
    if not lines:
        session.warn("no number with a time and a quote was found: nothing could be carried on")
    kept = list(chunks)
    while kept and not await fits(
        model, [forecast_prompt(session.question, kept, lines, forced) for forced in (True, False)],
        settings.answer_tokens,
    ):  # fmt: skip
        kept.pop()
    asking = Asking(
        lambda forced: forecast_prompt(session.question, kept, lines, forced),
        Judging,
        Quoting,
        settings.answer_tokens,
        settings.force,
    )
    concluded = await conclude(session, model, asking, range(len(kept)))
    numbers = tuple(point.evidence for point in points)
    evidence = tuple(dict.fromkeys((*(grounds(session, concluded, kept) if concluded.text else ()), *numbers)))
    return session.answer(concluded.text, concluded.verdict, evidence or tuple(whole(one, 50.0) for one in kept))


async def agents(
    session: Session, model: ChatModel, knowledge: KnowledgeBase, settings: PikeRagSettings
) -> tuple[list[Trail], list[str]]:
    """Level 4: the trails of several agents, and what each makes of what it found ("" where that was nothing)."""
    trails, views = [], []
    for number in range(settings.agents):
        role = ROLES[number % len(ROLES)]
        trail = await Decomposition(session, model, knowledge, settings, role=role).run()
        view = ""
        messages = view_prompt(session.question, trail.chunks, role)
        if trail.chunks and await fits(model, [messages], settings.answer_tokens):
            completion = await session.engine.complete(model, messages, max_tokens=settings.answer_tokens)
            view = completion.text.strip()
            session.emit(NoteWritten(step=number + 1, of=settings.agents, text=view, usage=completion.usage))
        trails.append(trail)
        views.append(view)
        session.described = {**session.described, "agents": [one.describe() for one in trails], "views": views}
    return trails, views


async def join(
    session: Session, model: ChatModel, chunks: Sequence[Chunk], views: Sequence[str], settings: PikeRagSettings
) -> Answer:
    """Level 4: one answer from all views, with the passages that it rests on."""
    kept, told = list(chunks), [view for view in views if view]

    def prompt(forced: bool) -> Sequence[ChatMessage]:
        return join_prompt(session.question, kept, told, forced)

    while (kept or told) and not await fits(model, [prompt(False), prompt(True)], settings.answer_tokens):
        (kept if len(kept) > 1 or not told else told).pop()
    asking = Asking(prompt, JoinedOrNot, Joined, settings.answer_tokens, settings.force)
    concluded = await conclude(session, model, asking, range(len(kept)))
    named = dict.fromkeys(getattr(concluded.reply, "passages", ()))
    cited = [number - 1 for number in named if 1 <= number <= len(kept)]
    if len(cited) < len(named):
        session.warn("the answer names passages that it was not shown; they were left out")
    everything = tuple(whole(piece, 100.0) for piece in kept)
    if concluded.verdict is Verdict.NOTHING_FOUND or not cited:
        if concluded.text:
            session.warn("the answer names none of the passages that it rests on")
        return session.answer(concluded.text, concluded.verdict, everything)
    evidence = tuple(replace(everything[at], statement=concluded.text, cited=True) for at in cited)
    return session.answer(concluded.text, concluded.verdict, evidence)
