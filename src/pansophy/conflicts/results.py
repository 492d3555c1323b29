"""A folder of results that a measurement fills row by row, and goes on with after a break.

`manifest.json` says what was measured and with what, `rows.jsonl` has one object a line, each with an `id` of its own.
A row with an `error` does not count as done: a later row takes its place. Knows nothing of what a row holds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pansophy.errors import RunError, StoreError
from pansophy.evaluation import provenance
from pansophy.evaluation.files import append_line, drop_torn_line, read_lines, refuse_difference, write_json

MANIFEST = "manifest.json"
ROWS = "rows.jsonl"


class ResultFolder:
    """The results of one measurement; one process writes them at a time.

    Args:
        path: the folder, made when needed.
        made_with: everything that can change a row, as JSON data: settings, the model's identity.

    Raises:
        RunError: the folder has results that were made in another way.
        StoreError: it can't be written.
    """

    def __init__(self, path: str | Path, made_with: Mapping[str, Any]) -> None:
        self.path = Path(path).expanduser()
        made = json.loads(json.dumps(made_with))
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"can't write results into {self.path}: {error.strerror or error}") from error
        if (self.path / MANIFEST).exists():
            manifest = read_manifest(self.path)
            refuse_difference(self.path, manifest["made_with"], made)
        else:
            manifest = {"made_with": made, "sessions": []}
        session = {"started": provenance.now(), "command": provenance.command(), "machine": provenance.machine()}
        manifest["sessions"].append({**session, "versions": provenance.versions()})
        write_json(self.path / MANIFEST, manifest)
        drop_torn_line(self.path / ROWS)
        self._rows = {str(row["id"]): row for row in read_rows(self.path)}

    @property
    def rows(self) -> list[dict[str, Any]]:
        """All rows, in the order in which they came."""
        return list(self._rows.values())

    def __contains__(self, identity: str) -> bool:
        """Whether the row of this id is done."""
        return identity in self._rows and not self._rows[identity].get("error")

    def append(self, row: Mapping[str, Any]) -> None:
        """Put a row on disk.

        Raises:
            RunError: the row of this id is done.
            StoreError: it can't be written.
        """
        if str(row["id"]) in self:
            raise RunError(f"{self.path} already has a row {row['id']!r}: ids must differ")
        append_line(self.path / ROWS, row)
        self._rows[str(row["id"])] = json.loads(json.dumps(row))  # as it will be read back


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """The complete rows of a folder, the last of each id.

    Raises:
        RunError: a line in the middle is damaged; says which.
    """
    return list(dict(read_lines(folder / ROWS, lambda row: (str(row["id"]), row))).values())


def read_manifest(folder: Path) -> dict[str, Any]:
    """What a folder's rows were made with.

    Raises:
        RunError: there is no manifest, or it can't be read.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text("utf-8"))
        return {"made_with": manifest["made_with"], "sessions": list(manifest["sessions"])}
    except FileNotFoundError:
        raise RunError(f"{folder} has no results: there is no {MANIFEST}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} can't be read: {error!r}") from error
