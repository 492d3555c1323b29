"""Where a model's own knowledge ends: questions asked often without any text, and what came of them.

A question is easy if any of its answers was right, else hard. What is drawn is kept beside the result, so that a probe
that was broken off asks nothing twice; a trained model is another model, and probing it again labels anew. Knows
nothing of searches.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pansophy.conflicts.closed_book import CachedSampler, few_shot_prompt
from pansophy.conflicts.sampling import Sampler
from pansophy.errors import RunError, SourceError, StoreError, UsageError
from pansophy.evaluation import provenance
from pansophy.evaluation.files import json_objects, refuse_difference, write_atomically, write_json
from pansophy.evaluation.metrics import exact_match
from pansophy.reading.ikea.measures import EASY, HARD

CARD, SAMPLES = "probe.json", "samples.sqlite"


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its gold answers; `pass_rate` is the share of right answers without a text, None if unknown."""

    id: str
    question: str
    answers: tuple[str, ...]
    pass_rate: float | None = None

    @property
    def label(self) -> str:
        """`EASY`, `HARD`, or "" if it wasn't probed."""
        if self.pass_rate is None:
            return ""
        return EASY if self.pass_rate > 0 else HARD

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "answers": list(self.answers), "label": self.label}


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """How a question is asked.

    Args:
        samples: answers to each question.
        temperature: at which they are drawn.
        max_tokens: of an answer; its first line counts.
        seed: of the first answer.
    """

    samples: int = 16  # the name of the authors' data
    temperature: float = 1.0  # ours; the authors' training draws at 1
    max_tokens: int = 24  # ours
    seed: int = 0

    def __post_init__(self) -> None:
        if self.samples < 1 or self.max_tokens < 1:
            raise UsageError(f"samples and max_tokens must be at least 1, not {self.samples} and {self.max_tokens}")
        if self.temperature <= 0 and self.samples > 1:
            raise UsageError("at temperature 0 all answers are the same: give one above 0, or samples=1")


async def probe(
    sampler: Sampler,
    questions: Sequence[Question],
    output: str | Path,
    settings: ProbeSettings = ProbeSettings(),
    *,
    at_once: int = 1,
    on_progress: Callable[[int, int, Question], None] | None = None,
) -> list[Question]:
    """The questions with their pass rates, written into the folder `output` as `easy.jsonl`, `hard.jsonl` and
    `mixed.jsonl`, which has as many of the one as of the other.

    Args:
        sampler: draws the answers.
        questions: what is asked; any pass rates they have are replaced.
        output: the folder; what was drawn for it before is not drawn again.
        settings: how they are asked.
        at_once: questions at the same time.
        on_progress: told how many of how many are done, and the last one.

    Raises:
        UsageError: there are no questions.
        RunError: the folder has a probe of another model, other questions or other settings.
        StoreError: it can't be written.
        ModelError, BudgetExceeded: as the sampler raises them; what was drawn before is kept.
    """
    if not questions:
        raise UsageError("there are no questions to probe")
    folder = _claim(output, sampler.identity, questions, settings)
    kept = CachedSampler(sampler, folder / SAMPLES)

    async def one(question: Question) -> Question:
        drawn = await kept.sample(
            few_shot_prompt(question.question),
            count=settings.samples,
            temperature=settings.temperature,
            max_tokens=settings.max_tokens,
            seed=settings.seed,
        )
        right = [exact_match(first_line(sample.text), question.answers) for sample in drawn]
        return replace(question, pass_rate=sum(right) / len(right))

    probed: list[Question] = []
    for begin in range(0, len(questions), at_once):
        for known in await asyncio.gather(*map(one, questions[begin : begin + at_once])):
            probed.append(known)
            if on_progress is not None:
                on_progress(len(probed), len(questions), known)
    for name, chosen in (
        (EASY, [one for one in probed if one.label == EASY]),
        (HARD, [one for one in probed if one.label == HARD]),
        ("mixed", mixed(probed, seed=settings.seed)),
    ):
        write_questions(folder / f"{name}.jsonl", chosen)
    return probed


