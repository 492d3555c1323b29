"""MMKC-Bench: items are clean, runs resume, models of known behaviour are measured as what they are."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conflicts.samplers import Broken

from pansophy.conflicts.mmkc import (
    AGREES,
    CONFLICTS,
    DetectionPrompt,
    Form,
    Item,
    Known,
    Setting,
    ask_items,
    build_items,
    chat_reader,
    detect_conflicts,
    score,
    score_detection,
)
from pansophy.conflicts.mmkc.items import LETTERS
from pansophy.conflicts.mmkc.prompts import question_parts
from pansophy.conflicts.mmkc.scoring import chosen_letter, first_letter
from pansophy.conflicts.results import ROWS
from pansophy.engine import Engine
from pansophy.errors import RunError, SourceError, UsageError
from pansophy.models.scripted import ScriptedModel

CITIES = [
    f"{start}{end}" for start in ("Bar", "Dol", "Kim", "Nov", "Tes", "Vel") for end in ("ana", "ovo", "ith", "urg")
]


def known(count: int = 60, images: tuple[Path, ...] = ()) -> list[Known]:
    found = []
    for number in range(count):
        city = CITIES[number % len(CITIES)]
        text = f"Land {number} lies by a lake. {city} is the capital of it. {city} has a port."
        kind = ("ER", "EK", "VS")[number % 3]
        found.append(Known(f"k{number}", kind, "city", f"What is the capital of Land {number}?", city, text, images))
    return found


ITEMS = build_items(known())


# ---- building ----


def test_options_are_four_different_answers_of_one_type_and_the_lies_stand_in_the_texts() -> None:
    for item in ITEMS:
        assert len(set(item.options)) == 4
        assert set(item.options) <= set(CITIES)
        assert {item.answer, *item.conflicts} <= set(item.options)
        for lie, text in zip(item.conflicts, item.conflict_texts, strict=True):
            assert text == item.text.replace(item.answer, lie)
            assert item.answer not in text
        assert item.sentence == f"{item.answer} is the capital of it."
        assert item.conflict_sentence == f"{item.conflicts[0]} is the capital of it."
        assert item.options[LETTERS.index(item.letter(item.conflicts[1]))] == item.conflicts[1]


def test_the_true_answer_stands_at_every_letter_equally_often() -> None:
    items = [item for seed in range(40) for item in build_items(known(), seed=seed)]
    counts = [sum(item.letter(item.answer) == letter for item in items) for letter in LETTERS]
    expected = len(items) / 4
    assert sum((count - expected) ** 2 / expected for count in counts) < 16.3  # chi squared, 3 degrees, p = 0.001
    assert build_items(known(), seed=1) == build_items(known(), seed=1) != build_items(known(), seed=2)


def test_answers_that_hold_one_another_are_no_lies() -> None:
    facts = known(8)
    facts.append(Known("york", "EK", "city", "Q?", "York", "York it is.", ()))
    facts.append(Known("new", "EK", "city", "Q?", "New York", "New York it is.", ()))
    by_id = {item.id: item for seed in range(20) for item in build_items(facts, seed=seed)}
    assert "New York" not in by_id["york"].options
    assert "York" not in by_id["new"].options


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (known(3), "three other answers"),
        ([*known(8), known(1)[0]], "more than once"),
        ([Known("x", "ER", "city", "Q?", "Bar", "Barana is it.", ())], "doesn't say"),
        ([Known("x", "ER", "city", "Q?", "Bar", "Bar it is.", (Path("no.png"),) * 3)], "no image"),
        ([Known("x", "ER", "city", "Q?", "Bar", "Bar it is.", (Path("no.png"),))], "none or three"),
    ],
)
def test_facts_that_make_no_item_are_refused(facts: list[Known], said: str) -> None:
    with pytest.raises(SourceError, match=said):
        build_items(facts)


# ---- running ----


def test_parts_stand_in_the_papers_order(tmp_path: Path) -> None:
    images = tuple(tmp_path / f"{number}.png" for number in range(3))
    for image in images:
        image.write_bytes(b"png")
    (item, *_) = build_items(known(8, images))
    *before, asked, last = question_parts(item, Setting.INTER_CONTEXT, Form.CHOICE)
    assert before[1:] == [images[1], item.conflict_texts[0], images[2], item.conflict_texts[1]]
    assert last == images[0]
    assert isinstance(asked, str)
    assert f"\nD. {item.options[3]}\n" in asked
    assert question_parts(item, Setting.CONTEXT_MEMORY, Form.OPEN, images=False)[1] == item.conflict_texts[0]
    assert len(question_parts(item, Setting.ORIGINAL, Form.OPEN)) == 2


def model(remembers: float, follows: float, seed: int = 0) -> Callable[[Sequence[Any]], str]:
    """Says the truth without information; with it keeps to that, follows one of the lies, or says the fourth option,
    with given chances."""
    source = random.Random(seed)
    by_question = {item.question: item for item in ITEMS}

    def read(parts: Sequence[Any]) -> str:
        asked = str(parts[-1])
        item = by_question[asked.splitlines()[0]]
        told = [lie for lie, text in zip(item.conflicts, item.conflict_texts, strict=True) if text in parts]
        (other,) = set(item.options) - {item.answer, *item.conflicts}
        draw = source.random() if told else 0.0
        said = item.answer if draw < remembers else source.choice(told) if draw < remembers + follows else other
        return f"The answer is ({item.letter(said)})." if "\nA. " in asked else f"It is {said}!"

    return read


@pytest.mark.parametrize("setting", [Setting.CONTEXT_MEMORY, Setting.INTER_CONTEXT])
@pytest.mark.parametrize("form", list(Form))
async def test_a_model_of_known_behaviour_is_measured_as_what_it_is(
    tmp_path: Path, setting: Setting, form: Form
) -> None:
    reader = model(0.5, 0.3)
    before = await ask_items(reader, ITEMS, Setting.ORIGINAL, tmp_path / "before", model="toy", form=form)
    after = await ask_items(reader, ITEMS, setting, tmp_path / "after", model="toy", form=form)
    found = score(before, after)
    rates = found.weighted.rates
    for rate, chance in ((rates.oar, 0.5), (rates.car, 0.3), (rates.iar, 0.2)):
        assert abs(rate.mean - chance) <= 3 * math.sqrt(chance * (1 - chance) / len(ITEMS))
    assert rates.oar.mean + rates.car.mean + rates.iar.mean == pytest.approx(1)
    assert (found.weighted.counted, found.weighted.filtered, found.weighted.unparsed) == (60, 0, 0)
    assert found.plain[0] == pytest.approx(sum(one.rates.oar.mean for one in found.kinds.values()) / 3)
    assert set(found.kinds) == {"ER", "EK", "VS"}
    assert found.csv().count("\n") == 5
    assert found.table().lines[-1][0] == "mean of kinds"


async def test_a_broken_run_goes_on_to_the_same_file(tmp_path: Path) -> None:
    def steady(parts: Sequence[Any]) -> str:
        return f"B{len(str(parts[-1]))}"

    asked = 0

    def breaks(parts: Sequence[Any]) -> str:
        nonlocal asked
        asked += 1
        if asked > 10:
            raise Broken
        return steady(parts)

    with pytest.raises(Broken):
        await ask_items(breaks, ITEMS, Setting.ORIGINAL, tmp_path / "broken", model="toy")
    told: list[Any] = []
    await ask_items(steady, ITEMS, Setting.ORIGINAL, tmp_path / "broken", model="toy", on_progress=told.append)
    await ask_items(steady, ITEMS, Setting.ORIGINAL, tmp_path / "whole", model="toy")
    assert len(told) == 50
    assert (tmp_path / "broken" / ROWS).read_bytes() == (tmp_path / "whole" / ROWS).read_bytes()
    with pytest.raises(RunError, match="form"):
        await ask_items(steady, ITEMS, Setting.ORIGINAL, tmp_path / "whole", model="toy", form=Form.OPEN)


async def test_a_chat_model_is_measured_without_images_and_refuses_them(tmp_path: Path) -> None:
    image = tmp_path / "i.png"
    image.write_bytes(b"png")
    items = build_items(known(8, (image,) * 3))
    reader = chat_reader(ScriptedModel(lambda messages, schema: "C"), Engine())
    rows = await ask_items(reader, items, Setting.CONTEXT_MEMORY, tmp_path / "text", model="toy", images=False)
    assert {row["prediction"] for row in rows} == {"C"}
    with pytest.raises(UsageError, match="images=False"):
        await ask_items(reader, items, Setting.CONTEXT_MEMORY, tmp_path / "both", model="toy")


# ---- detection ----


@pytest.mark.parametrize("prompt", [AGREES, CONFLICTS])
@pytest.mark.parametrize("fine", [False, True])
async def test_detection_is_scored_alike_whichever_way_it_was_asked(
    tmp_path: Path, prompt: DetectionPrompt, fine: bool
) -> None:
    lies = {text for item in ITEMS for text in (*item.conflict_texts, item.conflict_sentence)}
    seen = 0

    def careful(parts: Sequence[Any]) -> str:
        nonlocal seen
        seen += 1
        conflict = parts[-1] in lies and seen % 4 != 0  # overlooks half of the conflicts
        if seen == 1:
            return "Hard to say."
        return "**Yes**, it does." if conflict is prompt.yes_is_conflict else "no"

    # a sentence may be one land's lie and another's truth: ask of facts that differ
    items = ITEMS[:1] if fine else ITEMS
    found = score_detection(await detect_conflicts(careful, items, tmp_path, model="toy", fine=fine, prompt=prompt))
    if fine:
        assert (found.conflict.mean, found.agreement.mean, found.unparsed) == (1, 0, 1)
    else:
        assert (found.conflict.mean, found.agreement.mean, found.unparsed) == (0.5, 59 / 60, 1)
    assert found.average == (found.conflict.mean + found.agreement.mean) / 2


def test_only_a_whole_word_is_a_yes_or_no() -> None:
    assert AGREES.conflict_in("Nobody knows") is None
    assert AGREES.conflict_in(" No.") is True
    assert CONFLICTS.conflict_in("(No)") is False


# ---- scoring ----


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("B", "B"),
        ("b", "B"),
        ("(c).", "C"),
        ("The answer is C", "C"),
        ("The correct answer is (D)", "D"),
        ("A. Rome, because", "A"),
        ("It must be Velovo.", "D"),
        ("Barana or Velovo", None),
        ("a city by a lake", None),
        ("", None),
        (None, None),
    ],
)
def test_letters_are_read_with_care(reply: str | None, letter: str | None) -> None:
    assert chosen_letter(reply, ["Rome", "Barana", "Dolovo", "Velovo"]) == letter


def test_the_authors_rule_takes_the_first_letter_anywhere() -> None:
    assert first_letter("The answer is C") == "A"
    assert first_letter("xyz") is None
    assert first_letter(None) is None


PREDICTIONS = st.one_of(
    st.none(), st.sampled_from("ABCDabcd"), st.sampled_from(["B.", "The answer is C", "none", "xyz"])
)
CHOICES = st.lists(st.tuples(PREDICTIONS, PREDICTIONS, st.permutations(list("ABCD"))), min_size=1, max_size=40)


def choice_rows(setting: str, choices: Any, number: int) -> list[dict[str, Any]]:
    return [
        {
            "id": str(place),
            "kind": "ER",
            "setting": setting,
            "form": "choice",
            "options": ["one", "two", "three", "four"],
            "conflicts": one[2][:2],
            "prediction": one[number],
        }
        for place, one in enumerate(choices)
    ]


def by_the_authors(choices: Any, told: int) -> tuple[int, int, int, int, int]:
    """Kept, misled, other, left out, not understood: counted item by item as the rule says in words."""
    kept = misled = other = out = unclear = 0
    for before, after, letters in choices:
        false = letters[:told]
        if before in false:
            out += 1
            continue
        first, second = (re.sub("[^A-Da-d]", "", one or "")[:1].upper() for one in (before, after))
        if not first or not second:
            unclear += 1
        elif first == second:
            kept += 1
        elif second in false:
            misled += 1
        else:
            other += 1
    return kept, misled, other, out, unclear


@given(CHOICES, st.sampled_from([("context_memory", 1), ("inter_context", 2)]))
def test_official_mode_counts_as_the_authors_do(choices: Any, setting: tuple[str, int]) -> None:
    name, told = setting
    found = score(choice_rows("original", choices, 0), choice_rows(name, choices, 1), mode="official").weighted
    kept, misled, other, out, unclear = by_the_authors(choices, told)
    assert (found.counted, found.filtered, found.unparsed) == (kept + misled + other, out, unclear)
    for rate, count in ((found.rates.oar, kept), (found.rates.car, misled), (found.rates.iar, other)):
        assert rate.mean == pytest.approx(count / max(found.counted, 1))


@pytest.mark.parametrize(("name", "left"), [("context_memory", 15), ("inter_context", 30)])
def test_exactly_those_who_believed_the_lie_before_are_left_out(name: str, left: int) -> None:
    choices = [(f"({letter})", "A", list("ABCD")) for letter in "ABCD" * 15]
    found = score(choice_rows("original", choices, 0), choice_rows(name, choices, 1))
    assert (found.weighted.filtered, found.weighted.counted) == (left, 60 - left)


def test_an_item_without_an_answer_is_missing() -> None:
    choices = [("C", "C", list("ABCD"))] * 3
    found = score(choice_rows("original", choices, 0), choice_rows("context_memory", choices, 1)[:2])
    assert (found.weighted.missing, found.weighted.counted) == (1, 2)


def test_a_judge_is_asked_where_containment_does_not_tell() -> None:
    def rows(setting: str, said: str) -> list[dict[str, Any]]:
        base = {"id": "x", "kind": "ER", "form": "open", "options": None, "conflicts": ["Lyon", "Nice"]}
        return [{**base, "setting": setting, "prediction": said}]

    before, after = rows("original", "Paris"), rows("context_memory", "The city of light")
    assert score(before, after).weighted.rates.iar.mean == 1
    assert score(before, after, judge=lambda one, other: True).weighted.rates.oar.mean == 1
    assert score(before, rows("context_memory", "Nice")).weighted.rates.iar.mean == 1
    assert score(before, rows("inter_context", "Nice")).weighted.rates.car.mean == 1
    with pytest.raises(UsageError, match="choices only"):
        score(before, after, mode="official")


def test_rows_that_are_no_pair_are_refused() -> None:
    choices = [("C", "C", list("ABCD"))] * 2
    before, after = choice_rows("original", choices, 0), choice_rows("context_memory", choices, 1)
    for one, other in ((before, before), (after, after), ([], after), (before, [*after, after[0]])):
        with pytest.raises(UsageError):
            score(one, other)


def test_items_know_their_letters() -> None:
    item = Item("x", "ER", "Q?", "a", ("b", "c"), ("d", "c", "b", "a"), "a it is", ("b it is", "c it is"))
    assert [item.letter(one) for one in ("a", "b", "c", "d")] == ["D", "C", "B", "A"]
