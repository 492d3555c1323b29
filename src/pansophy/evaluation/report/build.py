"""Reads bench folders into a report, and writes it in the form that a file's ending names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pansophy.errors import RunError, StoreError, UsageError
from pansophy.evaluation.files import write_atomically
from pansophy.evaluation.judge import read_judgements
from pansophy.evaluation.report.markdown import report_markdown
from pansophy.evaluation.report.page import report_page
from pansophy.evaluation.report.plots import report_figure
from pansophy.evaluation.report.series import Sweep, placed, sweeps
from pansophy.evaluation.report.statistics import RESAMPLES
from pansophy.evaluation.report.summaries import (
    Comparison,
    StrategySummary,
    compare,
    main_metric,
    summarise,
    with_judge,
)
from pansophy.evaluation.rows import Row, read_manifest, read_rows


@dataclass(frozen=True, slots=True)
class Report:
    """What `build_report` found.

    `manifests` and `rows` are by bench, the rows of a bench by strategy; `notes` say what was left out.
    """

    strategies: tuple[StrategySummary, ...]
    comparisons: tuple[Comparison, ...]
    manifests: dict[str, dict[str, Any]]
    rows: dict[str, dict[str, tuple[Row, ...]]]
    notes: tuple[str, ...] = ()

    def sweeps(self) -> tuple[Sweep, ...]:
        """The benchmarks whose texts have a length, each with the results at all its lengths."""
        return sweeps(self.strategies, self.manifests)

    def to_dict(self) -> dict[str, Any]:
        """JSON data: the numbers and where they come from, without the rows."""
        return {
            "strategies": [asdict(summary) for summary in self.strategies],
            "comparisons": [asdict(comparison) for comparison in self.comparisons],
            "benches": self.manifests,
            "notes": list(self.notes),
        }

    def json(self) -> str:
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=2) + "\n"

    def markdown(self) -> str:
        """The tables."""
        return report_markdown(self)

    def html(self) -> str:
        """One page with tables, plots and the single questions; it needs no other file and has no script."""
        return report_page(self)

    def svg(self) -> str:
        """The main score against the length of the text, as one picture.

        Raises:
            UsageError: no bench has texts of a known length.
        """
        return report_figure(self)

    def save(self, *paths: str | Path) -> None:
        """Write the report.

        Args:
            paths: files ending in .html, .md, .json or .svg, or folders, which get report.md and report.json.

        Raises:
            UsageError: a file has another ending; nothing is written then.
            StoreError: a file can't be written.
        """
        texts = {file: self._text(file) for path in paths for file in _files(Path(path).expanduser())}
        for file, text in texts.items():
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreError(f"can't write into {file.parent}: {error.strerror or error}") from error
            write_atomically(file, text)

    def _text(self, file: Path) -> str:
        forms = {".html": self.html, ".md": self.markdown, ".json": self.json, ".svg": self.svg}
        if file.suffix.lower() not in forms:
            raise UsageError(f"a report is a folder or a file ending in {', '.join(forms)}, not {file.name}")
        return forms[file.suffix.lower()]()


def build_report(
    folders: Sequence[str | Path], *, reference: str = "extagents", resamples: int = RESAMPLES, seed: int = 0
) -> Report:
    """Summarise bench folders.

    Args:
        folders: folders that `run_bench` wrote, finished or not; one named twice counts once. Benches of one benchmark
            are put together, short texts first.
        reference: the strategy that the others are compared with, where a folder has it (else its first one).
        resamples: how many bootstrap and permutation samples.
        seed: of the resampling; the same seed gives the same intervals.

    Raises:
        RunError: a folder is not a bench, or has no rows.
    """
    summaries: list[StrategySummary] = []
    comparisons: list[Comparison] = []
    manifests: dict[str, dict[str, Any]] = {}
    benches: dict[str, dict[str, tuple[Row, ...]]] = {}
    notes: list[str] = []
    for folder, manifest in _in_order(folders):
        entries = manifest["strategies"]
        found = {name: _planned_rows(folder, entry) for name, entry in entries.items()}
        rows = {name: ones for name, ones in found.items() if ones}
        if not rows:
            raise RunError(f"{folder} has no finished questions yet")
        label = _label(folder, manifests)
        notes += [
            f"{label}: {name} has no finished question yet and is left out." for name in found if name not in rows
        ]
        manifests[label] = _without_question_lists(manifest)
        benches[label] = rows
        for name, ones in rows.items():
            planned, models = len(entries[name]["questions"]), entries[name]["models"]
            summary = summarise(label, name, ones, planned, models, resamples=resamples, seed=seed)
            judgements = list(read_judgements(folder, entries[name]["file"], ones).values())
            summaries.append(with_judge(summary, judgements, resamples=resamples, seed=seed))
        base = reference if reference in rows else next(iter(rows))
        comparisons += [
            compare(label, name, ones, base, rows[base], metric, resamples=resamples, seed=seed)
            for name, ones in rows.items()
            if name != base
            for metric in dict.fromkeys((main_metric([*ones, *rows[base]]), "contains"))
        ]
    return Report(tuple(summaries), tuple(comparisons), manifests, benches, tuple(notes))


def _in_order(folders: Sequence[str | Path]) -> list[tuple[Path, dict[str, Any]]]:
    """The folders with their manifests, by benchmark as first named, then by length."""
    places = dict.fromkeys(Path(folder).expanduser().resolve() for folder in folders)
    found = [(folder, read_manifest(folder)) for folder in places]
    order = list(dict.fromkeys(placed(manifest).benchmark for _, manifest in found))
    return sorted(found, key=lambda one: (order.index(placed(one[1]).benchmark), placed(one[1]).length or 0))


def _planned_rows(folder: Path, entry: dict[str, Any]) -> tuple[Row, ...]:
    by_id = {row.question_id: row for row in read_rows(folder / entry["file"])}
    return tuple(by_id[identity] for identity in entry["questions"] if identity in by_id)


def _label(folder: Path, taken: dict[str, Any]) -> str:
    """The folder's name, with as many of the folders above it as tell it from the others."""
    parts = folder.parts
    labels = ("/".join(parts[-depth:]) for depth in range(1, len(parts) + 1))
    return next(label for label in labels if label not in taken)


def _without_question_lists(manifest: dict[str, Any]) -> dict[str, Any]:
    strategies = {
        name: {key: value for key, value in entry.items() if key != "questions"}
        for name, entry in manifest["strategies"].items()
    }
    return {**manifest, "strategies": strategies}


def _files(path: Path) -> tuple[Path, ...]:
    return (path / "report.md", path / "report.json") if path.is_dir() or not path.suffix else (path,)