def mixed(questions: Sequence[Question], *, each: int | None = None, seed: int = 0) -> list[Question]:
    """As many easy questions as hard ones, drawn and put in an order by `seed`.

    Args:
        questions: probed ones; others are left out.
        each: how many of either kind; None for as many as there are of the rarer one.
        seed: of the draw.

    Raises:
        UsageError: there are fewer than `each` of a kind.
    """
    easy, hard = ([one for one in questions if one.label == label] for label in (EASY, HARD))
    count = min(len(easy), len(hard)) if each is None else each
    if count > min(len(easy), len(hard)):
        raise UsageError(f"there are {len(easy)} easy and {len(hard)} hard questions, not {count} of each")
    chance = random.Random(seed)
    chosen = chance.sample(easy, count) + chance.sample(hard, count)
    chance.shuffle(chosen)
    return chosen


def first_line(text: str) -> str:
    """What counts of an answer: base models go on with questions of their own."""
    return text.strip().partition("\n")[0].strip()


def read_questions(path: str | Path) -> list[Question]:
    """The questions of a file of JSON lines: `question`, `answers` (a text or a list), perhaps `id` and `pass_rate`.

    Raises:
        SourceError: it can't be read, has no questions or an id twice, or a line is broken; says which, and how.
    """
    place = Path(path).expanduser()
    found: dict[str, Question] = {}
    for number, where, row in json_objects(place, "question and answers"):
        question = _question(row, where, number)
        if question.id in found:
            raise SourceError(f"{where}: the id {question.id!r} occurs more than once")
        found[question.id] = question
    if not found:
        raise SourceError(f"{place} has no questions")
    return list(found.values())


def _question(row: Mapping[str, Any], where: str, number: int) -> Question:
    asked, told, rate = row.get("question"), row.get("answers", row.get("answer")), row.get("pass_rate")
    if not isinstance(asked, str) or not asked.strip():
        raise SourceError(f"{where} has no question")
    told = [told] if isinstance(told, str) else told
    if not isinstance(told, list) or not all(isinstance(one, str) for one in told):
        raise SourceError(f"{where}: answers must be a text or a list of texts, not {told!r}")
    answers = tuple(dict.fromkeys(one.strip() for one in told if one.strip()))
    if not answers:
        raise SourceError(f"{where} has no answer")
    number_like = isinstance(rate, int | float) and not isinstance(rate, bool) and 0 <= rate <= 1
    if rate is not None and not number_like:
        raise SourceError(f"{where}: pass_rate must be a number from 0 to 1, not {rate!r}")
    return Question(str(row.get("id") or number), asked.strip(), answers, None if rate is None else float(rate))


def write_questions(path: Path, questions: Sequence[Question]) -> None:
    """Write a file that `read_questions` reads. Raises StoreError if it can't be written."""
    write_atomically(path, "".join(json.dumps(one.to_dict(), ensure_ascii=False) + "\n" for one in questions))


def claim(place: Path, card: Mapping[str, Any]) -> None:
    """Begin a folder of results with the card at `place`, or find it begun with the same.

    Raises:
        RunError: the folder's card tells of something else, or is damaged.
        StoreError: it can't be written.
    """
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        before = json.loads(place.read_text("utf-8")) if place.is_file() else None
    except ValueError as error:
        raise RunError(f"{place} is damaged ({error}); use another folder") from error
    except OSError as error:
        raise StoreError(f"can't write into {place.parent}: {error.strerror or error}") from error
    if before is None:
        write_json(place, {**card, "begun": provenance.now(), "versions": provenance.versions()})
    else:
        refuse_difference(place.parent, {name: before.get(name) for name in card}, card)


def _claim(output: str | Path, identity: str, questions: Sequence[Question], settings: ProbeSettings) -> Path:
    """The folder, with its card begun, or found to tell of the same probe."""
    folder = Path(output).expanduser()
    rows = [[one.id, one.question, list(one.answers)] for one in questions]
    digest = hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()
    card = {"model": identity, "questions": len(questions), "sha256": digest, "settings": asdict(settings)}
    claim(folder / CARD, card)
    return folder
