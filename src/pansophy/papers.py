"""The papers that pansophy's systems come from, as data. `pansophy papers` and docs/papers.md are made from it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module


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
    "pansophy.reading.aggregation",
    "pansophy.reading.auto",
    "pansophy.reading.no_context",
    "pansophy.conflicts.dynamicqa",
    "pansophy.conflicts.mmkc",
    "pansophy.conflicts.consistency",
)
"""The modules that each build one system and say in `PAPER` where it comes from."""


def all_papers() -> tuple[Paper, ...]:
    """The papers of all systems in the library, in the order in which they are listed to a reader.

    Imports the systems' modules.
    """
    return tuple(import_module(module).PAPER for module in SYSTEM_MODULES)
