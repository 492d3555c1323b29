"""C&P consistency: does a model's answer about a page (cognition) agree with its reading of that place (perception)?

It counts whether either is right, too: the same inconsistency may come of poor reading or of poor reasoning.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pansophy.conflicts.consistency.marking import mark
from pansophy.conflicts.consistency.pages import BOX_FORMS, Dropped, Located, Page, PageQuestion, locate
from pansophy.conflicts.consistency.templates import ANSWER, READ
from pansophy.conflicts.reader import Part, Reader, read
from pansophy.conflicts.results import ResultFolder
from pansophy.errors import UsageError
from pansophy.evaluation.metrics import anls
from pansophy.evaluation.report.statistics import Estimate, bootstrap
from pansophy.evaluation.report.tables import Table, interval
from pansophy.runs.fingerprint import canonical_json

Row = dict[str, Any]


def is_consistent(cognition: str, perception: str, *, raw: bool = False) -> bool:
    """Whether the answer is a part of what was read (Eq. 1); an empty answer is not.

    Args:
        cognition: the answer to the question.
        perception: what the model read in the answer's box.
        raw: compare as they are; else letter case and runs of blanks don't matter.
    """
    if not raw:
        cognition, perception = (" ".join(text.lower().split()) for text in (cognition, perception))
    return bool(cognition.strip()) and cognition in perception


@dataclass(frozen=True, slots=True)
class Consistency:
    """What was measured.

    `consistency` is the share of consistent pairs (`raw_consistency`: compared as they are). `cells` count the pairs by
    (perception right, cognition right), `consistent_cells` the consistent ones among them; right means ANLS above 0.
    `perception` and `cognition` are mean ANLS. `conflicts` are the rows of inconsistent pairs, `dropped` the questions
    that could not be asked.
    """

    consistency: Estimate
    raw_consistency: Estimate
    perception: Estimate
    cognition: Estimate
    cells: Mapping[tuple[bool, bool], int]
    consistent_cells: Mapping[tuple[bool, bool], int]
    conflicts: tuple[Row, ...]
    dropped: tuple[Dropped, ...]

    def table(self) -> Table:
        """The two by two table: consistent pairs of all pairs in each cell."""
        names = {True: "right", False: "wrong"}
        lines = tuple(
            (
                f"perception {names[perceived]}",
                *(f"{self.consistent_cells[perceived, known]} of {self.cells[perceived, known]}" for known in names),
            )
            for perceived in names
        )
        note = (
            f"Consistent pairs of all pairs. Consistency {interval(self.consistency)}, ANLS of reading "
            f"{interval(self.perception)}, of answers {interval(self.cognition)} (x 100, 95% bootstrap intervals)."
        )
        return Table("Cognition and perception", ("", "cognition right", "cognition wrong"), lines, 1, (note,))


class CPConsistency:
    """Measures the consistency of a model.

    Args:
        reader: the model.
        model: its identity, recorded with the rows.
        box_form: how a line is pointed at, of `BOX_FORMS`: "line" for pages without an image, "drawn" for
            models without a syntax for boxes (the image with its rectangle is `marked.png` in the folder).

    Raises:
        UsageError: there is no such form.
    """

    def __init__(self, reader: Reader, *, model: str, box_form: str = "pixels") -> None:
        self._reader = reader
        self._model = model
        self._form = box_form
        if box_form not in BOX_FORMS:
            raise UsageError(f"there is no box form {box_form!r}: choose one of {', '.join(BOX_FORMS)}")

    async def measure(
        self,
        pages: Sequence[Page],
        questions: Sequence[PageQuestion],
        folder: str | Path,
        *,
        on_progress: Callable[[Row], None] | None = None,
    ) -> Consistency:
        """Ask every question and have its answer's box read; what the folder has is not asked again.

        Args:
            pages: with their lines.
            questions: about them; what can't be answered by copying a line is dropped.
            folder: for the rows.
            on_progress: is told of each row.

        Raises:
            UsageError: no question is left, or ids repeat.
            RunError: the folder has rows of another model or other data.
        """
        located, dropped = locate(pages, questions)
        if not located:
            raise UsageError("no question can be asked: none has an answer that stands in a line of its page")
        data = canonical_json([[asdict(one) for one in pages], [asdict(one) for one in questions]])
        digest = hashlib.sha256(data.encode()).hexdigest()
        made_with = {"measure": "consistency", "model": self._model, "box_form": self._form, "data": digest}
        results = ResultFolder(folder, made_with)
        for one in located:
            if one.question.id not in results:
                row = await self._row(one, results.path)
                results.append(row)
                if on_progress is not None:
                    on_progress(row)
        return summed_up(results.rows, dropped)

    async def _row(self, one: Located, folder: Path) -> Row:
        box = BOX_FORMS[self._form](one.page, one.line)
        shown = one.page
        if self._form == "drawn":
            shown = replace(one.page, image=folder / "marked.png")
            mark(one.page, one.line, folder / "marked.png")
        cognition = await read(self._reader, page_parts(one.page, ANSWER.format(question=one.question.question)))
        perception = await read(self._reader, page_parts(shown, READ.format(box=box)))
        return {
            "id": one.question.id,
            "page": one.page.id,
            "lines": list(one.lines),
            "box": list(one.page.lines[one.line].box),
            "cognition": cognition,
            "perception": perception,
            "consistent": is_consistent(cognition, perception),
            "raw_consistent": is_consistent(cognition, perception, raw=True),
            "cognition_anls": anls(cognition, one.question.answers),
            "perception_anls": anls(perception, one.page.lines[one.line].text),
        }


def page_parts(page: Page, prompt: str) -> list[Part]:
    """What a model is shown: the page's image, or its numbered lines, and the prompt."""
    if page.image is not None:
        return [page.image, prompt]
    return ["\n".join(f"{number}: {line.text}" for number, line in enumerate(page.lines, start=1)), prompt]


def summed_up(rows: Sequence[Row], dropped: Sequence[Dropped] = ()) -> Consistency:
    """The rows of `CPConsistency.measure` together."""
    keys = [(row["perception_anls"] > 0, row["cognition_anls"] > 0) for row in rows]
    cells = Counter(keys)
    consistent = Counter(key for key, row in zip(keys, rows, strict=True) if row["consistent"])
    return Consistency(
        bootstrap([float(row["consistent"]) for row in rows]),
        bootstrap([float(row["raw_consistent"]) for row in rows]),
        bootstrap([row["perception_anls"] for row in rows]),
        bootstrap([row["cognition_anls"] for row in rows]),
        cells,
        consistent,
        tuple(row for row in rows if not row["consistent"]),
        tuple(dropped),
    )
