"""Changing a corpus: adding sources or documents, bringing it up to date with its sources, removing documents.

Each change is staged under the corpus's lock and made visible by one commit. A document that can't be read never stops
the others: it is listed in the report.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pansophy.corpus.ingest import Ingest, storable, text_sha256
from pansophy.corpus.readers import Draft
from pansophy.corpus.sources import Readable, find_readables
from pansophy.corpus.store import DocumentRow, Store, refresh_index, storing
from pansophy.errors import CorpusError, SourceError, UnknownDocument
from pansophy.types import Document

if TYPE_CHECKING:
    import pyarrow as pa

    from pansophy.corpus.embed import Embedder


@dataclass(frozen=True, slots=True)
class AddProgress:
    """How far adding has come: `done` of `total` sources, `characters` of text so far; `stage` is "reading" or
    "indexing"."""

    source: str
    done: int
    total: int
    characters: int
    stage: str = "reading"


@dataclass(frozen=True, slots=True)
class FailedSource:
    """A source that couldn't be read, and why."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class AddReport:
    """What adding did.

    `added` and `unchanged` and `removed` are document ids (`added` includes those that were replaced). `documents`,
    `chunks` and `characters` count what was added.
    """

    added: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    failed: tuple[FailedSource, ...] = ()
    documents: int = 0
    chunks: int = 0
    characters: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class _Change:
    """What is known while a change is made. `sources` maps each source to its rows, in reading order."""

    sources: dict[str, list[DocumentRow]]
    bases: set[str] = field(default_factory=set)
    added: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    failed: list[FailedSource] = field(default_factory=list)
    touched: bool = False

    def fail(self, source: str, reason: str) -> None:
        self.failed.append(FailedSource(source, reason))


def add_sources(
    store: Store,
    sources: Sequence[str | Path],
    embedder: Embedder | None,
    timeout: float,
    *,
    progress: Callable[[AddProgress], None] | None,
    allow_urls: bool,
    exactly: bool,
) -> AddReport:
    """Adds what `sources` hold; with `exactly`, the corpus is afterwards what they hold and nothing else."""
    failures: list[FailedSource] = []

    def failed(source: str, reason: str) -> None:
        failures.append(FailedSource(source, reason))

    readables = list(find_readables(sources, allow_urls=allow_urls, failed=failed))
    return add_readables(store, readables, embedder, timeout, progress=progress, exactly=exactly, failures=failures)


def add_readables(
    store: Store,
    readables: Sequence[Readable],
    embedder: Embedder | None,
    timeout: float,
    *,
    progress: Callable[[AddProgress], None] | None,
    exactly: bool = False,
    failures: Sequence[FailedSource] = (),
) -> AddReport:
    """Adds `readables`; with `exactly`, the corpus is afterwards what they hold. `failures` are put on the report."""
    begun = time.perf_counter()
    if exactly and readables and not failures and (report := _nothing_changed(store, readables, begun)):
        return report
    with store.writing(timeout) as chunks:
        change = _begin(store)
        change.failed += failures
        ingest = Ingest(store.state.chunk_tokens, store.state.next_key, embedder)
        stream = _read_all(readables, change, ingest, progress)
        _stage(store.location, chunks, stream, ingest)
        if not change.added and not change.unchanged:
            raise SourceError(_nothing_read(change.failed))
        removed = _drop_others(change, {readable.source for readable in readables}) if exactly else []
        if progress and change.added:
            progress(AddProgress("", len(readables), len(readables), ingest.characters, "indexing"))
        order = [readable.source for readable in readables] if exactly else None
        _finish(store, chunks, change, ingest, order, erase=bool(removed) and not change.added)
    return _report(change, ingest, removed, begun)


def add_documents(store: Store, documents: Iterable[Document], embedder: Embedder | None, timeout: float) -> AddReport:
    """Adds documents made in Python. Their id is their identity."""
    begun = time.perf_counter()
    with store.writing(timeout) as chunks:
        change = _begin(store)
        ingest = Ingest(store.state.chunk_tokens, store.state.next_key, embedder)
        _stage(store.location, chunks, _take_all(documents, change, ingest), ingest)
        if not change.added and not change.unchanged and change.failed:
            raise SourceError(_nothing_read(change.failed))
        _finish(store, chunks, change, ingest, None, erase=False)
    return _report(change, ingest, [], begun)


