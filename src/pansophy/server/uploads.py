"""Uploaded files on their way into a corpus. No name that a client gives ever becomes a path on this machine.

Each file is copied to a numbered one in a folder of its own, and known by its name only inside the corpus.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pansophy.corpus import AddReport, Corpus, IsolatedReader
from pansophy.errors import SourceError, UsageError
from pansophy.server.schemas import Unread

LONGEST_NAME = 400
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\u0080-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


def document_name(given: str | None) -> str:
    """The name that a file has in a corpus: a relative path with slashes.

    Raises:
        UsageError: it leads out of its folder, is absolute, empty, too long, or has characters that show as nothing.
    """
    name = (given or "").replace("\\", "/")
    while name.startswith("./"):
        name = name[2:]
    parts = name.split("/")
    if not name.strip() or len(name) > LONGEST_NAME:
        raise UsageError(f"a file needs a name of at most {LONGEST_NAME} characters")
    if _FORBIDDEN.search(name):
        raise UsageError("a file's name must not hold control characters or others that show as nothing")
    if any(part.strip() in ("", ".", "..") for part in parts) or re.match(r"[A-Za-z]:", name) or name.startswith("~"):
        raise UsageError("a file's name must be a path inside its folder, such as letters/march.txt")
    return name


@contextmanager
def numbered_copies(files: Sequence[tuple[str, BinaryIO]]) -> Iterator[Mapping[str, Path]]:
    """The files under their names, as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="pansophy-upload-") as folder:
        copies = {}
        for number, (name, file) in enumerate(files):
            copies[name] = Path(folder, str(number))
            file.seek(0)
            with copies[name].open("wb") as copy:
                shutil.copyfileobj(file, copy)
        yield copies


def add_uploads(
    corpus: Corpus, files: Sequence[tuple[str | None, BinaryIO]], reader: IsolatedReader
) -> tuple[AddReport, list[Unread]]:
    """Put uploaded files into a corpus: the report, and the files whose names are refused.

    Raises:
        SourceError: not one of them can be read.
    """
    accepted: dict[str, BinaryIO] = {}
    refused = []
    for given, file in files:
        try:
            name = document_name(given)
            if name in accepted:
                raise UsageError("another file of this upload has the same name")
            accepted[name] = file
        except UsageError as error:
            refused.append(Unread(name=_FORBIDDEN.sub("?", given or "")[:LONGEST_NAME], reason=str(error)))
    if not accepted:
        reasons = "; ".join(item.reason for item in refused[:3]) or "no file was sent"
        raise SourceError(f"Nothing could be read: {reasons}.")
    with numbered_copies(list(accepted.items())) as copies:
        return corpus.add_files(copies, read=reader.read), refused
