"""Turning one file's bytes into documents.

Knows nothing of folders, stores or chunks. Text of any kind is decoded here; formats that aren't text go through
`markitdown`, which is imported only then (it takes a second).
"""

from __future__ import annotations

import codecs
import hashlib
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from pansophy.corpus.bombs import refuse_bomb
from pansophy.errors import SourceError

# The ending of each format that isn't text, and the class in `markitdown.converters` that reads it.
CONVERTED = {
    ".pdf": "PdfConverter",
    ".docx": "DocxConverter",
    ".pptx": "PptxConverter",
    ".xlsx": "XlsxConverter",
    ".epub": "EpubConverter",
    ".html": "HtmlConverter",
    ".htm": "HtmlConverter",
    ".xhtml": "HtmlConverter",
}
ZIPPED = {".docx", ".pptx", ".xlsx", ".epub"}
MARKDOWN = {".md", ".markdown", ".mdown"}
OLD_OFFICE = {".doc": ".docx", ".ppt": ".pptx", ".xls": ".xlsx"}
ARCHIVES = {".zip", ".gz", ".tar", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst"}

_TEXT_FIELDS = ("text", "content", "contents", "body", "passage", "paragraph", "document", "article")
_TITLE_FIELDS = ("title", "name", "heading", "headline", "subject")
_ID_FIELDS = ("id", "_id", "doc_id", "docid", "document_id", "key", "url")
_CONTROLS = bytes([*range(9), *range(14, 27)])
_SAMPLE = 1 << 16
_PIECE = 1 << 20
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(slots=True)
class Draft:
    """A document on its way into a corpus: its text still comes in pieces, so that a large file is never held whole.

    `name` tells apart the documents of one source ("" for a source that is one document). `sha256` is the hash of this
    document's own bytes when it is one of several, else "" (the source's hash counts).
    """

    pieces: Iterator[str]
    title: str = ""
    name: str = ""
    sha256: str = ""
    metadata: dict[str, str] = field(default_factory=dict)


def read_file(path: Path, name: str | None = None) -> Iterator[Draft]:
    """The documents of a file.

    Args:
        path: where it lies.
        name: what it is called where that is another name (an upload's, say): it tells the kind, the title, and the
            file in messages.

    Raises:
        SourceError: the file is empty, binary, damaged, encrypted or of an unknown kind; the message says which.
    """
    label = name or str(path)
    suffix, stem = PurePath(label).suffix.lower(), PurePath(label).stem
    if suffix in CONVERTED:
        with _reading(path):
            data = path.read_bytes()
        yield _converted(data, name or path.name, suffix)
        return
    encoding = _encoding_of(path, label, suffix)
    if suffix in {".jsonl", ".ndjson"} and all(draft is not None for draft in _json_lines(path, encoding, stem)):
        yield from filter(None, _json_lines(path, encoding, stem))
        return
    if suffix == ".json":
        yield Draft(iter((_readable_json(_whole_text(path, encoding)),)), title=stem)
        return
    pieces = _text_pieces(path, encoding)
    first = next(pieces, "")
    title = markdown_title(first) if suffix in MARKDOWN else ""
    yield Draft(_chain(first, pieces), title=title or stem)


def read_bytes(data: bytes, name: str, suffix: str = ".txt", encoding: str | None = None) -> Draft:
    """One document from bytes that don't lie in a file (standard input, a URL)."""
    if suffix in CONVERTED:
        return _converted(data, name, suffix)
    if not data.strip():
        raise SourceError(f"{name} is empty: there is nothing to read.")
    _refuse_binary(data[:_SAMPLE], name, suffix)
    if encoding is None:
        encoding = _bom_encoding(data) or ("utf-8" if _is_utf8(data) else _guess_encoding(data, name))
    text = data.decode(encoding, "replace")
    return Draft(iter((text,)), title=markdown_title(text) or name)


def markdown_title(text: str) -> str:
    """The first top heading of a Markdown text, or "" when it doesn't begin with one."""
    match = re.match(r"\s*(?:---\r?\n.*?\r?\n---\r?\n\s*)?#\s+(\S[^\r\n]*)", text[:5000], re.DOTALL)
    return match[1].strip().rstrip("#").strip() if match else ""


# ---- text ------------------------------------------------------------------------------------------------------------


class _reading:  # noqa: N801 - reads as a phrase: with _reading(path)
    """Turns an operating system's error on reading a file into a SourceError that names it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, FileNotFoundError):
            raise SourceError(f"{self.path} does not exist.") from error
        if isinstance(error, PermissionError):
            raise SourceError(f"{self.path} may not be read: permission denied.") from error
        if isinstance(error, OSError):
            raise SourceError(f"{self.path} can't be read: {error.strerror or error}.") from error


def _encoding_of(path: Path, label: str, suffix: str) -> str:
    """The encoding of a text file; refuses files that are empty or not text, calling them `label`."""
    with _reading(path), path.open("rb") as file:
        head = file.read(_SAMPLE)
        if not head:
            raise SourceError(f"{label} is empty (0 bytes).")
        if encoding := _bom_encoding(head):
            return encoding
        _refuse_binary(head, label, suffix)
        file.seek(0)
        decoder = codecs.getincrementaldecoder("utf-8")()
        blank = True
        try:
            while piece := file.read(_PIECE):
                text = decoder.decode(piece)
                blank = blank and not text.strip()
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            file.seek(0)
            return _guess_encoding(file.read(4 * _PIECE), label)
    if blank:
        raise SourceError(f"{label} holds nothing but white space.")
    return "utf-8"


def _bom_encoding(head: bytes) -> str | None:
    return next((encoding for bom, encoding in _BOMS if head.startswith(bom)), None)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _refuse_binary(head: bytes, name: str, suffix: str) -> None:
    if head.startswith(b"%PDF"):
        raise SourceError(f"{name} is a PDF under another name: give it the ending .pdf to have it read.")
    if suffix in OLD_OFFICE:
        raise SourceError(f"{name} is in an old Office format: save it as {OLD_OFFICE[suffix]} and add that.")
    if suffix in ARCHIVES or head.startswith((b"PK\x03\x04", b"\x1f\x8b")):
        raise SourceError(f"{name} is an archive: unpack it and add the folder.")
    if b"\x00" in head or len(head) - len(head.translate(None, _CONTROLS)) > len(head) * 0.02:
        raise SourceError(f"{name} is a binary file: convert it to text, Markdown, HTML or PDF first.")


def _guess_encoding(sample: bytes, name: str) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(sample[:262_144]).best()
    if best is None:
        raise SourceError(f"{name} is text in no encoding that could be recognised: save it as UTF-8.")
    return best.encoding


def _text_pieces(path: Path, encoding: str) -> Iterator[str]:
    """The text of a file, a megabyte at a time, exactly as it stands (no newline is changed), without its BOM."""
    with _reading(path), path.open("rb") as file:
        decoder = codecs.getincrementaldecoder(encoding)("replace")
        while piece := file.read(_PIECE):
            if text := decoder.decode(piece):
                yield text
        if text := decoder.decode(b"", final=True):
            yield text


def _whole_text(path: Path, encoding: str) -> str:
    return "".join(_text_pieces(path, encoding))


def _chain(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


# ---- JSON ------------------------------------------------------------------------------------------------------------


def _readable_json(text: str) -> str:
    r"""JSON whose letters are written as \uXXXX is rewritten with the letters themselves; other JSON stays as it is."""
    if "\\u" not in text:
        return text
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=1)
    except (ValueError, RecursionError):
        return text


def _json_lines(path: Path, encoding: str, stem: str) -> Iterator[Draft | None]:
    """One draft a line; None for a line that isn't an object with a text."""
    names: set[str] = set()
    with _reading(path), path.open(encoding=encoding, errors="replace") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                draft = _json_line(line, number, stem)
                if draft is not None:
                    if draft.name in names:
                        draft.name = f"{draft.name}@{number}"
                    names.add(draft.name)
                yield draft


def _json_line(line: str, number: int, stem: str) -> Draft | None:
    try:
        record: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    fields = {str(key).lower(): value for key, value in record.items()}
    text = next((fields[key] for key in _TEXT_FIELDS if isinstance(fields.get(key), str) and fields[key].strip()), None)
    if text is None:
        return None
    title = next((fields[key] for key in _TITLE_FIELDS if isinstance(fields.get(key), str)), "")
    name = next((str(fields[key]) for key in _ID_FIELDS if isinstance(fields.get(key), str | int)), str(number))
    metadata = {
        key: str(value)
        for key, value in record.items()
        if isinstance(value, str | int | float) and key.lower() not in _TEXT_FIELDS and len(str(value)) <= 200
    }
    digest = hashlib.sha256(line.encode("utf-8", "surrogatepass")).hexdigest()
    return Draft(iter((text,)), title=title or f"{stem} {name}", name=name, sha256=digest, metadata=metadata)


# ---- formats that aren't text ----------------------------------------------------------------------------------------


def _converted(data: bytes, name: str, suffix: str) -> Draft:
    if not data:
        raise SourceError(f"{name} is empty (0 bytes).")
    if suffix in ZIPPED:
        refuse_bomb(io.BytesIO(data), name)
    from markitdown import MarkItDown, StreamInfo, converters

    # Only the one converter that fits: with all of them, a damaged file would be read as something else.
    converter = MarkItDown(enable_builtins=False, enable_plugins=False)
    converter.register_converter(getattr(converters, CONVERTED[suffix])())
    info = StreamInfo(extension=suffix.replace(".xhtml", ".html"), filename=name)
    try:
        result = converter.convert_stream(io.BytesIO(data), stream_info=info)
    except Exception as error:
        raise SourceError(_conversion_failure(name, suffix, data, error)) from error
    text = result.markdown.replace("\x00", "")
    if not text.strip():
        hint = " It may be a scan: run text recognition (OCR) on it first." if suffix == ".pdf" else ""
        raise SourceError(f"{name} holds no text.{hint}")
    return Draft(iter((text,)), title=(result.title or "").strip() or markdown_title(text) or Path(name).stem)


def _conversion_failure(name: str, suffix: str, data: bytes, error: Exception) -> str:
    kind = suffix[1:].upper()
    reason = f"{type(error).__name__} {error}"
    encrypted = "Password" in reason or "Encrypt" in reason or (suffix == ".pdf" and b"/Encrypt" in data)
    if encrypted or data.startswith(b"\xd0\xcf\x11\xe0"):
        return f"{name} is protected by a password: save it without one and add that."
    return f"{name} can't be read as {kind}: it is damaged or something else under that name."
