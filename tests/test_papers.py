"""Every system names its paper, `pansophy papers` lists them, and the page made from them is current."""

from __future__ import annotations

import importlib.util
import json
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from typer import Typer
from typer.testing import CliRunner

from pansophy.cli.papers import papers
from pansophy.papers import SYSTEM_MODULES, Paper, all_papers
from pansophy.reading.ask import STRATEGIES

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_strategy_is_a_listed_system() -> None:
    assert {place.partition(":")[0] for place in STRATEGIES.values()} <= set(SYSTEM_MODULES)


def test_every_paper_can_be_found_and_names_the_module_it_is_built_in() -> None:
    found = all_papers()
    assert len({paper.system for paper in found}) == len(found) == len(SYSTEM_MODULES)
    for paper in found:
        assert paper.title
        assert paper.authors
        assert paper.url.startswith("https://arxiv.org/abs/2")
        assert paper == import_module(paper.module).PAPER


@pytest.mark.parametrize(
    ("year", "venue", "published"),
    [(2024, "", "2024"), (2024, "NeurIPS 2024", "NeurIPS 2024"), (2024, "ACL 2025", "2024; ACL 2025")],
)
def test_the_year_is_told_once(year: int, venue: str, published: str) -> None:
    assert Paper("s", "t", "a", year, "", "m", venue).published == published


def run(*arguments: str) -> str:
    app = Typer()
    app.command()(papers)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_lists_every_system_with_its_source() -> None:
    printed = run()
    for paper in all_papers():
        assert paper.system in printed
        assert paper.module in printed
        assert paper.url in printed


def test_the_command_prints_json() -> None:
    entries = json.loads(run("--json"))
    assert [entry["system"] for entry in entries] == [paper.system for paper in all_papers()]
    assert entries[0]["url"] == all_papers()[0].url


def test_the_page_of_papers_is_current(generate: ModuleType) -> None:
    written = (ROOT / "docs" / "papers.md").read_text("utf-8")
    assert written == generate.papers_page(), "run python docs/generate.py"


def test_the_page_of_benchmarks_and_its_pictures_are_current(generate: ModuleType) -> None:
    for path, page in generate.benchmark_pages().items():
        assert path.read_text("utf-8") == page, f"{path.name}: run python docs/generate.py"


def test_the_page_has_every_setting_with_its_default(generate: ModuleType) -> None:
    page = generate.papers_page()
    assert "| `rounds` | `None` | T, the rounds of seeking and reasoning" in page
    assert "| `max_chunks` | `5` | k, how many passages are read. | the paper trains with 5 or 10 passages |" in page


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[measured]]\nsystem = "Direct"\ndata = "x"', "an entry of Direct lacks metric, value, model, source"),
        (
            '[[reported]]\nsystem = "Oracle"\ndata = "x"\nmetric = "F1"\nvalue = 1\nmodel = "m"\nsource = "s"',
            "there is no system 'Oracle'",
        ),
    ],
)
def test_numbers_without_their_context_are_refused(generate: ModuleType, tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "numbers.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=words):
        generate.read_numbers(path, {"Direct"})
