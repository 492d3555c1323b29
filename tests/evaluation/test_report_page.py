"""The page stands alone, holds every number of the tables, and shows names and predictions as text, never as markup."""

from __future__ import annotations

import json
import random
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from pansophy.cli.bench import app
from pansophy.errors import StoreError, UsageError
from pansophy.evaluation.report import Report, build_report
from pansophy.evaluation.rows import Row

EVIL = "<script>alert('x')</script>"
STRATEGIES = ("extagents", "top_k", EVIL)
SVG = "{http://www.w3.org/2000/svg}"


def rows(strategy: str, tokens: int, count: int, kinds: tuple[str, ...]) -> list[Row]:
    chance = random.Random(f"{strategy} {tokens}")
    return [
        Row(
            question_id=f"{kind}-{number}",
            prediction=f"{EVIL} & said {strategy}\ud800" if number else "kitchen",
            verdict="answered",
            kind=kind,
            score=float(chance.random() < 0.6),
            f1=chance.random(),
            prompt_tokens=chance.randint(300, 300 + tokens),
            seconds=chance.uniform(0.5, 40),
            error=None if number != 2 else "<b>broke off</b>",
        )
        for kind in kinds
        for number in range(count)
    ]


def bench(
    folder: Path,
    tokens: int | None,
    strategies: tuple[str, ...] = STRATEGIES,
    *,
    count: int = 3,
    kinds: tuple[str, ...] = ("qa1", "qa2"),
    models: tuple[str, ...] = ("gguf:" + "ab" * 32,),
    name: str | None = None,
    **more: object,
) -> Path:
    """A bench folder as the runner writes it."""
    folder.mkdir(parents=True)
    entries = {}
    for number, strategy in enumerate(strategies):
        made = rows(strategy, tokens or 0, count, kinds)
        (folder / f"{number}.jsonl").write_text("".join(json.dumps(row.to_dict()) + "\n" for row in made))
        entries[strategy] = {
            "fingerprint": "f" * 64,
            "settings": {"rounds": EVIL},
            "models": list(models),
            "file": f"{number}.jsonl",
            "questions": [row.question_id for row in made] or ["q"],
        }
    session = {
        "started": "2026-01-01T00:00:00+00:00",
        "command": ["pansophy", "bench", f"`{EVIL}`"],
        "machine": {"processor": "Abacus", "cores": 2, "memory_gib": 1.5},
        "versions": {"python": "3.11.7", "openai": "not installed"},
    }
    data = {
        "name": name or f"babilong-{tokens}",
        "sha256": f"{tokens}".rjust(64, "0"),
        "scorer": "hotpotqa",
        "score": "babilong-1",
        "questions": 6,
        "documents": 0,
        "characters": 0,
    }
    manifest = {
        "format": 1,
        "dataset": {**data, **more},
        "seed": 7,
        "strategies": entries,
        "sessions": [session],
        "benchmark": {"name": "babilong", "tokens": tokens},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, and the text outside of the style sheet."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += f"{data} "

    def names(self) -> set[str]:
        return {name for name, _ in self.elements}


@pytest.fixture
def report(tmp_path: Path) -> Report:
    return build_report([bench(tmp_path / str(length), length) for length in (128_000, 8_000, 32_000)], resamples=50)


def plots(page: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(found) for found in re.findall(r"<svg [^>]*role=\"img\".*?</svg>", page, re.DOTALL)]


def test_the_page_is_well_formed_and_loads_nothing(report: Report) -> None:
    page = Page(report.html())
    assert page.open == []
    assert not page.names() & {"script", "link", "img", "iframe", "object", "a", "form"}
    assert not any(
        key.startswith("on") or key in ("src", "href") for _, attributes in page.elements for key in attributes
    )
    assert "url(" not in report.html()
    assert "@import" not in report.html()
    policy = next(attributes for _, attributes in page.elements if "http-equiv" in attributes)
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'"


def test_names_predictions_errors_and_settings_are_shown_as_text(report: Report) -> None:
    page = Page(report.html())
    for shown in (EVIL, f"{EVIL} & said top_k\ufffd", "<b>broke off</b>", f"rounds={EVIL}", f"`{EVIL}`"):
        assert shown in page.text
    assert "b" not in page.names()
    assert "<script" not in report.svg()
    assert "<script" not in re.sub("`[^`]*`", "", report.markdown())  # in code it is text


def test_every_number_of_the_tables_stands_on_the_page(report: Report) -> None:
    shown = Page(report.html()).text
    cells = {
        cell.strip() for line in report.markdown().splitlines() if line.startswith("| ") for cell in line.split("|")
    }
    numbers = {cell for cell in cells if re.match(r"[+-]?\d", cell)}
    assert len(numbers) > 50
    assert [number for number in numbers if number not in shown] == []


def test_every_plot_is_well_formed_named_and_described(report: Report) -> None:
    found = plots(report.html())
    titles = [plot.findtext(f"{SVG}title") for plot in found]
    assert titles[:5] == [
        "babilong, all questions",
        "babilong, qa1",
        "babilong, qa2",
        "babilong, prefilled tokens",
        "babilong, seconds",
    ]
    assert len(found) == 5 + 2 * 3  # and quality against two costs at three lengths
    assert all("strategies" in (plot.findtext(f"{SVG}desc") or "") for plot in found)
    identities = [element.attrib["id"] for plot in found for element in plot.iter() if "id" in element.attrib]
    assert len(identities) == len(set(identities)) == 2 * len(found)
    for plot in found:
        for name in plot.attrib["aria-labelledby"].split():
            assert name in identities


def test_benches_of_one_benchmark_stand_in_the_order_of_their_lengths(report: Report) -> None:
    assert list(report.manifests) == ["8000", "32000", "128000"]
    (sweep,) = report.sweeps()
    assert (sweep.benchmark, sweep.unit, sweep.lengths, sweep.kinds) == (
        "babilong",
        "tokens",
        (8_000, 32_000, 128_000),
        ("qa1", "qa2"),
    )
    assert [series.label for series in sweep.series] == list(STRATEGIES)


def test_the_score_by_length_is_a_table_of_its_own(report: Report) -> None:
    means = [100 * line.scores["score"].mean for line in report.strategies if line.strategy == "top_k"]
    line = next(line for line in report.markdown().splitlines() if line.startswith("| top_k | "))
    assert "| Strategy | 8k | 32k | 128k |" in report.markdown()
    assert [float(cell.split()[0]) for cell in line.split("|")[2:5]] == pytest.approx(means, abs=0.05)


def test_older_folders_tell_their_length_by_the_name_of_what_was_generated(tmp_path: Path) -> None:
    folders = [bench(tmp_path / name, None, name=f"ruler-{name}") for name in ("4k", "1M")]
    folders.append(bench(tmp_path / "own", None, name="questions-100", documents=3, characters=900))
    for folder in folders:
        manifest = json.loads((folder / "manifest.json").read_text())
        del manifest["benchmark"]
        (folder / "manifest.json").write_text(json.dumps(manifest))
    ruler, own = build_report(folders, resamples=20).sweeps()
    assert (ruler.benchmark, ruler.unit, ruler.lengths) == ("ruler", "tokens", (4_000, 1_000_000))
    assert (own.benchmark, own.unit, own.lengths) == ("questions-100", "characters", (900,))


def test_several_models_and_repeated_benches_are_lines_of_their_own(tmp_path: Path) -> None:
    folders = [
        bench(tmp_path / "a", 8_000, ("direct",), models=("small",)),
        bench(tmp_path / "b", 8_000, ("direct",), models=("large",)),
        bench(tmp_path / "c", 8_000, ("direct",), models=("large",)),
    ]
    (sweep,) = build_report(folders, resamples=20).sweeps()
    assert [series.label for series in sweep.series] == ["direct, small", "direct, large", "direct, large (2)"]


def test_a_bench_of_one_strategy_and_one_length_has_a_page(tmp_path: Path) -> None:
    report = build_report([bench(tmp_path / "a", 0, ("direct",), count=1, kinds=("qa1",))], resamples=20)
    page = report.html()
    assert plots(page) == []  # nothing to set against anything
    assert "1 strategy on babilong-0; 1 answer." in Page(page).text
    (panel,) = re.findall(r"<desc.*?</desc>", report.svg())
    assert "nan" not in report.svg().lower()
    assert "over texts of 0 to 0 tokens" in panel


def test_the_page_says_how_the_numbers_were_made_also_of_a_strategy_called_like_a_fact(tmp_path: Path) -> None:
    shown = Page(build_report([bench(tmp_path / "a", 8_000, ("Data", "Seed"))], resamples=20).html()).text
    said = re.sub(r"\s+", " ", shown[shown.index("Where the numbers come from") :])
    assert "Data babilong-8000 (6 questions, a text of 8,000 tokens each, sha256 000000000000) Rules hotpotqa" in said
    assert f"Seed 7 Machine Abacus, 2 cores, 1.5 GiB Versions python 3.11.7 Command pansophy bench `{EVIL}`" in said
    assert said.count("; fingerprint ffffffffffff") == 2


def test_a_hundred_strategies_fit(tmp_path: Path) -> None:
    names = tuple(f"strategy {number}" for number in range(100))
    folders = [bench(tmp_path / str(length), length, names, count=1, kinds=("qa1",)) for length in (8_000, 32_000)]
    report = build_report(folders, resamples=10)
    assert Page(report.html()).text.count("strategy 99") > 5
    root = ElementTree.fromstring(report.svg())
    _, _, width, height = map(int, root.attrib["viewBox"].split())
    places = [list(map(int, re.findall(r"\d+", found))) for found in re.findall(r'<g transform="(.*?)"', report.svg())]
    assert all(0 <= x < width and 0 <= y < height for x, y in places)


def test_a_strategy_without_results_is_left_out_with_a_note(tmp_path: Path) -> None:
    folder = bench(tmp_path / "a", 8_000, ("direct", "top_k"))
    (folder / "1.jsonl").unlink()
    report = build_report([folder], resamples=20)
    note = "a: top_k has no finished question yet and is left out."
    assert report.notes == (note,)
    assert note in report.markdown()
    assert note in Page(report.html()).text
    assert report.to_dict()["notes"] == [note]


def test_folders_of_one_name_are_told_apart_and_one_named_twice_counts_once(tmp_path: Path) -> None:
    folders = [bench(tmp_path / place / "x" / "run", 8_000, ("direct",)) for place in ("a", "b", "c")]
    report = build_report([*folders, folders[0]], resamples=20)
    assert list(report.manifests) == ["run", "x/run", "c/x/run"]


def test_the_page_is_the_same_every_time(tmp_path: Path) -> None:
    folder = bench(tmp_path / "a", 8_000)
    assert build_report([folder], resamples=20).html() == build_report([folder], resamples=20).html()


def test_a_report_is_saved_in_the_forms_that_the_endings_name(report: Report, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report.save(out / "a.html", out / "a.MD", out / "a.json", out / "a.svg", out / "folder")
    assert (out / "a.html").read_text("utf-8") == report.html()
    assert (out / "a.MD").read_text("utf-8") == (out / "folder" / "report.md").read_text("utf-8") == report.markdown()
    assert json.loads((out / "a.json").read_text()) == json.loads((out / "folder" / "report.json").read_text())
    assert ElementTree.fromstring((out / "a.svg").read_text("utf-8")).tag == f"{SVG}svg"
    assert sorted(path.name for path in out.iterdir()) == ["a.MD", "a.html", "a.json", "a.svg", "folder"]


def test_another_ending_is_refused_before_anything_is_written(report: Report, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"ending in \.html, \.md, \.json, \.svg, not page\.pdf"):
        report.save(tmp_path / "a.html", tmp_path / "page.pdf")
    assert not (tmp_path / "a.html").exists()


def test_a_place_that_cannot_be_written_is_a_clear_error(report: Report, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="can't write into"):
        report.save(tmp_path / "file" / "report.html")


def test_a_figure_needs_texts_of_a_known_length(tmp_path: Path) -> None:
    report = build_report([bench(tmp_path / "a", None, ("direct",), name="mine")], resamples=20)
    with pytest.raises(UsageError, match="no bench here has texts of a known length"):
        report.save(tmp_path / "figure.svg")


def test_the_command_writes_each_form_that_is_asked_for(tmp_path: Path) -> None:
    folders = [str(bench(tmp_path / str(length), length)) for length in (8_000, 32_000)]
    options = ["-o", str(tmp_path / "r.html"), "-o", str(tmp_path / "r.svg")]
    result = CliRunner().invoke(app, ["report", *folders, *options])
    assert result.exit_code == 0, result.output
    assert "| Strategy | 8k | 32k |" in result.stdout
    assert (tmp_path / "r.html").read_text("utf-8").startswith("<!doctype html>")
    assert (tmp_path / "r.svg").exists()
    refused = CliRunner().invoke(app, ["report", *folders, "-o", str(tmp_path / "r.docx")])
    assert isinstance(refused.exception, UsageError)
