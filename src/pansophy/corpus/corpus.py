"""A corpus: a named, stored set of documents, cut into chunks that can be read in order, searched and cited.

This is what everything above the corpus floor talks to. A `Corpus` object shows its corpus as it was when it was opened
or last changed through this object; `refresh()` looks again.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pansophy import settings
from pansophy.corpus import adding, derived, searching
from pansophy.corpus.adding import AddProgress, AddReport
from pansophy.corpus.chunking import DEFAULT_CHUNK_TOKENS, SMALLEST_CHUNK_TOKENS
from pansophy.corpus.contents import Contents
from pansophy.corpus.embed import Embedder, open_embedder
from pansophy.corpus.ingest import now
from pansophy.corpus.links import Titles
from pansophy.corpus.readers import Draft, read_file
from pansophy.corpus.sources import Stamp, named_files, source_changed, source_key
from pansophy.corpus.store import State, Store, storing
from pansophy.errors import CorpusError, UnknownCorpus, UsageError
from pansophy.types import Chunk, Document, Span

LOCK_SECONDS = 120.0
_READ_AHEAD = 1024
_NAME = re.compile(r"[^\W_][\w.-]{0,99}")


@dataclass(frozen=True, slots=True)
class ScoredChunk:
    """A chunk that a search found. Scores of one search compare with each other, not with those of another."""

    chunk: Chunk
    score: float


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """What is known of a document without reading it. `language` is a guess (ISO 639-1, "" if none is probable);
    `added` is an ISO time in UTC."""

    id: str
    title: str
    source: str
    sha256: str
    characters: int
    chunks: int
    language: str
    added: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CorpusInfo:
    """What `list_corpora` tells of a corpus. `size` is in bytes on disk."""

    name: str
    location: str
    documents: int
    chunks: int
    characters: int
    created: str
    embedder: str | None
    size: int


class Corpus:
    """Open one with `open`, `create`, `from_sources` or `from_texts`; the constructor is not for users."""

    def __init__(self, name: str, store: Store, *, embedder: Embedder | None = None) -> None:
        self.name = name
        self._store = store
        self._contents = Contents(store)
        self._embedder = embedder
        self._temporary: weakref.finalize[..., Any] | None = None

    # ---- opening ----

    @classmethod
    def open(
        cls, name: str, *, uri: str | None = None, home: Path | None = None, embedder: Embedder | None = None
    ) -> Corpus:
        """Opens a corpus that exists.

        Args:
            name: the name it was created with.
            uri: the folder or object-store URI under which corpora are kept (default: `corpora` in `PANSOPHY_HOME`).
            home: used instead of `PANSOPHY_HOME`.
            embedder: the one it was created with, when that can't be opened by its name.

        Raises:
            UnknownCorpus: there is none of this name; the message lists those there are.
        """
        store = Store(_location(name, uri, home))
        if not store.exists():
            known = ", ".join(info.name for info in list_corpora(home)) if uri is None else ""
            there = f"There are: {known}." if known else "There are none yet."
            raise UnknownCorpus(
                f"There is no corpus named {name!r}. {there} `pansophy corpus add {name} PATH` makes one."
            )
        store.refresh()
        return cls(name, store, embedder=embedder)

    @classmethod
    def create(
        cls,
        name: str,
        *,
        uri: str | None = None,
        home: Path | None = None,
        exist_ok: bool = True,
        chunk_tokens: int = DEFAULT_CHUNK_TOKENS,
        embedder: Embedder | str | None = None,
    ) -> Corpus:
        """Makes an empty corpus, or opens the one of this name.

        Args:
            exist_ok: False to refuse a name that is taken.
            chunk_tokens: the most tokens of a chunk, by estimate. An existing corpus keeps its own.
            embedder: what turns chunks into vectors, or its name; None for full-text search alone.

        Raises:
            CorpusError: the name is taken (with `exist_ok=False`), or its embedder is another one.
            StoreError: it can't be written.
        """
        if chunk_tokens < SMALLEST_CHUNK_TOKENS:
            raise UsageError(f"chunk_tokens must be at least {SMALLEST_CHUNK_TOKENS}, not {chunk_tokens}.")
        if isinstance(embedder, str):
            embedder = open_embedder(embedder)
        store = Store(_location(name, uri, home))
        if store.exists():
            if not exist_ok:
                raise CorpusError(f"There is a corpus named {name!r} already: choose another name, or delete it first.")
            store.refresh()
            if embedder and store.state.embedder != embedder.name:
                raise CorpusError(
                    f"The corpus {name!r} was created with {store.state.embedder or 'no embedder'}, "
                    f"not {embedder.name}: an embedder can't be changed later. Make another corpus."
                )
        else:
            store.create(_new_state(chunk_tokens, embedder))
        return cls(name, store, embedder=embedder)

    @classmethod
    def from_sources(
        cls,
        sources: Sequence[str | Path],
        *,
        home: Path | None = None,
        progress: Callable[[AddProgress], None] | None = None,
        allow_urls: bool = False,
        chunk_tokens: int = DEFAULT_CHUNK_TOKENS,
    ) -> tuple[Corpus, AddReport]:
        """The unnamed corpus of exactly these sources, made at the first call and brought up to date at each later one.

        Changed files are read again, vanished ones dropped; what hasn't changed costs one `stat`.

        Raises:
            SourceError: nothing at all could be read.
        """
        if not sources:
            raise UsageError(
                "No source was given: name a file, a folder, a glob, python-docs: or - for standard input."
            )
        key = source_key(sources)
        if chunk_tokens != DEFAULT_CHUNK_TOKENS:
            key += f"-{chunk_tokens}"
        store = Store(str((home or settings.home()) / "corpora" / ".sources" / key))
        if store.exists():
            store.refresh()
        else:
            store.create(_new_state(chunk_tokens, None))
        corpus = cls(", ".join(str(source) for source in sources), store)
        report = corpus._add(sources, progress=progress, allow_urls=allow_urls, exactly=True)
        return corpus, report

    @classmethod
    def from_texts(
        cls,
        texts: Mapping[str, str] | Sequence[str],
        *,
        chunk_tokens: int = DEFAULT_CHUNK_TOKENS,
        embedder: Embedder | None = None,
    ) -> Corpus:
        """A corpus of texts in memory, kept in a temporary folder that goes when the object does.

        Args:
            texts: document id -> text, or texts alone (their ids are then text-1, text-2, ...).
        """
        if isinstance(texts, str):
            raise UsageError("from_texts takes several texts: a list, or a mapping from document id to text.")
        if not isinstance(texts, Mapping):
            texts = {f"text-{number}": text for number, text in enumerate(texts, start=1)}
        folder = tempfile.mkdtemp(prefix="pansophy-")
        store = Store(folder)
        store.create(_new_state(chunk_tokens, embedder))
        corpus = cls("texts", store, embedder=embedder)
        corpus._temporary = weakref.finalize(corpus, shutil.rmtree, folder, ignore_errors=True)
        if texts:
            corpus.add_documents(
                Document(id=name, title=name, text=text, source="", sha256="") for name, text in texts.items()
            )
        return corpus

    # ---- what it is ----

    @property
    def location(self) -> str:
        """The folder or URI where it lies."""
        return self._store.location

    @property
    def chunk_tokens(self) -> int:
        """The most tokens of a chunk, by estimate."""
        return self._store.state.chunk_tokens

    @property
    def embedder(self) -> Embedder | None:
        """What turns texts into vectors; None when the corpus is searched by words alone.

        Raises:
            CorpusError: it can't be opened here.
        """
        if self._embedder is None and self._store.state.embedder:
            self._embedder = open_embedder(self._store.state.embedder)
        return self._embedder

    @property
    def chunk_count(self) -> int:
        return self._contents.offsets[-1]

    @property
    def character_count(self) -> int:
        return sum(row.characters for row in self._contents.rows)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the documents' ids and contents: the same for the same set, however it came together."""
        lines = sorted(f"{row.id}\x00{row.sha256}" for row in self._contents.rows)
        return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()

    def info(self) -> CorpusInfo:
        """The corpus in one line."""
        folder = self._store.folder
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder else 0
        state = self._store.state
        return CorpusInfo(
            name=self.name,
            location=self.location,
            documents=len(self._contents.rows),
            chunks=self.chunk_count,
            characters=self.character_count,
            created=state.created,
            embedder=state.embedder,
            size=size,
        )

    def refresh(self) -> None:
        """Looks at the corpus again, as other processes have left it."""
        self._store.refresh()
        self._contents = Contents(self._store)

    def __repr__(self) -> str:
        return f"Corpus({self.name!r}, {len(self._contents.rows)} documents, {self.chunk_count} chunks)"

    def __len__(self) -> int:
        """The number of documents."""
        return len(self._contents.rows)

    def __bool__(self) -> bool:
        return True

    # ---- changing it ----

    def add(
        self,
        sources: Sequence[str | Path] | str | Path,
        *,
        progress: Callable[[AddProgress], None] | None = None,
        allow_urls: bool = False,
    ) -> AddReport:
        """Adds what the sources hold, in one atomic step. Unchanged files are skipped, changed ones replaced.

        Args:
            sources: files, folders, globs, "-" (standard input), "python-docs:", and URLs if allowed.
            progress: told of each source; called from a worker thread.
            allow_urls: fetch the URLs among the sources.

        Returns:
            What was added; `failed` lists what couldn't be read, and why.

        Raises:
            SourceError: nothing at all could be read (the corpus is then as before).
            CorpusError: another process is changing the corpus and did not finish in two minutes.
            StoreError: it can't be written (the corpus is then as before).
        """
        if isinstance(sources, str | Path):
            sources = [sources]
        if not sources:
            raise UsageError(
                "No source was given: name a file, a folder, a glob, python-docs: or - for standard input."
            )
        return self._add(sources, progress=progress, allow_urls=allow_urls, exactly=False)

    def add_files(
        self,
        files: Mapping[str, Path],
        *,
        read: Callable[[Path, str], Iterator[Draft]] = read_file,
        progress: Callable[[AddProgress], None] | None = None,
    ) -> AddReport:
        """Adds files under names of the caller's choosing (an upload's, say), in one atomic step.

        Args:
            files: document name -> where the file lies now. It needn't stay there: a name is what it is known again by,
                and the name's ending tells its kind.
            read: reads a file with its name; `IsolatedReader.read` for files from people whom nobody knows.
            progress: told of each file; called from a worker thread.

        Returns:
            What was added; `failed` lists what couldn't be read, and why.

        Raises:
            As `add`.
        """
        readables = list(named_files(files, read))
        report = adding.add_readables(self._store, readables, self.embedder, LOCK_SECONDS, progress=progress)
        self._contents = Contents(self._store)
        return report

    def add_documents(self, documents: Iterable[Document]) -> AddReport:
        """Adds documents made in Python, in one atomic step; one whose id is known is replaced if its text differs."""
        report = adding.add_documents(self._store, documents, self.embedder, LOCK_SECONDS)
        self._contents = Contents(self._store)
        return report

    def remove(self, document_ids: Sequence[str]) -> int:
        """Removes documents, and every trace of their text from the files of the corpus, with what was made of them.

        Returns:
            How many were removed.

        Raises:
            CorpusError: an id is unknown; then nothing is removed.
        """
        count = adding.remove(self._store, document_ids, LOCK_SECONDS)
        derived.forget(self.location, document_ids)
        self._contents = Contents(self._store)
        return count

    def delete(self) -> None:
        """Deletes the corpus and its files. The object can't be used after that."""
        shutil.rmtree(derived.folder_of(self.location), ignore_errors=True)
        self._store.delete(LOCK_SECONDS)

    def stale(self) -> list[str]:
        """The ids of documents whose source has changed or vanished since they were added."""
        changed: dict[str, bool] = {}
        for row in self._contents.rows:
            if row.source and row.source not in changed:
                stamp = Stamp(row.size, row.mtime_ns) if row.size >= 0 else None
                changed[row.source] = source_changed(row.source, stamp, row.source_sha256)
        return [row.id for row in self._contents.rows if changed.get(row.source, False)]

    # ---- reading it ----

    def documents(self) -> list[DocumentInfo]:
        """All documents in reading order, without their texts."""
        return [
            DocumentInfo(
                row.id, row.title, row.source, row.sha256, row.characters, row.chunks, row.language, row.added,
                json.loads(row.metadata),
            )
            for row in self._contents.rows
        ]  # fmt: skip

    @property
    def titles(self) -> Titles:
        """The documents' titles, to be looked for in texts."""
        return self._contents.titles

    def document(self, document_id: str) -> Document:
        """A document with its whole text.

        Raises:
            CorpusError: there is none of this id.
        """
        row = self._contents.row(document_id)
        text = "".join(chunk.text for chunk in self.chunks(document=document_id))
        return Document(row.id, row.title, text, row.source, row.sha256, json.loads(row.metadata))

    def text(self, span: Span) -> str:
        """The text at `span` (only the chunks it touches are read).

        Raises:
            CorpusError: no such document, or the span doesn't lie in it.
        """
        row = self._contents.row(span.document)
        if not 0 <= span.start <= span.end <= row.characters:
            raise CorpusError(
                f"{span.document} has {row.characters} characters: {span.start} to {span.end} doesn't lie in it."
            )
        if span.start == span.end:
            return ""
        pieces = self._contents.covering(span)
        offset = pieces[0].start
        return "".join(piece.text for piece in pieces)[span.start - offset : span.end - offset]

    def chunks(self, *, document: str | None = None) -> Iterator[Chunk]:
        """All chunks in reading order, or those of one document; never more than a few megabytes are in memory."""
        start, stop = (0, self.chunk_count) if document is None else self._contents.range(document)
        for low in range(start, stop, _READ_AHEAD):
            yield from self._contents.read(range(low, min(stop, low + _READ_AHEAD)))

    def read(self, indices: Iterable[int]) -> list[Chunk]:
        """The chunks with these indices, each once, in reading order.

        Raises:
            CorpusError: the corpus holds no such chunk, or was changed by another process so that it is gone.
        """
        wanted = list(indices)
        if wanted and not 0 <= min(wanted) <= max(wanted) < self.chunk_count:
            raise CorpusError(f"The corpus {self.name!r} has {self.chunk_count} chunks: not all of those asked for.")
        return self._contents.read(wanted)

    def chunk_range(self, document: str) -> tuple[int, int]:
        """The indices of a document's chunks: first and one past the last."""
        return self._contents.range(document)

    def characters(self, document: str) -> int:
        """How long a document is.

        Raises:
            UnknownDocument: there is none of this id.
        """
        return self._contents.row(document).characters

    def metadata(self, document: str) -> Mapping[str, str]:
        """What is known about a document besides its text.

        Raises:
            UnknownDocument: there is none of this id.
        """
        known: dict[str, str] = json.loads(self._contents.row(document).metadata)
        return known

    def chunk_sizes(self, start: int, stop: int) -> list[int]:
        """The sizes in UTF-8 bytes of the chunks with index `start` to `stop` (exclusive); their texts aren't read."""
        return self._contents.sizes(start, stop)

    def search(self, query: str, limit: int) -> list[ScoredChunk]:
        """The chunks that fit `query` best, best first; equal scores in reading order.

        Every query is plain words: no character has a special meaning. Titles and headings count as well as the text. A
        corpus with an embedder is searched by meaning too, and the two rankings are fused.

        Args:
            query: words or a question in any language.
            limit: the most chunks returned.
        """
        if limit < 1:
            raise UsageError(f"limit must be at least 1, not {limit}.")
        if not self.chunk_count or not query.strip():
            return []
        with storing(self.location):
            hits = searching.search(
                self._store.chunks(), query, limit, grams=self._store.state.grams, embedder=self.embedder
            )
        known = self._contents.position_of_key
        scored = [ScoredChunk(self._contents.chunk(hit), hit["score"]) for hit in hits if hit["key"] in known]
        scored.sort(key=lambda item: (-item.score, item.chunk.index))
        return scored[:limit]

    # ---- inside ----

    def _add(
        self,
        sources: Sequence[str | Path],
        *,
        progress: Callable[[AddProgress], None] | None,
        allow_urls: bool,
        exactly: bool,
    ) -> AddReport:
        report = adding.add_sources(
            self._store,
            sources,
            self.embedder,
            LOCK_SECONDS,
            progress=progress,
            allow_urls=allow_urls,
            exactly=exactly,
        )
        self._contents = Contents(self._store)
        return report


def list_corpora(home: Path | None = None) -> list[CorpusInfo]:
    """The named corpora in `PANSOPHY_HOME` (or `home`), by name."""
    return [Corpus.open(name, home=home).info() for name in corpus_names(home)]


def corpus_names(home: Path | None = None) -> list[str]:
    """Their names alone."""
    folder = (home or settings.home()) / "corpora"
    if not folder.is_dir():
        return []
    return sorted(
        path.name for path in folder.iterdir() if _NAME.fullmatch(path.name) and (path / "documents.lance").is_dir()
    )


def _location(name: str, uri: str | None, home: Path | None) -> str:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} can't name a corpus: use letters, digits, '-', '_' and '.', beginning with a letter or digit."
        )
    if uri is not None:
        return f"{uri.rstrip('/')}/{name}"
    return str((home or settings.home()) / "corpora" / name)


def _new_state(chunk_tokens: int, embedder: Embedder | None) -> State:
    if embedder is None:
        return State(chunk_tokens, now())
    return State(chunk_tokens, now(), embedder=embedder.name, dimensions=embedder.dimensions)
