"""The items of the benchmark, and how they are built from any set of typed facts, with images or without.

An item has a fact, two different false versions of it, and a distractor that no text mentions. The false answers are
other answers of the same kind, put where the true one stands in the text. Knows nothing of models.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pansophy.errors import SourceError
from pansophy.evaluation.files import json_objects
from pansophy.evaluation.metrics import normalise_english

LETTERS = "ABCD"


@dataclass(frozen=True, slots=True)
class Known:
    """A fact to build an item of.

    `kind` is what results are told apart by (the paper's: ER, EK, VS); answers of one `type` (a city, a year) can stand
    for each other. `text` says `answer`. `images`: of the question and of the two false texts, or none at all.
    """

    id: str
    kind: str
    type: str
    question: str
    answer: str
    text: str
    images: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """A fact with two false versions.

    `options` are the true answer, both false ones and the distractor in the order in which they are lettered.
    """

    id: str
    kind: str
    question: str
    answer: str
    conflicts: tuple[str, str]
    options: tuple[str, str, str, str]
    text: str
    conflict_texts: tuple[str, str]
    images: tuple[Path, ...] = ()

    def letter(self, answer: str) -> str:
        """The letter of one of the options."""
        return LETTERS[self.options.index(answer)]

    @property
    def sentence(self) -> str:
        """The sentence of the text that says the answer."""
        return _saying(self.text, self.answer)

    @property
    def conflict_sentence(self) -> str:
        """The sentence of the first false text that says the false answer."""
        return _saying(self.conflict_texts[0], self.conflicts[0])


def read_known(path: str | Path) -> list[Known]:
    """The facts of a file of JSON lines: each has the fields of `Known`, `images` as paths beside the file.

    Raises:
        SourceError: it can't be read, a line is broken (says which, and how), or there are no facts.
    """
    place = Path(path).expanduser()
    found: list[Known] = []
    for _, where, row in json_objects(place, "id, kind, type, question, answer and text"):
        try:
            images = tuple(place.parent / str(image) for image in row.get("images", ()))
            told = {name: str(row[name]) for name in ("id", "kind", "type", "question", "answer", "text")}
            found.append(Known(**told, images=images))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SourceError(
                f"{where} is no fact ({error!r}): expected id, kind, type, question, answer and text"
            ) from error
    if not found:
        raise SourceError(f"{place} has no facts")
    return found


def build_items(known: Sequence[Known], *, seed: int = 0) -> list[Item]:
    """An item for each fact: false answers and the distractor are drawn, the options shuffled.

    Raises:
        SourceError: an id occurs twice, a text doesn't say its answer, a type has fewer than four different answers,
            or an image is missing; says which.
    """
    source = random.Random(seed)
    answers: dict[str, dict[str, str]] = {}
    seen: set[str] = set()
    for one in known:
        _check(one, seen)
        answers.setdefault(one.type, {}).setdefault(normalise_english(one.answer), one.answer)
    return [_item(one, answers[one.type], source) for one in known]


def _check(one: Known, seen: set[str]) -> None:
    if one.id in seen:
        raise SourceError(f"the id {one.id!r} occurs more than once")
    seen.add(one.id)
    if not _places(one.answer).search(one.text):
        raise SourceError(f"the text of {one.id!r} doesn't say its answer {one.answer!r}")
    if len(one.images) not in (0, 3):
        raise SourceError(f"{one.id!r} has {len(one.images)} images: expected none or three")
    if missing := [path for path in one.images if not path.is_file()]:
        raise SourceError(f"{one.id!r}: there is no image {missing[0]}")


def _item(one: Known, answers: dict[str, str], source: random.Random) -> Item:
    truth = normalise_english(one.answer)
    # An answer that stands in the text already, or has the true one in it, would be no clean lie.
    others = [
        answer
        for plain, answer in answers.items()
        if truth not in plain and plain not in truth and not _places(answer).search(one.text)
    ]
    if len(others) < 3:
        raise SourceError(f"{one.id!r} needs three other answers of the type {one.type!r}; there are {len(others)}")
    first, second, distractor = source.sample(others, 3)
    options = [one.answer, first, second, distractor]
    source.shuffle(options)
    texts = [_places(one.answer).sub(answer.replace("\\", r"\\"), one.text) for answer in (first, second)]
    return Item(
        one.id,
        one.kind,
        one.question,
        one.answer,
        (first, second),
        (options[0], options[1], options[2], options[3]),
        one.text,
        (texts[0], texts[1]),
        one.images,
    )


def _places(answer: str) -> re.Pattern[str]:
    """Where an answer stands as words of its own."""
    return re.compile(rf"(?<!\w){re.escape(answer)}(?!\w)")


def _saying(text: str, answer: str) -> str:
    sentences = re.split(r"(?<=[.!?])\s+", text)
    return next((one for one in sentences if _places(answer).search(one)), text)
