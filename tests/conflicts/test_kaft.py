"""KAFT's mixture has the properties that it is for, and its measures agree with a table made by hand."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conflicts.material import items, own_answers

from pansophy.conflicts.training.choosing import Alternatives, Passages, kind_of, spans
from pansophy.conflicts.training.items import Item
from pansophy.conflicts.training.kaft import SLICES, SOURCES, KaftSettings, build_kaft, evaluate_kaft
from pansophy.conflicts.training.rows import Example, Pair, read_rows, write_rows
from pansophy.conflicts.training.substitution import SLOT, Refusal, mentions
from pansophy.errors import SourceError, UsageError

EVEN = KaftSettings(empty=1)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_every_slice_is_what_it_says(seed: int, slots: bool) -> None:
    made = items(60, seed, slots=slots)
    own = own_answers(made, seed)
    by_id = {item.id: item for item in made}
    mixture = build_kaft(made, own, replace(EVEN, seed=seed))
    assert mixture.kept + sum(mixture.drops.values()) == 60
    assert mixture.kept > 50
    for row in mixture.rows:
        item = by_id[row.item]
        assert row.question == item.question
        if row.kind == "relevant":
            assert (row.context, row.answer) == (item.context, item.answers[0])
            assert mentions(row.context, item.answers)
        elif row.kind == "counterfactual":
            assert row.answer == row.replacement
            assert mentions(row.context, [row.replacement])
            assert not mentions(row.context, item.answers)
            assert row.context.replace(row.replacement, item.answers[0]) == item.context
        else:
            assert row.answer == own[item.id]
            assert (row.context == "") == (row.kind == "empty")
            assert not mentions(row.context, item.answers)


def test_slices_are_balanced_and_in_the_ratio_asked_for() -> None:
    made = items(90)
    mixture = build_kaft(made, own_answers(made))
    kinds = Counter(row.kind for row in mixture.rows)
    assert kinds["relevant"] == kinds["counterfactual"] == kinds["irrelevant"] == mixture.kept
    assert kinds["empty"] == round(mixture.kept / 2)
    assert len({row.id for row in mixture.rows}) == len(mixture.rows)
    assert set(mixture.sources) == set(SOURCES)
    only = build_kaft(made, own_answers(made), KaftSettings(relevant=2, counterfactual=0, irrelevant=0, empty=0))
    assert Counter(row.kind for row in only.rows) == {"relevant": 2 * only.kept}


def test_a_slice_asked_for_more_than_once_is_drawn_anew() -> None:
    made = [replace(item, replacement="Ford" if item.relation == "river" else "") for item in items(90)]
    once = build_kaft(made, own_answers(made))
    mixture = build_kaft(made, own_answers(made), KaftSettings(counterfactual=3, irrelevant=2))
    kinds = Counter(row.kind for row in mixture.rows)
    assert (kinds["relevant"], kinds["counterfactual"]) == (mixture.kept, 3 * mixture.kept)
    assert len({row.id for row in mixture.rows}) == len(mixture.rows)
    assert {row for row in once.rows if row.kind != "empty"} < set(mixture.rows)
    edited: dict[str, set[str]] = {}
    elsewhere: dict[str, set[str]] = {}
    for row in mixture.rows:
        if row.kind == "counterfactual":
            assert mentions(row.context, [row.answer])
            assert not mentions(row.context, row.answers)
            edited.setdefault(row.item, set()).add(row.answer)
        elif row.kind == "irrelevant":
            elsewhere.setdefault(row.item, set()).add(row.context)
    assert sum(len(found) == 3 for found in edited.values()) > 0.8 * mixture.kept
    assert all("Ford" in edited[item.id] for item in made if item.replacement and item.id in edited)
    assert sum(len(found) == 2 for found in elsewhere.values()) > 0.9 * mixture.kept


def test_a_question_with_one_other_answer_is_edited_to_it_each_time() -> None:
    made = [Item("1", "Where?", ("Oslo",), "In Oslo.", replacement="Rome"), Item("2", "Who?", ("Ann",), "By Ann.")]
    alone = [made[0], Item("2", "Who?", ("ann",), "By ann.", replacement="bo")]
    for items_, expected in ((made, ["Ann", "Rome"]), (alone, ["Rome", "Rome"])):
        mixture = build_kaft(items_, {"1": "Bern", "2": "Bo"}, KaftSettings(counterfactual=2))
        told = [row.answer for row in mixture.rows if (row.item, row.kind) == ("1", "counterfactual")]
        assert sorted(told) == expected


def test_the_same_seed_makes_the_same_file(tmp_path: Path) -> None:
    made = items(60)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_rows(tmp_path / name, build_kaft(made, own_answers(made), KaftSettings(seed=seed)).rows)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() != (tmp_path / "c").read_bytes()
    assert read_rows(tmp_path / "a", Example) == list(build_kaft(made, own_answers(made), KaftSettings(seed=1)).rows)


def test_gold_labels_teach_the_true_answer_everywhere_but_in_edited_passages() -> None:
    made = items(60)
    for row in build_kaft(made, own_answers(made), KaftSettings(gold_labels=True)).rows:
        assert (row.answer == row.answers[0]) == (row.kind != "counterfactual")


def test_items_that_cannot_be_used_are_counted_by_reason() -> None:
    good = items(30)
    odd = [
        Item("1x", "q?", ("Oslo",), f"{SLOT}, once Oslo", replacement="Rome"),
        Item("2x", "q?", ("Oslo", "Kristiania"), f"In {SLOT}.", replacement="kristiania"),
        Item("3x", "q?", (), "In Oslo."),
        Item("4x", "q?", ("Bern",), "In Oslo.", replacement="Rome"),
        Item("5x", "q?", ("Oslo",), "In Oslo.", replacement="Rome"),
        Item("6x", "q?", ("Oslo",), "In Oslo.", replacement="Rome"),
    ]
    own = own_answers(good) | {item.id: "Paris" for item in odd}
    own |= {"5x": " ", "6x": "it is one of those many towns that I never visited"}
    assert build_kaft([*good, *odd], own).drops == {
        Refusal.ALIAS_LEFT.value: 1,
        Refusal.REPLACEMENT_IS_ALIAS.value: 1,
        Refusal.ANSWER_NOT_FOUND.value: 1,
        "the question has no answer": 1,
        "the model's own answer is empty": 1,
        "the model's own answer is longer than 10 words": 1,
    }
    with pytest.raises(UsageError, match="own answer is empty: 30"):
        build_kaft(good, {})


def test_a_mixture_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError):
        KaftSettings(relevant=0, counterfactual=0, irrelevant=0, empty=0)


def row(kind: str, own: str, context: str = "") -> Example:
    return Example(kind, kind, "1", "Where?", context, "", ("Oslo", "Kristiania"), "Rome", own)


def test_measures_agree_with_a_table_made_by_hand() -> None:
    table = [
        (row("counterfactual", "Oslo"), "In Rome."),  # obeyed, against its own knowledge
        (row("counterfactual", "Bern"), "Rome"),  # obeyed
        (row("counterfactual", "Oslo"), "kristiania"),  # remembered, by another name
        (row("counterfactual", "Bern"), "Bern"),  # neither
        (row("irrelevant", "Bern", "A ship sank."), "bern."),  # its own
        (row("irrelevant", "Bern", "A ship sank."), "I say Bern"),  # its own, in other words
        (row("irrelevant", "Bern", "A ship sank."), "ship"),  # copied
        (row("irrelevant", "Bern", "A ship sank."), "Oslo"),  # something else, and true
        (row("relevant", "Bern"), "Oslo"),
        (row("relevant", "Bern"), "It is Kristiania"),
        (row("empty", "Bern"), "Bern"),
        (row("empty", "Bern"), "Oslo"),
    ]
    report = evaluate_kaft(*zip(*table, strict=True))
    assert (report.controllability.mean, report.memorisation.mean, report.neither.mean) == (0.5, 0.25, 0.25)
    assert report.true_conflict.mean == 0.5
    assert (report.robustness.mean, report.robustness_contains.mean, report.copied.mean) == (0.25, 0.5, 0.25)
    assert report.lost_gold == 0.25
    assert (report.relevant_exact.mean, report.relevant_contains.mean) == (0.5, 1)
    assert (report.empty_exact.mean, report.empty_own.mean) == (0.5, 0.5)
    assert report.items == {name: 4 if name in SLICES[1:3] else 2 for name in SLICES} | {"true_conflict": 2}


@given(st.lists(st.sampled_from(["Rome", "Oslo", "Kristiania and Rome", "Bern", ""]), min_size=1, max_size=20))
def test_the_three_outcomes_add_up_to_one(replies: list[str]) -> None:
    report = evaluate_kaft([row("counterfactual", "Oslo")] * len(replies), replies)
    assert report.controllability.mean + report.memorisation.mean + report.neither.mean == pytest.approx(1)


@pytest.mark.parametrize(
    ("text", "said"), [("{oops\n", "line 1 is no JSON"), ('{"question": "q"}\n', "no example"), ("", "no rows")]
)
def test_a_broken_file_of_rows_says_where(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "rows.jsonl").write_text(text)
    with pytest.raises(SourceError, match=said):
        read_rows(tmp_path / "rows.jsonl", Example)
    with pytest.raises(SourceError, match="can't be read"):
        read_rows(tmp_path / "none.jsonl", Pair)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [("Oslo", "name"), ("poet", "word"), ("1,200", "number"), ("1904", "date"), ("4 May 1904", "date")],
)
def test_the_kind_of_an_answer_is_told_by_its_letters(answer: str, kind: str) -> None:
    assert kind_of(answer) == kind


def test_names_and_numbers_are_found_but_no_month_and_no_first_word() -> None:
    text = "Born in May 1904, Ida Voss left Oslo. Later she had 3,200 sheep. Ben Ash of Bern came."
    assert spans(text, "name") == ["Ida Voss", "Oslo", "Ben Ash of Bern"]
    assert spans(text, "date") == ["1904"]
    assert spans(text, "number") == ["3,200"]


def test_a_replacement_is_of_the_same_kind_and_fits_the_passage() -> None:
    made = items(60, slots=False)
    for item in made:
        other = Alternatives(made).replacement(item, random.Random(item.id))
        assert kind_of(other) == kind_of(item.answers[0])
        assert item.saying(other).refusal is None


def test_the_search_finds_the_passage_nearest_to_the_question() -> None:
    made = [
        Item("1", "Who is mayor of Oslo?", ("Ida",), "Ida is mayor of Oslo.", "Oslo"),
        Item("2", "q", ("Ben",), "Ben is mayor of Bern.", "Bern"),
        Item("3", "q", ("Ida",), "Ida is mayor of Rome, as of Oslo.", "Rome"),
        Item("4", "q", ("x",), "A lamp.", "lamp"),
        Item("5", "When was Oslo founded?", ("1048",), "Oslo is old.", "Oslo", "age"),
    ]
    passages = Passages(made)
    assert passages.found(made[0], ["Ida"]) == "Ben is mayor of Bern."
    assert passages.beside(made[0], ["Ida"], random.Random(0)) == "Oslo is old."
    assert passages.found(made[0], ["Ben", "Ida"]) == ""
    assert sorted(passages.drawn(made[0], ["Ida"], random.Random(0), 9)) == ["A lamp.", "Ben is mayor of Bern."]
