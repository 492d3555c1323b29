"""The folder of a bench: its manifest and its rows, written so that a crash loses at most the question in progress."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pansophy.errors import RunError, StoreError
from pansophy.evaluation import provenance
from pansophy.evaluation.datasets import Dataset, Question
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
            _refuse_difference(self.path, {key: self._manifest.get(key) for key in shared}, shared)
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
            _refuse_difference(self.path, {key: before[key] for key in identity}, identity, name)
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
        _drop_torn_line(path)
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
        _drop_torn_line(path.with_suffix(".answers.jsonl"))
        _append_line(path.with_suffix(".answers.jsonl"), full)
        _append_line(path, row.to_dict())

    def _rows_file(self, name: str) -> Path:
        return self.path / f"{_file_name(name)}.jsonl"

    def _write_manifest(self) -> None:
        write_atomically(self.path / MANIFEST, json.dumps(self._manifest, ensure_ascii=False, indent=2) + "\n")


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
    if not path.exists():
        return []
    lines = path.read_text("utf-8").split("\n")[:-1]  # what follows the last line break is a torn line or nothing
    rows: dict[str, Row] = {}
    for number, line in enumerate(lines, start=1):
        try:
            row = Row.from_dict(json.loads(line))
        except (ValueError, TypeError, AttributeError) as error:
            raise RunError(f"{path}, line {number} is damaged ({error}); mend or delete it") from error
        rows[row.question_id] = row
    return list(rows.values())


def _refuse_difference(folder: Path, before: Mapping[str, Any], now: Mapping[str, Any], name: str = "") -> None:
    different = sorted(_differences(before, now))
    if different:
        what = f"results of {name} " if name else "results "
        raise RunError(
            f"{folder} has {what}made with another {', '.join(different)}; "
            "use another folder, or the settings of the first time"
        )


def _differences(before: Any, now: Any, path: str = "") -> list[str]:
    """Dotted names of the values that are not equal."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        found = []
        for key in sorted({*before, *now}):
            found += _differences(before.get(key), now.get(key), f"{path}.{key}" if path else str(key))
        return found
    return [] if before == now else [path]


def _fingerprint(data: Mapping[str, Any]) -> str:
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _file_name(name: str) -> str:
    cleaned = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")
    if not cleaned:
        raise ValueError(f"a strategy's name must have a letter or digit: {name!r}")
    return cleaned


def write_atomically(path: Path, text: str) -> None:
    """Write a whole file or nothing.

    Raises:
        StoreError: it can't be written.
    """
    partial = path.with_suffix(".partial")
    try:
        partial.write_text(text, "utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise StoreError(f"can't write {path}: {error.strerror or error}") from error


def _append_line(path: Path, data: Mapping[str, Any]) -> None:
    line = json.dumps(data, ensure_ascii=False) + "\n"
    try:
        # A lone surrogate can't be encoded; its backslash form is a valid JSON escape.
        with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StoreError(f"can't write {path}: {error.strerror or error}") from error


def _drop_torn_line(path: Path) -> None:
    """Cut off a last line without a line break: the process died while writing it."""
    if not path.exists():
        return
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        with path.open("rb+") as file:
            file.truncate(data.rfind(b"\n") + 1)
