"""Multi-hop facts: every hop is needed, and none but the first can be found before the hop before it is known."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.evaluation.test_babilong import noise, words

from pansophy import Corpus
from pansophy.errors import UsageError
from pansophy.evaluation.hops import HOPS, Problem, generate, hops, is_fact, solve
from pansophy.evaluation.hops.relations import ASKS, RELATIONS

examples = settings(max_examples=25, deadline=None)

FUNCTION_WORDS = {"who", "which", "is", "the", "of"}

problems = st.builds(generate, st.sampled_from(HOPS), st.integers(0, 10**9), decoys=st.integers(0, 6))


def stems(text: str) -> set[str]:
    """Names, and the first four letters of other words that carry meaning: no stemmer takes more for the same."""
    found = re.findall(r"[A-Za-z]+", text)
    return {word if word.istitle() else word[:4] for word in found if word.lower() not in FUNCTION_WORDS}


def names(text: str, problem: Problem) -> set[str]:
    """The invented names in a text: its capitalised words but for those that begin a sentence of every seed."""
    usual = {word for relation in RELATIONS for one in relation.sentences for word in re.findall(r"[A-Z][a-z]+", one)}
    usual |= {word for ask in ASKS.values() for word in ask.split()}
    return set(re.findall(r"[A-Z][a-z]+", text)) - usual


@examples
@given(problems)
def test_the_sentences_alone_give_the_answer(problem: Problem) -> None:
    assert solve(problem.facts, problem.question) == problem.answer
    assert solve(problem.chain, problem.question) == problem.answer
    assert set(problem.chain) <= set(problem.facts)
    assert all(is_fact(fact) for fact in problem.facts)
    assert not is_fact(problem.question)


@examples
@given(problems)
def test_without_any_one_fact_there_is_no_answer(problem: Problem) -> None:
    for missing in problem.chain:
        with pytest.raises(UsageError, match="the facts don't tell"):
            solve([fact for fact in problem.facts if fact != missing], problem.question)


@examples
@given(problems)
def test_only_the_first_fact_shares_a_word_with_the_question(problem: Problem) -> None:
    asked = stems(problem.question)
    assert [fact for fact in problem.facts if stems(fact) & asked] == [problem.chain[0]]


def test_no_question_shares_a_word_with_any_sentence_of_any_relation() -> None:
    asked = stems(" ".join([*ASKS.values(), *(noun for relation in RELATIONS for noun in relation.nouns)]))
    told = {relation.nouns[0]: stems(" ".join(relation.sentences)) & asked for relation in RELATIONS}
    assert not any(told.values()), told


@examples
@given(problems)
def test_each_fact_gives_the_name_that_finds_the_next_and_the_answer_stands_in_the_last_alone(problem: Problem) -> None:
    told = [names(fact, problem) for fact in problem.chain]
    for number, (fact, following) in enumerate(itertools.pairwise(told)):
        assert fact & following
        assert not any(fact & later for later in told[number + 2 :])
    answer = set(problem.answer.split())
    assert [fact for fact in problem.facts if names(fact, problem) & answer] == [problem.chain[-1]]


@examples
@given(problems)
def test_decoys_tell_of_the_same_relations_about_others(problem: Problem) -> None:
    decoys = [fact for fact in problem.facts if fact not in problem.chain]
    assert len(problem.facts) == len(set(problem.facts))
    assert len(decoys) % problem.hops == 0
    true = set().union(*(names(fact, problem) for fact in problem.chain))
    assert not any(names(fact, problem) & true for fact in decoys)


def test_a_search_for_the_question_finds_the_first_hop_alone() -> None:
    for seed in range(3):
        problem = generate(3, seed)
        corpus = Corpus.from_texts({fact: fact for fact in problem.facts})
        assert [hit.chunk.text for hit in corpus.search(problem.question, 50)] == [problem.chain[0]]


def test_problems_are_the_same_for_the_same_arguments_and_differ_in_wording_and_order() -> None:
    made = [generate(4, seed) for seed in range(60)]
    assert made == [generate(4, seed) for seed in range(60)]
    assert len({problem.question for problem in made}) == 60
    told = re.compile("|".join(one.replace("{s}", ".+").replace("{t}", ".+") for one in RELATIONS[0].sentences))
    wordings = {re.sub(r"[A-Z][a-z]+", "X", fact) for p in made for fact in p.facts if told.fullmatch(fact)}
    assert len(wordings) == len(RELATIONS[0].sentences)
    places = [[problem.facts.index(fact) for fact in problem.chain] for problem in made]
    assert any(order != sorted(order) for order in places)


@pytest.mark.parametrize(("length", "decoys"), [(1, 0), (6, 0), (0, 0), (2, -1)])
def test_what_can_not_be_made_is_said(length: int, decoys: int) -> None:
    with pytest.raises(UsageError):
        generate(length, 1, decoys=decoys)


@pytest.mark.parametrize(
    ("question", "words"),
    [("Where is Mary?", "can't be read"), ("Who is the uncle of Tarvo Blenk?", "uncle is no relation")],
)
def test_the_solver_says_what_it_can_not_read(question: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        solve([], question)


# --- a bench's questions ----------------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(HOPS), st.integers(0, 1000), st.integers(700, 3000))
def test_a_text_has_the_length_asked_for_and_all_facts(length: int, seed: int, tokens: int) -> None:
    dataset = hops([length], tokens, 1, noise(), seed=seed)
    (question,) = dataset.questions
    (document,) = dataset.documents_of(question)
    assert tokens - 3 < words(document.text) <= tokens
    facts = [fact for fact in generate(length, seed * 1_000_003).facts if fact in document.text]
    assert solve(facts, question.text) == question.answers[0]
    assert dataset.documents_of(question) == (document,)


def test_questions_have_their_kinds_and_lengths_share_their_problems() -> None:
    short, long = hops([2, 3], 600, 2, noise()), hops([2, 3], 4000, 2, noise())
    assert [question.kind for question in short.questions] == ["2 hops", "2 hops", "3 hops", "3 hops"]
    assert [question.id for question in short.questions] == ["2hops-0", "2hops-1", "3hops-0", "3hops-1"]
    assert short.questions == long.questions
    assert (short.name, long.name) == ("hops-600", "hops-4k")


def test_other_arguments_are_other_data() -> None:
    made = [hops([2], 900, 2, noise()), hops([2], 900, 2, noise(), seed=1), hops([2], 900, 2, noise(), decoys=0)]
    made += [hops([2], 1000, 2, noise()), hops([2], 900, 2, noise(1)), hops([3], 900, 2, noise())]
    assert len({dataset.sha256 for dataset in made}) == 6
    assert made[0].sha256 == hops([2], 900, 2, noise()).sha256


@pytest.mark.parametrize(("lengths", "samples", "decoys"), [([], 1, 3), ([2], 0, 3), ([9], 1, 3), ([2], 1, -1)])
def test_questions_that_can_not_be_made_are_refused(lengths: list[int], samples: int, decoys: int) -> None:
    with pytest.raises(UsageError):
        hops(lengths, 600, samples, noise(), decoys=decoys)
