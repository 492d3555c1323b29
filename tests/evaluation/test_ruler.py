"""RULER: texts of the length asked for, from which a reader without a model finds every answer."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.evaluation.test_babilong import noise, words

from pansophy.errors import UsageError
from pansophy.evaluation.haystack import Noise
from pansophy.evaluation.ruler import TASKS, common_words, frequent_words, needles, ruler, variables

NEEDLES = [task for task in TASKS if task.startswith("niah")]


def find(text: str, question: str) -> set[str]:
    """The answers by brute force: reads the text by patterns and counts."""
    if "variables hold" in question:
        value = re.search(r"value (\d+)", question)[1]
        holding = set()
        for name, number, other in re.findall(r"The variable (\w+) is set to (?:(\d+)|what (\w+) is)\.", text):
            if number == value or other in holding:
                holding.add(name)
        return holding
    if "most common" in question:
        return {word for word, _ in Counter(re.findall(r"\d+\. (\w+)", text)).most_common(10)}
    if "most frequent" in question:
        return {word for word, _ in Counter(text.split()).most_common(3)}
    asked = re.search(r"values? of (.+) that the text mentions", question)[1]
    told = re.findall(r"One of the secret values of (\S+) is: (\S+)\.", text)
    return {value for key, value in told if key in re.split(r", | and ", asked)}


@pytest.mark.parametrize("task", TASKS)
def test_a_reader_without_a_model_finds_every_answer(task: str) -> None:
    tokens = 3000
    dataset = ruler([task], tokens, 5, noise(), words, seed=3)
    texts = set()
    for question in dataset.questions:
        (document,) = dataset.documents_of(question)
        texts.add(document.text)
        assert tokens * 0.97 < words(document.text) <= tokens
        assert find(document.text, question.text) == set(question.answers)
        assert len(set(question.answers)) == len(question.answers)
        assert dataset.score("It says " + " and ".join(question.answers).upper(), question) == 1.0
        assert dataset.score("nothing", question) == 0.0
    assert len(texts) == 5


@settings(max_examples=60)
@given(st.sampled_from(NEEDLES), st.integers(0, 10**6), st.integers(0, 50))
def test_needles_have_the_keys_and_values_of_their_variant(task, seed, decoys) -> None:
    problem = needles(task, seed, decoys=decoys)
    assert problem == needles(task, seed, decoys=decoys)
    assert len(problem.answers) == (4 if task in ("niah_multivalue", "niah_multiquery") else 1)
    assert len(problem.facts) == (1 if "single" in task or task in ("niah_multikey_2", "niah_multikey_3") else 4)
    assert len(problem.decoys) == (decoys if task in ("niah_multikey_2", "niah_multikey_3") else 0)
    told = [re.search(r"is: (\S+)\.", fact)[1] for fact in (*problem.facts, *problem.decoys)]
    assert len(set(told)) == len(told)


@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(1, 6))
def test_a_chain_of_variables_can_be_followed_from_its_value(seed, chains, hops) -> None:
    problem = variables(seed, chains=chains, hops=hops)
    assert len(problem.facts) == chains * (hops + 1)
    assert len(problem.answers) == hops + 1
    assert find(" ".join(problem.facts), problem.question) == set(problem.answers)


def test_common_words_stand_there_ten_times_as_often_as_the_others() -> None:
    problem = common_words(5, 4000, words)
    counts = Counter(re.findall(r"\d+\. (\w+)", problem.text))
    assert {counts.pop(word) for word in problem.answers} == {30}
    assert set(counts.values()) == {3}
    assert not any(answer in other for answer in problem.answers for other in counts)


def test_frequent_words_stand_out() -> None:
    problem = frequent_words(5, 4000, words)
    ranked = Counter(problem.text.split()).most_common(4)
    assert [word for word, _ in ranked[:3]] == list(problem.answers)
    assert ranked[2][1] > ranked[3][1]


@pytest.mark.parametrize("make", [common_words, frequent_words])
def test_a_text_too_short_to_count_in_is_refused(make) -> None:
    with pytest.raises(UsageError, match="give more"):
        make(1, 10, words)


@pytest.mark.parametrize(
    ("tasks", "samples", "around", "message"),
    [
        ([], 1, True, "one or more tasks"),
        (["vt"], 0, True, "at least one sample"),
        (["niah"], 1, True, "no task"),
        (["vt"], 1, False, "needs a text"),
        (["niah_multikey_1"], 1, False, "needs a text"),
    ],
)
def test_questions_that_can_not_be_made_are_refused(tasks, samples, around, message) -> None:
    with pytest.raises(UsageError, match=message):
        ruler(tasks, 1000, samples, noise() if around else None, words)


def test_only_tasks_that_hide_facts_need_a_text() -> None:
    dataset = ruler(["niah_single_1", "niah_multikey_2", "niah_multikey_3", "cwe", "fwe"], 1500, 1, None, words)
    assert len({dataset.documents_of(question)[0].text for question in dataset.questions}) == 5


def test_other_arguments_are_other_data() -> None:
    made = [ruler(["vt"], 900, 2, noise(), words), ruler(["vt"], 900, 2, noise(), words, seed=1)]
    made += [ruler(["vt"], 1000, 2, noise(), words), ruler(["vt"], 900, 2, noise(1), words)]
    assert {(dataset.benchmark, dataset.tokens) for dataset in made} == {("ruler", 900), ("ruler", 1000)}
    assert len({dataset.sha256 for dataset in made}) == 4
    assert made[0].sha256 == ruler(["vt"], 900, 2, Noise((s for s, _ in noise().sentences), words), words).sha256
