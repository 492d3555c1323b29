"""From drafts to rows: chunks in batches for the store, one row a document.

Knows nothing of the file system or of locks. Holds one batch at a time, whatever the size of the document.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from pansophy.corpus.chunking import Headings, iter_chunks
from pansophy.corpus.readers import Draft
from pansophy.corpus.sources import Stamp
from pansophy.corpus.store import DocumentRow, chunk_schema
from pansophy.errors import SourceError

if TYPE_CHECKING:
    import pyarrow as pa

    from pansophy.corpus.embed import Embedder

BATCH = 1024

# Scripts that are written without spaces between words: Han, Kana (Thai, Lao, Khmer are split by a dictionary alone).
_UNSPACED = re.compile(
    r"[\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]+"
)


def letter_pairs(text: str) -> str | None:
    """The overlapping letter pairs of every unspaced run in `text` (a lone letter is itself); None without any."""
    if text.isascii():
        return None
    words: list[str] = []
    for run in _UNSPACED.findall(text):
        words.extend(map("".join, pairwise(run)) if len(run) > 1 else (run,))
    return " ".join(words) or None


def language_of(text: str) -> str:
    """A rough guess from the script: "zh", "ja", "ko", "ru", "ar", ... or "" (Latin letters say nothing)."""
    sample = text[:4000]
    counts = {name: len(pattern.findall(sample)) for name, pattern in _SCRIPTS.items()}
    letters = sum(character.isalpha() for character in sample)
    if counts["ja"] and counts["ja"] * 10 > letters:
        return "ja"
    best = max(counts, key=lambda name: counts[name])
    return best if counts[best] * 3 > max(letters, 1) else ""


_SCRIPTS = {
    "zh": re.compile(r"[\u4e00-\u9fff]"),
    "ja": re.compile(r"[\u3040-\u30ff]"),
    "ko": re.compile(r"[\uac00-\ud7a3]"),
    "ru": re.compile(r"[\u0400-\u04ff]"),
    "el": re.compile(r"[\u0370-\u03ff]"),
    "ar": re.compile(r"[\u0600-\u06ff]"),
    "he": re.compile(r"[\u0590-\u05ff]"),
    "hi": re.compile(r"[\u0900-\u097f]"),
    "th": re.compile(r"[\u0e00-\u0e7f]"),
}


@dataclass(slots=True)
class _Batch:
    columns: dict[str, list[object]] = field(default_factory=dict)
    rows: int = 0

    def append(self, values: dict[str, object]) -> None:
        for name, value in values.items():
            self.columns.setdefault(name, []).append(value)
        self.rows += 1


class Ingest:
    """Cuts drafts into record batches and collects the document rows that belong to them."""

    def __init__(self, chunk_tokens: int, next_key: int, embedder: Embedder | None) -> None:
        self.chunk_tokens = chunk_tokens
        self.next_key = next_key
        self.embedder = embedder
        self.schema = chunk_schema(embedder.dimensions if embedder else 0)
        self.grams = False
        self.chunks = 0
        self.characters = 0
        self.abandoned: list[int] = []
        self._batch = _Batch()

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
            pairs = letter_pairs(text)
            self.grams = self.grams or pairs is not None
            self._batch.append(
                {
                    "key": key,
                    "number": number,
                    "start": start,
                    "end": start + len(text),
                    "size": len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass")),
                    "text": text,
                    "context": f"{draft.title} {headings.feed(text)}",
                    "grams": pairs,
                }
            )
            number += 1
            characters = start + len(text)
            if self._batch.rows >= BATCH:
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
        if self._batch.rows:
            yield self._take()

    def _take(self) -> pa.RecordBatch:
        import pyarrow as pa

        batch, self._batch = self._batch, _Batch()
        columns = dict(batch.columns)
        arrays = [
            pa.array(columns[name], self.schema.field(name).type) for name in self.schema.names if name != "vector"
        ]
        if self.embedder:
            vectors = self.embedder.embed([str(text) for text in columns["text"]])
            flat = pa.array(vectors.reshape(-1).astype("float32"), pa.float32())
            arrays.append(pa.FixedSizeListArray.from_arrays(flat, self.embedder.dimensions))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


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
