"""The report of what models said under conflict: one HTML page with bars and tables, and the tables as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pansophy.conflicts.mmkc.plots import bars, legend
from pansophy.conflicts.mmkc.prompts import DetectionPrompt
from pansophy.conflicts.mmkc.scoring import DetectionScore, MMKCScore, score, score_detection
from pansophy.conflicts.results import read_manifest, read_rows
from pansophy.errors import StoreError, UsageError
from pansophy.evaluation.files import write_atomically
from pansophy.evaluation.report import frame
from pansophy.evaluation.report.markdown import markdown_table
from pansophy.evaluation.report.markup import tag, text
from pansophy.evaluation.report.panels import Panel
from pansophy.evaluation.report.tables import Table, interval

SETTINGS = {"context_memory": "one false text", "inter_context": "two texts that disagree"}
ALL = "all items"


@dataclass(frozen=True, slots=True)
class Measured:
    """A model's answers to one setting in one form, scored against its own without a text."""

    model: str
    setting: str
    form: str
    score: MMKCScore

    @property
    def told(self) -> str:
        return f"{SETTINGS[self.setting]}, {self.form}"


def write_report(folders: Sequence[str | Path], output: str | Path, *, names: Mapping[str, str] | None = None) -> str:
    """Write `report.html` and `report.md` about the folders of `ask_items` and `detect_conflicts` into `output`.

    Each folder with a text is scored against the one of the same model, form and items without.

    Args:
        folders: with answers.
        output: the folder for the report.
        names: what models are called, by their identities.

    Returns:
        The tables as Markdown.

    Raises:
        UsageError: a folder has no counterpart, two are of the same measurement, or none has a conflict.
        RunError: a folder has no results.
        StoreError: the report can't be written.
    """
    measured, detected = read_measured([Path(folder).expanduser() for folder in folders], names or {})
    tables = _tables(measured, detected)
    parts = [(f"## {table.title}", markdown_table(table), *table.notes) for table in tables]
    markdown = "\n\n".join(part for of_table in parts for part in of_table) + "\n"
    place = Path(output).expanduser()
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"can't write into {place}: {error.strerror or error}") from error
    write_atomically(place / "report.md", markdown)
    write_atomically(place / "report.html", report_page(measured, tables))
    return markdown


def report_page(measured: Sequence[Measured], tables: Sequence[Table]) -> str:
    """The page; it holds rates alone, and none of the facts."""
    models = list(dict.fromkeys(one.model for one in measured))
    heading = tag("h1", "Answers under conflict") + tag("p", text("; ".join(models)), class_="soft")
    figures = [tag("figure", panel.svg(f"plot{number}")) for number, panel in enumerate(panels(measured))]
    sections = [frame.section("Whose word they follow", legend(), frame.grid(figures))] if figures else []
    sections += [frame.section(table.title, frame.table(table)) for table in tables]
    return frame.whole_page("Answers under conflict", heading, sections)


def panels(measured: Sequence[Measured]) -> list[Panel]:
    """For each kind of conflict the models side by side, where there are several; then each model by kind of fact."""
    found = []
    for told in dict.fromkeys(one.told for one in measured):
        models = {one.model: one.score.weighted for one in measured if one.told == told}
        if len(models) > 1:
            found.append(bars(told.capitalize(), models))
    for one in measured:
        kinds = {**one.score.kinds, ALL: one.score.weighted}
        found.append(bars(f"{one.told.capitalize()}: {one.model}", kinds))
    return found


def read_measured(
    folders: Sequence[Path], names: Mapping[str, str] = MappingProxyType({})
) -> tuple[list[Measured], dict[str, DetectionScore]]:
    """The scores of folders, and how well each model noticed conflicts. Raises as `write_report`."""
    kept: dict[tuple[str, ...], tuple[Path, dict[str, Any]]] = {}
    for folder in folders:
        made = read_manifest(folder)["made_with"]
        if made.get("measure") != "mmkc":
            raise UsageError(f"{folder} holds another measurement ({made.get('measure')}), not one of false texts")
        key = tuple(str(made.get(name)) for name in (*SHARED, "setting", "fine", "instruction"))
        if key in kept:
            raise UsageError(f"{kept[key][0]} and {folder} hold the same measurement: give one of them")
        kept[key] = (folder, made)
    before = {_shared(made): folder for folder, made in kept.values() if made["setting"] == "original"}
    measured, detected = [], {}
    for folder, made in kept.values():
        model = names.get(made["model"], made["model"])
        if made["setting"] in SETTINGS:
            if _shared(made) not in before:
                raise UsageError(f"{folder} needs the answers of {model} to the same items without a text")
            found = score(read_rows(before[_shared(made)]), read_rows(folder))
            measured.append(Measured(model, made["setting"], made["form"], found))
        elif made["setting"] == "detection":
            told = f"{model}, {'the sentence alone' if made['fine'] else 'the whole text'}: {made['instruction']}"
            detected[told] = score_detection(_judged(folder, made))
    if not measured and not detected:
        raise UsageError("there is nothing to report: give folders of answers with a false text as well")
    return measured, detected


SHARED = ("model", "form", "items", "images")
"""What answers must have in common to be compared."""


def _shared(made: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(made.get(name)) for name in SHARED)


def _judged(folder: Path, made: dict[str, Any]) -> list[dict[str, Any]]:
    prompt = DetectionPrompt(made["instruction"], made["yes_is_conflict"])
    return [{**row, "said": prompt.conflict_in(row["prediction"])} for row in read_rows(folder)]


def _tables(measured: Sequence[Measured], detected: dict[str, DetectionScore]) -> list[Table]:
    tables = []
    for one in measured:
        whole = one.score.table()
        tables.append(Table(f"{one.model}: {one.told}", whole.header, whole.lines, whole.names, whole.notes))
    if detected:
        lines = tuple(
            (name, interval(one.conflict), interval(one.agreement), f"{100 * one.average:.1f}", str(one.unparsed))
            for name, one in detected.items()
        )
        header = ("Model and prompt", "With a conflict", "Without", "Mean", "Not understood")
        tables.append(Table("Conflicts noticed", header, lines, 1, ("Accuracy x 100, with 95% bootstrap intervals.",)))
    return tables
