"""Questions with a text that answers them: what training material is built from, read from three kinds of file.

- JSON lines, one item a line, with the fields of `Item` (`question` and `context` needed; `answers` a text or a list);
- SQuAD's JSON, whose unanswerable questions (version 2.0) become items without answers;
- DYNAMICQA's CSV, whose texts have a slot where the answer belongs.

Knows nothing about models, nor about what is built from the items.
"""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pansophy.conflicts.training.substitution import SLOT, Substitution, fill, substitute
from pansophy.errors import SourceError, UsageError
from pansophy.evaluation.files import json_objects, text_of

__all__ = ["Item", "read_items", "split_by_subject"]


@dataclass(frozen=True, slots=True)
class Item:
    """A question and a passage about it.

    `answers` are the true answer and its other names, none where the passage doesn't answer the question. `passage` has
    a `SLOT` at every place of the answer, or mentions it. `replacement` is another answer that the passage could give,
    `relation` what is asked of the `subject`, `title` the article that the passage is from; empty where not told.
    """

    id: str
    question: str
    answers: tuple[str, ...]
    passage: str
    subject: str = ""
    relation: str = ""
    replacement: str = ""
    title: str = ""

    @property
    def context(self) -> str:
        """The passage saying the true answer."""
        return self.passage.replace(SLOT, self.answers[0]) if self.answers else self.passage

    @property
    def article(self) -> str:
        """What the passage is about, as far as it is told."""
        return self.title or self.subject

    def saying(self, other: str) -> Substitution:
        """The passage with `other` in the place of the answer."""
        edit = fill if SLOT in self.passage else substitute
        return edit(self.passage, self.answers, other)


def read_items(path: str | Path) -> list[Item]:
    """The items of a `.jsonl`, `.json` (SQuAD) or `.csv` (DYNAMICQA) file.

    Raises:
        SourceError: it can't be read, a row is broken (says which line, and how), there are no items, or an id occurs
            twice.
    """
    place = Path(path).expanduser()
    readers = {".jsonl": _lines, ".json": _squad, ".csv": _table}
    if place.suffix.lower() not in readers:
        raise SourceError(f"{place} is none of {', '.join(readers)}: give items as JSON lines, SQuAD's JSON or a CSV")
    items, seen = [], set()
    for where, item in readers[place.suffix.lower()](place):
        if item.id in seen:
            raise SourceError(f"{where}: the id {item.id!r} occurs more than once")
        seen.add(item.id)
        items.append(item)
    if not items:
        raise SourceError(f"{place} has no items")
    return items


def split_by_subject(items: Sequence[Item], shares: Sequence[float], seed: int = 0) -> list[list[Item]]:
    """Parts of about these shares of the items; all items of one subject (else of one question) are in one part.

    Raises:
        UsageError: the shares aren't positive, or add up to more than 1.
    """
    if not shares or min(shares) <= 0 or sum(shares) > 1 + 1e-9:
        raise UsageError(f"shares must be above 0 and add up to 1 at most, not {', '.join(map(str, shares))}")
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault((item.subject or item.question).casefold(), []).append(item)
    names = sorted(groups)
    random.Random(seed).shuffle(names)
    parts: list[list[Item]] = [[] for _ in shares]
    ends = [round(sum(shares[: number + 1]) * len(items)) for number in range(len(shares))]
    placed = 0
    for name in names:
        part = next((number for number, end in enumerate(ends) if placed < end), None)
        if part is None:
            break
        parts[part] += groups[name]
        placed += len(groups[name])
    return parts


def _item(row: Mapping[str, Any], where: str, number: int) -> Item:
    """An item of fields as they stand in a file."""
    texts = {}
    for name in ("question", "context", "subject", "relation", "replacement", "title"):
        value = row.get(name)
        if not isinstance(value, str | None):
            raise SourceError(f"{where}: {name} must be a text, not {value!r}")
        texts[name] = (value or "").strip()
    if empty := [name for name in ("question", "context") if not texts[name]]:
        raise SourceError(f"{where} has nothing in {', '.join(empty)}")
    told = row.get("answers", row.get("answer", ()))
    told = [told] if isinstance(told, str) else told
    if not isinstance(told, list | tuple) or not all(isinstance(one, str) for one in told):
        raise SourceError(f"{where}: answers must be a text or a list of texts, not {told!r}")
    answers = tuple(dict.fromkeys(one.strip() for one in told if one.strip()))
    if SLOT in texts["context"] and not answers:
        raise SourceError(f"{where}: the context has a slot {SLOT}, and there is no answer for it")
    passage = texts.pop("context")
    return Item(str(row.get("id") or number), answers=answers, passage=passage, **texts)


def _lines(place: Path) -> Iterator[tuple[str, Item]]:
    for number, where, row in json_objects(place, "question, answers and context"):
        yield where, _item(row, where, number)


def _squad(place: Path) -> Iterator[tuple[str, Item]]:
    text = text_of(place)
    try:
        articles = json.loads(text)["data"]
        rows = [
            (article.get("title", ""), paragraph["context"], asked)
            for article in articles
            for paragraph in article["paragraphs"]
            for asked in paragraph["qas"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(
            f"{place} is no SQuAD file: expected data[].paragraphs[] with context and qas ({error!r})"
        ) from error
    for number, (title, context, asked) in enumerate(rows, start=1):
        where = f"{place}, question {number}"
        try:
            answers = [] if asked.get("is_impossible") else [one["text"] for one in asked.get("answers", [])]
            row = {"id": asked.get("id"), "question": asked["question"], "context": context, "title": title}
        except (KeyError, TypeError, AttributeError) as error:
            raise SourceError(f"{where} is broken: expected question and answers[].text ({error!r})") from error
        yield where, _item({**row, "answers": answers}, where, number)


def _table(place: Path) -> Iterator[tuple[str, Item]]:
    reader = csv.DictReader(io.StringIO(text_of(place), newline=""))
    needed = ("question", "context", "obj")
    if missing := [name for name in needed if name not in (reader.fieldnames or ())]:
        raise SourceError(f"{place} has no column {', '.join(missing)}: expected {', '.join(needed)}")
    number = 0
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise SourceError(f"{place}: what follows line {reader.line_num} is no CSV: {error}") from error
        if row is None:
            return
        number += 1
        where = f"{place}, line {reader.line_num}"
        fields = {"subject": row.get("subj"), "relation": row.get("prop"), "replacement": row.get("replace_name")}
        answers = [row["obj"] or "", *_aliases(row.get("possible_answers"), where)]
        given = {"id": row.get("id"), "question": row["question"], "context": row["context"]}
        yield where, _item({**given, **fields, "answers": answers}, where, number)


def _aliases(text: str | None, where: str) -> list[str]:
    if not (text or "").strip():
        return []
    try:
        found = json.loads(text or "")
    except ValueError as error:
        raise SourceError(f"{where}: possible_answers is no JSON list: {text!r}") from error
    if not isinstance(found, list):
        raise SourceError(f"{where}: possible_answers is no JSON list: {text!r}")
    return [str(one) for one in found]
