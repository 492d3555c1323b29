"""What a user may name as a source, turned into things that can be read one by one.

Knows nothing of stores. A source is a file, a folder, a glob, `-` (standard input), `python-docs:` (the language
reference that every CPython carries) or, when the caller allows it, a URL.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pansophy.corpus.readers import Draft, read_bytes, read_file
from pansophy.errors import SourceError

PYTHON_DOCS = "python-docs:"
STANDARD_INPUT = "-"
NAMED = "named:"
"""How the source of a document begins that was made of a file with a name of its own."""

_SKIPPED_FOLDERS = {"node_modules", "__pycache__", "site-packages", "venv", "CVS", "_darcs"}
_SKIPPED_FILES = {"Thumbs.db", "desktop.ini"}
# Endings that a folder is full of and that hold nothing to read: not worth a line in the report each.
_SKIPPED_ENDINGS = {
    *(".pyc", ".pyo", ".so", ".o", ".a", ".dll", ".dylib", ".exe", ".class", ".jar", ".wasm", ".bin", ".dat", ".db"),
    *(".png", ".jpg", ".jpeg", ".gif", ".bmp", ".ico", ".webp", ".tif", ".tiff", ".svg", ".heic", ".psd"),
    *(
        ".mp3",
        ".mp4",
        ".m4a",
        ".wav",
        ".ogg",
        ".flac",
        ".avi",
        ".mkv",
        ".mov",
        ".webm",
        ".ttf",
        ".otf",
        ".woff",
        ".woff2",
    ),
    *(".zip", ".gz", ".tar", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst", ".iso", ".whl", ".gguf", ".safetensors"),
    *(".pt", ".pth", ".onnx", ".npy", ".npz", ".parquet", ".arrow", ".lance", ".sqlite", ".sqlite3", ".pickle", ".pkl"),
    *(".lock", ".map"),
}


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells quickly that a file hasn't changed: size in bytes and time of change in nanoseconds."""

    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Readable:
    """One thing to read.

    `source` is its full path or URI (by which it is known again), `name` how the user would recognise it (the document
    id is made of it). `stamp` is None where there is nothing to stamp.
    """

    source: str
    name: str
    stamp: Stamp | None
    digest: Callable[[], str]
    read: Callable[[], Iterator[Draft]]


def find_readables(
    sources: Sequence[str | Path], *, allow_urls: bool = False, failed: Callable[[str, str], None]
) -> Iterator[Readable]:
    """Everything that can be read from `sources`, in their order, each only once.

    Args:
        sources: as the user gave them.
        allow_urls: fetch URLs; otherwise a URL is refused.
        failed: told (source, reason) of every source that leads to nothing.

    Raises:
        SourceError: a URL was given without `allow_urls`.
    """
    seen: set[str] = set()
    for source in sources:
        found = False
        for readable in _expand(source, allow_urls):
            found = True
            if readable.source not in seen:
                seen.add(readable.source)
                yield readable
        if not found:
            failed(str(source), _why_nothing(str(source)))


def named_files(
    files: Mapping[str, Path], read: Callable[[Path, str], Iterator[Draft]] = read_file
) -> Iterator[Readable]:
    """The files, to be read by `read`, under names that have nothing to do with where they lie.

    A name is what a file is known again by. It needn't stay: a document that is made of one never counts as changed.
    """
    for name, path in files.items():
        yield Readable(
            f"{NAMED}{name}",
            name,
            None,
            lambda path=path: file_digest(path),  # type: ignore[misc]
            lambda path=path, name=name: read(path, name),  # type: ignore[misc]
        )


def source_key(sources: Sequence[str | Path]) -> str:
    """A short stable key for a list of sources: the same for the same resolved sources."""
    resolved = []
    for source in sources:
        text = str(source)
        special = text in (STANDARD_INPUT, PYTHON_DOCS) or _is_url(text)
        resolved.append(text if special else os.path.abspath(os.path.expanduser(text)))
    return hashlib.sha256("\n".join(resolved).encode("utf-8", "surrogatepass")).hexdigest()[:20]


