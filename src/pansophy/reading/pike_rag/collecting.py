"""Data for a trainable decomposer: many decompositions of questions with known answers, each with a reward.

The paper's algorithm 2 explores: each retrieval goes deeper than it is used, what lies beyond gives its chunk a score,
and one chunk a step is put into the context by an upper confidence bound over scores and visits. Its algorithm 3 makes
training pairs of a trajectory. Neither is in the authors' code; alpha, the depth and its likeness are ours.

Departure: a chunk that no retrieval has scored is never sampled.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pansophy.corpus import Corpus
from pansophy.engine import Engine, complete_as
from pansophy.evaluation.files import append_line, drop_torn_line, read_lines
from pansophy.evaluation.metrics import english_f1, exact_match
from pansophy.events import Event
from pansophy.reading.pike_rag import PikeRag
from pansophy.reading.pike_rag.decomposing import Decomposition
from pansophy.reading.pike_rag.knowledge import KnowledgeBase
from pansophy.reading.pike_rag.prompts import SubAnswer, sub_answer_prompt
from pansophy.reading.pike_rag.settings import PikeRagSettings
from pansophy.reading.pike_rag.trail import Trail
from pansophy.reading.pike_rag.units import Unit
from pansophy.reading.strategy import Session

ALPHA = 0.5
DEPTH = 2
"""How many times as many questions as are used each retrieval takes (K' = DEPTH * K)."""
LIKENESS_SHARE = 0.7
"""Of the usual least likeness, for these (delta' = LIKENESS_SHARE * delta)."""
SAMPLING_TEMPERATURE = 0.7
"""Of the proposals from the second trajectory of a question on."""

Trajectory = dict[str, Any]


def upper_bounds(scores: Sequence[float], visits: Sequence[int], step: int, alpha: float = ALPHA) -> list[float]:
    """S + alpha * sqrt(ln t / V) of each chunk, at step t >= 1."""
    return [score + alpha * math.sqrt(math.log(step) / seen) for score, seen in zip(scores, visits, strict=True)]


@dataclass(slots=True)
class UpperBoundExplorer:
    """Keeps each chunk's score (0 at first) and visits (1 at first); see `decomposing.Explorer`."""

    alpha: float = ALPHA
    scores: dict[int, float] = field(default_factory=dict)
    visits: dict[int, int] = field(default_factory=dict)
    _units: dict[int, Unit] = field(default_factory=dict)
    _entered: int = 0

    def beyond(self, settings: PikeRagSettings, knowledge: KnowledgeBase, proposals: Sequence[str], most: int) -> None:
        """Each chunk that is retrieved, but not among the best of any proposal, gains its best likeness."""
        used: set[int] = set()
        found: dict[int, float] = {}
        for proposal in proposals:
            ranked = knowledge.atoms_for(proposal, DEPTH * most, LIKENESS_SHARE * knowledge.least)
            used |= {one.unit.number for one in ranked[:most] if one.score >= knowledge.least}
            for one in ranked:
                self._units[one.unit.number] = one.unit
                found[one.unit.number] = max(found.get(one.unit.number, 0.0), one.score)
        for number in found.keys() - used:
            self.scores[number] = self.scores.get(number, 0.0) + found[number]

    def sample(self, step: int, trail: Trail) -> Unit | None:
        """The chunk outside of the context with the highest bound, of equals the first; None if none has a score."""
        for unit in trail.context[self._entered :]:
            self._enter(unit.number)
        self._entered = len(trail.context)
        inside = {unit.number for unit in trail.context}
        open_ = sorted(number for number, score in self.scores.items() if score > 0 and number not in inside)
        if not open_:
            return None
        visits = [self.visits.get(number, 1) for number in open_]
        bounds = upper_bounds([self.scores[number] for number in open_], visits, step, self.alpha)
        return self._units[open_[bounds.index(max(bounds))]]

    def _enter(self, number: int) -> None:
        self.scores[number] = 0.0
        self.visits[number] = self.visits.get(number, 1) + 1


async def collect(
    reader: PikeRag,
    questions: Mapping[str, Sequence[str]],
    corpus: Corpus,
    path: Path,
    *,
    samples: int = 1,
    emit: Callable[[Event], None] | None = None,
) -> int:
    """Decompose each question `samples` times and write a trajectory a line to `path`; those that are there are kept.

    Args:
        reader: whose models and settings are used.
        questions: question -> its gold answers.
        corpus: what they are asked of.
        path: a file of JSON lines.
        samples: trajectories of each question.
        emit: is told what happens.

    Returns:
        How many trajectories the file holds.

    Raises:
        RunFailed: a question could not be answered.
        RunError, StoreError: the file is damaged, or can't be written.
    """
    drop_torn_line(path)
    done = {(one["question"], one["sample"]) for one in read_lines(path, dict)}
    for sample in range(samples):
        for question, gold in questions.items():
            if (question, sample) not in done:
                explorer = _Exploring(reader, sample)
                answer = await explorer.run(question, corpus, emit=emit)
                reward = {"f1": english_f1(answer.text, gold), "exact_match": exact_match(answer.text, gold)}
                head = {"question": question, "sample": sample, "gold": list(gold)}
                append_line(path, {**head, **explorer.trajectory, "answer": answer.text, "reward": reward})
                done.add((question, sample))
    return len(done)


class _Exploring(PikeRag):
    """Reads as `reader` does, and keeps how it did."""

    def __init__(self, reader: PikeRag, sample: int) -> None:
        super().__init__(
            reader.model,
            seeker_model=reader.seeker_model,
            settings=reader.settings,
            limits=reader.limits,
            prices=reader.prices,
        )
        self.sample = sample
        self.trajectory: Trajectory = {}

    async def _answered(self, session: Session, knowledge: KnowledgeBase) -> Any:
        trail = await Decomposition(
            session,
            self.model,
            knowledge,
            self.settings,
            temperature=SAMPLING_TEMPERATURE if self.sample else 0.0,
            seed=self.sample,
            explorer=UpperBoundExplorer(),
        ).run()
        self.trajectory = {
            "model": self.model.identity,
            "stop": str(trail.stop),
            "steps": [
                {
                    "proposals": list(step.proposals),
                    "sub_question": step.chosen.question,
                    "sub_answer": await self._sub_answer(session.engine, step.chosen.question, step.chosen.unit),
                    "document": step.chosen.unit.chunk.document,
                    "explored": step.explored.chunk.document if step.explored else None,
                }
                for step in trail.steps
                if step.chosen is not None
            ],
        }
        return await self._conclude(session, knowledge, trail.chunks)

    async def _sub_answer(self, engine: Engine, question: str, unit: Unit) -> str:
        reply, _ = await complete_as(
            engine,
            self.model,
            sub_answer_prompt(question, unit.chunk),
            SubAnswer,
            max_tokens=self.settings.reply_tokens,
        )
        return reply.answer.strip() if reply is not None else ""


def training_pairs(trajectory: Mapping[str, Any]) -> list[dict[str, str]]:
    """The t + 1 pairs of a trajectory of t steps: the question and what was asked and answered so far, then whether to
    go on and what to ask next; the last target says that nothing is missing."""
    steps = trajectory["steps"]
    pairs = []
    for number in range(len(steps) + 1):
        known = [f"Q: {step['sub_question']}\nA: {step['sub_answer']}" for step in steps[:number]]
        asked = steps[number]["sub_question"] if number < len(steps) else ""
        target = {"decompose": bool(asked), "sub_question": asked}
        pairs.append(
            {
                "input": "\n".join([f"Question: {trajectory['question']}", *known]),
                "target": json.dumps(target, ensure_ascii=False),
            }
        )
    return pairs
