"""Files that are broken, or made to do harm: a few hundred, the same ones every time."""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
from collections.abc import Iterator

from tests.corpus import formats

MEGABYTE = 1 << 20
MAKERS = {
    "docx": formats.docx,
    "xlsx": formats.xlsx,
    "pptx": formats.pptx,
    "epub": formats.epub,
    "pdf": formats.pdf,
    "html": formats.html,
}
ZIPPED = ("docx", "xlsx", "pptx", "epub")
LEAK = "leaked-by-an-entity"
"""What stands in the file that the documents try to have read."""


def broken() -> Iterator[tuple[str, bytes]]:
    """Every format cut off, with wrong bytes, empty, and under the name of another."""
    chance = random.Random(7)
    for ending, make in MAKERS.items():
        whole = make()
        for part in (1, 4, len(whole) // 3, len(whole) // 2, len(whole) - 1):
            yield f"cut-{part}.{ending}", whole[:part]
        for number in range(10):
            wrong = bytearray(whole)
            for _ in range(1 + number * 3):
                wrong[chance.randrange(len(wrong))] = chance.randrange(256)
            yield f"wrong-{number}.{ending}", bytes(wrong)
        yield f"empty.{ending}", b""
        yield f"noise.{ending}", chance.randbytes(2000)
        yield f"junk-before.{ending}", b"junk" * 50 + whole
        yield f"twice.{ending}", whole + whole
        for other in MAKERS.keys() - {ending}:
            yield f"really-{other}.{ending}", MAKERS[other]()


def bombs() -> Iterator[tuple[str, bytes]]:
    """Archives that are small and unpack to far more, or say something else than they hold."""
    zeros = bytes(20 * MEGABYTE + 0x23457)
    many = _packed({f"{number}": b"" for number in range(20_001)}, zipfile.ZIP_STORED)
    for ending in ZIPPED:
        good = MAKERS[ending]()
        bomb = _with_entry(good, "bomb.xml", zeros)
        yield f"bomb.{ending}", bomb
        yield f"liar.{ending}", _lying(bomb, "bomb.xml", len(zeros), 100)
        yield f"overlapping.{ending}", _overlapping(_with_entry(good, "part.xml", bytes(MEGABYTE)), 600)
        yield f"many-entries.{ending}", many
        yield f"encrypted.{ending}", _flagged(good)
        for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
            yield f"method-{method}.{ending}", _with_entry(good, "odd.xml", bytes(1000), method)
        yield f"outside.{ending}", _with_entry(good, "../../../../outside.txt", b"outside")
        yield f"nested.{ending}", _with_entry(good, "inner.zip", _with_entry(good, "bomb.xml", zeros))


def entities(path: str) -> Iterator[tuple[str, bytes]]:
    """Documents whose XML wants the file at `path`, an address, or memory without end."""
    for ending, part in (("docx", "word/document.xml"), ("epub", "c.xhtml"), ("xlsx", "xl/workbook.xml")):
        plain = MAKERS[ending]()
        text = zipfile.ZipFile(io.BytesIO(plain)).read(part).decode()
        body = text.partition("?>")[2] if text.startswith("<?xml") else text
        kinds = {
            "file": f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{path}">]>',
            "address": '<!DOCTYPE x [<!ENTITY e SYSTEM "http://127.0.0.1:9/">]>',
            "outer": f'<!DOCTYPE x SYSTEM "file://{path}">',
            "laughs": "<!DOCTYPE x [<!ENTITY a '" + "ha" * 50 + "'>"
            + "".join(f"<!ENTITY {new} '{f'&{old};' * 10}'>" for old, new in zip("abcdefgh", "bcdefghe", strict=True))
            + "]>",
        }  # fmt: skip
        for kind, doctype in kinds.items():
            wanting = body.replace(formats.SENTENCE, f"{formats.SENTENCE} &e;")
            yield f"entity-{kind}.{ending}", _replaced(plain, part, f'<?xml version="1.0"?>{doctype}{wanting}')


def texts() -> Iterator[tuple[str, bytes]]:
    """Text in encodings that it doesn't say, and what only looks like text."""
    words = "Der Wächter löschte die Lampe. 灯台の光が消えた。 "
    for encoding in ("utf-16-le", "utf-16-be", "utf-32-le", "shift_jis", "gb18030", "utf-7", "cp1252", "iso2022_jp"):
        yield f"as-{encoding}.txt", words.encode(encoding, "replace") * 20
    yield "surrogates.txt", words.encode() + "\ud800\udfff".encode("utf-8", "surrogatepass")
    yield "overlong.txt", words.encode() + b"\xc0\xaf\xe0\x80\xaf\xf8\x88\x80\x80\x80"
    yield "bom-only.txt", b"\xef\xbb\xbf"
    yield "bom-wrong.txt", b"\xff\xfe" + b"odd"
    yield "white.txt", b" \n\t" * 100
    yield "nul.txt", b"a\x00b" * 100
    yield "controls.txt", bytes(range(32)) * 40
    yield "bidi.txt", "\u202edaer siht\u202c \u200b\u2066".encode()
    yield "one-line.txt", b"word " * 100_000
    yield "no-space.txt", b"x" * 500_000
    yield "deep.json", b'["\\u0041",' + b"[" * 100_000 + b"]" * 100_000 + b"]"
    yield "deep.jsonl", b"[" * 100_000 + b"]" * 100_000 + b"\n"
    yield "odd.jsonl", json.dumps({"text": "fine", "id": "../../x"}).encode() + b"\n"
    yield "half.jsonl", b'{"text": "fine"}\n{"text": \n'
    yield "huge-number.json", b"[" + b"9" * 10_000 + b', "\\u0041"]'
    yield "formula.csv", b"=cmd|' /C calc'!A0,1\n"
    yield "script.html", b"<script>alert(1)</script><p onclick=alert(2)>It says hello.</p>"
    yield "deep.html", b"<div>" * 5_000
    yield "script.md", b"# <img src=x onerror=alert(1)>\n\n[x](javascript:alert(1))"
    yield "picture.svg", b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
    magic = {
        "exe": b"MZ\x90\x00\x03",
        "elf": b"\x7fELF\x02\x01",
        "png": b"\x89PNG\r\n\x1a\n",
        "gz": b"\x1f\x8b\x08\x00",
    }
    for kind, head in magic.items():
        yield f"a-{kind}.txt", head + bytes(range(256)) * 8
        yield f"a.{kind}", head + bytes(range(256)) * 8
    yield "old.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
    yield (
        "endless.pdf",
        b"%PDF-1.4\n1 0 obj\n<< /Type /Pages /Kids [1 0 R] /Count 9 >>\nendobj\ntrailer << /Root 1 0 R >>",
    )
    yield "script.pdf", formats.pdf().replace(b"/Catalog", b"/Catalog /OpenAction << /S /JavaScript /JS (x) >>")


NAMES = (
    *("../up.txt", "..", "a/../../up.txt", "/etc/cron.d/up.txt", "//server/share/up.txt", "a//b.txt", "a/./b.txt"),
    *("..\\up.txt", "C:\\up.txt", "C:up.txt", "\\\\server\\up.txt", "a\\..\\..\\up.txt", "~/up.txt", "~root/up.txt"),
    *("nul\x00.txt", "new\nline.txt", "\x1b[31mred.txt", "rtl\u202etxt.exe", "zero\u200bwidth.txt", ".. /up.txt", " "),
    *("a/", "/", "x" * 401 + ".txt", "del\x7f.txt", "./../up.txt", "a/ ../up.txt"),
)


def everything(path: str) -> dict[str, bytes]:
    """All of them, by name."""
    return dict([*broken(), *bombs(), *entities(path), *texts()])


def _entries(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _packed(entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _with_entry(data: bytes, name: str, content: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    return _packed({**_entries(data), name: content}, method)


def _replaced(data: bytes, name: str, text: str) -> bytes:
    return _packed({**_entries(data), name: text.encode()})


def _lying(data: bytes, name: str, size: int, told: int) -> bytes:
    """The entry says, in both its headers, that it is of another size."""
    before, after = struct.pack("<I", size), struct.pack("<I", told)
    assert data.count(before) == 2, name
    return data.replace(before, after)


def _overlapping(data: bytes, times: int) -> bytes:
    """The directory names its last entry many times: each is unpacked from the same few bytes."""
    end = data.rindex(b"PK\x05\x06")
    count, size, offset = struct.unpack("<HII", data[end + 10 : end + 20])
    last = data[data.rindex(b"PK\x01\x02", 0, end) : end]
    directory = data[offset : offset + size] + last * times
    return (
        data[:offset]
        + directory
        + struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count + times, count + times, len(directory), offset, 0)
    )


def _flagged(data: bytes) -> bytes:
    """Every entry says that it is encrypted."""
    wrong = bytearray(data)
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = wrong.find(signature)
        while at >= 0:
            wrong[at + place] |= 1
            at = wrong.find(signature, at + 4)
    return bytes(wrong)
