"""The papers that pansophy's systems come from, as data. `pansophy papers` and docs/papers.md are made from it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Paper:
    """Where a system comes from.

    `system` is the name the system has here, `module` the dotted path of the module that builds it.
    """

    system: str
    title: str
    authors: str
    year: int
    arxiv: str
    module: str
    venue: str = ""

    @property
    def url(self) -> str:
        return f"https://arxiv.org/abs/{self.arxiv}" if self.arxiv else ""

    @property
    def published(self) -> str:
        """Year and venue, the year once: "ACL 2025", or "2024; ACL 2025" for what was first read as a preprint."""
        if not self.venue:
            return str(self.year)
        return self.venue if str(self.year) in self.venue else f"{self.year}; {self.venue}"


SYSTEM_MODULES = (
    "pansophy.reading.extagents",
    "pansophy.reading.direct",
    "pansophy.reading.top_k",
    "pansophy.reading.map_reduce",
    "pansophy.reading.running_note",
    "pansophy.reading.readagent",
    "pansophy.reading.pike_rag",
    "pansophy.reading.ikea",
    "pansophy.reading.aggregation",
    "pansophy.reading.auto",
    "pansophy.reading.no_context",
    "pansophy.reading.ledger",
    "pansophy.reading.cook",
    "pansophy.reading.knowledge_solver",
    "pansophy.reading.chroknowledge",
    "pansophy.reading.jointlm",
    "pansophy.conflicts.combiners.ck_plug",
    "pansophy.conflicts.combiners.cad",
    "pansophy.conflicts.combiners.adacad",
    "pansophy.conflicts.combiners.coiecd",
    "pansophy.conflicts.combiners.dola",
    "pansophy.conflicts.coda",
    "pansophy.conflicts.ph3",
    "pansophy.conflicts.juice",
    "pansophy.conflicts.iti",
    "pansophy.conflicts.kid",
    "pansophy.conflicts.training.kaft",
    "pansophy.conflicts.training.knowpo",
    "pansophy.conflicts.dynamicqa",
    "pansophy.conflicts.mmkc",
    "pansophy.conflicts.consistency",
)
"""The modules that each build one system and say in `PAPER` where it comes from."""


@cache
def all_papers() -> tuple[Paper, ...]:
    """The papers of all systems in the library, in the order in which they are listed to a reader.

    Read from the modules' source, not by importing them: some need packages that are not installed everywhere.
    """
    return tuple(_paper_of(module) for module in SYSTEM_MODULES)


def _paper_of(module: str) -> Paper:
    place = Path(__file__).parent.joinpath(*module.split(".")[1:])
    sources = sorted(place.glob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    for statement in (statement for source in sources for statement in ast.parse(source.read_text("utf-8")).body):
        match statement:
            case ast.Assign(targets=[ast.Name(id="PAPER")], value=ast.Call(keywords=keywords)):
                return Paper(**{str(one.arg): ast.literal_eval(one.value) for one in keywords})
    raise AssertionError(f"{module} has no PAPER")