def remove(store: Store, document_ids: Sequence[str], timeout: float) -> int:
    """Removes documents and every trace of them."""
    with store.writing(timeout) as chunks:
        wanted = set(document_ids)
        unknown = wanted - {row.id for row in store.rows}
        if unknown:
            raise UnknownDocument(f"The corpus has no document {', '.join(repr(name) for name in sorted(unknown))}.")
        if not wanted:
            return 0
        rows = [row for row in store.rows if row.id not in wanted]
        with storing(store.location):
            _delete_keys(chunks, [row.key for row in store.rows if row.id in wanted])
            # What an index has seen it keeps, even of rows that are gone: so it is made anew from what is left.
            refresh_index(chunks, chunks.count_rows(), store.state)
            store.commit(chunks, rows, store.state, erase=True)
    return len(wanted)


# ---- steps -----------------------------------------------------------------------------------------------------------


def _begin(store: Store) -> _Change:
    sources: dict[str, list[DocumentRow]] = {}
    for row in store.rows:
        sources.setdefault(row.source or f"id:{row.id}", []).append(row)
    change = _Change(sources)
    for row in store.rows:
        change.bases |= {row.id, row.id.rpartition(":")[0] or row.id}
    return change


def _nothing_changed(store: Store, readables: Sequence[Readable], begun: float) -> AddReport | None:
    """The report of a synchronisation that finds every source as it was, without taking the lock; else None."""
    by_source: dict[str, DocumentRow] = {}
    for row in store.rows:
        by_source.setdefault(row.source, row)
    if set(by_source) != {readable.source for readable in readables}:
        return None
    for readable in readables:
        row = by_source[readable.source]
        if readable.stamp is None:
            if readable.digest() != row.source_sha256:
                return None
        elif (readable.stamp.size, readable.stamp.mtime_ns) != (row.size, row.mtime_ns):
            return None
    return AddReport(unchanged=tuple(row.id for row in store.rows), seconds=time.perf_counter() - begun)


def _read_all(
    readables: Sequence[Readable],
    change: _Change,
    ingest: Ingest,
    progress: Callable[[AddProgress], None] | None,
) -> Iterator[pa.RecordBatch]:
    for number, readable in enumerate(readables):
        if progress:
            progress(AddProgress(readable.name, number, len(readables), ingest.characters))
        try:
            yield from _read_one(readable, change, ingest)
        except SourceError as error:
            change.fail(readable.source, str(error))
    yield from ingest.rest()


def _read_one(readable: Readable, change: _Change, ingest: Ingest) -> Iterator[pa.RecordBatch]:
    """Reads a source unless it is as it was. Its old rows stay when the new state can't be read."""
    old = change.sources.get(readable.source, [])
    stamp = readable.stamp
    if old and stamp and (stamp.size, stamp.mtime_ns) == (old[0].size, old[0].mtime_ns):
        change.unchanged += [row.id for row in old]
        return
    digest = readable.digest() if old else ""
    if old and digest == old[0].source_sha256:
        if stamp:
            change.sources[readable.source] = [replace(row, size=stamp.size, mtime_ns=stamp.mtime_ns) for row in old]
            change.touched = True
        change.unchanged += [row.id for row in old]
        return
    known = old[0].id if len(old) == 1 else old[0].id.rpartition(":")[0] if old else ""
    base = known or _unique(readable.name, readable.source, change.bases)
    rows: list[DocumentRow] = []
    try:
        drafts = readable.read()
        first = next(drafts, None)  # before it is hashed: what isn't text is refused by its first bytes, however large
        digest = digest or readable.digest()
        for draft in chain([first] if first else [], drafts):
            name = f"{base}:{draft.name}" if draft.name else base
            for item in ingest.document(draft, name, readable.source, digest, stamp):
                if isinstance(item, DocumentRow):
                    rows.append(item)
                else:
                    yield item
    except SourceError:
        ingest.abandoned += [row.key for row in rows]
        raise
    change.bases |= {base, *(row.id for row in rows)}
    ingest.abandoned += [row.key for row in old]
    change.sources[readable.source] = rows
    change.added += [row.id for row in rows]


