"""The report on false texts: bars are as high as the rates, and folders find their counterparts."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pansophy.conflicts.mmkc import Form, Known, Setting, ask_items, build_items, detect_conflicts, score, write_report
from pansophy.conflicts.mmkc.page import panels, read_measured
from pansophy.conflicts.mmkc.plots import RATES, bars
from pansophy.conflicts.mmkc.scoring import KindScore
from pansophy.conflicts.outcomes import Outcome, answer_rates
from pansophy.errors import RunError, UsageError
from pansophy.evaluation.report.panels import BOTTOM, RIGHT, TOP

CITIES = ("Barana", "Dolovo", "Kimith", "Novurg", "Tesana", "Velovo")
ITEMS = build_items(
    [
        Known(f"k{n}", ("ER", "EK")[n % 2], "city", f"Capital of {n}?", CITIES[n % 6], f"{CITIES[n % 6]} governs {n}.")
        for n in range(12)
    ]
)
BY_QUESTION = {item.question: item for item in ITEMS}
Answers = Callable[[Sequence[Any]], str]


def reader(believes: float) -> Answers:
    """Knows every capital; believes the first false text about that share of them."""

    def answer(parts: Sequence[Any]) -> str:
        if "Say Yes" in parts[0]:
            return "Yes"
        item = BY_QUESTION[parts[-1].split("\n")[0]]
        told = len(parts) > 1 and ITEMS.index(item) < believes * len(ITEMS)
        return f"({item.letter(item.conflicts[0] if told else item.answer)})"

    return answer


async def folders(place: Path, model: str, believes: float) -> list[Path]:
    made = []
    for setting in Setting:
        made.append(place / f"{model}-{setting}")
        await ask_items(reader(believes), ITEMS, setting, made[-1], model=model)
    return made


def rects(svg: str) -> list[ET.Element]:
    return ET.fromstring(svg).findall(".//{http://www.w3.org/2000/svg}rect")


def test_a_bar_is_as_high_as_its_rate() -> None:
    outcomes = [Outcome.MEMORY] * 5 + [Outcome.CONTEXT] * 3 + [Outcome.OTHER] * 2
    empty = KindScore(answer_rates([Outcome.OTHER]), 0, 3, 0, 0)
    panel = bars("Toy", {"ER": KindScore(answer_rates(outcomes), 10, 0, 0, 0), "none": empty})
    found = rects(panel.svg("plot"))
    assert [float(one.get("height", "")) for one in found] == pytest.approx(
        [share * (BOTTOM - TOP) for share in (0.5, 0.3, 0.2)], abs=0.1
    )
    assert [name in panel.drawing for name in RATES] == [True] * 3
    assert "ER, CAR: 30.0 [" in panel.drawing
    edges = [float(one.get("x", "")) + float(one.get("width", "")) for one in found]
    assert edges == sorted(edges)
    assert edges[-1] < RIGHT


def test_long_names_are_cut_and_told_in_full() -> None:
    rates = KindScore(answer_rates([Outcome.OTHER]), 1, 0, 0, 0)
    drawing = bars("<Toy>", {f"a <model> of a very long name {n}": rates for n in range(4)}).svg("plot")
    ET.fromstring(drawing)
    assert "&lt;Toy&gt;" in drawing
    assert "<title>a &lt;model&gt; of a very long name 3</title>" in drawing
    assert "…" in drawing


async def test_models_stand_side_by_side_and_each_by_kind(tmp_path: Path) -> None:
    made = [*await folders(tmp_path, "firm", 0.0), *await folders(tmp_path, "yielding", 0.5)]
    measured, _ = read_measured(made)
    assert [panel.title for panel in panels(measured)] == [
        "One false text, choice",
        "Two texts that disagree, choice",
        *(f"{told}, choice: {model}" for model in ("firm", "yielding") for told in SETTINGS_TOLD),
    ]
    both = panels(measured)[0].drawing
    assert "firm, OAR: 100.0" in both
    assert "yielding, CAR: 50.0" in both
    alone, _ = read_measured(made[:3])
    assert [panel.title for panel in panels(alone)] == [f"{told}, choice: firm" for told in SETTINGS_TOLD]
    assert "EK, OAR" in panels(alone)[0].drawing


SETTINGS_TOLD = ("One false text", "Two texts that disagree")


async def test_the_report_has_bars_and_tables_and_no_facts(tmp_path: Path) -> None:
    made = await folders(tmp_path, "yielding", 0.5)
    rows = await detect_conflicts(reader(0), ITEMS, tmp_path / "detection", model="yielding")
    assert all(row["said"] is False for row in rows)
    names = {"yielding": "a <soft> model"}
    markdown = write_report([*made, tmp_path / "detection"], tmp_path / "report", names=names)
    page = (tmp_path / "report" / "report.html").read_text("utf-8")
    assert (tmp_path / "report" / "report.md").read_text("utf-8") == markdown
    assert page.count("<figure>") == 2
    assert len(re.findall("<rect", page)) == 2 * 3 * 3  # two kinds and all, in two settings
    assert "Conflicts noticed" in page
    assert "a &lt;soft&gt; model" in page
    assert "## a <soft> model: one false text, choice\n" in markdown
    assert "yielding" not in page + markdown
    assert "own answer kept" in page
    assert "| all items | 50.0" in markdown
    assert not any(city in page for city in CITIES)
    assert "<script" not in page


async def test_the_numbers_are_those_of_the_scores(tmp_path: Path) -> None:
    made = await folders(tmp_path, "yielding", 0.5)
    (one, _), _ = read_measured(made)
    before = await ask_items(reader(0.5), ITEMS, Setting.ORIGINAL, made[0], model="yielding")
    after = await ask_items(reader(0.5), ITEMS, Setting.CONTEXT_MEMORY, made[1], model="yielding")
    assert one.score == score(before, after)


async def test_folders_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    original, single, _ = await folders(tmp_path, "firm", 0.0)
    with pytest.raises(UsageError, match="without a text"):
        read_measured([single])
    with pytest.raises(UsageError, match="same measurement"):
        read_measured([original, single, single])
    with pytest.raises(UsageError, match="nothing to report"):
        read_measured([original])
    with pytest.raises(RunError, match="no results"):
        read_measured([tmp_path])
    await ask_items(reader(0.0), ITEMS, Setting.CONTEXT_MEMORY, tmp_path / "open", model="firm", form=Form.OPEN)
    with pytest.raises(UsageError, match="without a text"):
        read_measured([original, tmp_path / "open"])
