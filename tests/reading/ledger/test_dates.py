"""Where the date of a source is told, and where none is."""

from __future__ import annotations

import pytest

from pansophy.reading.ledger.dates import date_of


@pytest.mark.parametrize(
    ("name", "metadata", "head", "date"),
    [
        ("2024-05-01-memo.txt", {}, "", "2024-05-01"),
        ("log/20231201.md", {}, "", "2023-12-01"),
        ("minutes-2023-07.md", {}, "", "2023-07"),
        ("report-1999.pdf", {}, "", "1999"),
        ("memo.txt", {"Date": "Tue, 3 Mar 2024 10:00:00 +0000"}, "", "2024-03-03"),
        ("2024-05-01.txt", {"published": "2025-01-02T03:04:05Z"}, "", "2025-01-02"),
        ("memo.txt", {"timestamp": "1700000000"}, "", "2023-11-14"),
        ("memo.txt", {"year": "1987"}, "", "1987"),
        ("memo.txt", {}, "# Minutes\nDate: 5 May 2023\nThose present", "2023-05-05"),
        ("memo.txt", {}, "The harbour\n\nMarch 5, 2021\n", "2021-03-05"),
        ("memo.txt", {}, "2021年3月5日\n", "2021-03-05"),
        ("memo.txt", {}, "Published on 3rd of June, 2020", "2020-06-03"),
        ("memo.txt", {}, "Updated May 2020", "2020-05"),
        ("letter-2023.txt", {}, "Date: 4 June 2023\n", "2023-06-04"),
        ("letter-2023.txt", {}, "Date: 4 June 1923\n", "2023"),
    ],
)
def test_told(name: str, metadata: dict[str, str], head: str, date: str) -> None:
    assert date_of(name, metadata, head) == date


@pytest.mark.parametrize(
    ("name", "metadata", "head"),
    [
        ("memo.txt", {}, "In March 2020 we sailed."),
        ("memo.txt", {"author": "2020"}, ""),
        ("memo.txt", {"date": "soon"}, ""),
        ("part-12.txt", {}, ""),
        ("id-201945873.txt", {}, ""),
        ("memo.txt", {}, "x" * 700 + "\nDate: 5 May 2023"),
        ("2024-13-45.txt", {"date": "31 February 2024"}, ""),
    ],
)
def test_not_told(name: str, metadata: dict[str, str], head: str) -> None:
    assert date_of(name, metadata, head) in ("", "2024")
    if "2024" not in name:
        assert date_of(name, metadata, head) == ""