def _take_all(documents: Iterable[Document], change: _Change, ingest: Ingest) -> Iterator[pa.RecordBatch]:
    place = {row.id: (source, row) for source, rows in change.sources.items() for row in rows}
    for document in documents:
        text = storable(document.text)
        digest = text_sha256(text)
        source, old = place.get(document.id, (f"id:{document.id}", None))
        if old is not None and old.sha256 == (document.sha256 or digest):
            change.unchanged.append(document.id)
            continue
        draft = Draft(iter((text,)), document.title or document.id, metadata=dict(document.metadata))
        try:
            for item in ingest.document(draft, document.id, document.source, document.sha256 or digest, None):
                if isinstance(item, DocumentRow):
                    rows = change.sources.setdefault(source, [])
                    change.sources[source] = [row for row in rows if row.id != document.id] + [item]
                    place[document.id] = (source, item)
                else:
                    yield item
        except SourceError as error:
            change.fail(document.id, str(error))
            continue
        if old is not None:
            ingest.abandoned.append(old.key)
        change.added.append(document.id)
    yield from ingest.rest()


def _stage(location: str, chunks: Any, stream: Iterator[pa.RecordBatch], ingest: Ingest) -> None:
    """Streams the batches into a new version of the table. What the stream raises is raised here as it is."""
    import pyarrow as pa

    first = next(stream, None)
    if first is None:
        return
    stop = threading.Event()
    raised: list[BaseException] = []

    def guarded() -> Iterator[pa.RecordBatch]:
        try:
            yield first
            for batch in stream:
                if stop.is_set():
                    raise CorpusError("Adding was interrupted.")
                yield batch
        except BaseException as error:
            raised.append(error)
            raise

    try:
        with storing(location):
            chunks.add(pa.RecordBatchReader.from_batches(ingest.schema, guarded()))
    except BaseException as error:
        stop.set()
        if raised:
            raise raised[0] from error
        raise


def _drop_others(change: _Change, wanted: set[str]) -> list[DocumentRow]:
    gone = [row for source, rows in change.sources.items() if source not in wanted for row in rows]
    change.sources = {source: rows for source, rows in change.sources.items() if source in wanted}
    return gone


def _finish(
    store: Store, chunks: Any, change: _Change, ingest: Ingest, order: Sequence[str] | None, *, erase: bool
) -> None:
    """Deletes what is no longer wanted, brings the index up to date, commits."""
    sources = change.sources
    if order is not None:
        sources = {source: sources[source] for source in order if source in sources}
    rows = [row for document_rows in sources.values() for row in document_rows]
    live = {row.key for row in rows}
    dead = [row.key for row in store.rows if row.key not in live]
    dead += [key for key in ingest.abandoned if key not in live and key >= store.state.next_key]
    if not dead and not change.added and not change.touched and rows == store.rows:
        return
    state = replace(
        store.state,
        next_key=ingest.next_key,
        grams=store.state.grams or ingest.grams,
        dictionary=store.state.dictionary or ingest.dictionary,
    )
    with storing(store.location):
        if dead:
            _delete_keys(chunks, sorted(set(dead)))
        if ingest.chunks or dead:
            refresh_index(chunks, ingest.chunks, state)
        store.commit(chunks, rows, state, erase=erase)


def _delete_keys(chunks: Any, keys: Sequence[int]) -> None:
    for at in range(0, len(keys), 1000):
        chunks.delete(f"key IN ({','.join(map(str, keys[at : at + 1000]))})")


def _unique(name: str, source: str, taken: set[str]) -> str:
    """`name`, or with as many of the source's folders before it as make it unique, or else with a number."""
    folders = [part for part in source.replace("\\", "/").split("/") if part]
    candidate = name
    while candidate in taken:
        depth = candidate.count("/") + 1
        if candidate != "/".join(folders[-depth:]) or depth >= len(folders):
            break
        candidate = "/".join(folders[-depth - 1 :])
    unique, number = candidate, 2
    while unique in taken:
        unique = f"{candidate} ({number})"
        number += 1
    return unique


def _report(change: _Change, ingest: Ingest, removed: Sequence[DocumentRow], begun: float) -> AddReport:
    return AddReport(
        added=tuple(change.added),
        unchanged=tuple(change.unchanged),
        removed=tuple(row.id for row in removed),
        failed=tuple(change.failed),
        documents=len(change.added),
        chunks=ingest.chunks,
        characters=ingest.characters,
        seconds=time.perf_counter() - begun,
    )


def _nothing_read(failed: Sequence[FailedSource]) -> str:
    if len(failed) == 1:
        return f"Nothing could be read: {failed[0].reason}"
    reasons = " ".join(item.reason for item in failed[:5])
    more = f" And {len(failed) - 5} more." if len(failed) > 5 else ""
    return f"Nothing could be read. {reasons}{more}"
