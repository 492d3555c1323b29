"""The papers that pansophy's systems come from, as data. `pansophy papers` and docs/papers.md are made from it."""

from __future__ import annotations

from dataclasses import dataclass


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
