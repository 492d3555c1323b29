"""Facts with a lie beside each: what locating heads and measuring methods start from.

A fact is kept if the model knows it and its first token differs from the lie's: scores are of first tokens, as in PH3.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pansophy.conflicts.outcomes import Outcome
from pansophy.errors import SourceError, UsageError
from pansophy.models.white_box import WhiteBoxModel

FIELDS = ("subject", "answers", "lie", "prompt", "substituted")
JUICE = {
    "Subject": "subject",
    "Answer": "answers",
    "Distracted Token": "lie",
    "Clean Prompt": "prompt",
    "Substitution Conflict": "substituted",
    "Coherent Conflict": "coherent",
}
"""The field names of the relation sets that come with JUICE (arXiv 2503.10996)."""


@dataclass(frozen=True, slots=True)
class Fact:
    """`prompt` asks for the fact alone, `substituted` after a sentence with the lie, `coherent` after a paragraph that
    argues for it ("" if there is none). All are continued by the answer."""

    subject: str
    answers: tuple[str, ...]
    lie: str
    prompt: str
    substituted: str
    coherent: str = ""


@dataclass(frozen=True, slots=True)
class KnownFact:
    """A fact that a model knows, with the first tokens of its own answer and of the lie."""

    fact: Fact
    memory: int
    context: int

    def outcome(self, token: int) -> Outcome:
        """Whose word a first token is."""
        if token == self.memory:
            return Outcome.MEMORY
        return Outcome.CONTEXT if token == self.context else Outcome.OTHER


@dataclass(frozen=True, slots=True)
class Known:
    """What a model knows of some facts; `unknown` and `alike` (both answers begin with the same token) were dropped."""

    facts: tuple[KnownFact, ...]
    unknown: int
    alike: int


def read_facts(path: Path) -> list[Fact]:
    """Facts from a JSON array, or JSON lines, with our fields or those of JUICE.

    Raises:
        SourceError: the file can't be read, or a row lacks a field or has it twice; names the row and the field.
    """
    try:
        text = path.read_text("utf-8")
        rows = json.loads(text) if text.lstrip().startswith("[") else [json.loads(line) for line in text.splitlines()]
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} can't be read as facts: {error}") from error
    return [_fact(path, number, row) for number, row in enumerate(rows, start=1)]


def _fact(path: Path, number: int, row: object) -> Fact:
    if not isinstance(row, dict):
        raise SourceError(f"{path}, row {number}: not an object")
    fields = {JUICE.get(name, name): value for name, value in row.items()}
    for name in FIELDS:
        if not fields.get(name):
            raise SourceError(f"{path}, row {number}: {name} is missing or empty")
    answers = fields["answers"]
    kept = {name: str(fields[name]) for name in ("subject", "lie", "prompt", "substituted")}
    told = (answers,) if isinstance(answers, str) else tuple(map(str, answers))
    return Fact(answers=told, coherent=str(fields.get("coherent") or ""), **kept)


def known_facts(model: WhiteBoxModel, facts: Sequence[Fact], *, batch: int = 16) -> Known:
    """Those whose first token the model says by itself, best of all.

    Raises:
        UsageError: none is left.
    """
    best = model.next_log_probs([fact.prompt for fact in facts], batch=batch).argmax(-1).tolist()
    kept, unknown, alike = [], 0, 0
    for fact, token in zip(facts, best, strict=True):
        if token not in {first_token(model, fact.prompt, answer) for answer in fact.answers}:
            unknown += 1
        elif token == (lie := first_token(model, fact.prompt, fact.lie)):
            alike += 1
        else:
            kept.append(KnownFact(fact, token, lie))
    if not kept:
        raise UsageError(f"{model.name} knows none of the {len(facts)} facts ({alike} begin like their lies)")
    return Known(tuple(kept), unknown, alike)


def first_token(model: WhiteBoxModel, prompt: str, answer: str) -> int:
    """The first token by which `answer`, behind a blank, continues `prompt`."""
    alone, whole = model.encode(prompt), model.encode(f"{prompt} {answer.lstrip()}")
    return next(after for place, after in enumerate(whole) if place >= len(alone) or alone[place] != after)
