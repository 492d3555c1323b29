"""The folder of a bench: its manifest and its rows, written so that a crash loses at most the question in progress."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pansophy.errors import RunError, StoreError
from pansophy.evaluation import provenance
from pansophy.evaluation.datasets import Dataset, Question
from pansophy.evaluation.files import append_line, drop_torn_line, read_lines, refuse_difference, write_json
from pansophy.types import Answer

FORMAT = 1
MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What came of one question. All scores are 0..1; an example with an `error` scores 0 everywhere.

    `kind` is the question's; `score` is the benchmark's own score, where it has one.
    """

    question_id: str
    error: str | None = None
    prediction: str = ""
    verdict: str = ""
    kind: str = ""
    score: float | None = None
    f1: float = 0.0
    exact_match: float = 0.0
    contains: float = 0.0
    evidence_hit: float = 0.0
    evidence_precision: float = 0.0
    evidence_recall: float = 0.0
    evidence_documents: tuple[str, ...] = ()
    rounds: int = 0
    failed_chunks: int = 0
    calls: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Row:
        fields: dict[str, Any] = dict(data)
        for name in ("evidence_documents", "warnings"):
            fields[name] = tuple(fields.get(name, ()))
        return cls(**fields)


class BenchFolder:
    """The files of one bench. One process writes a folder at a time."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser()
        self._manifest: dict[str, Any] = {}

    def open_session(self, dataset: Dataset, corpus: str, seed: int, command: Sequence[str] | None) -> None:
        """Create the folder or go on with it.

        Raises:
            RunError: it holds results over other data or with another seed.
            StoreError: it can't be written.
        """
        data = {
            "name": dataset.name,
            "sha256": dataset.sha256,
            "scorer": dataset.scorer_name,
            **({} if dataset.score is None else {"score": dataset.score_name}),
            "questions": len(dataset.questions),
            "documents": len(dataset.documents),
            "characters": dataset.characters,
        }
        shared = {"format": FORMAT, "dataset": data, "corpus": corpus, "seed": seed}
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"can't write results into {self.path}: {error.strerror or error}") from error
        if (self.path / MANIFEST).exists():
            self._manifest = read_manifest(self.path)
            refuse_difference(self.path, {key: self._manifest.get(key) for key in shared}, shared)
        else:
            self._manifest = {**shared, "strategies": {}, "sessions": []}
        # What a report arranges results by; no part of what must be the same, since older folders lack it.
        self._manifest["benchmark"] = {"name": dataset.benchmark or dataset.name, "tokens": dataset.tokens}
        self._manifest["sessions"].append(
            {
                "started": provenance.now(),
                "command": provenance.command(command),
                "machine": provenance.machine(),
                "versions": provenance.versions(),
            }
        )
        self._write_manifest()

    def enter(self, name: str, settings: Mapping[str, Any], models: Sequence[str], question_ids: Sequence[str]) -> None:
        """Register a strategy with the questions it is asked; more questions can be added by a later call.

        Raises:
            RunError: the folder has rows of this strategy made with other settings, models or version.
        """
        version = ".".join(provenance.versions()["pansophy"].split(".")[:2])
        identity = json.loads(
            json.dumps({"settings": settings, "models": list(models), "pansophy": version}, default=str, sort_keys=True)
        )
        strategies = self._manifest["strategies"]
        file = self._rows_file(name).name
        if any(other != name and entry["file"] == file for other, entry in strategies.items()):
            raise ValueError(f"the strategy names must differ in more than punctuation: {name!r}")
        if (before := strategies.get(name)) is not None:
            refuse_difference(self.path, {key: before[key] for key in identity}, identity, name)
            question_ids = list(dict.fromkeys([*before["questions"], *question_ids]))
        shared = {key: self._manifest[key] for key in ("dataset", "corpus", "seed")}
        strategies[name] = {
            "fingerprint": _fingerprint({**shared, **identity, "strategy": name}),
            **identity,
            "file": file,
            "questions": list(question_ids),
            "finished": None,
        }
        self._write_manifest()

    def finish(self, name: str) -> None:
        self._manifest["strategies"][name]["finished"] = provenance.now()
        self._write_manifest()

    def rows(self, name: str) -> list[Row]:
        """The rows of a strategy; of several rows of one question (retried) the last."""
        path = self._rows_file(name)
        drop_torn_line(path)
        return read_rows(path)

    def append(self, name: str, row: Row, question: Question, answer: Answer | None) -> None:
        """Write a finished question: first the answer, then the row, which makes it count."""
        full = {
            "question_id": question.id,
            "question": question.text,
            "gold": list(question.answers),
            "gold_documents": list(question.gold_documents),
            "error": row.error,
            "answer": None if answer is None else answer.to_dict(),
        }
        path = self._rows_file(name)
        drop_torn_line(path.with_suffix(".answers.jsonl"))
        append_line(path.with_suffix(".answers.jsonl"), full)
        append_line(path, row.to_dict())

    def _rows_file(self, name: str) -> Path:
        return self.path / f"{_file_name(name)}.jsonl"

    def _write_manifest(self) -> None:
        write_json(self.path / MANIFEST, self._manifest)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a bench folder.

    Raises:
        RunError: there is none, or it isn't one of this version.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise RunError(f"{folder} is not a bench folder: it has no {MANIFEST}") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{path} can't be read: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise RunError(f"{path} is not a bench manifest of format {FORMAT}; use another folder")
    return manifest


def read_rows(path: Path) -> list[Row]:
    """The complete rows of a file, one for each question (the last, where one was retried).

    Raises:
        RunError: a line in the middle is damaged; says which.
    """
    return list({row.question_id: row for row in read_lines(path, Row.from_dict)}.values())


def _fingerprint(data: Mapping[str, Any]) -> str:
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _file_name(name: str) -> str:
    cleaned = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")
    if not cleaned:
        raise ValueError(f"a strategy's name must have a letter or digit: {name!r}")
    return cleaned
