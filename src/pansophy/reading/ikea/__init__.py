"""IKEA: an agent that answers from its own knowledge first, and searches only past its boundary.

Huang, Yuan, Ju, Zhao and Liu 2025, Reinforced Internal-External Knowledge Synergistic Reasoning for Efficient Adaptive
Search Agent, arXiv 2505.07596: the agent's world = `environment.py`, the reward aware of the boundary = `reward.py`,
the data that is balanced around it = `boundary.py`, GRPO with retrieved tokens masked = `grpo.py` and `training.py`,
the closed form of when the reward teaches to search = `switching.py`. This strategy asks any chat model, trained or
not, to act as the agent; `writing.py` asks an adapter that was trained here.

Departures: a chat model is told what a search brought in a turn of its own, since chat endpoints continue no reply;
see also `environment.py`.
"""

from __future__ import annotations

import asyncio

from pansophy.errors import EmptyReply, UsageError
from pansophy.events import NoteWritten
from pansophy.papers import Paper
from pansophy.reading.ikea.environment import Episode, SearchEnv, corpus_retriever
from pansophy.reading.ikea.prompts import agent_prompt
from pansophy.reading.ikea.settings import IkeaSettings
from pansophy.reading.passages import NO_RATING, fits, quoted, whole
from pansophy.reading.strategy import Session, Strategy
from pansophy.types import Answer, Chunk, Evidence, Usage, Verdict

__all__ = ["PAPER", "Ikea", "IkeaSettings"]

PAPER = Paper(
    system="IKEA",
    title="Reinforced Internal-External Knowledge Synergistic Reasoning for Efficient Adaptive Search Agent",
    authors="Ziyang Huang, Xiaowei Yuan, Yiming Ju, Jun Zhao, Kang Liu",
    year=2025,
    arxiv="2505.07596",
    module="pansophy.reading.ikea",
)

SMALLEST_OBSERVATION = 50
"""Tokens; less of what a search brought is of no use."""
TURN_TOKENS = 16
"""What a chat template adds to a turn, at the most."""


class Ikea(Strategy[IkeaSettings]):
    """Thinks, searches where it must, and answers."""

    name = "ikea"
    settings_class = IkeaSettings

    async def _read(self, session: Session) -> Answer:
        settings = self.settings
        env = SearchEnv(
            corpus_retriever(session.corpus),
            settings.rounds,
            settings.max_chunks,
            observation_tokens=await self._room(session.question),
            timeout=settings.search_seconds,
            instructions=settings.instructions,
        )
        episode = env.begin(session.question)
        self._begin(session, chunks=session.corpus.chunk_count, order="rank")
        while not episode.done:
            if not await fits(self.model, [env.messages(episode)], settings.reply_tokens):
                session.warn(f"the window of {self.model.name} is full, and there is no answer yet")
                break
            text, usage = await self._generation(session, env, episode)
            await asyncio.to_thread(env.step, episode, text)
            written = next(piece.text for piece in reversed(episode.pieces) if piece.kind == "model")
            session.emit(NoteWritten(step=episode.turns, of=settings.rounds + 1, text=written.strip(), usage=usage))
            session.best = session.answer("", Verdict.OUT_OF_BUDGET, _evidence(episode), rounds=episode.turns)
        if episode.late:
            session.warn(f"{episode.late} of {episode.searches} searches took too long")
        session.described = {**session.described, "queries": list(episode.queries)}
        verdict = Verdict.NOTHING_FOUND
        if episode.answer:
            verdict = Verdict.FORCED if episode.forced else Verdict.ANSWERED
        return session.answer(episode.answer or "", verdict, _evidence(episode), rounds=episode.turns)

    async def _generation(self, session: Session, env: SearchEnv, episode: Episode) -> tuple[str, Usage]:
        """What the agent writes next; a model that keeps silent has taken an invalid step."""
        try:
            completion = await session.engine.complete(
                self.model,
                env.messages(episode),
                max_tokens=self.settings.reply_tokens,
                temperature=self.settings.temperature,
            )
        except EmptyReply:
            return "", Usage()
        return completion.text, completion.usage

    async def _room(self, question: str) -> int:
        """Tokens for what one search brings, so that a whole episode fits the window.

        Raises:
            UsageError: too few are left; says what to lower.
        """
        settings = self.settings
        taken = await self.model.count_prompt(agent_prompt(question, settings.instructions))
        taken += (settings.rounds + 1) * (settings.reply_tokens + TURN_TOKENS) + settings.rounds * TURN_TOKENS
        left = (self.model.window - taken) // max(settings.rounds, 1)
        if left < SMALLEST_OBSERVATION:
            smallest = taken + SMALLEST_OBSERVATION * max(settings.rounds, 1)
            raise UsageError(
                f"the window of {self.model.name} ({self.model.window} tokens) is too small for {settings.rounds} "
                f"searches and replies of {settings.reply_tokens} tokens: {smallest} would do. Lower reply_tokens or "
                "rounds, or take a larger window"
            )
        return min(settings.observation_tokens, left)


def _evidence(episode: Episode) -> tuple[Evidence, ...]:
    """The sentence that has the answer's words, else all that was found."""
    found = list(dict.fromkeys(passage for passage in episode.passages if isinstance(passage, Chunk)))
    if episode.answer:
        place = quoted(episode.answer, found, statement=episode.answer, rating=NO_RATING, cited=False)
        if place is not None:
            return (place,)
    return tuple(whole(chunk, NO_RATING) for chunk in found)
