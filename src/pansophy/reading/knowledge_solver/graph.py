"""Graphs of triples that can be walked in both directions. Any object with `neighbours` and `name` will do as well."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pansophy.errors import SourceError
from pansophy.evaluation.files import json_objects, text_of

if TYPE_CHECKING:
    import networkx

Triple = tuple[str, str, str]


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """A fact as it is met when walking from `start` to `end`; `inverse` if the fact is told the other way round."""

    start: str
    relation: str
    end: str
    inverse: bool = False

    @property
    def triple(self) -> Triple:
        """The fact as it stands in the graph."""
        return (self.end, self.relation, self.start) if self.inverse else (self.start, self.relation, self.end)


class GraphStore(Protocol):
    """What a walk needs of a graph, wherever that is kept."""

    def neighbours(self, node: str) -> Iterable[Edge]:
        """The edges from a node, each fact also against its direction; none for a node that isn't there."""
        ...

    def name(self, node: str) -> str:
        """How a node is called in a text."""
        ...


class KnowledgeGraph:
    """A graph in memory.

    Args:
        triples: head, relation, tail; equal ones count once, and an edge from a node to itself is left out.
        names: what a node is called, where that isn't its id; the first name is shown, all are recognised.
        relations: what a relation is called, where that isn't its id.
    """

    def __init__(
        self,
        triples: Iterable[Triple],
        *,
        names: Mapping[str, Sequence[str]] | None = None,
        relations: Mapping[str, str] | None = None,
    ) -> None:
        self._names = {node: tuple(known) for node, known in (names or {}).items() if known}
        self._relations = dict(relations or {})
        self.triples = tuple(dict.fromkeys((head, relation, tail) for head, relation, tail in triples if head != tail))
        self._edges: dict[str, list[Edge]] = {}
        for head, relation, tail in self.triples:
            said = self._relations.get(relation) or relation or "is linked to"
            self._edges.setdefault(head, []).append(Edge(head, said, tail))
            self._edges.setdefault(tail, []).append(Edge(tail, said, head, inverse=True))

    @classmethod
    def from_file(cls, path: str | Path) -> KnowledgeGraph:
        """From a file of triples: `.csv` or `.tsv` (head, relation, tail; a header of these three names is skipped), or
        `.jsonl` (objects with these names).

        Raises:
            SourceError: the file can't be read, or a row is no triple; says which.
        """
        return cls(_read(Path(path).expanduser()))

    @classmethod
    def from_networkx(
        cls, graph: networkx.Graph[Hashable], *, relation: str = "relation", name: str = "name"
    ) -> KnowledgeGraph:
        """From a networkx graph; `relation` and `name` are the attributes of edges and nodes that tell these."""
        triples = [(str(head), str(data.get(relation, "")), str(tail)) for head, tail, data in graph.edges(data=True)]
        names = {str(node): (str(data[name]),) for node, data in graph.nodes(data=True) if data.get(name)}
        return cls(triples, names=names)

    def shuffled(self, seed: int) -> KnowledgeGraph:
        """A graph whose facts each lead to the end of another one's: as much is said, and hardly anything is right."""
        ends = [tail for _, _, tail in self.triples]
        random.Random(seed).shuffle(ends)
        triples = [(head, relation, end) for (head, relation, _), end in zip(self.triples, ends, strict=True)]
        return KnowledgeGraph(triples, names=self._names, relations=self._relations)

    def __len__(self) -> int:
        return len(self._edges)

    @property
    def nodes(self) -> list[str]:
        """All nodes that have an edge, in the order of the triples."""
        return list(self._edges)

    def neighbours(self, node: str) -> Sequence[Edge]:
        return self._edges.get(node, ())

    def name(self, node: str) -> str:
        return self._names[node][0] if node in self._names else node

    def names(self) -> Iterator[tuple[str, str]]:
        """Every name with its node."""
        for node in self._edges:
            for name in self._names.get(node, (node,)):
                yield name, node


def _read(path: Path) -> Iterator[Triple]:
    suffix = path.suffix.casefold()
    if suffix not in (".csv", ".tsv", ".jsonl"):
        raise SourceError(f"{path} is none of .csv, .tsv, .jsonl: its name tells how it is read")
    rows = _jsonl(path) if suffix == ".jsonl" else _table(path, "\t" if suffix == ".tsv" else ",")
    empty = True
    for where, cells in rows:
        if len(cells) != 3 or not all(isinstance(cell, str) and cell.strip() for cell in cells):
            raise SourceError(f"{where}: not a head, a relation and a tail")
        empty = False
        head, relation, tail = (cell.strip() for cell in cells)
        yield head, relation, tail
    if empty:
        raise SourceError(f"{path} has no triples: expected rows of head, relation, tail")


HEADER = ("head", "relation", "tail")


def _table(path: Path, delimiter: str) -> Iterator[tuple[str, list[str]]]:
    reader = csv.reader(io.StringIO(text_of(path), newline=""), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            is_header = reader.line_num == 1 and tuple(cell.strip().casefold() for cell in row) == HEADER
            if row and not is_header:
                yield f"{path}, line {reader.line_num}", row
    except csv.Error as error:
        raise SourceError(f"{path}, line {reader.line_num}: {error}") from error


def _jsonl(path: Path) -> Iterator[tuple[str, list[Any]]]:
    for _, where, row in json_objects(path, ", ".join(HEADER)):
        if missing := [name for name in HEADER if name not in row]:
            raise SourceError(f"{where}: not an object with {', '.join(HEADER)}: {missing[0]} is missing")
        yield where, [row[name] for name in HEADER]
