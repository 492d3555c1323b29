"""Filters out the questions that one chunk of the text alone answers: what is left takes several, or none has it.

The rule is that of Infinity-Bench+ (Liu et al. 2025, arXiv 2505.21471): a question is dropped if the model answers it
from any one chunk of 8k tokens alone. The paper doesn't say what counts as answered; here the benchmark's own score
must be full, or, where it has none, the answer must have an F1 of at least 0.5 or contain a gold answer.

Departures: a chunk is made of whole chunks of the corpus, so that no word is cut; short documents share one.
Knows nothing of how a chunk is asked: that is passed in.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pansophy.corpus import Corpus
from pansophy.corpus.pages import pack
from pansophy.errors import AuthenticationFailed, ModelError, SourceError, StoreError, UnknownModel, UsageError
from pansophy.evaluation import provenance
from pansophy.evaluation.datasets import Dataset, Question
from pansophy.evaluation.files import append_line, drop_torn_line, read_lines, refuse_difference, write_json
from pansophy.models import ChatModel
from pansophy.types import Answer, Chunk

FORMAT = 1
KEPT = "kept.json"
CHUNKS = "chunks.jsonl"
MARGIN = 1024
"""Tokens of the window that are left for the instructions, the question and the reply."""

Alone = Callable[[str, Corpus, Sequence[Chunk]], Awaitable[Answer]]
"""Answers a question from some chunks of a corpus alone."""


@dataclass(frozen=True, slots=True)
class FilterSettings:
    """How large a chunk is and what counts as answered.

    Args:
        chunk_tokens: the most tokens of a chunk, by the model's tokenizer.
        threshold: the F1 from which on an answer counts, where the benchmark has no score of its own.
    """

    chunk_tokens: int = 8000  # the paper: 8k
    threshold: float = 0.5  # ours

    def __post_init__(self) -> None:
        if self.chunk_tokens < 1:
            raise UsageError(f"chunk_tokens must be at least 1, not {self.chunk_tokens}")
        if not 0 < self.threshold <= 1:
            raise UsageError(f"threshold must be above 0 and at most 1, not {self.threshold}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkAnswer:
    """What was answered from chunk `chunk` (counting from 0) alone.

    It begins at character `start` of `document` and ends before character `end` of `last_document`. `score` is the
    benchmark's own, where it has one; with an `error` nothing was answered.
    """

    question_id: str
    chunk: int
    document: str
    start: int
    last_document: str
    end: int
    prediction: str = ""
    right: bool = False
    f1: float = 0.0
    contains: float = 0.0
    score: float | None = None
    error: str | None = None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ChunkAnswer:
        return cls(**data)


@dataclass(slots=True)
class Filtered:
    """The ids of the questions kept, how each of the others was answered, and which of them could not be decided since
    a chunk could not be read and no other had the answer."""

    kept: list[str] = field(default_factory=list)
    dropped: list[ChunkAnswer] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)


async def filter_questions(
    dataset: Dataset,
    corpus: Corpus | Callable[[Question], Corpus],
    alone: Alone,
    model: ChatModel,
    folder: str | Path,
    settings: FilterSettings = FilterSettings(),
    *,
    limit: int | None = None,
    offset: int = 0,
    command: Sequence[str] | None = None,
    on_progress: Callable[[int, int, str, Filtered], None] | None = None,
) -> Filtered:
    """Decide which of the selected questions take more than one chunk.

    Args:
        dataset: the questions.
        corpus: as for `run_bench`.
        alone: how a chunk is asked, with `model`.
        model: whose tokenizer and identity count.
        folder: `chunks.jsonl` gets a line for each answer, `kept.json` what was decided; what is there is not repeated.
        settings: chunks and what counts as answered.
        limit: how many questions (None: all), after the first `offset`.
        command: recorded (default: this process's command line).
        on_progress: called after each question with its number, how many there are, its id and the state.

    Returns:
        What is decided of the dataset so far, earlier calls included.

    Raises:
        RunError: the folder was made with other data, another model or other settings.
        UsageError: a chunk doesn't fit the window.
        AuthenticationFailed, UnknownModel: the model can't be used at all; the answers so far are kept.
    """
    if settings.chunk_tokens + MARGIN > model.window:
        raise UsageError(
            f"chunks of {settings.chunk_tokens} tokens don't fit the window of {model.name} ({model.window} tokens, "
            f"{MARGIN} of them for question and reply): give a larger window or smaller chunks"
        )
    selected = dataset.select(limit, offset)
    task = _Task(dataset, alone, model, _Folder(Path(folder), dataset, model, settings, command), settings)
    shared = None if callable(corpus) else await chunk_ranges(corpus, model, settings.chunk_tokens)
    for number, question in enumerate(selected, start=1):
        if not task.folder.decided(question.id):
            texts = await asyncio.to_thread(corpus, question) if callable(corpus) else corpus
            ranges = shared or await chunk_ranges(texts, model, settings.chunk_tokens)
            task.folder.decide(question.id, await task.ask(question, texts, ranges))
        if on_progress is not None:
            on_progress(number, len(selected), question.id, task.folder.state)
    return task.folder.state


async def chunk_ranges(corpus: Corpus, model: ChatModel, tokens: int) -> list[tuple[int, int]]:
    """The corpus cut into ranges of neighbouring chunks of at most `tokens` tokens, titles included.

    A chunk of the corpus that is larger is a range of its own.
    """
    sizes: list[int] = []
    before = ""
    for chunk in await asyncio.to_thread(lambda: list(corpus.chunks())):
        title = f"\n\n# {chunk.title or chunk.document}\n" if chunk.document != before else ""
        sizes.append(await model.count_tokens(title + chunk.text))
        before = chunk.document
    return list(pack(sizes, tokens))


def is_right(dataset: Dataset, question: Question, prediction: str, threshold: float) -> bool:
    """Whether an answer counts as right: a full score, or without one an F1 from `threshold` on, or containment."""
    if not prediction.strip():
        return False
    if dataset.score is not None:
        return dataset.score(prediction, question) >= 1.0
    scorer = dataset.scorer
    return scorer.f1(prediction, question.answers) >= threshold or bool(scorer.contains(prediction, question.answers))


@dataclass(frozen=True, slots=True)
class _Task:
    dataset: Dataset
    alone: Alone
    model: ChatModel
    folder: _Folder
    settings: FilterSettings

    async def ask(self, question: Question, corpus: Corpus, ranges: Sequence[tuple[int, int]]) -> list[ChunkAnswer]:
        """Answers from one chunk after another, as many at once as the model takes, until one is right."""
        width = max(self.model.parallel, 1)
        answers: list[ChunkAnswer] = []
        for begin in range(0, len(ranges), width):
            wave = range(begin, min(begin + width, len(ranges)))
            answers += await asyncio.gather(*(self._ask(question, corpus, at, ranges[at]) for at in wave))
            if any(answer.right for answer in answers):
                break
        return answers

    async def _ask(self, question: Question, corpus: Corpus, number: int, chunks: tuple[int, int]) -> ChunkAnswer:
        if (known := self.folder.answers.get((question.id, number))) is not None:
            return known
        pieces = await asyncio.to_thread(corpus.read, range(*chunks))
        prediction = ""
        error: str | None = None
        try:
            prediction = (await self.alone(question.text, corpus, pieces)).text
        except (AuthenticationFailed, UnknownModel):  # every other chunk would meet it as well
            raise
        except ModelError as failure:
            error = str(failure)
        scorer = self.dataset.scorer
        answer = ChunkAnswer(
            question_id=question.id,
            chunk=number,
            document=pieces[0].document,
            start=pieces[0].start,
            last_document=pieces[-1].document,
            end=pieces[-1].end,
            prediction=prediction,
            right=is_right(self.dataset, question, prediction, self.settings.threshold),
            f1=scorer.f1(prediction, question.answers),
            contains=scorer.contains(prediction, question.answers),
            score=None if self.dataset.score is None else self.dataset.score(prediction, question),
            error=error,
        )
        append_line(self.folder.path / CHUNKS, asdict(answer))
        return answer


class _Folder:
    """What is decided, on disk after each question, and the answers that it rests on."""

    def __init__(
        self,
        path: Path,
        dataset: Dataset,
        model: ChatModel,
        settings: FilterSettings,
        command: Sequence[str] | None,
    ) -> None:
        self.path = path
        made: dict[str, Any] = {
            "format": FORMAT,
            "dataset": {"name": dataset.name, "sha256": dataset.sha256, "scorer": dataset.scorer_name},
            "model": model.identity,
            "settings": asdict(settings),
        }
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"can't write into {path}: {error.strerror or error}") from error
        before: dict[str, Any] = _read_json(path / KEPT) if (path / KEPT).exists() else {**made, "sessions": []}
        refuse_difference(path, {key: before.get(key) for key in made}, made)
        self.state = Filtered(
            list(before.get("kept", [])),
            [ChunkAnswer.from_dict(one) for one in before.get("dropped", [])],
            list(before.get("undecided", [])),
        )
        session = {
            "started": provenance.now(),
            "command": provenance.command(command),
            "machine": provenance.machine(),
            "versions": provenance.versions(),
        }
        self._made = {**made, "sessions": [*before["sessions"], session]}
        drop_torn_line(path / CHUNKS)
        told = read_lines(path / CHUNKS, ChunkAnswer.from_dict)
        self.answers = {(one.question_id, one.chunk): one for one in told if one.error is None}

    def decided(self, question_id: str) -> bool:
        return question_id in self.state.kept or any(one.question_id == question_id for one in self.state.dropped)

    def decide(self, question_id: str, answers: Sequence[ChunkAnswer]) -> None:
        if question_id in self.state.undecided:
            self.state.undecided.remove(question_id)
        right = next((answer for answer in answers if answer.right), None)
        if right is not None:
            self.state.dropped.append(right)
        elif any(answer.error for answer in answers):
            self.state.undecided.append(question_id)
        else:
            self.state.kept.append(question_id)
        write_json(self.path / KEPT, {**self._made, **asdict(self.state)})


def read_ids(path: str | Path, dataset: Dataset) -> list[str]:
    """The ids of a `kept.json`, or of a file with a JSON list of them.

    Raises:
        SourceError: the file can't be read, is neither, or was made of other data than `dataset`.
    """
    path = Path(path)
    data = _read_json(path)
    made_of = data.get("dataset", {}).get("sha256") if isinstance(data, dict) else None
    if made_of is not None and made_of != dataset.sha256:
        raise SourceError(
            f"{path} was made of other data than {dataset.name}: filter this dataset, or give a plain list"
        )
    ids = data.get("kept") if isinstance(data, dict) else data
    if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
        raise SourceError(f"{path}: expected a list of question ids, or an object with such a list in 'kept'")
    return ids


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} can't be read: {error}") from error
