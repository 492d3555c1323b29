"""Pages whose lines have boxes, questions about them, and where an answer stands. Knows nothing of models."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pansophy.errors import UsageError
from pansophy.evaluation.metrics import contains

Box = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text and its box, as a reader of characters (OCR, a PDF's text layer) found it."""

    text: str
    box: Box = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its lines in reading order and, unless it is text alone, its image with its size in pixels."""

    id: str
    lines: tuple[Line, ...]
    image: Path | None = None
    width: int = 0
    height: int = 0

    def __post_init__(self) -> None:
        if self.image is not None and (self.width < 1 or self.height < 1):
            raise UsageError(f"the page {self.id!r} has an image: say its width and height")


@dataclass(frozen=True, slots=True)
class PageQuestion:
    """A question about the page of this id, with its right answers."""

    id: str
    page: str
    question: str
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Located:
    """A question with the lines that say an answer, in reading order, and that answer."""

    question: PageQuestion
    page: Page
    answer: str
    lines: tuple[int, ...]

    @property
    def line(self) -> int:
        """The first of the lines."""
        return self.lines[0]


@dataclass(frozen=True, slots=True)
class Dropped:
    """A question that can't be used, and why."""

    question: str
    reason: str


_COUNTED = re.compile(
    r"\b(how many|how much more|more than|less than|fewer than|compared?|difference|highest|lowest|largest|smallest)\b",
    re.IGNORECASE,
)
_YES_NO = re.compile(r"(is|are|was|were|do|does|did|has|have|had|can|could|will|would|should)\b", re.IGNORECASE)


def is_extractive(question: PageQuestion) -> bool:
    """Whether an answer can be copied from the page: no yes or no, no count, no comparison, by the usual words."""
    plain = {answer.strip().strip(".").lower() for answer in question.answers}
    return not (plain & {"yes", "no"} or _YES_NO.match(question.question.strip()) or _COUNTED.search(question.question))


def locate(pages: Sequence[Page], questions: Sequence[PageQuestion]) -> tuple[list[Located], list[Dropped]]:
    """The questions whose answer stands in a line of their page, and the others with the reason.

    Raises:
        UsageError: two pages, or two questions, have the same id.
    """
    by_id = {page.id: page for page in pages}
    if len(by_id) < len(pages) or len({question.id for question in questions}) < len(questions):
        raise UsageError("the ids of pages, and of questions, must differ")
    found: list[Located] = []
    dropped: list[Dropped] = []
    for question in questions:
        one = _located(question, by_id.get(question.page))
        if isinstance(one, Located):
            found.append(one)
        else:
            dropped.append(Dropped(question.id, one))
    return found, dropped


def _located(question: PageQuestion, page: Page | None) -> Located | str:
    """The question located, or why it can't be."""
    if page is None:
        return f"there is no page {question.page!r}"
    if not is_extractive(question):
        return "not to be answered by copying"
    for answer in question.answers:
        if lines := tuple(at for at, line in enumerate(page.lines) if contains(line.text, answer)):
            return Located(question, page, answer, lines)
    return "no line of the page says an answer"


BoxForm = Callable[[Page, int], str]
"""How a line of a page is pointed at in a prompt."""


def _thousandths(page: Page, line: int) -> Box:
    """The line's box in thousandths of the page."""
    left, top, right, bottom = page.lines[line].box
    width, height = max(page.width, 1), max(page.height, 1)
    return (
        round(1000 * left / width),
        round(1000 * top / height),
        round(1000 * right / width),
        round(1000 * bottom / height),
    )


def _pixels(page: Page, line: int) -> str:
    return f"box {list(page.lines[line].box)}"


def _qwen(page: Page, line: int) -> str:
    left, top, right, bottom = _thousandths(page, line)
    return f"<box>({left},{top}),({right},{bottom})</box>"


def _internvl(page: Page, line: int) -> str:
    return f"<box>[{list(_thousandths(page, line))}]</box>"


def _number(page: Page, line: int) -> str:
    return f"line {line + 1}"


def _drawn(page: Page, line: int) -> str:
    return "the red rectangle"


BOX_FORMS: dict[str, BoxForm] = {
    "pixels": _pixels,
    "qwen": _qwen,
    "internvl": _internvl,
    "line": _number,
    "drawn": _drawn,
}
"""By pixels, in the syntax of two families of open models (thousandths of the page), by the line's number, or by a
rectangle that is drawn onto the image (`marking.mark`)."""
