"""Writes the documentation pages that are made from the code: `python docs/generate.py` (`--check`: only compare).

`benchmarks.md` comes from the result files that `benchmarks.toml` names. `papers.md` comes from each system's `PAPER`,
the first paragraph of its module's docstring, the settings' defaults with their comments, and the numbers in
`papers_measured.toml`.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import tomllib
from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from pansophy.evaluation.report import build_report
from pansophy.papers import Paper, all_papers

HERE = Path(__file__).parent
PAPERS_PAGE = HERE / "papers.md"
MEASURED = HERE / "papers_measured.toml"
BENCHMARKS_PAGE = HERE / "benchmarks.md"
BENCHMARKS = HERE / "benchmarks.toml"
RESULTS = HERE.parent / "benchmarks" / "results"
MEASURED_FIELDS = ("system", "data", "metric", "value", "model", "source")

INTRODUCTION = """\
<!-- Made by docs/generate.py from the code and docs/papers_measured.toml: edit those, then run it. -->
# The systems and their papers

Each system is one module; its defaults are the paper's unless the table says otherwise. `pansophy papers` prints the
list. "Reported" is what the authors (or others, as named) published; "measured" was produced here, by the command or in
the result named in the last column. The two are rarely comparable one to one: mind the model and the data beside each
number.
"""


def papers_page() -> str:
    """The whole page.

    Raises:
        ValueError: the hand-kept numbers name an unknown system or lack a field.
    """
    papers = all_papers()
    numbers = read_numbers(MEASURED, {paper.system for paper in papers})
    parts = [INTRODUCTION, _overview(papers)]
    parts += [_section(paper, [entry for entry in numbers if entry["system"] == paper.system]) for paper in papers]
    return "\n".join(parts)


def benchmark_pages() -> dict[Path, str]:
    """The page of all benchmark tables, each with what `benchmarks.toml` says of it, and the pictures in it."""
    described = tomllib.loads(BENCHMARKS.read_text("utf-8"))
    pages = {}
    parts = [
        "<!-- Made by docs/generate.py from docs/benchmarks.toml and benchmarks/results: edit those, then run it. -->"
    ]
    parts += ["# Benchmarks", described["introduction"].strip()]
    for table in described["table"]:
        report = build_report([RESULTS / folder for folder in table["folders"]])
        parts += [f"## {table['title']}", table["text"].strip()]
        if picture := table.get("picture"):
            pages[HERE / "pictures" / picture] = report.svg()
            parts.append(f"![{table['title']}](pictures/{picture})")
        parts.append(report.markdown().strip())
    return {**pages, BENCHMARKS_PAGE: "\n\n".join(parts) + "\n"}


def read_numbers(path: Path, systems: set[str]) -> list[dict[str, Any]]:
    """The entries of the hand-kept file, each `[[reported]]` or `[[measured]]`, checked."""
    data = tomllib.loads(path.read_text("utf-8"))
    entries = [{"kind": kind, **entry} for kind in ("reported", "measured") for entry in data.get(kind, [])]
    for entry in entries:
        if missing := [field for field in MEASURED_FIELDS if not str(entry.get(field, "")).strip()]:
            raise ValueError(f"{path.name}: an entry of {entry.get('system', '?')} lacks {', '.join(missing)}")
        if entry["system"] not in systems:
            raise ValueError(
                f"{path.name}: there is no system {entry['system']!r}; there are {', '.join(sorted(systems))}"
            )
    return entries


def _overview(papers: tuple[Paper, ...]) -> str:
    lines = ["| System | Module | Paper |", "| --- | --- | --- |"]
    for paper in papers:
        source = f"[{paper.title}]({paper.url})" if paper.url else paper.title
        lines.append(f"| [{paper.system}](#{_anchor(paper.system)}) | `{paper.module}` | {source} ({paper.year}) |")
    return "\n".join(lines) + "\n"


def _section(paper: Paper, numbers: list[dict[str, Any]]) -> str:
    module = import_module(paper.module)
    link = f" [arXiv {paper.arxiv}]({paper.url})" if paper.url else ""
    parts = [
        f"## {paper.system}\n",
        f"{paper.authors}: *{paper.title}*. {paper.published}.{link}\n",
        _first_paragraph(module) + "\n",
    ]
    for table in (_settings_table(module), _numbers_table(numbers)):
        if table:
            parts.append(table + "\n")
    return "\n".join(parts)


def _first_paragraph(module: ModuleType) -> str:
    return " ".join((inspect.getdoc(module) or "").split("\n\n")[0].split())


def _settings_table(module: ModuleType) -> str:
    """Fields, defaults and comments of the module's settings dataclass: the class named ...Settings, or a combiner."""
    for name, value in vars(module).items():
        is_settings = name.endswith("Settings") or (is_dataclass(value) and hasattr(value, "prior"))
        if is_settings and inspect.isclass(value) and value.__module__.startswith(module.__name__):
            meaning = _meanings(inspect.getdoc(value) or "")
            lines = ["| Setting | Default | Meaning | Source |", "| --- | --- | --- | --- |"]
            for field, default, comment in _fields(value):
                lines.append(f"| `{field}` | `{default}` | {meaning.get(field, '')} | {comment} |")
            return "\n".join(lines)
    return ""


def _fields(settings: type) -> list[tuple[str, str, str]]:
    """(name, default as written, comment behind it) of each field in the class's source."""
    source = inspect.getsource(settings)
    lines = source.splitlines()
    (node,) = ast.parse(source).body
    assert isinstance(node, ast.ClassDef)
    found = []
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            if "ClassVar" in ast.unparse(statement.annotation):
                continue
            default = ast.unparse(statement.value) if statement.value else ""
            end = lines[(statement.end_lineno or statement.lineno) - 1]
            comment = end[statement.end_col_offset or 0 :].partition("#")[2].strip()
            found.append((statement.target.id, default.replace("|", "\\|"), comment.replace("|", "\\|")))
    return found


def _meanings(docstring: str) -> dict[str, str]:
    """What the `Args:` of a docstring say about each name."""
    arguments = re.search(r"^Args:\n((?:[ ]+.*\n?|\n)+)", docstring, re.MULTILINE)
    if arguments is None:
        return {}
    entries = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", arguments[1], re.MULTILINE)
    return {name: " ".join(text.split()).replace("|", "\\|") for name, text in entries}


def _numbers_table(numbers: list[dict[str, Any]]) -> str:
    if not numbers:
        return ""
    lines = ["| | Data | Metric | Value | Model | Source |", "| --- | --- | --- | --- | --- | --- |"]
    for entry in numbers:
        cells = [entry["kind"], *(str(entry[field]) for field in MEASURED_FIELDS[1:])]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _anchor(heading: str) -> str:
    kept = "".join(character for character in heading.lower() if character.isalnum() or character in " -")
    return kept.replace(" ", "-")


def pages() -> dict[Path, str]:
    """All that is made, by where it belongs."""
    return {PAPERS_PAGE: papers_page(), **benchmark_pages()}


def main(arguments: list[str]) -> int:
    for path, page in pages().items():
        if "--check" not in arguments:
            path.write_text(page, "utf-8")
        elif not path.exists() or path.read_text("utf-8") != page:
            sys.stderr.write(f"docs/{path.name} is not current: run python docs/generate.py\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
