"""The knowledge base as it is asked: chunks, the questions that they answer, and how well each fits a query.

Knows nothing of models; `making.py` fills it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pansophy.reading.pike_rag.likeness import Likeness
from pansophy.reading.pike_rag.units import Unit


@dataclass(frozen=True, slots=True)
class Atom:
    """A question that the chunk `unit` (its number) answers; of a chunk without any, how it begins."""

    question: str
    unit: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """What the knowledge base offers for a proposal: an atom and its chunk."""

    proposal: str
    question: str
    unit: Unit
    score: float


@dataclass(frozen=True, slots=True)
class KnowledgeBase:
    """Chunks and their questions (each chunk has an atom), and three measures of likeness: to the questions, the
    chunks' texts, and the titles of their documents; `least` is the likeness from which a question counts as found."""

    units: Sequence[Unit]
    atoms: Sequence[Atom]
    by_question: Likeness
    by_text: Likeness
    by_title: Likeness
    least: float

    def atoms_for(self, query: str, most: int, least: float | None = None) -> list[Candidate]:
        """The `most` questions that are most like `query`, best first, from likeness `least` on."""
        least = self.least if least is None else least
        scores = self.by_question.scores(query)
        return [self._offer(query, number, scores[number]) for number in _best(scores, most) if scores[number] >= least]

    def chunks_for(self, query: str, most: int) -> list[Candidate]:
        """The `most` chunks whose text is most like `query`, each with its own best question."""
        scores, of_atoms = self.by_text.scores(query), self.by_question.scores(query)
        best: dict[int, int] = {}
        for number, atom in enumerate(self.atoms):
            if atom.unit not in best or of_atoms[number] > of_atoms[best[atom.unit]]:
                best[atom.unit] = number
        return [self._offer(query, best[number], scores[number]) for number in _best(scores, most)]

    def layered(self, query: str, weights: tuple[float, float, float]) -> list[float]:
        """The likeness of every chunk on all three layers: its text, its document's title, its best question."""
        of_questions = [0.0] * len(self.units)
        for atom, score in zip(self.atoms, self.by_question.scores(query), strict=True):
            of_questions[atom.unit] = max(of_questions[atom.unit], score)
        layers = (self.by_text.scores(query), self.by_title.scores(query), of_questions)
        total = sum(weights)
        return [
            sum(weight * score for weight, score in zip(weights, scores, strict=True)) / total
            for scores in zip(*layers, strict=True)
        ]

    def best_units(self, query: str, weights: tuple[float, float, float], most: int) -> list[tuple[Unit, float]]:
        """The chunks that fit `query` best on all layers, best first; none that shares nothing with it."""
        scores = self.layered(query, weights)
        return [(self.units[number], scores[number]) for number in _best(scores, most)]

    def _offer(self, query: str, number: int, score: float) -> Candidate:
        atom = self.atoms[number]
        return Candidate(query, atom.question, self.units[atom.unit], score)


def without(candidates: Sequence[Candidate], known: Collection[str]) -> list[Candidate]:
    """Those whose chunk has none of the `known` texts; of equal questions of a chunk the best, best first."""
    ranked = sorted(candidates, key=lambda one: -one.score)
    found = {(one.question, one.unit.chunk.text): one for one in reversed(ranked) if one.unit.chunk.text not in known}
    return sorted(found.values(), key=lambda one: (-one.score, one.unit.number, one.question))


def _best(scores: Sequence[float], most: int) -> list[int]:
    """The numbers of the highest scores above 0, the highest first, equal ones in order."""
    return sorted((n for n, score in enumerate(scores) if score > 0), key=lambda n: (-scores[n], n))[:most]
