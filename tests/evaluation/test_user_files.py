"""Files of JSON lines that users give."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pansophy.errors import SourceError
from pansophy.evaluation.files import json_objects, text_of

texts = st.text(st.characters(codec="utf-8"), max_size=20)
values = st.dictionaries(texts, texts, max_size=3)


@given(st.lists(values, max_size=6), st.booleans())
def test_every_object_comes_back_with_its_line_whatever_its_texts_hold(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str]], spaced: bool
) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    end = "\n\n" if spaced else "\n"
    text = "".join(json.dumps(row, ensure_ascii=False) + end for row in rows)
    path.write_text(text, "utf-8-sig")
    lines = [1 + number * len(end) for number in range(len(rows))]
    expected = [(line, f"{path}, line {line}", row) for line, row in zip(lines, rows, strict=True)]
    assert list(json_objects(path, "anything")) == expected


def test_a_unicode_line_separator_is_part_of_a_text(tmp_path: Path) -> None:
    row = {"question": "Who?\u2028And when?\x85"}
    (tmp_path / "a.jsonl").write_text(json.dumps(row, ensure_ascii=False) + "\n", "utf-8")
    assert [found for _, _, found in json_objects(tmp_path / "a.jsonl", "question")] == [row]


@pytest.mark.parametrize(
    ("text", "said"), [("{}\n\n{oops\n", "line 3 is no JSON"), ("[1]", r"line 1 is no object with a name: '\[1\]'")]
)
def test_a_broken_line_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.jsonl").write_text(text)
    with pytest.raises(SourceError, match=said):
        list(json_objects(tmp_path / "a.jsonl", "a name"))


def test_what_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"\xff\xfe\x00")
    for name, said in (("a.jsonl", "as UTF-8 text: .*byte 0xff"), ("none.jsonl", "No such file"), (".", "directory")):
        with pytest.raises(SourceError, match=f"can't be read.*{said}"):
            text_of(tmp_path / name)
