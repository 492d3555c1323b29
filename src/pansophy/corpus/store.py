"""Where a corpus lies: two LanceDB tables, `documents` and `chunks`, and the one step that makes a change visible.

Knows nothing of files, formats or questions. `documents` holds one row a document, in reading order, and in its
schema's metadata the `State`, which names the version of `chunks` that belongs to it. A writer stages chunks in new
versions of `chunks` and then writes `documents` once: until that single step every reader sees the old corpus, whole.
What a killed writer has staged is rolled back by the next one.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pansophy.errors import CorpusError, StoreError

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 1
LOCK_FILE = ".lock"
INDEX_MEGABYTES = 128
# Words that nobody searches for. "with", "for", "if", "not" and the like aren't among them: in technical texts they are
# names of things.
STOP_WORDS = (
    *("a", "an", "the", "of", "to", "and", "in", "is", "was", "are", "were", "be", "by", "on", "or", "that", "this"),
    *("it", "at", "what", "which", "who", "whom", "whose", "when", "where", "how", "why", "does", "did", "do"),
)
_NEVER = timedelta(days=36_500)
_KEPT_FOR_READERS = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class State:
    """What a corpus is beyond its documents. `next_key` is the key of the next document row; no key is used twice.
    `grams` tells whether any chunk has letter pairs, `dictionary` whether any text needs one to be split into
    words."""

    chunk_tokens: int
    created: str
    next_key: int = 1
    chunks_version: int = 0
    grams: bool = False
    dictionary: bool = False
    embedder: str | None = None
    dimensions: int = 0
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """One row of `documents`. `source_sha256`, `size` and `mtime_ns` tell whether its source has changed
    (`size` is -1 where there is no file); `sha256` is the hash of the document's own bytes."""

    key: int
    id: str
    title: str
    source: str
    sha256: str
    source_sha256: str
    size: int
    mtime_ns: int
    characters: int
    chunks: int
    language: str
    added: str
    metadata: str = "{}"


class Store:
    """The two tables at one location (a folder, or an object store's URI)."""

    def __init__(self, location: str) -> None:
        self.location = location
        self.state = State(0, "")
        self.rows: list[DocumentRow] = []
        self._chunks: Any = None
        self._connection: Any = None

    @property
    def folder(self) -> Path | None:
        """The folder, or None when the location is an object store."""
        return None if "://" in self.location else Path(self.location)

    def exists(self) -> bool:
        if self.folder is not None:
            return (self.folder / "documents.lance").is_dir()
        with storing(self.location):
            return "documents" in self._connect().list_tables().tables

    def create(self, state: State) -> None:
        """Makes the empty tables.

        Raises:
            StoreError: the location can't be written.
        """
        with storing(self.location):
            if self.folder is not None:
                self.folder.mkdir(parents=True, exist_ok=True)
            connection = self._connect()
            connection.drop_table("chunks", ignore_missing=True)  # of one that was killed while it made them
            chunks = connection.create_table("chunks", schema=chunk_schema(state.dimensions))
            state = replace(state, chunks_version=chunks.version)
            connection.create_table("documents", data=_document_table([], state))
        self.refresh()

    def refresh(self) -> None:
        """Reads what the corpus is now.

        Raises:
            CorpusError: there is none here, or a newer pansophy wrote it.
            StoreError: it can't be read.
        """
        if not self.exists():
            raise CorpusError(f"There is no corpus at {self.location}.")
        with storing(self.location):
            table = self._connect().open_table("documents").to_arrow()
            metadata = json.loads((table.schema.metadata or {}).get(b"pansophy", b"{}"))
            if metadata.get("format") != FORMAT:
                raise CorpusError(
                    f"The corpus at {self.location} has format {metadata.get('format')}, this pansophy reads {FORMAT}: "
                    "delete it and add the documents again, or use the pansophy that made it."
                )
            self.state = State(**metadata)
            self.rows = [DocumentRow(**row) for row in table.to_pylist()]
            self._chunks = None

    def chunks(self) -> Any:
        """The `chunks` table as it was when the corpus was read (the newest, if that version was cleaned away)."""
        if self._chunks is None:
            with storing(self.location):
                table = self._connect().open_table("chunks")
                if table.version != self.state.chunks_version:
                    with contextlib.suppress(ValueError, RuntimeError):
                        table.checkout(self.state.chunks_version)
                self._chunks = table
        return self._chunks

    @contextlib.contextmanager
    def writing(self, timeout: float) -> Iterator[Any]:
        """The `chunks` table, to be changed by this process alone and then committed.

        Raises:
            CorpusError: another process still held the corpus after `timeout` seconds.
        """
        with self._locked(timeout):
            self.refresh()
            with storing(self.location):
                chunks = self._connect().open_table("chunks")
                if chunks.version != self.state.chunks_version:
                    self._roll_back(chunks)
            yield chunks

    def _roll_back(self, chunks: Any) -> None:
        """Drops what a killed writer left."""
        try:
            chunks.checkout(self.state.chunks_version)
            chunks.restore()
        except (ValueError, RuntimeError):
            # The version itself is gone: the writer died while cleaning up after its commit, so only rows count.
            chunks.checkout_latest()
            live = ",".join(str(row.key) for row in self.rows) or "-1"
            chunks.delete(f"key NOT IN ({live})")

    def commit(self, chunks: Any, rows: Sequence[DocumentRow], state: State, *, erase: bool) -> None:
        """Makes the staged chunks and `rows` the corpus, in one step; then cleans up.

        Args:
            erase: leave nothing of older versions behind (otherwise they stay for an hour, for those who still read).
        """
        documents = self._connect().open_table("documents")
        _settle(chunks)
        state = replace(state, chunks_version=chunks.version)
        documents.add(_document_table(rows, state), mode="overwrite")
        older_than = timedelta(0) if erase else _KEPT_FOR_READERS
        _clean(chunks, older_than)
        if chunks.version != state.chunks_version:
            state = replace(state, chunks_version=chunks.version)
            documents.add(_document_table(rows, state), mode="overwrite")
        _clean(documents, older_than)
        self.refresh()

    def delete(self, timeout: float) -> None:
        """Removes the corpus and all its files."""
        with self._locked(timeout), storing(self.location):
            if self.folder is None:
                connection = self._connect()
                for name in ("documents", "chunks"):
                    connection.drop_table(name, ignore_missing=True)
            else:
                # `documents` first: without it there is no corpus, whatever else is left.
                shutil.rmtree(self.folder / "documents.lance")
                shutil.rmtree(self.folder / "chunks.lance", ignore_errors=True)
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    @contextlib.contextmanager
    def _locked(self, timeout: float) -> Iterator[None]:
        if self.folder is None:
            yield
            return
        import filelock

        with storing(self.location):
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(self.folder / LOCK_FILE)
            try:
                lock.acquire(timeout=timeout)
            except filelock.Timeout as error:
                raise CorpusError(
                    f"The corpus at {self.location} is being changed by another process, and still was after "
                    f"{timeout:.0f} s: try again when that is done."
                ) from error
        try:
            yield
        finally:
            lock.release()

    def _connect(self) -> Any:
        if self._connection is None:
            import lancedb

            self._connection = lancedb.connect(self.location)
        return self._connection


