"""From drafts to rows: chunks in batches for the store, one row a document.

Knows nothing of the file system or of locks. Holds one batch at a time, whatever the size of the document.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from pansophy.corpus.chunking import Headings, iter_chunks
from pansophy.corpus.languages import language_of
from pansophy.corpus.readers import Draft
from pansophy.corpus.sources import Stamp
from pansophy.corpus.store import DocumentRow, chunk_schema
from pansophy.errors import SourceError

if TYPE_CHECKING:
    import pyarrow as pa

    from pansophy.corpus.embed import Embedder

BATCH = 256
LONGEST_TITLE = 200
COLUMNS = ("key", "number", "start", "size", "lead", "words", "grams")

# Han, Kana and Hangul: a dictionary splits them differently in a question and in a text; Korean words carry endings.
# Searched by overlapping letter pairs, as is usual, they need no dictionary.
_PAIRED = re.compile(
    r"[\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003134f]+"
)
# Thai, Lao, Burmese and Khmer, whose words are not separated and too long for pairs.
_NEEDS_DICTIONARY = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
# A quick test before those two: the bytes of Latin, Greek, Cyrillic, Hebrew and Arabic letters and most punctuation.
_PLAIN_BYTES = bytes([*range(0xE0), 0xE2])


def letter_pairs(text: str) -> str | None:
    """The overlapping letter pairs of every run of paired letters in `text` (a lone letter is itself); None without."""
    words: list[str] = []
    for run in _PAIRED.findall(text):
        words.extend(map("".join, pairwise(run)) if len(run) > 1 else (run,))
    return " ".join(words) or None


def is_plain(encoded: bytes) -> bool:
    """Whether a text in UTF-8 surely has neither letters to be paired nor words that only a dictionary finds."""
    return not encoded.translate(None, _PLAIN_BYTES)


class Ingest:
    """Cuts drafts into record batches and collects the document rows that belong to them."""

    def __init__(self, chunk_tokens: int, next_key: int, embedder: Embedder | None) -> None:
        self.chunk_tokens = chunk_tokens
        self.next_key = next_key
        self.embedder = embedder
        self.schema = chunk_schema(embedder.dimensions if embedder else 0)
        self.grams = False
        self.dictionary = False
        self.chunks = 0
        self.characters = 0
        self.abandoned: list[int] = []
        self._batch: list[tuple[object, ...]] = []

    def document(
        self, draft: Draft, identifier: str, source: str, source_sha256: str, stamp: Stamp | None, *, own: str = ""
    ) -> Iterator[pa.RecordBatch | DocumentRow]:
        """The batches that become full while `draft` is cut, and at last its row.

        Raises:
            SourceError: the document turned out empty or unreadable. Chunks of it may be staged already, so its key is
                among `self.abandoned` then.
        """
        key = self.next_key
        self.next_key += 1
        self.abandoned.append(key)
        headings = Headings()
        number, characters, blank, language = 0, 0, True, ""
        for start, text in iter_chunks(draft.pieces, self.chunk_tokens):
            blank = blank and text.isspace()
            if number == 0:
                language = language_of(text)
            lead = _lead(draft.title, headings.feed(text))
            words = lead + text
            encoded = words.encode("utf-8")
            plain = is_plain(encoded)
            self.dictionary = self.dictionary or (not plain and _NEEDS_DICTIONARY.search(words) is not None)
            self._batch.append(
                (key, number, start, len(encoded) - len(lead.encode("utf-8")), len(lead), words)
                + ((None,) if plain else (letter_pairs(words),))
            )
            number += 1
            characters = start + len(text)
            if len(self._batch) >= BATCH:
                yield self._take()
        if blank:
            raise SourceError(f"{identifier} holds nothing but white space.")
        self.abandoned.remove(key)
        self.chunks += number
        self.characters += characters
        yield DocumentRow(
            key=key,
            id=identifier,
            title=draft.title,
            source=source,
            sha256=draft.sha256 or own or source_sha256,
            source_sha256=source_sha256,
            size=stamp.size if stamp else -1,
            mtime_ns=stamp.mtime_ns if stamp else 0,
            characters=characters,
            chunks=number,
            language=language,
            added=now(),
            metadata=json.dumps(draft.metadata, ensure_ascii=False),
        )

    def rest(self) -> Iterator[pa.RecordBatch]:
        """The last batch, if there is one."""
        if self._batch:
            yield self._take()

    def _take(self) -> pa.RecordBatch:
        import pyarrow as pa

        columns = dict(zip(COLUMNS, zip(*self._batch, strict=True), strict=True))
        self._batch = []
        self.grams = self.grams or any(columns["grams"])
        arrays = [pa.array(columns[name], self.schema.field(name).type) for name in COLUMNS]
        if self.embedder:
            vectors = self.embedder.embed([str(words) for words in columns["words"]])
            flat = pa.array(vectors.reshape(-1).astype("float32"), pa.float32())
            arrays.append(pa.FixedSizeListArray.from_arrays(flat, self.embedder.dimensions))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def _lead(title: str, headings: str) -> str:
    """What a chunk is found by besides its text. The title counts twice: measured, see benchmarks/retrieval.py."""
    title = title[:LONGEST_TITLE]
    return f"{title} {title} {headings}\n"


def storable(text: str) -> str:
    """`text` with lone surrogates (which no UTF-8 can hold) replaced, one character for one."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return re.sub("[\ud800-\udfff]", "\ufffd", text)
    return text


def text_sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