def file_digest(path: str | Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise SourceError(f"{path} does not exist.") from error
    except PermissionError as error:
        raise SourceError(f"{path} may not be read: permission denied.") from error
    except OSError as error:
        raise SourceError(f"{path} can't be read: {error.strerror or error}.") from error


def stamp_of(path: str | Path) -> Stamp | None:
    """The stamp of a file, or None when there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return Stamp(status.st_size, status.st_mtime_ns)


def source_changed(source: str, stamp: Stamp | None, sha256: str) -> bool:
    """Whether what `source` names differs from what was read then. Texts without a file never change."""
    if source == PYTHON_DOCS:
        return _python_docs_digest() != sha256
    if stamp is None:
        return False
    now = stamp_of(source)
    return now is None or (now != stamp and file_digest(source) != sha256)


# ---- the kinds of source ---------------------------------------------------------------------------------------------


def _expand(source: str | Path, allow_urls: bool) -> Iterator[Readable]:
    text = str(source)
    if text == STANDARD_INPUT:
        yield _stream(STANDARD_INPUT, "stdin", "standard input", sys.stdin.buffer.read)
    elif text == PYTHON_DOCS:
        yield Readable(PYTHON_DOCS, "python-docs", None, _python_docs_digest, _python_docs)
    elif _is_url(text):
        if not allow_urls:
            raise SourceError(
                f"{text} is a URL, and nothing is fetched unasked: add --allow-urls (allow_urls=True in Python)."
            )
        yield _url(text)
    else:
        yield from _paths(text)


def _paths(text: str) -> Iterator[Readable]:
    path = Path(os.path.abspath(os.path.expanduser(text)))
    if path.is_dir():
        yield from _folder(path)
    elif path.is_file():
        yield _file(path, path.name)
    elif path.exists():
        yield _stream(str(path), path.name, str(path), path.read_bytes)
    elif any(mark in text for mark in "*?["):
        yield from _glob(os.path.expanduser(text))


def _glob(pattern: str) -> Iterator[Readable]:
    """The files that match, named relative to the last folder before the first wildcard; folders are read whole."""
    root = Path(os.path.abspath(os.path.dirname(re.split(r"[*?\[]", pattern, maxsplit=1)[0]) or "."))
    for match in sorted(glob.glob(pattern, recursive=True), key=_natural):
        found = Path(os.path.abspath(match))
        name = _relative(found, root)
        if _SKIPPED_FOLDERS.intersection(name.split("/")):
            continue
        if found.is_file():
            yield _file(found, name)
        elif found.is_dir() and "**" not in pattern:
            yield from _folder(found)


def _why_nothing(text: str) -> str:
    if any(mark in text for mark in "*?[") and not os.path.exists(text):
        return f"no file matches {text}."
    if os.path.isdir(os.path.expanduser(text)):
        return f"the folder {text} holds nothing that can be read."
    return f"{text} does not exist."


def _folder(root: Path) -> Iterator[Readable]:
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = sorted(
            (name for name in subfolders if not name.startswith(".") and name not in _SKIPPED_FOLDERS), key=_natural
        )
        for name in sorted(files, key=_natural):
            ending = os.path.splitext(name)[1].lower()
            if name.startswith((".", "~$")) or name in _SKIPPED_FILES or ending in _SKIPPED_ENDINGS:
                continue
            path = Path(folder, name)
            if path.is_file() and path.stat().st_size:  # an empty file is worth a word only when it was named itself
                yield _file(path, _relative(path, root))


def _file(path: Path, name: str) -> Readable:
    return Readable(str(path), name, stamp_of(path), lambda: file_digest(path), lambda: read_file(path))


def _relative(path: Path, root: Path) -> str:
    try:
        return path.relative_to(root).as_posix()
    except ValueError:
        return path.name


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sorts chapter2 before chapter10."""
    return [(1, int(part), "") if part.isdigit() else (0, 0, part.lower()) for part in re.split(r"([0-9]+)", name)]


def _stream(source: str, name: str, label: str, read_all: Callable[[], bytes]) -> Readable:
    """What can be read only once: standard input, a pipe."""
    kept: list[bytes] = []

    def data() -> bytes:
        if not kept:
            kept.append(read_all())
        return kept[0]

    def read() -> Iterator[Draft]:
        yield read_bytes(data(), label, ".pdf" if data().startswith(b"%PDF") else ".txt")

    return Readable(source, name, None, lambda: hashlib.sha256(data()).hexdigest(), read)


def _python_topics() -> dict[str, str]:
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise SourceError("This Python carries no language reference (pydoc_data is missing).") from error
    return dict(topics)


def _python_docs_digest() -> str:
    return hashlib.sha256(
        "\x00".join(f"{key}\x00{text}" for key, text in sorted(_python_topics().items())).encode()
    ).hexdigest()


def _python_docs() -> Iterator[Draft]:
    for topic, text in sorted(_python_topics().items()):
        yield Draft(iter((text,)), title=topic, name=topic, sha256=hashlib.sha256(text.encode()).hexdigest())


def _is_url(text: str) -> bool:
    return re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+://", text) is not None


def _url(url: str) -> Readable:
    fetched: list[tuple[bytes, str]] = []

    def fetch() -> tuple[bytes, str]:
        if not fetched:
            fetched.append(_fetch(url))
        return fetched[0]

    def read() -> Iterator[Draft]:
        data, suffix = fetch()
        yield read_bytes(data, url, suffix)

    name = re.sub(r"^[a-z]+://", "", url).rstrip("/")
    return Readable(url, name, None, lambda: hashlib.sha256(fetch()[0]).hexdigest(), read)


def _fetch(url: str) -> tuple[bytes, str]:
    """The bytes behind a URL and the ending that fits their type."""
    import httpx

    try:
        reply = httpx.get(url, follow_redirects=True, timeout=60.0)
        reply.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise SourceError(f"{url} can't be fetched: {str(error).splitlines()[0]}.") from error
    kind = reply.headers.get("content-type", "").split(";")[0].strip().lower()
    suffix = {
        "text/html": ".html",
        "application/xhtml+xml": ".html",
        "application/pdf": ".pdf",
        "application/epub+zip": ".epub",
    }
    return reply.content, suffix.get(kind) or os.path.splitext(httpx.URL(url).path)[1].lower() or ".txt"
