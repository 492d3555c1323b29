"""Reports count every planned question, pair by question id, and show F1 beside containment."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pansophy.errors import RunError
from pansophy.evaluation import report
from pansophy.evaluation.bench import Contender, run_bench
from pansophy.evaluation.datasets import Dataset, Question
from pansophy.evaluation.rows import Row
from pansophy.types import Answer, Verdict

DATASET = Dataset("tiny", tuple(Question(f"q{n}", f"{n}?", (f"a{n}",)) for n in range(8)), (), "f" * 64, "hotpotqa")


class Corpus:
    fingerprint = "c"


class Knows:
    """Answers the questions whose number is below `known`, wordily when asked to; raises on `broken`."""

    def __init__(self, known: int, *, around: str = "", broken: int | None = None) -> None:
        self.known, self.around, self.broken = known, around, broken

    def run(self, question: str, corpus: Any) -> Answer:
        number = int(question.rstrip("?"))
        if number == self.broken:
            raise RuntimeError("broken")
        return Answer(question, f"{self.around}a{number}" if number < self.known else "x", Verdict.ANSWERED)


def make(folder: Path, limit: int | None = None, **strategies: Knows) -> Path:
    contenders = [Contender(name, strategy, {}, ("m",)) for name, strategy in strategies.items()]
    asyncio.run(run_bench(DATASET, Corpus(), contenders, folder, limit=limit))
    return folder


def row(number: int, f1: float) -> Row:
    return Row(question_id=f"q{number}", f1=f1)


def test_means_are_over_all_questions_failed_ones_included(tmp_path: Path) -> None:
    built = report.build_report([make(tmp_path / "b", direct=Knows(8, broken=3))])
    (line,) = built.strategies
    assert (line.questions, line.planned, line.failed) == (8, 8, 1)
    assert line.scores["f1"].mean == pytest.approx(7 / 8)
    assert line.verdicts == {"answered": 7, "failed": 1}


def test_f1_and_containment_stand_side_by_side(tmp_path: Path) -> None:
    text = report.build_report([make(tmp_path / "b", wordy=Knows(8, around="well it may be "))]).markdown()
    header, _, line = text.splitlines()[:3]
    assert header.startswith("| Strategy | Questions | F1 | Contains |")
    assert line.startswith("| wordy | 8 | 33.3 [33.3, 33.3] | 100.0 [100.0, 100.0] |")


def test_strategies_are_compared_in_pairs_with_the_reference(tmp_path: Path) -> None:
    built = report.build_report([make(tmp_path / "b", direct=Knows(2), extagents=Knows(6))])
    by_metric = {one.metric: one for one in built.comparisons}
    one = by_metric["f1"]
    assert (one.strategy, one.reference, one.questions, one.better, one.worse) == ("direct", "extagents", 8, 0, 4)
    assert one.difference.mean == pytest.approx(-0.5)
    assert set(by_metric) == {"f1", "contains"}


def test_without_the_reference_the_first_strategy_is_compared_with(tmp_path: Path) -> None:
    built = report.build_report([make(tmp_path / "b", direct=Knows(2), other=Knows(6))])
    assert {(one.strategy, one.reference) for one in built.comparisons} == {("other", "direct")}


def test_pairs_are_matched_by_question_not_by_position() -> None:
    ours = [row(3, 1.0), row(7, 1.0), row(1, 0.0)]
    theirs = [row(1, 1.0), row(2, 1.0), row(3, 0.0)]
    one = report.compare("b", "ours", ours, "theirs", theirs, "f1")
    assert (one.questions, one.better, one.worse, one.difference.mean) == (2, 1, 1, 0.0)


def test_an_unfinished_bench_says_so(tmp_path: Path) -> None:
    folder = make(tmp_path / "b", direct=Knows(8))
    path = folder / "direct.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:5]))
    built = report.build_report([folder])
    assert "| direct | 5 of 8 |" in built.markdown()


def test_several_folders_are_told_apart(tmp_path: Path) -> None:
    folders = [make(tmp_path / "a" / "run", direct=Knows(1)), make(tmp_path / "b" / "run", direct=Knows(2))]
    built = report.build_report(folders)
    assert [line.bench for line in built.strategies] == ["run", "b/run"]
    assert built.markdown().startswith("| Bench | Strategy |")


def test_folders_without_results_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a bench folder"):
        report.build_report([tmp_path])
    folder = make(tmp_path / "b", direct=Knows(1))
    (folder / "direct.jsonl").unlink()
    with pytest.raises(RunError, match="no finished questions"):
        report.build_report([folder])


def test_the_json_summary_has_the_numbers_and_their_provenance(tmp_path: Path) -> None:
    data = report.build_report([make(tmp_path / "b", direct=Knows(4), extagents=Knows(8))]).to_dict()
    assert data["strategies"][0]["scores"]["f1"]["mean"] == 0.5
    assert data["benches"]["b"]["sessions"][0]["machine"]["cores"] >= 1
    assert data["comparisons"][0]["reference"] == "extagents"


values = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@given(values)
def test_the_interval_holds_within_the_values_and_is_repeatable(numbers: list[float]) -> None:
    estimate = report.bootstrap(numbers, resamples=100)
    assert min(numbers) - 1e-9 <= estimate.low <= estimate.high <= max(numbers) + 1e-9
    assert estimate == report.bootstrap(numbers, resamples=100)
    assert estimate.mean == pytest.approx(sum(numbers) / len(numbers))


def test_the_interval_of_a_coin_is_the_binomial_one() -> None:
    estimate = report.bootstrap([0.0] * 50 + [1.0] * 50)
    assert estimate.low == pytest.approx(0.40, abs=0.015)
    assert estimate.high == pytest.approx(0.60, abs=0.015)


def test_the_p_value_tells_a_clear_difference_from_a_balanced_one() -> None:
    assert report.sign_flip_p_value([1.0] * 12) < 0.01
    assert report.sign_flip_p_value([1.0, -1.0] * 6) > 0.5
    assert report.sign_flip_p_value([0.0] * 5) == 1.0
    assert report.sign_flip_p_value([1.0, 1.0, 1.0]) == pytest.approx(0.25, abs=0.04)  # 2 of 8 sign patterns
