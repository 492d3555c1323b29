"""What a corpus holds at one version: its documents in order, and its chunks by their place in that order.

Knows nothing of sources or changes. Texts are read only when asked for; of every chunk that isn't, 20 bytes are kept.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pansophy.corpus.links import Titles
from pansophy.corpus.store import DocumentRow, Store, storing
from pansophy.errors import CorpusError, UnknownDocument
from pansophy.types import Chunk, Span

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

CHUNK_COLUMNS = ["key", "number", "start", "lead", "words"]


class Contents:
    """The documents and chunks of a store, as they were when it was last refreshed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.rows = store.rows

    @cached_property
    def offsets(self) -> list[int]:
        """The index of each document's first chunk, and at the end the number of all chunks."""
        offsets = [0]
        for row in self.rows:
            offsets.append(offsets[-1] + row.chunks)
        return offsets

    @cached_property
    def position_of_key(self) -> dict[int, int]:
        return {row.key: position for position, row in enumerate(self.rows)}

    @cached_property
    def _position_of_id(self) -> dict[str, int]:
        return {row.id: position for position, row in enumerate(self.rows)}

    @cached_property
    def titles(self) -> Titles:
        return Titles((row.id, row.title) for row in self.rows)

    def position(self, document: str) -> int:
        """The place of a document in reading order.

        Raises:
            UnknownDocument: there is none of this id.
        """
        try:
            return self._position_of_id[document]
        except KeyError:
            raise UnknownDocument(f"The corpus has no document {document!r}.") from None

    def row(self, document: str) -> DocumentRow:
        return self.rows[self.position(document)]

    def range(self, document: str) -> tuple[int, int]:
        """The indices of a document's chunks: first and one past the last."""
        position = self.position(document)
        return self.offsets[position], self.offsets[position + 1]

    def sizes(self, start: int, stop: int) -> list[int]:
        """The sizes in UTF-8 bytes of the chunks with these indices."""
        return [int(size) for size in self._layout["size"][start:stop]]

    def chunk(self, row: Mapping[str, Any]) -> Chunk:
        """The chunk of a row of the store."""
        position = self.position_of_key[row["key"]]
        document = self.rows[position]
        text = row["words"][row["lead"] :]
        index = self.offsets[position] + row["number"]
        return Chunk(document.id, row["start"], row["start"] + len(text), text, index, document.title)

    def read(self, indices: Iterable[int]) -> list[Chunk]:
        """The chunks with these indices, each once, in reading order.

        Raises:
            CorpusError: the corpus was changed so that they are gone.
        """
        wanted = sorted(set(indices))
        if not wanted:
            return []
        identifiers = self._layout["_rowid"][wanted].tolist()
        with storing(self._store.location):
            rows = self._store.chunks().take_row_ids(identifiers).select(CHUNK_COLUMNS).to_list()
        chunks = sorted((self.chunk(row) for row in rows if row["key"] in self.position_of_key), key=lambda c: c.index)
        if [chunk.index for chunk in chunks] != wanted:
            raise CorpusError(f"The corpus at {self._store.location} was changed while it was read: open it again.")
        return chunks

    def covering(self, span: Span) -> list[Chunk]:
        """The chunks that `span` touches."""
        first, last = self.range(span.document)
        starts = self._layout["start"][first:last]
        low = bisect_right(starts, span.start) - 1
        high = bisect_right(starts, max(span.start, span.end - 1))
        return self.read(range(first + low, first + high))

    @cached_property
    def _layout(self) -> dict[str, npt.NDArray[np.int64]]:
        """For each chunk by index: its size, where it starts, and the row where the store keeps it."""
        import numpy as np

        columns = ["key", "number", "start", "size"]
        with storing(self._store.location):
            table = self._store.chunks().search().with_row_id(True).select(columns).to_arrow()
        offset_of_key = {row.key: self.offsets[position] for position, row in enumerate(self.rows)}
        keys, places = np.unique(table["key"].to_numpy(), return_inverse=True)
        bases = np.array([offset_of_key.get(int(key), -1) for key in keys], dtype=np.int64)
        base = bases[places] if len(keys) else np.empty(0, dtype=np.int64)
        live = base >= 0
        index = (base + table["number"].to_numpy())[live]
        if len(index) != self.offsets[-1]:
            raise CorpusError(
                f"The corpus at {self._store.location} holds {len(index)} of its {self.offsets[-1]} chunks: it was "
                "changed while it was read, or is damaged. Open it again; if that doesn't help, delete it and add anew."
            )
        order = np.argsort(index)
        return {name: table[name].to_numpy()[live][order].astype(np.int64) for name in ("size", "start", "_rowid")}
