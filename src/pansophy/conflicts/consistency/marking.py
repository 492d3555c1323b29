"""Boxes on images: a red rectangle around a line, for models without a syntax for boxes, and the box alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pansophy.conflicts.consistency.pages import Page
from pansophy.errors import SourceError, UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

MARGIN, WIDTH = 3, 3
"""Pixels between the box and the rectangle, and of its stroke."""


def mark(page: Page, line: int, path: Path) -> None:
    """Write the page's image with a red rectangle around a line.

    Raises:
        UsageError: the page has no image.
        SourceError: the image can't be read.
    """
    from PIL import ImageDraw

    image = _opened(page)
    left, top, right, bottom = page.lines[line].box
    around = (left - MARGIN, top - MARGIN, right + MARGIN, bottom + MARGIN)
    ImageDraw.Draw(image).rectangle(around, outline=(255, 0, 0), width=WIDTH)
    image.save(path)


def crop(page: Page, line: int, path: Path) -> None:
    """Write what stands in a line's box: what the model was asked to read, for whoever looks at a conflict.

    Raises:
        UsageError, SourceError: as `mark`.
    """
    _opened(page).crop(page.lines[line].box).save(path)


def _opened(page: Page) -> Image:
    from PIL import Image, UnidentifiedImageError

    if page.image is None:
        raise UsageError(f"the page {page.id!r} has no image: point at its lines by box_form='line'")
    try:
        with Image.open(page.image) as image:
            return image.convert("RGB")
    except (OSError, UnidentifiedImageError) as error:
        raise SourceError(f"the image {page.image} can't be read: {error}") from error
