"""Many multi-hop questions over one corpus of notes, and how much of their chains is found."""

from __future__ import annotations

import pytest

from pansophy.errors import UsageError
from pansophy.evaluation.hops import facts_of, follow, make_pool, single_question, solve
from pansophy.evaluation.hops.finding import Finding, interval, summarise


def test_each_question_of_a_pool_is_answered_by_its_gold_notes_alone() -> None:
    pool = make_pool(3, 20, decoys=1)
    assert len(pool.notes) == 20 * 3 * 2
    for problem in pool.problems:
        gold = pool.gold(problem)
        assert len(gold) == 3
        assert solve([pool.notes[name] for name in gold], problem.question) == problem.answer
        assert solve(pool.notes.values(), problem.question) == problem.answer


def test_a_pool_is_the_same_for_the_same_arguments() -> None:
    assert make_pool(2, 3) == make_pool(2, 3)
    assert make_pool(2, 3).notes != make_pool(2, 3, seed=1).notes
    with pytest.raises(UsageError, match="at least one problem"):
        make_pool(2, 0)


def test_notes_can_tell_several_facts_each() -> None:
    pool = make_pool(3, 5, decoys=1, facts_each=4)
    told = [fact for note in pool.notes.values() for fact in facts_of(note)]
    assert [len(facts_of(note)) for note in pool.notes.values()] == [4] * 7 + [2]
    assert sorted(told) == sorted(make_pool(3, 5, decoys=1).notes.values())
    for problem in pool.problems:
        gold = [facts_of(pool.notes[name]) for name in pool.gold(problem)]
        assert all(set(facts) & set(problem.chain) for facts in gold)
        assert set(problem.chain) <= {fact for facts in gold for fact in facts}
    with pytest.raises(UsageError, match="at least one fact"):
        make_pool(2, 3, facts_each=0)


def test_what_is_missing_is_told_step_by_step() -> None:
    (problem,) = make_pool(3, 1).problems
    known: list[str] = []
    for fact in problem.chain:
        found, missing = follow(known, problem.question)
        assert solve([fact], single_question(missing, found))
        known.append(fact)
    assert follow(known, problem.question) == (problem.answer, "")


def finding(found: list[str], answer: str | None = None, stop: str = "") -> Finding:
    return Finding("q", {"a", "b"}, found, "Orla Venn", answer, stop, 3, 100, 2.0)


def test_recall_counts_each_gold_note_once_and_an_answer_by_what_it_says() -> None:
    assert [finding(found).recall for found in (["a", "a", "c"], ["b", "a"], [])] == [0.5, 1.0, 0.0]
    assert [finding([], said).right for said in ("It is Orla Venn.", "Bo", None)] == [True, False, None]


def test_a_summary_has_means_intervals_and_reasons() -> None:
    told = summarise([finding(["a"], "Bo", "full"), finding(["a", "b"], "Orla Venn", "full")])
    assert (told["chain_recall"], told["whole_chain"], told["right"]) == (0.75, 0.5, 0.5)
    assert told["stops"] == {"full": 2}
    low, high = told["chain_recall_95"]
    assert 0.5 <= low <= 0.75 <= high <= 1.0
    assert interval([0.4] * 5) == (pytest.approx(0.4), pytest.approx(0.4))
