"""The data of the three stages of fine-tuning: perception, cognition, and the connector between them.

Each stage has generator and validator pairs: to produce a text or an answer, and to tell the right one from another.
A validator's wrong option is, by turns of chance, the most similar line of the page or any other one; which option
comes first is a matter of chance as well.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pansophy.conflicts.consistency import templates
from pansophy.conflicts.consistency.measure import page_parts
from pansophy.conflicts.consistency.pages import BOX_FORMS, Dropped, Located, Page, PageQuestion, locate
from pansophy.errors import StoreError, UsageError
from pansophy.evaluation.files import write_atomically
from pansophy.evaluation.metrics import contains

STAGES = ("perception", "cognition", "connector")


@dataclass(frozen=True, slots=True)
class ConsistencySettings:
    """How the training data are built.

    Args:
        hardest: the share of wrong options that are the page's most similar line.
        replay: samples of the first two stages in the third, as a share of its own.
        box_form: how a line is pointed at in words, of `BOX_FORMS`.
        link_tokens: put tokens around what a reading and an answer share.
        seed: of all that is drawn.
    """

    hardest: float = 0.5  # ours; the paper doesn't say
    replay: float = 0.1  # ours; the paper: "a small amount"
    box_form: str = "pixels"  # the model's own syntax, in the paper
    link_tokens: bool = False  # the paper's later versions have them
    seed: int = 0  # ours

    def __post_init__(self) -> None:
        if not (0 <= self.hardest <= 1 and 0 <= self.replay <= 1):
            raise UsageError(f"hardest and replay are shares, 0..1, not {self.hardest} and {self.replay}")
        forms = [form for form in BOX_FORMS if form != "drawn"]  # a sample points at two boxes of one image
        if self.box_form not in forms:
            raise UsageError(f"boxes can't be told by {self.box_form!r} here: choose one of {', '.join(forms)}")


@dataclass(frozen=True, slots=True)
class StageData:
    """The files of the stages, how many samples of each task each has, and the questions that were left out."""

    files: dict[str, Path]
    counts: dict[str, dict[str, int]]
    dropped: tuple[Dropped, ...]


Sample = dict[str, Any]


def build_stages(
    pages: Sequence[Page],
    questions: Sequence[PageQuestion],
    folder: str | Path,
    settings: ConsistencySettings = ConsistencySettings(),
    *,
    held_out: Collection[str] = (),
) -> StageData:
    """Write `perception.jsonl`, `cognition.jsonl` and `connector.jsonl`, to be trained on in this order.

    A line is a sample: `id`, `task`, `page`, `image` (None for a page of text), `prompt`, `response`; the loss belongs
    on the response alone.

    Args:
        pages: with their lines.
        questions: about them; what can't be answered by copying a line is dropped.
        folder: for the files.
        settings: how samples are made.
        held_out: ids of pages that nothing is made of, since they are measured on.

    Raises:
        UsageError: ids repeat.
        StoreError: the files can't be written.
    """
    train = [page for page in pages if page.id not in held_out]
    asked = [question for question in questions if question.page not in held_out]
    located, dropped = locate(train, asked)
    source = random.Random(settings.seed)
    maker = _Maker(settings, source)
    samples = {
        "perception": [sample for page in train for sample in maker.perception(page, located)],
        "cognition": [sample for one in located for sample in maker.cognition(one)],
        "connector": [sample for one in located for sample in maker.connector(one)],
    }
    earlier = samples["perception"] + samples["cognition"]
    again = min(round(settings.replay * len(samples["connector"])), len(earlier))
    samples["connector"] += source.sample(earlier, again)
    place = Path(folder).expanduser()
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"can't write into {place}: {error.strerror or error}") from error
    files = {stage: place / f"{stage}.jsonl" for stage in STAGES}
    for stage, path in files.items():
        write_atomically(path, "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in samples[stage]))
    counts = {stage: dict(Counter(one["task"] for one in samples[stage])) for stage in STAGES}
    return StageData(files, counts, tuple(dropped))


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes samples of pages and questions."""

    settings: ConsistencySettings
    source: random.Random

    def perception(self, page: Page, located: Sequence[Located]) -> Iterator[Sample]:
        answers = {one.line: one.answer for one in located if one.page.id == page.id}
        for at, line in enumerate(page.lines):
            box = self._box(page, at)
            response = self._linked(line.text, answers[at]) if at in answers else line.text
            yield self._sample(page, f"{page.id}/{at}", "read", templates.READ.format(box=box), response)
            others = [other.text for other in page.lines if other.text != line.text]
            if others:
                first, second = self._options(line.text, self._wrong(line.text, others))
                prompt = templates.WHICH_TEXT.format(box=box, first=first, second=second)
                yield self._sample(page, f"{page.id}/{at}", "which_text", prompt, line.text)

    def cognition(self, one: Located) -> Iterator[Sample]:
        question = one.question.question
        response = self._linked(one.answer, one.answer)
        yield self._sample(one.page, one.question.id, "answer", templates.ANSWER.format(question=question), response)
        if others := [one.page.lines[at].text for at in _without(one)]:
            first, second = self._options(one.answer, self._wrong(one.answer, others))
            prompt = templates.WHICH_ANSWER.format(question=question, first=first, second=second)
            yield self._sample(one.page, one.question.id, "which_answer", prompt, one.answer)

    def connector(self, one: Located) -> Iterator[Sample]:
        others = _without(one)
        if not others:
            return
        texts = [one.page.lines[at].text for at in others]
        wrong = others[texts.index(self._wrong(one.answer, texts))]
        box = self._box(one.page, one.line)
        first, second = self._options(box, self._box(one.page, wrong))
        prompt = templates.WHICH_BOX.format(question=one.question.question, first=first, second=second)
        response = templates.BOX_RESPONSE.format(answer=one.answer, box=box)
        yield self._sample(one.page, one.question.id, "which_box", prompt, response)

    def _sample(self, page: Page, identity: str, task: str, prompt: str, response: str) -> Sample:
        *before, asked = page_parts(page, prompt)
        shown = [part for part in before if isinstance(part, str)]
        return {
            "id": f"{identity}/{task}",
            "task": task,
            "page": page.id,
            "image": None if page.image is None else str(page.image),
            "prompt": "\n\n".join([*shown, str(asked)]),
            "response": response,
        }

    def _wrong(self, right: str, others: Sequence[str]) -> str:
        """The most similar of the others, or any."""
        from rapidfuzz.distance import Levenshtein

        if self.source.random() < self.settings.hardest:
            return min(others, key=lambda other: Levenshtein.distance(right, other))
        return self.source.choice(others)

    def _options(self, one: str, other: str) -> tuple[str, str]:
        return (one, other) if self.source.random() < 0.5 else (other, one)

    def _box(self, page: Page, line: int) -> str:
        return BOX_FORMS[self.settings.box_form](page, line)

    def _linked(self, text: str, shared: str) -> str:
        if not self.settings.link_tokens:
            return text
        return text.replace(shared, f"{templates.LINK}{shared}{templates.UNLINK}", 1)


def _without(one: Located) -> list[int]:
    """The lines of the page that don't say the answer."""
    return [at for at, line in enumerate(one.page.lines) if not contains(line.text, one.answer)]
