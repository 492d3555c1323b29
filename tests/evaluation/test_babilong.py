"""BABILong: problems that their own sentences answer, texts of the length asked for, replies judged as by the paper."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pansophy.errors import SourceError, UsageError
from pansophy.evaluation.babilong import EXAMPLES, LABELS, TASKS, babilong, compare_answers, generate, is_fact, solve
from pansophy.evaluation.haystack import Noise, hide, length_of, names_of, read_noise

NAMES = sorted(TASKS)
NAMES_IN_ORDER = list(TASKS)


def words(text: str) -> int:
    return len(re.findall(r"\w+|[^\w\s]", text))


def noise(seed: int = 0) -> Noise:
    chance = random.Random(seed)
    vocabulary = ("rain", "fell", "upon", "grey", "roofs", "of", "the", "town", "by", "a", "river", "nobody", "looked")
    return Noise([" ".join(chance.choices(vocabulary, k=chance.randint(3, 25))) + "." for _ in range(60)], words)


# --- problems ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", NAMES)
def test_the_sentences_alone_give_every_answer(task: str) -> None:
    problems = [generate(task, seed) for seed in range(300)]
    assert [solve(p.facts, p.question) for p in problems] == [p.answer for p in problems]


@pytest.mark.parametrize("task", NAMES)
def test_answers_are_labels_of_the_task_and_most_labels_occur(task: str) -> None:
    said = {part for seed in range(400) for part in generate(task, seed).answer.lower().split(",")}
    assert said <= LABELS[task]
    assert len(said) >= len(LABELS[task]) - 1


# The same examples each time: a world may take long, if seldom, until there is something to ask about.
@settings(max_examples=60, derandomize=True)
@given(st.sampled_from(NAMES), st.integers(0, 10**9), st.none() | st.integers(1, 60))
def test_a_problem_is_the_same_for_the_same_arguments_and_as_long_as_asked(task, seed, facts) -> None:
    problem = generate(task, seed, facts=facts)
    assert problem == generate(task, seed, facts=facts)
    assert solve(problem.facts, problem.question) == problem.answer
    if facts is not None and facts >= 12 and task != "qa4":
        assert facts <= len(problem.facts) <= facts + 30


@pytest.mark.parametrize("task", ["qa1", "qa2", "qa3"])
def test_the_order_of_the_facts_matters(task: str) -> None:
    changed = 0
    for seed in range(200):
        problem = generate(task, seed, facts=20)
        try:
            changed += solve(problem.facts[::-1], problem.question) != problem.answer
        except UsageError:
            changed += 1
    assert changed > 100


@pytest.mark.parametrize(("task", "facts"), [("qa11", None), ("", None), ("qa1", 0), ("qa1", -3)])
def test_what_can_not_be_made_is_said(task, facts) -> None:
    with pytest.raises(UsageError):
        generate(task, 1, facts=facts)


@pytest.mark.parametrize(
    ("facts", "question"),
    [(["Rain fell."], "Where is Mary?"), ([], "Where is Mary?"), (["Mary went to the garden."], "Who is Mary?")],
)
def test_the_solver_says_what_it_can_not_read(facts, question) -> None:
    with pytest.raises(UsageError):
        solve(facts, question)


# --- haystacks --------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(NAMES), st.integers(0, 1000), st.integers(100, 4000))
def test_a_haystack_has_the_length_asked_for_and_all_facts_in_order(task, seed, more) -> None:
    problem = generate(task, seed)
    tokens = words(" ".join(problem.facts)) + more
    made = hide(problem.facts, noise(), tokens, seed=seed)
    assert made == hide(problem.facts, noise(), tokens, seed=seed)
    assert made.tokens == words(made.text)
    assert tokens - 3 < made.tokens <= tokens
    assert [made.text[start:end] for start, end in made.spans] == list(problem.facts)
    assert list(made.spans) == sorted(made.spans)
    assert solve([made.text[start:end] for start, end in made.spans], problem.question) == problem.answer


def test_without_a_length_there_are_the_facts_alone() -> None:
    problem = generate("qa2", 5)
    assert hide(problem.facts, noise(), 0, seed=1).text == " ".join(problem.facts)


def test_facts_stay_between_the_shares_asked_for() -> None:
    problem = generate("qa1", 3)
    made = hide(problem.facts, noise(), 5000, seed=4, start=0.5, end=0.75)
    assert made.spans[0][0] > 0.45 * len(made.text)
    assert made.spans[-1][1] < 0.80 * len(made.text)


def test_facts_are_spread_over_the_whole_text() -> None:
    problem = generate("qa1", 1, facts=10)
    starts = [start / 20_000 for seed in range(40) for start, _ in hide(problem.facts, noise(), 4000, seed=seed).spans]
    assert min(starts) < 0.1
    assert max(starts) > 0.8


@pytest.mark.parametrize("arguments", [{"tokens": 5}, {"tokens": 900, "start": 0.6, "end": 0.5}])
def test_an_impossible_haystack_is_refused(arguments) -> None:
    with pytest.raises(UsageError):
        hide(generate("qa1", 1, facts=10).facts, noise(), seed=1, **arguments)


def test_noise_without_a_long_enough_sentence_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 10 tokens"):
        Noise(["Too short.", "This one too."], words)


# --- scores -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "target", "question", "task", "right"),
    [
        ("The office", "office", "Where is Mary?", "qa1", True),
        ("OFFICE. Before that she was in the garden.", "office", "Where is Mary?", "qa1", True),
        ("in the office, not in the garden", "office", "Where is Mary?", "qa1", False),
        ("garden", "office", "Where is Mary?", "qa1", False),
        ("", "office", "Where is Mary?", "qa1", False),
        ("office <example> garden", "office", "Where is Mary?", "qa1", True),
        ("office <context>garden", "office", "Where is Mary?", "qa1", True),
        ("It was in the kitchen before the garden", "kitchen", "Where was the milk before the garden?", "qa3", True),
        ("Fred gave it to Jeff", "Jeff", "Who did Fred give the milk to?", "qa5", True),
        ("milk and apple", "apple,milk", "What is Mary carrying?", "qa8", True),
        ("milk", "apple,milk", "What is Mary carrying?", "qa8", False),
        ("nothing", "nothing", "What is Mary carrying?", "qa8", True),
        ("maybe", "maybe", "Is Bill in the park?", "qa10", True),
        (
            "none",
            "none",
            "How many objects is Mary carrying?",
            "qa7",
            False,
        ),  # "none" says "one": the benchmark's quirk
        ("two", "two", "How many objects is Mary carrying?", "qa7", True),
    ],
)
def test_replies_are_judged_as_the_benchmark_does(reply, target, question, task, right) -> None:
    assert compare_answers(reply, target, question, task) is right


@given(st.sampled_from(NAMES), st.integers(0, 10**6))
def test_the_right_answer_is_right_and_all_labels_together_are_not(task, seed) -> None:
    problem = generate(task, seed)
    if problem.answer != "none":
        assert compare_answers(problem.answer, problem.answer, problem.question, task)
    everything = " ".join(sorted(LABELS[task]))
    if problem.answer.count(",") < 2:
        assert not compare_answers(everything, problem.answer, problem.question, task)


# --- a bench's questions ----------------------------------------------------------------------------------------------


def test_each_question_has_its_own_text_of_the_length_asked_for_and_the_benchmarks_score() -> None:
    dataset = babilong(["qa1", "qa4"], 1500, 3, noise(), seed=7)
    assert [question.id for question in dataset.questions] == ["qa1-0", "qa1-1", "qa1-2", "qa4-0", "qa4-1", "qa4-2"]
    assert [question.kind for question in dataset.questions] == ["qa1"] * 3 + ["qa4"] * 3
    texts = set()
    for question in dataset.questions:
        (document,) = dataset.documents_of(question)
        texts.add(document.text)
        assert 1490 < words(document.text) <= 1500
        facts = [fact for part in document.text.split(". ") if is_fact(fact := part.rstrip(".") + ".")]
        assert solve(facts, question.text) == question.answers[0]
        assert dataset.score(f"In the {question.answers[0]}.", question) == 1.0
        assert dataset.score("nowhere", question) == 0.0
    assert len(texts) == 6


def test_lengths_share_their_problems_and_other_seeds_or_noise_are_other_data() -> None:
    short, long = babilong(["qa2"], 600, 4, noise()), babilong(["qa2"], 4000, 4, noise())
    assert [q.text for q in short.questions] == [q.text for q in long.questions]
    assert [q.answers for q in short.questions] == [q.answers for q in long.questions]
    others = [long, babilong(["qa2"], 4000, 4, noise(), seed=1), babilong(["qa2"], 4000, 4, noise(1))]
    assert len({dataset.sha256 for dataset in [short, *others]}) == 4
    assert long.sha256 == babilong(["qa2"], 4000, 4, noise()).sha256
    assert (short.name, babilong(["qa2"], 128_000, 1, noise()).name) == ("babilong-600", "babilong-128k")
    assert (short.benchmark, short.tokens) == ("babilong", 600)


@pytest.mark.parametrize(("tasks", "samples"), [([], 1), (["qa1"], 0), (["qa99"], 1)])
def test_questions_that_can_not_be_made_are_refused(tasks, samples) -> None:
    with pytest.raises(UsageError):
        babilong(tasks, 600, samples, noise())


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("0", 0), ("4000", 4000), ("4k", 4000), ("128K", 128_000), ("1M", 1_000_000), ("0.5m", 500_000)],
)
def test_lengths_are_read_as_the_benchmark_names_them(text, tokens) -> None:
    assert length_of(text) == tokens


@pytest.mark.parametrize("text", ["", "k", "-4k", "4 books", "1e6"])
def test_what_is_no_length_is_refused(text) -> None:
    with pytest.raises(UsageError, match="no length"):
        length_of(text)


def test_tasks_are_read_as_lists_and_ranges() -> None:
    assert names_of("qa1-qa3, qa2,qa10", NAMES_IN_ORDER) == ["qa1", "qa2", "qa3", "qa10"]
    for wrong in ("", "qa11", "qa3-qa1", "qa1-", "qa1,,qa2"):
        with pytest.raises(UsageError, match="no task"):
            names_of(wrong, NAMES_IN_ORDER)


def test_noise_comes_from_a_file_or_from_a_folder_in_order(tmp_path) -> None:
    (tmp_path / "b.txt").write_text("Nobody in the whole grey town looked up when the old river rose. Short.")
    (tmp_path / "a.txt").write_text("Rain fell upon the grey roofs of the town by a river all day long.\n\nIt did.")
    found = read_noise(tmp_path, words)
    assert [sentence.split()[0] for sentence, _ in found.sentences] == ["Rain", "Nobody"]
    assert found.digest != read_noise(tmp_path / "a.txt", words).digest
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"no \.txt file"):
        read_noise(tmp_path / "empty", words)
    (tmp_path / "c.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(SourceError, match="can't be read"):
        read_noise(tmp_path, words)
    with pytest.raises(SourceError, match="can't be read"):
        read_noise(tmp_path / "nowhere.txt", words)


# --- worked examples --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", sorted(EXAMPLES))
def test_the_worked_examples_are_right_and_give_no_answer_away(task):
    for example in EXAMPLES[task]:
        assert solve(example.findings, example.question) == example.answer
        assert not LABELS[task] & set(re.findall(r"\w+", " ".join((*example.findings, example.answer)).lower()))
