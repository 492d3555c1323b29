"""Facts with a passage that can be made to say either of two answers, read from CSV files.

DYNAMICQA's three files have this form, and so may a user's own. Whatever is odd about a row is flagged, not refused.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pansophy.errors import SourceError
from pansophy.evaluation.files import text_of

SLOT = "[ENTITY]"
PARTITIONS = ("static", "temporal", "disputable")
NEEDED = ("question", "context", "obj", "replace_name")


@dataclass(frozen=True, slots=True)
class Fact:
    """A question and a passage about it.

    `original` and `substitute` are its two answers; `passage` has `SLOT` where an answer belongs, or the original one.
    `edits` counts how often the fact was changed, `popularity` how often its subject's page was read; None where the
    file doesn't say. `flags` say what is odd.
    """

    id: str
    partition: str
    subject: str
    question: str
    passage: str
    original: str
    substitute: str
    edits: float | None = None
    popularity: float | None = None
    flags: tuple[str, ...] = ()

    @property
    def answers(self) -> dict[str, str]:
        """Both answers by name."""
        return {"original": self.original, "substitute": self.substitute}

    def context(self, answer: str) -> str:
        """The passage saying `answer`. Where it has no slot, what it is about goes before it, as in the paper."""
        if SLOT in self.passage:
            return self.passage.replace(SLOT, answer).strip()
        about = f"This article is about {self.subject}. " if self.subject else ""
        return about + self.passage.replace(self.original, answer).strip()


def load_facts(path: str | Path, *, partition: str | None = None) -> list[Fact]:
    """Read a CSV file of facts.

    Args:
        path: its columns are `question`, `context`, `obj` (the original answer), `replace_name` (the substitute), and
            perhaps `id`, `subj`, `num_edits` and `s_pop`.
        partition: what the facts are grouped as; by default what the file's name tells (`PARTITIONS`), else its stem.

    Raises:
        SourceError: the file can't be read, lacks a column or a row's text, or an id occurs twice; says where.
    """
    place = Path(path).expanduser()
    reader = csv.DictReader(io.StringIO(text_of(place), newline=""))
    try:
        rows = list(reader)
    except csv.Error as error:
        raise SourceError(f"{place}: what follows line {reader.line_num} is no CSV: {error}") from error
    if missing := [name for name in NEEDED if name not in (reader.fieldnames or ())]:
        raise SourceError(f"{place} has no column {', '.join(missing)}: expected {', '.join(NEEDED)}")
    name = partition or _partition(place.stem)
    facts = [_fact(row, f"{place}: row {number}", number, name) for number, row in enumerate(rows, start=1)]
    if not facts:
        raise SourceError(f"{place} has no rows")
    seen: set[str] = set()
    for fact in facts:
        if fact.id in seen:
            raise SourceError(f"{place}: the id {fact.id!r} occurs more than once")
        seen.add(fact.id)
    return facts


def _partition(stem: str) -> str:
    words = stem.lower()
    return next((one for one in PARTITIONS if one in words), stem)


def _fact(row: Mapping[str, str | None], where: str, number: int, partition: str) -> Fact:
    texts = {name: (row[name] or "").strip() for name in NEEDED}
    if empty := [name for name, text in texts.items() if not text]:
        raise SourceError(f"{where} has nothing in {', '.join(empty)}")
    return Fact(
        id=(row.get("id") or "").strip() or str(number),
        partition=partition,
        subject=(row.get("subj") or "").strip(),
        question=texts["question"],
        passage=texts["context"],
        original=texts["obj"],
        substitute=texts["replace_name"],
        edits=_number(row.get("num_edits"), where, "num_edits"),
        popularity=_number(row.get("s_pop"), where, "s_pop"),
        flags=_flags(texts["context"], texts["obj"], texts["replace_name"]),
    )


def _number(text: str | None, where: str, column: str) -> float | None:
    if not (text or "").strip():
        return None
    try:
        return float(text or "")
    except ValueError as error:
        raise SourceError(f"{where}: {column} is no number: {text!r}") from error


def _flags(passage: str, original: str, substitute: str) -> tuple[str, ...]:
    flags = []
    if original == substitute:
        flags.append("both answers are the same")
    if SLOT in passage:
        if original.lower() in passage.lower():
            flags.append("the original answer stands outside the slot")
    elif original not in passage:
        flags.append("the passage has neither a slot nor the original answer")
    return tuple(flags)
