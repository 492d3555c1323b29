"""Refuses archives that are small on disk and enormous when they are unpacked, before anything unpacks them.

DOCX, PPTX, XLSX and EPUB are zip archives, and the libraries that read them believe what an archive says of itself. So
every entry is inflated here once, a little at a time and without keeping any of it, and must be as large as it says.
Knows nothing of what is in the entries.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import PurePath
from typing import BinaryIO

from pansophy.errors import SourceError

LARGEST = 512 << 20
"""The most bytes that all entries together may have."""
HIGHEST_RATIO = 200
"""The most bytes for each packed byte, beyond `HARMLESS`. Spreadsheets of repeated values reach about 100."""
HARMLESS = 16 << 20
MOST_ENTRIES = 20_000
_HEADER = struct.Struct("<4s22xHH")
_PIECE = 1 << 16


def refuse_bomb(file: BinaryIO, name: str) -> None:
    """Make sure that unpacking the archive in `file` is harmless.

    Raises:
        SourceError: it isn't, or it isn't an archive that Office or EPUB programs would write.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
        _check_sizes(entries, name)
        for entry in entries:
            _check_entry(file, entry, name)
    except (zipfile.BadZipFile, zlib.error, struct.error, OSError, ValueError, NotImplementedError, OverflowError) as e:
        if file.seek(0) == 0 and file.read(4) == b"\xd0\xcf\x11\xe0":  # an encrypted one: the reader says so
            return
        kind = PurePath(name).suffix[1:].upper() or "an archive"
        raise SourceError(f"{name} can't be read as {kind}: it is damaged or something else under that name.") from e


def _check_sizes(entries: list[zipfile.ZipInfo], name: str) -> None:
    """What the archive says of itself."""
    if len(entries) > MOST_ENTRIES:
        raise SourceError(f"{name} is refused: an archive of {len(entries):,} entries is no document.")
    size = sum(entry.file_size for entry in entries)
    packed = sum(entry.compress_size for entry in entries)
    if size > LARGEST:
        raise SourceError(f"{name} is refused: it would unpack to {size / 1e6:,.0f} MB, {LARGEST / 1e6:,.0f} at most.")
    if size > HARMLESS and size > packed * HIGHEST_RATIO:
        raise SourceError(f"{name} is refused: it would unpack to {size // max(packed, 1):,} times its size.")


def _check_entry(file: BinaryIO, entry: zipfile.ZipInfo, name: str) -> None:
    """An entry must have as many bytes as it says."""
    file.seek(entry.header_offset)
    signature, name_size, extra_size = _HEADER.unpack(file.read(_HEADER.size))
    if signature != b"PK\x03\x04":
        raise zipfile.BadZipFile("an entry without a header")
    file.seek(name_size + extra_size, 1)
    if entry.compress_type == zipfile.ZIP_STORED:
        size = entry.compress_size
    elif entry.compress_type == zipfile.ZIP_DEFLATED:
        size = _deflated_size(file, entry)
    else:
        raise zipfile.BadZipFile("packed in a way that no document is")
    if size != entry.file_size:
        raise SourceError(f"{name} is refused: an entry unpacks to another size than the archive says.")


def _deflated_size(file: BinaryIO, entry: zipfile.ZipInfo) -> int:
    """How many bytes the entry inflates to; counting stops beyond what it says."""
    inflater = zlib.decompressobj(-15)
    left, size = entry.compress_size, 0
    while left > 0 and not inflater.eof and size <= entry.file_size:
        piece = file.read(min(_PIECE, left))
        if not piece:
            raise zipfile.BadZipFile("an entry is cut off")
        left -= len(piece)
        while size <= entry.file_size and (piece or inflater.unconsumed_tail):
            size += len(inflater.decompress(piece or inflater.unconsumed_tail, _PIECE))
            piece = b""
            if inflater.eof:
                break
    if not inflater.unconsumed_tail and size <= entry.file_size:
        size += len(inflater.flush())
    return size
