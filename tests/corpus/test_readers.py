"""Every format becomes text, and what can't says why."""

from __future__ import annotations

import codecs
import json
import os

import formats
import pytest
from formats import SENTENCE

from pansophy.corpus.readers import read_bytes, read_file
from pansophy.errors import SourceError


def read(path):
    return [(draft.name, draft.title, "".join(draft.pieces)) for draft in read_file(path)]


def write(folder, name, data):
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


@pytest.mark.parametrize("kind", ["docx", "epub", "pptx", "xlsx", "pdf", "html"])
def test_a_document_of_each_format_is_read(tmp_path, kind):
    path = write(tmp_path, f"keeper.{kind}", getattr(formats, kind)())
    [(_, title, text)] = read(path)
    assert SENTENCE in text
    assert "hidden" not in text
    assert title


def test_the_title_of_a_web_page_and_of_a_book_is_their_own(tmp_path):
    assert read(write(tmp_path, "a.html", formats.html()))[0][1] == "The Keeper"
    assert read(write(tmp_path, "b.epub", formats.epub(title="Lamps")))[0][1] == "Lamps"


@pytest.mark.parametrize("name", ["a.txt", "a.py", "a.csv", "a.rst", "a.log", "a", "a.tex", "a.json5"])
def test_text_of_any_kind_is_read_as_it_stands(tmp_path, name):
    text = "first line\r\nsecond,line\n\ttab é 海\n"
    assert read(write(tmp_path, name, text))[0][2] == text


@pytest.mark.parametrize(
    ("bom", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
    ],
)
def test_a_byte_order_mark_tells_the_encoding_and_is_no_text(tmp_path, bom, encoding):
    text = "Das Leuchtfeuer brannte für Åsa. 灯台。\n"
    assert read(write(tmp_path, "a.txt", bom + text.encode(encoding)))[0][2] == text


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Der Wärter öffnete die Tür, während draußen das Meer über die Klippen schlug. " * 5),
        ("gb18030", "灯塔看守人在三月的一个夜晚点亮了灯，海面上起了大雾，船只都在等待。" * 8),
        ("shift_jis", "灯台守は三月の夜に灯をともした。海には深い霧がかかり、船は待っていた。" * 8),
        ("koi8_r", "Смотритель маяка зажёг лампу мартовской ночью, и над морем стоял туман. " * 5),
    ],
)
def test_an_encoding_without_a_mark_is_guessed(tmp_path, encoding, text):
    assert read(write(tmp_path, "a.txt", text.encode(encoding)))[0][2] == text


def test_a_stray_byte_late_in_a_large_file_does_not_stop_it(tmp_path):
    text = b"The keeper wrote the log. " * 60_000 + b"caf\xe9. " + b"Then he slept. " * 100
    [(_, _, read_text)] = read(write(tmp_path, "a.txt", text))
    assert read_text.startswith("The keeper wrote the log.")
    assert len(read_text) == len(text)


def test_json_lines_are_one_document_each(tmp_path):
    lines = [
        {"id": "k1", "title": "Lamps", "text": "Of oil.", "year": 1887},
        {"contents": "Of wicks."},
        {"id": "k1", "text": "Again."},
    ]
    path = write(tmp_path, "a.jsonl", "\n".join(json.dumps(line) for line in lines) + "\n")
    assert read(path) == [("k1", "Lamps", "Of oil."), ("2", "a 2", "Of wicks."), ("k1@3", "a k1", "Again.")]
    assert next(iter(read_file(path))).metadata == {"id": "k1", "title": "Lamps", "year": "1887"}


@pytest.mark.parametrize("text", ['{"text": "a"}\nnot json\n', '{"text": "a"}\n[1]\n', '{"text": "a"}\n{"n": 1}\n'])
def test_json_lines_that_are_not_all_texts_are_read_as_they_stand(tmp_path, text):
    assert read(write(tmp_path, "a.jsonl", text)) == [("", "a", text)]


def test_json_is_read_with_its_letters(tmp_path):
    assert "灯塔" in read(write(tmp_path, "a.json", '{"name": "\\u706f\\u5854"}'))[0][2]
    assert read(write(tmp_path, "b.json", '{"n":  1}'))[0][2] == '{"n":  1}'


def test_the_title_of_markdown_is_its_first_heading(tmp_path):
    assert read(write(tmp_path, "a.md", "---\nx: 1\n---\n# The Keeper #\n\nText."))[0][1] == "The Keeper"
    assert read(write(tmp_path, "plain.md", "Text alone."))[0][1] == "plain"


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.txt", b"", "empty"),
        ("a.txt", b" \n\t \n", "white space"),
        ("a.pdf", b"", "empty"),
        ("a.bin", bytes(range(256)) * 20, "binary file"),
        ("a.txt", b"abc\x00def", "binary file"),
        ("a.doc", b"\xd0\xcf\x11\xe0" + bytes(100), "save it as .docx"),
        ("a.zip", b"PK\x03\x04" + bytes(100), "unpack it"),
        ("a.dat", formats.pdf(), "ending .pdf"),
        ("a.pdf", b"%PDF-1.4 not really", "can't be read as PDF"),
        ("a.pdf", formats.pdf(text=""), "recognition"),
        ("a.pdf", formats.pdf(encrypted=True), "password"),
        ("a.docx", b"\xd0\xcf\x11\xe0" + bytes(600), "password"),
        ("a.docx", b"PK\x03\x04broken", "can't be read as DOCX"),
        ("a.xlsx", b"nonsense", "can't be read as XLSX"),
        ("a.epub", formats.zipped({"x": "y"}), "can't be read as EPUB"),
    ],
)
def test_what_cannot_be_read_is_named_with_the_reason(tmp_path, name, data, said):
    path = write(tmp_path, name, data)
    with pytest.raises(SourceError, match=said) as caught:
        read(path)
    assert name in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SourceError, match=r"gone\.txt does not exist"):
        read(tmp_path / "gone.txt")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_forbidden_file_is_named(tmp_path):
    path = write(tmp_path, "a.txt", "x")
    path.chmod(0)
    with pytest.raises(SourceError, match="permission denied"):
        read(path)


def test_bytes_without_a_file_are_read_alike():
    assert "".join(read_bytes("# Lamps\n\nOf öl.".encode(), "standard input").pieces) == "# Lamps\n\nOf öl."
    assert SENTENCE in "".join(read_bytes(formats.pdf(), "standard input", ".pdf").pieces)
    with pytest.raises(SourceError, match="empty"):
        read_bytes(b" \n", "standard input")
