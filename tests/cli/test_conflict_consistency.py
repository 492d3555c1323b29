"""`pansophy conflict consistency`: pages are read from a file, a model is trained on them and measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conflicts.pages import forms, tiny_llava
from typer.testing import CliRunner

from pansophy.cli.main import app
from pansophy.conflicts.consistency.files import read_pages
from pansophy.errors import SourceError

SMALL = ("--batch", "8", "--rank", "2", "--learning-rate", "0.01")


def written(folder: Path) -> Path:
    """The forms as a file with their images beside it."""
    pages, questions = forms(folder)
    rows = [
        {
            "id": page.id,
            "image": page.image.name,
            "lines": [{"text": line.text, "box": line.box} for line in page.lines],
            "questions": [{"id": one.id, "question": one.question, "answers": one.answers}],
        }
        for page, one in zip(pages, questions, strict=True)
        if page.image is not None
    ]
    path = folder / "pages.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["conflict", "consistency", *map(str, arguments)])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    assert read_pages(written(tmp_path)) == forms(tmp_path)


def test_a_model_is_trained_and_then_measured(tmp_path: Path) -> None:
    model, data = tiny_llava(tmp_path / "model"), written(tmp_path)
    said = run("train", data, "-m", model, "-o", tmp_path / "out", *SMALL)
    assert "perception: 12 read, 12 which_text" in said
    assert "connector: 1/1, loss" in said
    last = tmp_path / "out" / "connector"
    assert f"trained: {last}" in said
    measured = run("measure", data, "-m", last, "-o", tmp_path / "rows")
    assert "| perception wrong |" in measured
    rows = [json.loads(line) for line in (tmp_path / "rows" / "rows.jsonl").read_text().splitlines()]
    assert len(rows) == 6
    assert run("measure", data, "-m", last, "-o", tmp_path / "rows") == measured


def test_the_samples_alone_load_no_torch(tmp_path: Path) -> None:
    page = {"id": "a", "lines": [{"text": "City: Doral"}, {"text": "State: Florida"}]}
    path = tmp_path / "pages.jsonl"
    path.write_text(json.dumps({**page, "questions": [{"question": "Which city?", "answers": ["Doral"]}]}))
    code = (
        "import sys; from pansophy.cli.main import app; "
        "app(sys.argv[1:], standalone_mode=False); sys.exit('torch' in sys.modules)"
    )
    command = ["conflict", "consistency", "train", str(path), "-o", str(tmp_path / "out"), "--build-only"]
    done = subprocess.run([sys.executable, "-c", code, *command], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "cognition: 1 answer, 1 which_answer" in done.stdout
    assert "in line 1" in (tmp_path / "out" / "material" / "perception.jsonl").read_text()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no pages"),
        ('{"id": "a"}', r"line 1 is no page .*lines"),
        ('{"id": "a", "lines": [], "questions": [{"question": "?", "answers": "x"}]}', "list of texts"),
        ('{"id": "a", "lines": [], "questions": []}\n' * 2, "'a' occurs more than once"),
        ('{"id": "a", "image": "no.png", "lines": [], "questions": []}', r"image .*no\.png"),
        ('{"id": "a", "image": "no.png", "lines": [{"text": "x"}], "questions": []}', "box"),
        ("nonsense", "line 1"),
    ],
)
def test_a_broken_file_is_told_by_its_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "pages.jsonl").write_text(text)
    with pytest.raises(SourceError, match=said):
        read_pages(tmp_path / "pages.jsonl")
