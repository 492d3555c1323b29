"""How CooK asks cards, chooses documents and answers, and how a card is trained: light to import."""

from __future__ import annotations

from dataclasses import dataclass

from pansophy.conflicts.training.settings import TrainingSettings
from pansophy.errors import UsageError


@dataclass(frozen=True, slots=True)
class CookSettings:
    """How one question is answered.

    Args:
        documents: n1, how many documents each card that is asked writes.
        relevant: n2, how many documents the relevance selector keeps.
        kept: n3, how many the factuality selector keeps.
        candidates: the factuality selector draws from the best `candidates` times as many as it keeps.
        with_replacement: draw as the authors' code does, which may choose a document several times; it is shown once.
        relevance: whether the relevance selector is used; without it all documents go on.
        pruning: whether documents are pruned.
        factuality: whether the factuality selector is used; without it the first documents are kept.
        rounds: how often the model may ask for more, in the modes "auto" and "explicit".
        evidence: k, how many texts a document is checked against.
        summary_characters: the length to which a document is pruned.
        card_tokens: the most tokens of a document.
        card_temperature: at which cards write.
        temperature: at which the model answers.
        answer_tokens: the most tokens of an answer.
        reply_tokens: the most tokens of what the model says about what it needs.
        seed: of all that is drawn.
    """

    documents: int = 5  # the authors' code
    relevant: int = 20  # the authors' code
    kept: int = 5  # the authors' code
    candidates: int = 2  # the authors' code
    with_replacement: bool = False  # ours; the authors' code: True
    relevance: bool = True
    pruning: bool = True
    factuality: bool = True
    rounds: int = 3  # the authors' code, which counts to 4
    evidence: int = 3  # the authors' code
    summary_characters: int = 150  # Pegasus was asked for 10 to 30 tokens
    card_tokens: int = 100  # the authors' code
    card_temperature: float = 1.0  # the authors' code samples
    temperature: float = 0.1  # the authors' code
    answer_tokens: int = 200  # the authors' code
    reply_tokens: int = 32  # ours
    seed: int = 0

    def __post_init__(self) -> None:
        numbers = ("documents", "relevant", "kept", "candidates", "evidence", "summary_characters", "card_tokens",
                   "answer_tokens", "reply_tokens")  # fmt: skip
        if wrong := [name for name in numbers if getattr(self, name) < 1]:
            raise UsageError(f"{', '.join(wrong)} must be at least 1")
        if self.rounds < 0:
            raise UsageError(f"rounds must be at least 0, not {self.rounds}")
        if not (0 <= self.card_temperature <= 2 and 0 <= self.temperature <= 2):
            raise UsageError("a temperature is from 0 to 2")


@dataclass(frozen=True, slots=True)
class CardTraining(TrainingSettings):
    """How a card is trained: the fields of `TrainingSettings` (of which `beta` has no meaning here), and two more.

    One epoch is the authors' choice, for texts of many million tokens. Of a small text it teaches the form and hardly a
    fact: ten were too few for a hundred facts (docs/experiments.md), so begin with 30.

    Args:
        dropout: of the matrices.
        weight_decay: of the optimiser.
    """

    learning_rate: float = 1e-3  # ours: the paper's 2e-5 is for a text of many million tokens
    epochs: float = 1.0  # the authors' code
    batch: int = 16  # the authors' code
    max_tokens: int = 128  # the authors' code: of a block
    rank: int = 8  # the authors' code
    alpha: int = 32  # the authors' code
    dropout: float = 0.1  # the authors' code
    weight_decay: float = 0.01  # the authors' code

    def __post_init__(self) -> None:
        TrainingSettings.__post_init__(self)
        if not 0 <= self.dropout < 1 or self.weight_decay < 0:
            raise UsageError("dropout must be in [0, 1), and weight_decay at least 0")
