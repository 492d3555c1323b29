"""Pages with their questions, read from a file of JSON lines: one page a line.

    {"id": "form-1", "image": "form-1.png", "lines": [{"text": "City: Doral", "box": [40, 40, 400, 80]}],
     "questions": [{"question": "Which city is named?", "answers": ["Doral"]}]}

`image` is looked for beside the file; without one a page is text, and its lines need no boxes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pansophy.conflicts.consistency.pages import Line, Page, PageQuestion
from pansophy.errors import SourceError
from pansophy.evaluation.files import json_objects


def read_pages(path: str | Path) -> tuple[list[Page], list[PageQuestion]]:
    """The pages of a file, and all questions about them.

    Raises:
        SourceError: it can't be read, a line is broken (says which, and how), an image is missing or none, an id occurs
            twice, or there are no pages.
    """
    place = Path(path).expanduser()
    pages: list[Page] = []
    questions: list[PageQuestion] = []
    for _, where, row in json_objects(place, "id, lines and questions"):
        try:
            pages.append(_page(row, place.parent, where))
            questions += _questions(row, pages[-1].id)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SourceError(
                f"{where} is no page ({error!r}): expected id, lines (each with a text, and a box of four numbers if "
                "there is an image) and questions (each with a question and answers)"
            ) from error
    for kind, ids in (("page", [page.id for page in pages]), ("question", [one.id for one in questions])):
        if twice := sorted({one for one in ids if ids.count(one) > 1}):
            raise SourceError(f"{place}: the {kind} id {twice[0]!r} occurs more than once")
    if not pages:
        raise SourceError(f"{place} has no pages")
    return pages, questions


def _page(row: dict[str, Any], folder: Path, where: str) -> Page:
    image = row.get("image")
    lines = []
    for line in row["lines"]:
        left, top, right, bottom = line["box"] if image else (0, 0, 0, 0)
        lines.append(Line(str(line["text"]), (int(left), int(top), int(right), int(bottom))))
    if not image:
        return Page(str(row["id"]), tuple(lines))
    path = folder / image
    return Page(str(row["id"]), tuple(lines), path, *_size(path, where))


def _size(path: Path, where: str) -> tuple[int, int]:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, UnidentifiedImageError) as error:
        raise SourceError(f"{where}: the image {path} can't be read: {error}") from error


def _questions(row: dict[str, Any], page: str) -> list[PageQuestion]:
    found = []
    for number, one in enumerate(row["questions"]):
        answers = one["answers"]
        if isinstance(answers, str) or not all(isinstance(answer, str) for answer in answers):
            raise TypeError("answers must be a list of texts")
        found.append(PageQuestion(str(one.get("id", f"{page}/{number}")), page, str(one["question"]), tuple(answers)))
    return found