def refresh_index(chunks: Any, added: int, state: State) -> None:
    """Brings the full-text index up to date after `added` rows: a little is merged in, much is indexed anew.

    Words are found by spaces and punctuation where that is enough, which is faster than by dictionaries.
    """
    from lancedb.index import FTS

    total = chunks.count_rows()
    if total == 0:
        return
    tokenizer = "icu/split" if state.dictionary else "simple"
    configurations = {
        "words": FTS(base_tokenizer=tokenizer, custom_stop_words=list(STOP_WORDS), memory_limit=INDEX_MEGABYTES)
    }
    if state.grams:
        configurations["grams"] = FTS(
            base_tokenizer="whitespace", stem=False, remove_stop_words=False, memory_limit=INDEX_MEGABYTES
        )
    indexed = {index.name: index.index_details["base_tokenizer"] for index in chunks.list_indices()}
    for column, configuration in configurations.items():
        if indexed.get(f"{column}_idx") != configuration.base_tokenizer or added * 3 > total:
            chunks.create_index(column, config=configuration, replace=True)


def chunk_schema(dimensions: int) -> pa.Schema:
    """The columns of `chunks`.

    `words` is what is searched: a lead of `lead` characters (title and headings), then the chunk's text. `start` is in
    characters of the document, `size` in UTF-8 bytes of the text; `grams` are the letter pairs of Han, Kana and Hangul.
    """
    import pyarrow as pa

    fields = [
        pa.field("key", pa.int64()),
        pa.field("number", pa.int32()),
        pa.field("start", pa.int64()),
        pa.field("size", pa.int32()),
        pa.field("lead", pa.int32()),
        pa.field("words", pa.string()),
        pa.field("grams", pa.string()),
    ]
    if dimensions:
        fields.append(pa.field("vector", pa.list_(pa.float32(), dimensions)))
    return pa.schema(fields)


def _document_table(rows: Sequence[DocumentRow], state: State) -> pa.Table:
    import pyarrow as pa

    integers = {"key", "size", "mtime_ns", "characters", "chunks"}
    schema = pa.schema(
        [pa.field(name, pa.int64() if name in integers else pa.string()) for name in DocumentRow.__dataclass_fields__],
        metadata={"pansophy": json.dumps(asdict(state))},
    )
    return pa.Table.from_pylist([asdict(row) for row in rows], schema=schema)


def _settle(table: Any) -> None:
    """Compacts the table and its index until nothing is left to do, keeping every older version."""
    for _ in range(3):
        before = table.version
        table.optimize(cleanup_older_than=_NEVER)
        if table.version == before:
            return


def _clean(table: Any, older_than: timedelta) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it warns of concurrent writers, and the lock is ours
        table.optimize(cleanup_older_than=older_than, delete_unverified=True)


@contextlib.contextmanager
def storing(location: str) -> Iterator[None]:
    """Turns what the file system and LanceDB raise into a StoreError that says what to do."""
    try:
        yield
    except OSError as error:
        raise _store_error(location, error) from error
    except (RuntimeError, ValueError) as error:
        if type(error) not in (RuntimeError, ValueError):
            raise
        raise _store_error(location, error) from error


def _store_error(location: str, error: Exception) -> StoreError:
    message = str(error)
    lower = message.lower()
    if "no space left" in lower or "os error 28" in lower or "quota" in lower:
        return StoreError(
            f"No space is left to write {location}: free some, then repeat. What was there before is safe."
        )
    if "permission denied" in lower or "read-only" in lower or "os error 13" in lower or "os error 30" in lower:
        return StoreError(f"{location} can't be written: set PANSOPHY_HOME to a folder that you may write.")
    return StoreError(
        f"The corpus at {location} can't be used: {message.splitlines()[0] if message else type(error).__name__}"
    )
