"""What a model is trained and tested on, and its files of JSON lines: examples to imitate, and pairs to prefer among.

Knows nothing about where rows come from, nor about models.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from pansophy.errors import SourceError
from pansophy.evaluation.files import json_objects, write_atomically
from pansophy.types import ChatMessage

__all__ = ["Chat", "Example", "Pair", "Row", "read_rows", "write_rows"]


@dataclass(frozen=True, slots=True)
class Example:
    """A question with a context (perhaps none) and the answer wanted.

    `kind` is the slice that it belongs to, `item` the id of what it was made of. `answers` are the true answer's names,
    `replacement` what an edited context says instead, `own` what the model says without a context. `source` tells
    where a context came from that doesn't belong to the question.
    """

    id: str
    kind: str
    item: str
    question: str
    context: str
    answer: str
    answers: tuple[str, ...] = ()
    replacement: str = ""
    own: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """A question with a context and two answers, of which `chosen` is to be preferred; the rest as in `Example`.

    `wrong` is the span of the context that a rejected answer quotes, empty where it quotes none.
    """

    id: str
    kind: str
    item: str
    question: str
    context: str
    chosen: str
    rejected: str
    answer: str = ""
    own: str = ""
    wrong: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat whose last message, the model's, is learnt; `kind` as in `Example`."""

    messages: tuple[ChatMessage, ...]
    kind: str = "chat"


Row = Example | Pair | Chat
R = TypeVar("R", Example, Pair)


def write_rows(path: str | Path, rows: Iterable[Row]) -> None:
    """Write rows as JSON lines, all or none.

    Raises:
        StoreError: the file can't be written.
    """
    lines = (json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows)
    write_atomically(Path(path).expanduser(), "".join(lines))


def read_rows(path: str | Path, of: type[R]) -> list[R]:
    """The rows of a file.

    Raises:
        SourceError: it can't be read, a row isn't `of` this kind (says which line), or there are none.
    """
    place = Path(path).expanduser()
    rows = [_row(row, where, of) for _, where, row in json_objects(place, "question, context and answer")]
    if not rows:
        raise SourceError(f"{place} has no rows")
    return rows


def _row(data: dict[str, Any], where: str, of: type[R]) -> R:
    names = [one.name for one in fields(of)]
    needed = ("question", "context", "answer") if of is Example else ("question", "context", "chosen", "rejected")
    if not all(isinstance(data.get(name), str) for name in needed):
        raise SourceError(f"{where} is no {of.__name__.lower()}: {', '.join(needed)} are needed, each a text")
    kept: dict[str, Any] = {name: data[name] for name in names if name in data}
    if "answers" in kept:
        kept["answers"] = tuple(kept["answers"])
    for name in ("id", "kind", "item"):
        kept.setdefault(name, "")
    return of(**kept)


def counts(rows: Sequence[Row]) -> dict[str, int]:
    """How many rows there are of each kind."""
    found: dict[str, int] = {}
    for row in rows:
        found[row.kind] = found.get(row.kind, 0) + 1
    return found
