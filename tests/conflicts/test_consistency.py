"""C&P consistency: the rule, the two by two table, resuming, and training data that teach what they say."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.conflicts.samplers import Broken

from pansophy.conflicts.consistency import (
    BOX_FORMS,
    ConsistencySettings,
    CPConsistency,
    Line,
    Page,
    PageQuestion,
    build_stages,
    is_consistent,
    is_extractive,
    locate,
)
from pansophy.conflicts.consistency.marking import crop, mark
from pansophy.conflicts.results import ROWS
from pansophy.errors import RunError, SourceError, UsageError
from pansophy.evaluation.metrics import contains


@pytest.mark.parametrize(
    ("cognition", "perception", "consistent", "raw"),
    [
        ("Doral", "City: Doral", True, True),
        ("doral", "City:  DORAL", True, False),
        ("New  York", "in New\nYork", True, False),
        ("Doral", "Doraf", False, False),
        ("City: Doral", "Doral", False, False),
        ("", "Doral", False, False),
        (" ", "a b", False, False),
        ("Doral", "", False, False),
    ],
)
def test_the_answer_must_be_a_part_of_what_was_read(
    cognition: str, perception: str, consistent: bool, raw: bool
) -> None:
    assert is_consistent(cognition, perception) is consistent
    assert is_consistent(cognition, perception, raw=True) is raw


@given(st.text("ab ", max_size=6), st.text("ab ", max_size=6))
def test_only_equal_texts_are_consistent_both_ways(one: str, other: str) -> None:
    both = is_consistent(one, other, raw=True) and is_consistent(other, one, raw=True)
    assert both == (one == other and bool(one.strip()))


# ---- pages ----


def form(number: int) -> Page:
    """A form of five lines whose values differ."""
    source = random.Random(number)
    values = source.sample(range(1000, 9999), 5)
    names = ("Invoice", "Customer", "Order", "Receipt", "Branch")
    lines = [
        Line(f"{name}: {name[:2]}{value}", (40, 40 + 60 * at, 400, 80 + 60 * at))
        for at, (name, value) in enumerate(zip(names, values, strict=True))
    ]
    return Page(f"p{number}", tuple(lines), Path(f"{number}.png"), 500, 1000)


PAGES = [form(number) for number in range(200)]
QUESTIONS = [
    PageQuestion(f"q{number}", page.id, "What is the order number?", (page.lines[2].text.split(": ")[1],))
    for number, page in enumerate(PAGES)
]


def test_a_box_is_pointed_at_as_each_model_expects() -> None:
    page = Page("p", (Line("x", (50, 100, 250, 200)),), Path("p.png"), 500, 1000)
    pointed = {name: form(page, 0) for name, form in BOX_FORMS.items()}
    assert pointed == {
        "pixels": "box [50, 100, 250, 200]",
        "qwen": "<box>(100,100),(500,200)</box>",
        "internvl": "<box>[[100, 100, 500, 200]]</box>",
        "line": "line 1",
        "drawn": "the red rectangle",
    }
    with pytest.raises(UsageError, match="width and height"):
        Page("p", (), Path("p.png"))


@pytest.mark.parametrize(
    ("question", "answer", "extractive"),
    [
        ("What is the total?", "12", True),
        ("Who signed?", "Yes.", False),
        ("Is it signed by Ada?", "Ada", False),
        ("How many orders are there?", "3", False),
        ("Which is larger compared to B?", "A", False),
        ("Island of origin?", "Crete", True),
    ],
)
def test_what_cannot_be_copied_is_told_by_its_words(question: str, answer: str, extractive: bool) -> None:
    assert is_extractive(PageQuestion("q", "p", question, (answer,))) is extractive


def test_questions_are_located_or_dropped_with_the_reason() -> None:
    page = Page("p", (Line("Ada Lee"), Line("by Ada Lee"), Line("Adam")))
    asked = [
        PageQuestion("a", "p", "Who signed?", ("Bo", "ada lee")),
        PageQuestion("b", "p", "Who signed?", ("Ad",)),
        PageQuestion("c", "p", "Did she sign?", ("Ada",)),
        PageQuestion("d", "x", "Who signed?", ("Ada",)),
    ]
    (found,), dropped = locate([page], asked)
    assert (found.line, found.lines, found.answer) == (0, (0, 1), "ada lee")
    assert [one.question for one in dropped] == ["b", "c", "d"]
    assert "no line" in dropped[0].reason
    assert "copying" in dropped[1].reason
    assert "no page 'x'" in dropped[2].reason
    with pytest.raises(UsageError, match="ids"):
        locate([page, page], asked)


# ---- measuring ----


def reader(parts: Sequence[Any]) -> str:
    """Reads line 3 of every page right, but of p1 and p3; knows the order number of all but p2 and p3."""
    shown, asked = parts
    page = next(one for one in PAGES if str(one.image) == str(shown))
    number = page.lines[2].text.split(": ")[1]
    if "What text" in asked:
        return "smudge" if page.id in ("p1", "p3") else page.lines[2].text
    return "smudge" if page.id in ("p2", "p3") else number


async def test_pairs_are_counted_by_what_is_right(tmp_path: Path) -> None:
    found = await CPConsistency(reader, model="toy").measure(PAGES[:8], QUESTIONS[:10], tmp_path)
    assert found.cells == {(True, True): 5, (False, True): 1, (True, False): 1, (False, False): 1}
    assert found.consistent_cells == {(True, True): 5, (False, False): 1}  # both smudged alike: consistent and wrong
    assert found.consistency.mean == found.raw_consistency.mean == 6 / 8
    assert found.cognition.mean == 6 / 8
    assert [row["id"] for row in found.conflicts] == ["q1", "q2"]
    assert found.conflicts[0]["box"] == [40, 160, 400, 200]
    assert [one.question for one in found.dropped] == ["q8", "q9"]
    assert found.table().lines == (
        ("perception right", "5 of 5", "0 of 1"),
        ("perception wrong", "0 of 1", "1 of 1"),
    )


async def test_a_broken_measurement_goes_on_to_the_same_rows(tmp_path: Path) -> None:
    asked = 0

    def breaks(parts: Sequence[Any]) -> str:
        nonlocal asked
        asked += 1
        if asked > 7:
            raise Broken
        return reader(parts)

    with pytest.raises(Broken):
        await CPConsistency(breaks, model="toy").measure(PAGES[:8], QUESTIONS[:8], tmp_path / "broken")
    told: list[Any] = []
    resumed = await CPConsistency(reader, model="toy").measure(
        PAGES[:8], QUESTIONS[:8], tmp_path / "broken", on_progress=told.append
    )
    whole = await CPConsistency(reader, model="toy").measure(PAGES[:8], QUESTIONS[:8], tmp_path / "whole")
    assert len(told) == 5
    assert resumed == whole
    assert (tmp_path / "broken" / ROWS).read_bytes() == (tmp_path / "whole" / ROWS).read_bytes()
    with pytest.raises(RunError, match="model"):
        await CPConsistency(reader, model="other").measure(PAGES[:8], QUESTIONS[:8], tmp_path / "whole")


async def test_a_page_of_text_is_read_by_its_lines(tmp_path: Path) -> None:
    page = Page("p", (Line("Ada wrote it"), Line("in Bath")))

    async def copies(parts: Sequence[Any]) -> str:
        shown, asked = parts
        if "line" not in asked:
            return "bath"
        number = int(asked.split("line ")[1].split("?")[0])
        return str(shown.splitlines()[number - 1]).partition(": ")[2]

    measure = CPConsistency(copies, model="toy", box_form="line").measure
    found = await measure([page], [PageQuestion("q", "p", "Where was it written?", ("Bath",))], tmp_path)
    assert (found.consistency.mean, found.raw_consistency.mean) == (1, 0)
    with pytest.raises(UsageError, match="no question"):
        await measure([page], [PageQuestion("q", "p", "Where?", ("Rome",))], tmp_path / "none")
    with pytest.raises(UsageError, match="box form"):
        CPConsistency(copies, model="toy", box_form="circle")


async def test_a_rectangle_is_drawn_around_what_is_to_be_read(tmp_path: Path) -> None:
    place = tmp_path / "page.png"
    Image.new("RGB", (100, 60), (255, 255, 255)).save(place)
    page = Page("p", (Line("Bath", (20, 20, 60, 40)),), place, 100, 60)
    red: list[set[tuple[int, int]]] = []

    def sees(parts: Sequence[Any]) -> str:
        with Image.open(parts[0]) as image:
            spots = {(x, y) for x in range(100) for y in range(60) if image.getpixel((x, y)) == (255, 0, 0)}
        red.append(spots)
        return "Bath" if spots or "Where" in parts[1] else "nothing"

    measure = CPConsistency(sees, model="toy", box_form="drawn").measure
    found = await measure([page], [PageQuestion("q", "p", "Where was it?", ("Bath",))], tmp_path / "out")
    assert found.consistency.mean == 1
    asked, marked = red
    assert asked == set()
    assert (min(marked), max(marked)) == ((17, 17), (63, 43))
    assert not any(20 <= x < 60 and 20 <= y < 40 for x, y in marked)  # nothing of the text is covered


def test_a_box_is_cut_out_of_its_page(tmp_path: Path) -> None:
    place = tmp_path / "page.png"
    Image.new("RGB", (100, 60), (9, 9, 9)).save(place)
    page = Page("p", (Line("Bath", (20, 20, 60, 40)),), place, 100, 60)
    crop(page, 0, tmp_path / "cut.png")
    with Image.open(tmp_path / "cut.png") as image:
        assert image.size == (40, 20)
    place.write_text("no image")
    with pytest.raises(SourceError, match=r"page\.png"):
        mark(page, 0, tmp_path / "marked.png")
    with pytest.raises(UsageError, match="no image"):
        mark(Page("t", (Line("Bath"),)), 0, tmp_path / "marked.png")


# ---- training data ----


def samples(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def options(prompt: str) -> tuple[str, str]:
    first, second = re.findall(r"^[AB]\. (.*)$", prompt, re.MULTILINE)
    return first, second


def line_of(page: Page, box: str) -> str:
    return next(line.text for line in page.lines if f"box {list(line.box)}" == box)


def test_every_sample_teaches_what_stands_on_its_page(tmp_path: Path) -> None:
    held_out = {page.id for page in PAGES[:20]}
    built = build_stages(PAGES, QUESTIONS, tmp_path, held_out=held_out)
    by_id = {page.id: page for page in PAGES}
    stages = {stage: samples(path) for stage, path in built.files.items()}
    assert built.counts["perception"] == {"read": 900, "which_text": 900}
    assert built.counts["cognition"] == {"answer": 180, "which_answer": 180}
    assert built.counts["connector"]["which_box"] == 180
    assert len(stages["connector"]) == 198  # a tenth of earlier samples again
    firsts = []
    for one in [one for rows in stages.values() for one in rows]:
        page = by_id[one["page"]]
        assert page.id not in held_out
        assert one["image"] == str(page.image)
        boxes = re.findall(r"box \[[^]]*\]", one["prompt"])
        if one["task"] in ("read", "which_text"):
            assert one["response"] == line_of(page, boxes[0])
        if one["task"] in ("which_text", "which_answer"):
            both = options(one["prompt"])
            assert one["response"] in both
            assert len(set(both)) == 2
            firsts.append(both[0] == one["response"])
        if one["task"] == "which_box":
            answer = page.lines[2].text.split(": ")[1]
            right, wrong = sorted(boxes, key=lambda box: contains(line_of(page, box), answer), reverse=True)
            assert contains(line_of(page, right), answer)
            assert not contains(line_of(page, wrong), answer)
            assert one["response"] == f"The answer is {answer}, in {right}."
            firsts.append(boxes[0] == right)
    assert 0.45 <= sum(firsts) / len(firsts) <= 0.55


def test_the_hardest_wrong_option_is_the_most_similar_line(tmp_path: Path) -> None:
    page = Page("p", (Line("total 100"), Line("nothing alike"), Line("total 101"), Line("date")))
    question = PageQuestion("q", "p", "What is the total?", ("100",))
    built = build_stages([page], [question], tmp_path, ConsistencySettings(hardest=1, box_form="line", replay=0))
    which = {one["id"]: options(one["prompt"]) for one in samples(built.files["perception"]) if "which" in one["task"]}
    assert set(which["p/0/which_text"]) == {"total 100", "total 101"}
    (connector,) = samples(built.files["connector"])
    assert "1: total 100\n2: nothing" in connector["prompt"]
    assert connector["image"] is None


def test_link_tokens_stand_around_what_reading_and_answer_share(tmp_path: Path) -> None:
    built = build_stages(PAGES[:1], QUESTIONS[:1], tmp_path, ConsistencySettings(link_tokens=True))
    answer = PAGES[0].lines[2].text.split(": ")[1]
    linked = [one["response"] for path in built.files.values() for one in samples(path) if "<link>" in one["response"]]
    assert sorted(linked) == sorted([f"Order: <link>{answer}</link>", f"<link>{answer}</link>"])


def test_a_page_with_nothing_to_compare_has_no_validators(tmp_path: Path) -> None:
    page = Page("p", (Line("Ada"),))
    built = build_stages([page], [PageQuestion("q", "p", "Who?", ("Ada",))], tmp_path)
    assert built.counts == {"perception": {"read": 1}, "cognition": {"answer": 1}, "connector": {}}


def test_the_same_seed_builds_the_same_files(tmp_path: Path) -> None:
    def text(folder: str, seed: int) -> str:
        built = build_stages(PAGES[:9], QUESTIONS[:9], tmp_path / folder, ConsistencySettings(seed=seed))
        return "".join(path.read_text("utf-8") for path in built.files.values())

    assert text("one", 1) == text("two", 1) != text("three", 2)


@pytest.mark.parametrize("wrong", [{"hardest": 2.0}, {"replay": -1.0}, {"box_form": "circle"}, {"box_form": "drawn"}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        ConsistencySettings(**wrong)
