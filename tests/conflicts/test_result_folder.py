"""A folder of results keeps what is done, takes failures back, and refuses what doesn't belong."""

from __future__ import annotations

from pathlib import Path

import pytest

from pansophy.conflicts.results import MANIFEST, ROWS, ResultFolder, read_manifest, read_rows
from pansophy.errors import RunError, StoreError

MADE = {"model": "toy", "settings": {"samples": 2}}


def test_a_failure_is_replaced_and_what_is_done_is_not(tmp_path: Path) -> None:
    folder = ResultFolder(tmp_path / "new" / "place", MADE)
    folder.append({"id": "a", "error": "broke"})
    folder.append({"id": "b", "value": (1, 2)})
    assert "a" not in folder
    assert "b" in folder
    folder.append({"id": "a", "error": None, "value": 3})
    with pytest.raises(RunError, match="'b'"):
        folder.append({"id": "b", "value": 4})
    expected = [{"id": "a", "error": None, "value": 3}, {"id": "b", "value": [1, 2]}]
    assert folder.rows == read_rows(folder.path) == ResultFolder(folder.path, MADE).rows == expected


def test_what_was_made_in_another_way_is_refused_with_the_difference(tmp_path: Path) -> None:
    ResultFolder(tmp_path, MADE)
    with pytest.raises(RunError, match=r"settings\.samples"):
        ResultFolder(tmp_path, {**MADE, "settings": {"samples": 3}})
    ResultFolder(tmp_path, MADE)
    assert len(read_manifest(tmp_path)["sessions"]) == 2


def test_a_torn_last_line_is_lost_and_a_damaged_one_is_told(tmp_path: Path) -> None:
    ResultFolder(tmp_path, MADE).append({"id": "a"})
    with (tmp_path / ROWS).open("a") as file:
        file.write('{"id": "b"')
    assert ResultFolder(tmp_path, MADE).rows == [{"id": "a"}]
    (tmp_path / ROWS).write_text('{"id": "a"}\n{"value": 1}\n{"id": "c"}\n')
    with pytest.raises(RunError, match="line 2"):
        ResultFolder(tmp_path, MADE)


@pytest.mark.parametrize("text", ["", "[]", '{"made_with": {}}', '{"made_with": {}, "sessions": 3}'])
def test_a_damaged_manifest_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(RunError, match=MANIFEST):
        ResultFolder(tmp_path, MADE)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        ResultFolder(tmp_path / "file", MADE)
    with pytest.raises(RunError, match="no results"):
        read_manifest(tmp_path)
