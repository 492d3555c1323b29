"""Coherent persuasion, semantic entropy, behaviour, facts, and the probe that brings them together."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conflicts.samplers import TableSampler

from pansophy.conflicts.clusters import Clusters
from pansophy.conflicts.dynamicqa import (
    Behaviour,
    ConflictProbe,
    Context,
    DynamicQASettings,
    behaviour,
    coherent_persuasion,
    discrete_entropy,
    load_facts,
    semantic_entropy,
)
from pansophy.conflicts.dynamicqa.measures import kl_divergence
from pansophy.conflicts.sampling import FloatArray, Sample
from pansophy.errors import SourceError, UsageError

ALL: Clusters = (tuple(range(10)),)


@st.composite
def rows(draw: st.DrawFn, count: int = 4, vocabulary: int = 6) -> FloatArray:
    weights = draw(st.lists(st.floats(0.01, 1), min_size=count * vocabulary, max_size=count * vocabulary))
    table = np.array(weights).reshape(count, vocabulary)
    return np.asarray(table / table.sum(axis=1, keepdims=True))


@given(rows(), st.sampled_from([((0, 1, 2, 3),), ((0, 2), (1, 3)), ((0,), (1,), (2,), (3,))]))
def test_a_context_that_changes_nothing_persuades_of_nothing(table: FloatArray, clusters: Clusters) -> None:
    same = np.repeat(table[:1], 4, axis=0)
    assert coherent_persuasion(same, clusters, same, clusters) == pytest.approx(0, abs=1e-12)
    assert coherent_persuasion(table, ((0, 1, 2, 3),), table, ((0, 1, 2, 3),)) == pytest.approx(0, abs=1e-12)


@given(rows(), rows())
def test_with_one_cluster_each_persuasion_is_the_divergence_of_the_means(after: FloatArray, before: FloatArray) -> None:
    one = ((0, 1, 2, 3),)
    p, q = after.mean(axis=0), before.mean(axis=0)
    expected = sum(p[token] * math.log(p[token] / q[token]) for token in range(6))
    assert coherent_persuasion(after, one, before, one) == pytest.approx(expected, abs=1e-9)


@given(rows(), rows())
def test_persuasion_is_the_mean_over_all_pairs_of_clusters(after: FloatArray, before: FloatArray) -> None:
    found = coherent_persuasion(after, ((0, 1), (2, 3)), before, ((0,), (1, 2, 3)))
    pairs = [
        kl_divergence(one, other)
        for one in (after[:2].mean(axis=0), after[2:].mean(axis=0))
        for other in (before[0], before[1:].mean(axis=0))
    ]
    assert found == pytest.approx(sum(pairs) / 4)


def test_persuasion_has_a_direction() -> None:
    after, before = np.array([[0.9, 0.1]]), np.array([[0.5, 0.5]])
    one: Clusters = ((0,),)
    there = coherent_persuasion(after, one, before, one)
    assert there == pytest.approx(0.9 * math.log(1.8) + 0.1 * math.log(0.2))
    assert coherent_persuasion(before, one, after, one) != pytest.approx(there)


def test_tokens_without_mass_are_left_out() -> None:
    assert kl_divergence(np.array([0.5, 0.5, 0.0]), np.array([0.25, 0.0, 0.75])) == pytest.approx(0.5 * math.log(2))


@given(st.floats(-20, 0))
def test_ten_agreeing_answers_have_the_entropy_of_the_closed_form(likelihood: float) -> None:
    assert semantic_entropy([likelihood] * 10, ALL) == pytest.approx(-(likelihood + math.log(10) - 5))
    assert discrete_entropy(ALL, [likelihood] * 10) == pytest.approx(0, abs=1e-12)


def test_the_entropy_of_the_shares() -> None:
    halves: Clusters = ((0, 1), (2, 3))
    assert discrete_entropy(halves) == pytest.approx(math.log(2))
    assert discrete_entropy(halves, [-1, -2, -2, -1]) == pytest.approx(math.log(2))
    assert discrete_entropy(((0,), (1,)), [math.log(0.75), math.log(0.25)]) == pytest.approx(0.5623351446)


def test_an_answer_in_two_clusters_counts_in_the_last() -> None:
    assert semantic_entropy([-1, -2, -3], ((0, 1), (1, 2))) == semantic_entropy([-1, -2, -3], ((0,), (1, 2)))
    assert discrete_entropy(((0, 1), (0, 1, 2))) == 0


@pytest.mark.parametrize(
    ("reply", "own", "expected"),
    [
        ("Answer: a journalist", "editor", Behaviour.PERSUADED),
        ("editor", "an editor", Behaviour.STUBBORN),
        ("editor", "painter", Behaviour.OTHER),
        ("", "", Behaviour.OTHER),
    ],
)
def test_what_the_context_did(reply: str, own: str, expected: Behaviour) -> None:
    assert behaviour(reply, "journalist", own) is expected


# ---- facts ----

HEADER = "id,subj,question,context,obj,replace_name,num_edits,s_pop\n"


def facts_file(folder: Path, *lines: str, name: str = "my-temporal.csv") -> Path:
    path = folder / name
    path.write_text(HEADER + "".join(line + "\n" for line in lines), "utf-8")
    return path


def test_a_passage_says_either_answer(tmp_path: Path) -> None:
    path = facts_file(
        tmp_path,
        'a,Ada,"Who, or what, is Ada?",Ada was a [ENTITY]. An [ENTITY]!,poet,engineer,3.0,12',
        "b,Bo,What is Bo?,bo is a tyrant,tyrant,leader,,",
    )
    slotted, disputed = load_facts(path)
    assert slotted.context("engineer") == "Ada was a engineer. An engineer!"
    assert disputed.context(disputed.substitute) == "This article is about Bo. bo is a leader"
    assert (slotted.partition, slotted.edits, slotted.popularity, disputed.edits) == ("temporal", 3, 12, None)
    assert slotted.answers == {"original": "poet", "substitute": "engineer"}
    assert load_facts(path, partition="mine")[0].partition == "mine"


def test_what_is_odd_is_flagged(tmp_path: Path) -> None:
    path = facts_file(
        tmp_path,
        "a,Ada,Q?,the Poet is a [ENTITY],poet,poet,1,1",
        "b,Bo,Q?,bo rules,tyrant,leader,1,1",
        "c,Cy,Q?,cy is a [ENTITY],poet,cook,1,1",
    )
    odd, without, fine = load_facts(path)
    assert odd.flags == ("both answers are the same", "the original answer stands outside the slot")
    assert without.flags == ("the passage has neither a slot nor the original answer",)
    assert fine.flags == ()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["a,Ada,Q?,c [ENTITY],poet,cook,many,1"], "num_edits is no number"),
        (["a,Ada,,c [ENTITY],poet,cook,1,1"], "nothing in question"),
        (["a,Ada,Q?,c,poet,cook,1,1"] * 2, "'a' occurs more than once"),
        ([], "no rows"),
        (["a,Ada,Q?," + "c" * 200_000 + ",poet,cook,1,1"], "follows line 1 is no CSV"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_the_place(tmp_path: Path, lines: list[str], said: str) -> None:
    with pytest.raises(SourceError, match=said):
        load_facts(facts_file(tmp_path, *lines))


def test_a_file_without_the_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("question,context\na,b\n")
    with pytest.raises(SourceError, match="obj, replace_name"):
        load_facts(tmp_path / "x.csv")


# ---- the probe ----

MEMORY, TOLD = np.array([0.8, 0.1, 0.1], np.float32), np.array([0.1, 0.8, 0.1], np.float32)


def mixed(share: float) -> TableSampler:
    """A model that follows a context of Lyon to a share, in what it says and in its distribution."""

    def answers(prompt: str, number: int) -> Sample:
        told = "Lyon" in prompt
        text = "Lyon" if told and share > 0.5 else "Paris"
        return Sample(text, (-0.5,), (1 - share) * MEMORY + share * TOLD if told else MEMORY)

    return TableSampler(answers)


async def test_the_more_a_model_follows_the_context_the_more_it_was_persuaded() -> None:
    found = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        conflict = await ConflictProbe(mixed(share)).measure("Capital?", ["It is Lyon."])
        (swayed,) = conflict.contexts
        assert swayed.persuasion is not None
        found.append(swayed.persuasion)
    assert found[0] == pytest.approx(0, abs=1e-6)
    assert all(low < high for low, high in itertools.pairwise(found))


async def test_each_context_is_told_apart() -> None:
    contexts = [Context("It is Lyon.", "Lyon"), Context("It is sunny.", "Nice"), "Nothing to say."]
    conflict = await ConflictProbe(mixed(1.0)).measure("Capital?", contexts, about="France")
    assert [one.behaviour for one in conflict.contexts] == [Behaviour.PERSUADED, Behaviour.STUBBORN, None]
    assert [one.changed for one in conflict.contexts] == [True, False, None]
    assert conflict.without.answers == ("Paris",) * 10
    assert conflict.without.clusters == ALL
    assert conflict.without.entropy == pytest.approx(-(-0.5 + math.log(10) - 5))
    assert conflict.to_dict()["contexts"][0]["behaviour"] == "persuaded"


async def test_without_probabilities_the_shares_still_tell_of_doubt() -> None:
    sampler = TableSampler(lambda prompt, number: Sample("Paris" if number % 2 else "Lyon"))
    conflict = await ConflictProbe(sampler, settings=DynamicQASettings(samples=4)).measure("Capital?", ["Lyon!"])
    assert conflict.without.entropy is None
    assert conflict.contexts[0].persuasion is None
    assert conflict.without.discrete_entropy == pytest.approx(math.log(2))


async def test_the_entailment_decides_which_answers_are_one() -> None:
    sampler = TableSampler(lambda prompt, number: Sample("Paris" if number % 2 else "Lutetia"))
    asked = DynamicQASettings(samples=4)
    conflict = await ConflictProbe(sampler, lambda *_: True, asked).measure("Capital?", [])
    assert conflict.without.clusters == ((0, 1, 2, 3),)


@pytest.mark.parametrize("wrong", [{"samples": 1}, {"grouping": "loose"}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        DynamicQASettings(**wrong)  # type: ignore[arg-type]


async def test_an_empty_context_is_refused() -> None:
    with pytest.raises(UsageError, match="text"):
        await ConflictProbe(mixed(0)).measure("Capital?", [""])
