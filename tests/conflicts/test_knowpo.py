"""KnowPO's pairs keep what they promise over a thousand items, and its measures agree with a table made by hand."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare
from tests.conflicts.material import items, own_answers

from pansophy.conflicts.outcomes import refuses
from pansophy.conflicts.training.frames import by_context, by_memory, refusal, unframed
from pansophy.conflicts.training.gaps import MOST
from pansophy.conflicts.training.items import Item
from pansophy.conflicts.training.knowpo import KnowpoData, KnowpoSettings, build_knowpo
from pansophy.conflicts.training.knowpo_measures import evaluate_knowpo
from pansophy.conflicts.training.rows import Example, Pair, read_rows, write_rows
from pansophy.conflicts.training.substitution import mentions
from pansophy.errors import UsageError
from pansophy.evaluation.metrics import contains

MADE = items(1_000, seed=1, slots=False)
BY_ID = {item.id: item for item in MADE}
OWN = own_answers(MADE, seed=1)


@pytest.fixture(scope="module")
def data() -> KnowpoData:
    return build_knowpo(MADE, OWN)


def passage_of(row: Example | Pair, kind: str) -> str:
    """The passage that has the answer."""
    item = BY_ID[row.item]
    return item.context if kind == "related" else item.saying(row.answer).text


def test_examples_say_what_their_contexts_do(data: KnowpoData) -> None:
    assert Counter(row.kind for row in data.examples) == {
        kind: data.counts[kind] for kind in ("related", "counterfactual", "irrelevant", "empty")
    }
    assert data.counts["related"] == data.counts["counterfactual"] > 280
    assert data.counts["irrelevant"] > data.counts["empty"] > 0
    for row in data.examples:
        item = BY_ID[row.item]
        if row.kind in ("related", "counterfactual"):
            check_relevant(row.context, row.kind, row.answer, item, passage_of(row, row.kind))
        else:
            assert not mentions(row.context, item.answers)
            assert (row.context == "") == (row.kind == "empty")
            assert row.answer == (by_memory(row.own) if row.own else refusal())


def check_relevant(context: str, kind: str, answer: str, item: Item, passage: str) -> None:
    lines = context.split("\n")
    assert len(set(lines)) == 4
    assert lines.count(passage) == 1
    names = item.answers if kind == "related" else (answer,)
    noise = "\n".join(line for line in lines if line != passage)
    assert mentions(passage, names)
    assert not mentions(noise, [*item.answers, answer])
    if kind == "counterfactual":
        assert not mentions(context, item.answers)


def test_pairs_prefer_what_is_right_to_what_is_wrong(data: KnowpoData) -> None:
    for pair in data.pairs:
        item = BY_ID[pair.item]
        if pair.kind.startswith("A"):
            check_relevant(pair.context, pair.source, pair.answer, item, passage_of(pair, pair.source))
            assert pair.chosen == by_context(pair.answer)
        if pair.kind == "A_1":
            names = item.answers if pair.source == "related" else (pair.answer,)
            assert not contains(pair.own, names)
            assert pair.rejected == (by_memory(pair.own) if pair.own else refusal())
        else:
            assert mentions(pair.context, [pair.wrong])
            assert not pair.answer or not contains(pair.wrong, pair.answer)
            assert not any(contains(pair.wrong, name) for name in item.answers)
        if pair.kind == "A_2":
            assert pair.rejected == by_context(pair.wrong)
        if pair.kind.startswith("B"):
            assert not mentions(pair.context, item.answers)
            assert pair.rejected == by_memory(pair.wrong)
            assert pair.chosen == (by_memory(pair.own) if pair.kind == "B known" else refusal())
            assert (pair.own == "") == (pair.kind == "B unknown")


def test_no_question_is_used_twice(data: KnowpoData) -> None:
    imitated, preferred = ({row.question for row in rows} for rows in (data.examples, data.pairs))
    assert not imitated & preferred
    first, second = ({pair.question for pair in data.pairs if pair.kind == kind} for kind in ("A_1", "A_2"))
    assert first
    assert second
    assert not first & second


def test_the_passage_with_the_answer_stands_anywhere(data: KnowpoData) -> None:
    rows = [(row, row.kind) for row in data.examples if row.kind in ("related", "counterfactual")]
    pairs = [(pair, pair.source) for pair in data.pairs if pair.kind.startswith("A")]
    for found in (rows, pairs):
        places = Counter(row.context.split("\n").index(passage_of(row, kind)) for row, kind in found)
        assert chisquare([places[place] for place in range(4)]).pvalue > 0.01


def test_pairs_are_in_the_ratio_asked_for_and_of_like_length(data: KnowpoData) -> None:
    adherence = sum(pair.kind.startswith("A") for pair in data.pairs)
    assert adherence / (len(data.pairs) - adherence) == pytest.approx(24 / 7, rel=0.02)
    assert set(data.gaps) == {"A_1", "A_2", "B known", "B unknown"}
    assert all(abs(gap) <= MOST for gap in data.gaps.values())
    one_sided = build_knowpo(MADE, OWN, KnowpoSettings(ratio=(1, 0)))
    assert {pair.kind for pair in one_sided.pairs} == {"A_1", "A_2"}


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 5), st.floats(0.1, 1), st.floats(0, 1))
def test_stages_stay_apart_whatever_is_asked_for(seed: int, passages: int, imitate: float, robust: float) -> None:
    made = items(60, seed)
    asked = KnowpoSettings(passages=passages, imitate=imitate, robust=robust, ratio=(1, 1), seed=seed)
    built = build_knowpo(made, own_answers(made, seed), asked)
    assert not {row.question for row in built.examples} & {pair.question for pair in built.pairs}
    assert all(len(row.context.split("\n")) == passages for row in [*built.examples, *built.pairs] if row.context)
    sides = [sum(pair.kind.startswith(side) for pair in built.pairs) for side in "AB"]
    assert sides[0] == sides[1]


def test_the_same_seed_makes_the_same_files(tmp_path: Path) -> None:
    made = items(90)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        built = build_knowpo(made, own_answers(made), KnowpoSettings(seed=seed))
        write_rows(tmp_path / name, [*built.examples, *built.pairs])
        write_rows(tmp_path / f"{name}-pairs", built.pairs)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() != (tmp_path / "c").read_bytes()
    assert read_rows(tmp_path / "c-pairs", Pair) == list(built.pairs)


def test_questions_without_an_answer_are_the_ones_asked_with_irrelevant_passages() -> None:
    made = items(80, slots=False)
    unanswerable = [replace(item, id=f"u{item.id}", question=f"Why {item.id}?", answers=()) for item in made[:30]]
    own = own_answers(made) | {item.id: "I don't know" if n % 2 else "Ada" for n, item in enumerate(unanswerable)}
    built = build_knowpo([*made, *unanswerable], own)
    for row in built.examples:
        assert row.item.startswith("u") == (row.kind in ("irrelevant", "empty"))
        if row.kind == "irrelevant":
            passage = next(item.context for item in unanswerable if item.id == row.item)
            assert passage in row.context.split("\n")
    assert {pair.kind for pair in built.pairs if pair.item.startswith("u")} == {"B known", "B unknown"}


def test_what_cannot_be_built_is_counted_by_reason() -> None:
    made = items(30, slots=False)
    odd = [
        Item("x1", "q1?", ("Oslo",), "Nothing here.", replacement="Rome"),
        Item("x2", "q2?", ("Oslo",), "In Oslo.", replacement="oslo"),
    ]
    built = build_knowpo([*made, *odd], own_answers(made), KnowpoSettings(imitate=1, robust=0))
    assert built.drops == {
        "the answer is not in the context": 1,
        "the replacement is itself an alias of the answer": 1,
    }
    alone = [replace(item, subject="") for item in made]
    assert build_knowpo(alone, {}, KnowpoSettings(imitate=1, robust=0)).fallbacks == {
        "no other passage of the same article": 30
    }
    wordy = build_knowpo(made, dict.fromkeys(own_answers(made), "one " * 11), KnowpoSettings(imitate=1, robust=0.5))
    assert wordy.drops == {"the model's own answer is too long": 15}
    with pytest.raises(UsageError, match="nothing can be built of 1 items"):
        build_knowpo(made[:1], {}, KnowpoSettings(imitate=1, robust=0))


@pytest.mark.parametrize("changes", [{"passages": 1}, {"imitate": 1.5}, {"ratio": (0, 0)}, {"ratio": (1, -1)}])
def test_impossible_settings_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        KnowpoSettings(**changes)  # type: ignore[arg-type]


def test_frames_are_told_apart_and_unframed() -> None:
    for frame in (by_context, by_memory):
        assert unframed(frame("St. Ida")) == "St. Ida"
        assert not refuses(frame("Ida"))
    assert refuses(refusal())
    assert unframed(" Ida ") == "Ida"
    lengths = [len(frame.split()) for frame in (by_context("x"), by_memory("x"), refusal())]
    assert max(lengths) - min(lengths) <= 3


def row(kind: str, own: str, context: str = "") -> Example:
    return Example(kind, kind, "1", "Where?", context, "", ("Oslo",), "Rome" if kind == "counterfactual" else "", own)


def test_measures_agree_with_a_table_made_by_hand() -> None:
    table = [
        (row("related", "Bern", "In Oslo, not Lima."), "Oslo"),  # adheres
        (row("related", "Oslo", "In Oslo."), by_context("Lima")),  # neither; not of the differing ones
        (row("counterfactual", "Bern", "In Rome, not Lima."), by_context("Rome")),  # adheres
        (row("counterfactual", "Bern", "In Rome, not Lima."), by_memory("Bern")),  # ignores
        (row("counterfactual", "", "In Rome, not Lima."), refusal()),  # ignores
        (row("counterfactual", "Bern", "In Rome, not Lima."), by_context("Lima")),  # distracted
        (row("irrelevant", "Bern", "Ida sank."), by_memory("Bern")),  # robust
        (row("irrelevant", "", "Ida sank."), refusal()),  # robust
        (row("irrelevant", "", "Ida sank."), by_memory("Ida")),  # quotes
        (row("irrelevant", "Bern", "Ida sank."), "Ida"),  # quotes
        (row("empty", "Bern"), "Ida"),  # counts nowhere
    ]
    report = evaluate_knowpo(*zip(*table, strict=True))
    assert report.r_ad.mean == pytest.approx(2 / 6)
    assert report.r_ad_related.mean == 0.5
    assert report.r_ro.mean == 0.5
    assert report.ignorance.mean == pytest.approx(2 / 5)
    assert report.overinclusion.mean == 0.5
    assert report.distraction.mean == pytest.approx(1 / 6)
    assert report.items == {"relevant": 6, "related": 2, "irrelevant": 4, "differ": 5}
