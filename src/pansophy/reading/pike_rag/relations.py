"""Decomposition by a model too small to propose questions: the words of the question say what to ask next, and the
chunk is chosen from which the model answers that with the most certainty.

Ours. A model of 1.5B proposed the question itself again and chose among questions as by chance (docs/experiments.md);
asked for one relation after the other, and shown how (`extagents/chain.py`), it seldom loses its way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pansophy.errors import EmptyReply
from pansophy.models import ChatModel
from pansophy.reading.extagents.chain import Chain, examples_for
from pansophy.reading.extagents.messages import echoes
from pansophy.reading.extagents.reasoning import certainty_of
from pansophy.reading.passages import fits, quoted, whole
from pansophy.reading.pike_rag.knowledge import Candidate
from pansophy.reading.pike_rag.prompts import relation_prompt
from pansophy.reading.strategy import Session
from pansophy.types import Chunk, Evidence, Usage

ANSWER_TOKENS = 48
CERTAIN = 0.5
"""The least certainty of an answer from a chunk that was chosen for another question."""
MOST_TRIED = 6
"""Chunks that are tried for one question, those first whose question is most like it."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What a chunk answers, and the probability of its least probable word; "" and 0 if it can't be an answer."""

    answer: str
    certainty: float


@dataclass(slots=True)
class Relations:
    """The relations of a question, asked one by one.

    Args:
        session: the question being read.
        model: who answers.
        chain: the relations that the question nests.
    """

    session: Session
    model: ChatModel
    chain: Chain
    answers: list[str] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    _spent: Usage = field(default_factory=Usage)
    _told: dict[tuple[str, str], _Told] = field(default_factory=dict)
    _chosen: tuple[str, str] = ("", "")

    @property
    def answer(self) -> str:
        """The last relation's answer; "" as long as one is missing."""
        return self.answers[-1] if len(self.answers) == len(self.chain.relations) else ""

    def spent(self) -> Usage:
        """What was spent since this was last asked."""
        spent, self._spent = self._spent, Usage()
        return spent

    async def next(self, context: Sequence[Chunk]) -> str | None:
        """The question that no chunk of `context` answers; None if all are answered.

        Raises:
            ModelError, BudgetExceeded: as `Engine.complete`.
        """
        while (question := self._question()) is not None:
            told = [(await self._try(question, rest), rest) for chunk in context if (rest := self._rest(chunk)).text]
            sure = [one for one in told if one[0].certainty >= CERTAIN or self._chosen == (question, one[1].text)]
            if not sure:
                return question
            best, chunk = max(sure, key=lambda one: one[0].certainty)
            statement = f"{question} {best.answer}"
            quote = quoted(best.answer, [chunk], statement=statement, rating=100.0, cited=True)
            self.evidence.append(quote or replace(whole(chunk, 100.0), cited=True))
            self.answers.append(best.answer)
        return None

    async def choose(self, candidates: Sequence[Candidate]) -> Candidate | None:
        """The candidate from whose chunk the question at hand is answered with the most certainty; None if it is from
        none.

        Raises:
            ModelError, BudgetExceeded: as `Engine.complete`.
        """
        question = self._question()
        assert question is not None, "nothing is looked for when all is answered"
        of_units = {one.unit.number: one for one in reversed(candidates)}
        named = [one for one in of_units.values() if self._known.casefold() in one.unit.chunk.text.casefold()]
        offered = sorted(named or of_units.values(), key=lambda one: -one.score)[:MOST_TRIED]
        told = [(await self._try(question, one.unit.chunk), one) for one in offered]
        best, chosen = max(told, key=lambda one: one[0].certainty)
        if not best.answer:
            return None
        self._chosen = (question, chosen.unit.chunk.text)
        return chosen

    def _question(self) -> str | None:
        number = len(self.answers)
        if number == len(self.chain.relations):
            return None
        return self.chain.question(number, self._known)

    @property
    def _known(self) -> str:
        return self.answers[-1] if self.answers else self.chain.start

    def _rest(self, chunk: Chunk) -> Chunk:
        """The chunk without the sentences before and up to the last that told a relation, or after it, whichever is
        longer: what told one relation is easily taken to tell the next."""
        rest = chunk
        for one in self.evidence:
            if one.document == rest.document and rest.start <= one.start and one.end <= rest.end:
                before, after = one.start - rest.start, one.end - rest.start
                parts = ((0, before), (after, len(rest.text)))
                start, end = max(parts, key=lambda part: part[1] - part[0])
                text = rest.text[start:end]
                rest = replace(rest, start=rest.start + start, end=rest.start + end, text=text if text.strip() else "")
        return rest

    async def _try(self, question: str, chunk: Chunk) -> _Told:
        key = (question, chunk.text)
        if key not in self._told:
            self._told[key] = await self._asked(question, chunk)
        return self._told[key]

    async def _asked(self, question: str, chunk: Chunk) -> _Told:
        """The answer that the chunk gives, if its words stand there and say more than the question's."""
        prompt = relation_prompt(question, chunk, examples_for(self.chain))
        if not await fits(self.model, [prompt], ANSWER_TOKENS):
            self.session.warn(f"a chunk of {chunk.document} is too long to be asked with examples: it is not read")
            return _Told("", 0.0)
        try:
            said = await self.session.engine.complete(self.model, prompt, max_tokens=ANSWER_TOKENS, logprobs=True)
        except EmptyReply:  # nothing to say is an answer too
            return _Told("", 0.0)
        self._spent += said.usage
        answer = said.text.strip().rstrip(".。")
        if not answer or echoes(answer, question) or answer.casefold() not in chunk.text.casefold():
            return _Told("", 0.0)
        certainty = certainty_of(said.logprobs)
        return _Told(answer, 1.0 if certainty is None else certainty)
