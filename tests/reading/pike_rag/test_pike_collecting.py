"""Data for a trainable decomposer: exploration by upper bounds, trajectories with rewards, training pairs."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.reading.pike_rag.rules import calls, rule_model

from pansophy import Corpus
from pansophy.evaluation.hops import make_pool
from pansophy.reading.pike_rag import PikeRag
from pansophy.reading.pike_rag.collecting import UpperBoundExplorer, collect, training_pairs, upper_bounds
from pansophy.reading.pike_rag.trail import Trail
from pansophy.reading.pike_rag.units import Unit
from pansophy.types import Chunk


def units(count: int) -> list[Unit]:
    return [Unit(Chunk(f"d{n}", 0, 1, str(n), n), n) for n in range(count)]


@pytest.mark.parametrize(
    ("scores", "visits", "step", "best"),
    [
        ([0.2, 0.9], [1, 1], 1, 1),
        ([0.5, 0.6], [1, 4], 3, 0),  # .5 + .5 * 1.048 = 1.024 against .6 + .5 * .524 = .862
        ([0.0, 0.6], [1, 2], 2, 1),  # .416 against .894
        ([1.0, 0.0], [9, 1], 5, 0),  # 1.211 against .634
        ([0.1, 0.1, 0.1], [3, 2, 3], 4, 1),
    ],
)
def test_the_upper_bound_by_hand(scores: list[float], visits: list[int], step: int, best: int) -> None:
    bounds = upper_bounds(scores, visits, step, 0.5)
    assert bounds.index(max(bounds)) == best
    assert bounds[0] == pytest.approx(scores[0] + 0.5 * math.sqrt(math.log(step) / visits[0]))


@given(st.integers(2, 6), st.integers(1, 40))
def test_with_equal_scores_all_are_visited_alike(count: int, steps: int) -> None:
    visits = [1] * count
    for step in range(2, steps + 2):
        bounds = upper_bounds([0.3] * count, visits, step)
        visits[bounds.index(max(bounds))] += 1
        assert max(visits) - min(visits) <= 1


def test_a_chunk_that_enters_the_context_loses_its_score_and_gains_a_visit() -> None:
    explorer = UpperBoundExplorer(scores={0: 0.5, 1: 0.9, 2: 0.0})
    explorer._units = dict(enumerate(units(3)))
    trail = Trail()
    sampled = explorer.sample(1, trail)
    assert sampled is not None
    assert sampled.number == 1
    trail.context.append(sampled)
    again = explorer.sample(2, trail)
    assert again is not None
    assert again.number == 0
    assert (explorer.scores, explorer.visits) == ({0: 0.5, 1: 0.0, 2: 0.0}, {1: 2})
    trail.context.append(again)
    assert explorer.sample(3, trail) is None


@given(st.integers(0, 6))
def test_a_trajectory_of_t_steps_gives_one_pair_more(count: int) -> None:
    steps = [{"sub_question": f"q{n}?", "sub_answer": f"a{n}"} for n in range(count)]
    pairs = training_pairs({"question": "Q?", "steps": steps})
    targets = [json.loads(pair["target"]) for pair in pairs]
    assert [target["sub_question"] for target in targets] == [*(step["sub_question"] for step in steps), ""]
    assert [target["decompose"] for target in targets] == [True] * count + [False]
    assert pairs[-1]["input"].count("\nA: ") == count
    assert pairs[0]["input"] == "Question: Q?"


async def test_trajectories_are_written_with_rewards_and_not_made_twice(tmp_path: Path) -> None:
    pool = make_pool(2, 3, decoys=2)
    asked = {problem.question: [problem.answer] for problem in pool.problems}
    corpus, path = Corpus.from_texts(dict(pool.notes)), tmp_path / "trajectories.jsonl"
    assert await collect(PikeRag(rule_model()), asked, corpus, path, samples=2) == 6
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert {(line["question"], line["sample"]) for line in lines} == {(q, n) for q in asked for n in range(2)}
    for line in lines:
        assert line["reward"] == {"f1": 1.0, "exact_match": 1.0}
        assert line["answer"] == line["gold"][0]
        assert [step["sub_answer"] for step in line["steps"]] == ["somebody"] * len(line["steps"])
        assert len(training_pairs(line)) == len(line["steps"]) + 1
        assert line["stop"] == "nothing more to ask"
    again = rule_model()
    assert await collect(PikeRag(again), asked, corpus, path, samples=2) == 6
    assert not again.calls


async def test_a_torn_line_is_made_again(tmp_path: Path) -> None:
    pool = make_pool(2, 2, decoys=0)
    asked = {problem.question: [problem.answer] for problem in pool.problems}
    corpus, path = Corpus.from_texts(dict(pool.notes)), tmp_path / "trajectories.jsonl"
    await collect(PikeRag(rule_model()), asked, corpus, path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    assert await collect(PikeRag(rule_model()), asked, corpus, path) == 2
    assert path.read_bytes() == whole


async def test_exploring_puts_a_sampled_chunk_beside_the_chosen_one_and_later_samples_are_warmer(
    tmp_path: Path,
) -> None:
    texts = {f"t{n}": f"Note {n} about the mentor of Venn." for n in range(8)}
    model = rule_model(
        atoms=lambda prompt: "Who is the mentor of Venn?",
        propose=lambda prompt: json.dumps({"sub_questions": ["Who is the mentor of Venn?"]}),
        choose=lambda prompt: '{"number": 1}',
        answer=lambda prompt: '{"answer": "Ada"}',
    )
    path = tmp_path / "trajectories.jsonl"
    options: dict[str, Any] = {"retrieve_k": 2, "rounds": 2}
    reader = PikeRag(model, settings=options)
    await collect(reader, {"Who is the mentor of Venn?": ["Ada"]}, Corpus.from_texts(texts), path, samples=2)
    first, second = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert first["steps"][0]["document"] == "t0"
    assert first["steps"][0]["explored"] == "t2"
    temperatures = [(call.temperature, call.seed) for call in calls(model, "propose")]
    assert (temperatures[0], temperatures[-1]) == ((0.0, 0), (0.7, 1))
    assert second["sample"] == 1
