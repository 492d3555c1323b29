"""A bench has a row for every question, goes on where it stopped, and never mixes settings."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from pansophy.errors import (
    AuthenticationFailed,
    BudgetExceeded,
    EndpointUnavailable,
    RunError,
    RunFailed,
    StoreError,
    UsageError,
)
from pansophy.evaluation.bench import BenchProgress, Contender, run_bench
from pansophy.evaluation.datasets import Dataset, Question
from pansophy.evaluation.report import build_report
from pansophy.evaluation.rows import MANIFEST, Row, read_rows
from pansophy.models.scripted import ScriptedModel
from pansophy.types import Answer, ChatMessage, Document, Evidence, Usage, Verdict

QUESTIONS = tuple(Question(f"q{number}", f"What is {number}?", (f"answer {number}",), ("doc",)) for number in range(4))
DATASET = Dataset("tiny", QUESTIONS, (Document("doc", "doc", "text", "doc", "0"),), "f" * 64, "hotpotqa")


@dataclasses.dataclass
class FakeCorpus:
    fingerprint: str = "corpus-1"


class OneCall:
    """A strategy of one call: the scripted model's reply is the answer, its evidence the document "doc"."""

    def __init__(self, reply: Callable[[str], Any]) -> None:
        self.model = ScriptedModel(lambda messages, schema: reply(messages[-1].content))

    @property
    def asked(self) -> list[str]:
        return [call.messages[-1].content for call in self.model.calls]

    async def run(self, question: str, corpus: Any) -> Answer:
        completion = await self.model.complete([ChatMessage("user", question)], max_tokens=20)
        evidence = (Evidence("doc", 0, 4, "text", "it says so", 90.0, 1, cited=True),)
        return Answer(question, completion.text, Verdict.ANSWERED, evidence, rounds=1, usage=completion.usage)


def right(question: str) -> str:
    return f"answer {question.split()[-1].rstrip('?')}"


def contender(strategy: Any, name: str = "one-call", settings: Mapping[str, Any] | None = None) -> Contender:
    return Contender(name, strategy, settings or {"temperature": 0.0}, ("scripted:m",))


def bench(folder: Path, *contenders: Contender, **options: Any) -> dict[str, list[Row]]:
    dataset = options.pop("dataset", DATASET)
    corpus = options.pop("corpus", FakeCorpus())
    return asyncio.run(run_bench(dataset, corpus, contenders, folder, **options))


def test_every_question_is_a_scored_row_with_its_costs(tmp_path: Path) -> None:
    strategy = OneCall(lambda question: right(question) if "0" in question else "no idea")
    rows = bench(tmp_path, contender(strategy))["one-call"]
    assert [row.question_id for row in rows] == ["q0", "q1", "q2", "q3"]
    assert [row.f1 for row in rows] == [1.0, 0.0, 0.0, 0.0]
    assert (rows[0].exact_match, rows[0].contains, rows[0].evidence_hit, rows[0].evidence_recall) == (
        1.0,
        1.0,
        1.0,
        1.0,
    )
    assert rows[0].calls == 1
    assert rows[0].prompt_tokens == 8
    assert rows[0].evidence_documents == ("doc",)
    assert read_rows(tmp_path / "one-call.jsonl") == rows


def test_the_manifest_says_which_length_of_which_benchmark_was_measured(tmp_path: Path) -> None:
    bench(tmp_path / "own", contender(OneCall(right)))
    made = dataclasses.replace(DATASET, name="tiny-8k", benchmark="tiny", tokens=8_000)
    bench(tmp_path / "made", contender(OneCall(right)), dataset=made)
    manifests = {name: json.loads((tmp_path / name / MANIFEST).read_text()) for name in ("own", "made")}
    assert manifests["own"]["benchmark"] == {"name": "tiny", "tokens": None}
    assert manifests["made"]["benchmark"] == {"name": "tiny", "tokens": 8_000}


def test_a_folder_that_does_not_say_so_yet_is_gone_on_with(tmp_path: Path) -> None:
    made = dataclasses.replace(DATASET, name="tiny-8k", benchmark="tiny", tokens=8_000)
    bench(tmp_path, contender(OneCall(right)), dataset=made, limit=2)
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    del manifest["benchmark"]
    (tmp_path / MANIFEST).write_text(json.dumps(manifest))
    later = OneCall(right)
    bench(tmp_path, contender(later), dataset=made, limit=3)
    assert later.asked == [QUESTIONS[2].text]
    assert json.loads((tmp_path / MANIFEST).read_text())["benchmark"] == {"name": "tiny", "tokens": 8_000}


def test_a_strategy_may_be_a_plain_function(tmp_path: Path) -> None:
    class Plain:
        def run(self, question: str, corpus: Any) -> Answer:
            return Answer(question, right(question), Verdict.ANSWERED)

    assert [row.exact_match for row in bench(tmp_path, contender(Plain()))["one-call"]] == [1.0] * 4


def test_a_failed_example_is_a_row_that_counts_as_wrong(tmp_path: Path) -> None:
    def reply(question: str) -> Any:
        return EndpointUnavailable("the endpoint broke off") if "1" in question else right(question)

    rows = bench(tmp_path, contender(OneCall(reply)))["one-call"]
    assert [row.f1 for row in rows] == [1.0, 0.0, 1.0, 1.0]
    assert rows[1].error == "EndpointUnavailable: the endpoint broke off"
    assert rows[1].verdict == "failed"
    assert len(read_rows(tmp_path / "one-call.jsonl")) == 4


class Ends:
    def __init__(self, how: Callable[[str], Answer]) -> None:
        self.how = how

    async def run(self, question: str, corpus: Any) -> Answer:
        return self.how(question)


def test_an_answer_that_says_it_failed_earns_nothing_even_when_its_text_is_right(tmp_path: Path) -> None:
    def failed(question: str) -> Answer:
        return Answer(question, right(question), Verdict.FAILED, warnings=("every chunk failed",))

    rows = bench(tmp_path, contender(Ends(failed)))["one-call"]
    assert {(row.f1, row.error) for row in rows} == {(0.0, "every chunk failed")}


def test_a_failed_run_keeps_its_cause_and_what_was_paid(tmp_path: Path) -> None:
    def fails(question: str) -> Answer:
        partial = Answer(question, "", Verdict.FAILED, usage=Usage(calls=3, prompt_tokens=50))
        raise RunFailed("no chunk could be read", partial)

    rows = bench(tmp_path, contender(Ends(fails)), limit=1)["one-call"]
    assert (rows[0].error, rows[0].calls, rows[0].prompt_tokens) == ("no chunk could be read", 3, 50)


def test_a_wrong_key_stops_the_bench_and_keeps_what_was_answered(tmp_path: Path) -> None:
    def reply(question: str) -> Any:
        return AuthenticationFailed("wrong key") if "2" in question else right(question)

    with pytest.raises(AuthenticationFailed):
        bench(tmp_path, contender(OneCall(reply)))
    assert [row.question_id for row in read_rows(tmp_path / "one-call.jsonl")] == ["q0", "q1"]


def test_a_wrong_key_stops_the_bench_also_when_a_failed_run_tells_of_it(tmp_path: Path) -> None:
    def fails(question: str) -> Answer:
        raise RunFailed("wrong key", Answer(question, "", Verdict.FAILED)) from AuthenticationFailed("wrong key")

    with pytest.raises(AuthenticationFailed):
        bench(tmp_path, contender(Ends(fails)))
    assert read_rows(tmp_path / "one-call.jsonl") == []


def test_a_question_over_its_time_is_a_failed_row_and_the_next_is_asked(tmp_path: Path) -> None:
    class Hangs:
        async def run(self, question: str, corpus: Any) -> Answer:
            if "0" in question:
                await asyncio.Event().wait()
            return Answer(question, right(question), Verdict.ANSWERED)

    rows = bench(tmp_path, contender(Hangs()), question_seconds=0.02)["one-call"]
    assert rows[0].error == "no answer within 0.02 s"
    assert [row.f1 for row in rows] == [0.0, 1.0, 1.0, 1.0]


def test_a_bench_stopped_at_any_question_goes_on_without_asking_twice(tmp_path: Path) -> None:
    for stop_after in range(1, 5):
        folder = tmp_path / str(stop_after)
        first, second = OneCall(right), OneCall(right)

        def stop(progress: BenchProgress, after: int = stop_after) -> None:
            if progress.done == after:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            bench(folder, contender(first), on_progress=stop)
        rows = bench(folder, contender(second))["one-call"]
        assert len(first.asked) == stop_after
        assert first.asked + second.asked == [question.text for question in QUESTIONS]
        assert rows == read_rows(folder / "one-call.jsonl")
        assert len((folder / "one-call.jsonl").read_text().splitlines()) == 4


def test_a_torn_last_line_is_asked_again(tmp_path: Path) -> None:
    bench(tmp_path, contender(OneCall(right)))
    for name in ("one-call.jsonl", "one-call.answers.jsonl"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:-30])
    again = OneCall(right)
    bench(tmp_path, contender(again))
    assert again.asked == [QUESTIONS[3].text]
    assert [json.loads(line)["question_id"] for line in (tmp_path / "one-call.jsonl").open()] == [
        "q0",
        "q1",
        "q2",
        "q3",
    ]
    assert len([json.loads(line) for line in (tmp_path / "one-call.answers.jsonl").open()]) == 4


def test_a_damaged_line_in_the_middle_is_an_error_not_a_gap(tmp_path: Path) -> None:
    bench(tmp_path, contender(OneCall(right)))
    path = tmp_path / "one-call.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], "{broken", *lines[2:]]) + "\n")
    with pytest.raises(RunError, match="line 2 is damaged"):
        bench(tmp_path, contender(OneCall(right)))


def test_failed_rows_are_asked_again_only_when_wanted(tmp_path: Path) -> None:
    bench(tmp_path, contender(OneCall(lambda question: EndpointUnavailable("down"))), limit=2)
    kept = OneCall(right)
    assert [row.f1 for row in bench(tmp_path, contender(kept), limit=2)["one-call"]] == [0.0, 0.0]
    assert kept.asked == []
    rows = bench(tmp_path, contender(OneCall(right)), limit=2, retry_failed=True)["one-call"]
    assert [row.f1 for row in rows] == [1.0, 1.0]
    assert read_rows(tmp_path / "one-call.jsonl") == rows


def test_more_questions_can_be_asked_later(tmp_path: Path) -> None:
    bench(tmp_path, contender(OneCall(right)), limit=2)
    later = OneCall(right)
    bench(tmp_path, contender(later), limit=3)
    assert later.asked == [QUESTIONS[2].text]
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    assert manifest["strategies"]["one-call"]["questions"] == ["q0", "q1", "q2"]
    assert len(manifest["sessions"]) == 2


def test_a_strategy_can_be_added_and_asked_fewer_questions(tmp_path: Path) -> None:
    bench(tmp_path, contender(OneCall(right)))
    slow = dataclasses.replace(contender(OneCall(right), "slow"), limit=1)
    results = bench(tmp_path, contender(OneCall(right)), slow)
    assert {name: len(rows) for name, rows in results.items()} == {"one-call": 4, "slow": 1}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"contenders": [contender(OneCall(right), settings={"temperature": 0.5})]}, "another settings.temperature"),
        ({"contenders": [Contender("one-call", OneCall(right), {"temperature": 0.0}, ("other",))]}, "another models"),
        ({"dataset": dataclasses.replace(DATASET, sha256="0" * 64)}, "another dataset.sha256"),
        ({"corpus": FakeCorpus("corpus-2")}, "another corpus"),
        ({"seed": 7}, "another seed"),
    ],
)
def test_results_of_other_settings_are_refused_before_any_call(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    bench(tmp_path, contender(OneCall(right)), limit=1)
    before = (tmp_path / "one-call.jsonl").read_text()
    strategy = OneCall(right)
    contenders = changes.pop("contenders", [contender(strategy)])
    with pytest.raises(RunError, match=words):
        bench(tmp_path, *contenders, **changes)
    assert strategy.asked == []
    assert (tmp_path / "one-call.jsonl").read_text() == before


def test_a_folder_with_something_else_in_it_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text('{"name": "a web page"}')
    with pytest.raises(RunError, match="not a bench manifest"):
        bench(tmp_path, contender(OneCall(right)))
    assert (tmp_path / MANIFEST).read_text() == '{"name": "a web page"}'


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="can't write results into"):
        bench(tmp_path / "file" / "bench", contender(OneCall(right)))


def test_the_manifest_says_what_was_measured_with_what(tmp_path: Path) -> None:
    bench(
        tmp_path, contender(OneCall(right)), command=["pansophy", "bench", "--data=/secret/place/tiny", "/home/x/out"]
    )
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    session = manifest["sessions"][0]
    assert session["command"] == ["pansophy", "bench", "--data=tiny", "out"]
    assert session["machine"]["cores"] >= 1
    assert set(session["versions"]) >= {"python", "pansophy"}
    assert manifest["dataset"]["sha256"] == DATASET.sha256
    entry = manifest["strategies"]["one-call"]
    assert (entry["models"], entry["settings"], entry["file"]) == (
        ["scripted:m"],
        {"temperature": 0.0},
        "one-call.jsonl",
    )
    assert len(entry["fingerprint"]) == 64
    assert entry["finished"]


def test_rows_do_not_quote_the_dataset_but_the_answers_file_does(tmp_path: Path) -> None:
    bench(tmp_path, contender(OneCall(lambda question: "something else")))
    assert "What is 1?" not in (tmp_path / "one-call.jsonl").read_text()
    answers = [json.loads(line) for line in (tmp_path / "one-call.answers.jsonl").open()]
    assert answers[1]["question"] == "What is 1?"
    assert answers[1]["gold"] == ["answer 1"]
    assert answers[1]["answer"]["evidence"][0]["quote"] == "text"


def test_time_over_stops_before_the_next_question_and_says_how_many_are_left(tmp_path: Path) -> None:
    strategy = OneCall(right)
    with pytest.raises(BudgetExceeded, match="4 questions of one-call left"):
        bench(tmp_path, contender(strategy), total_seconds=0.0)
    assert strategy.asked == []


def test_progress_tells_the_time_that_is_left_only_once_it_is_known(tmp_path: Path) -> None:
    seen: list[BenchProgress] = []
    bench(tmp_path, contender(OneCall(right)), limit=2)
    bench(tmp_path, contender(OneCall(right)), on_progress=seen.append)
    assert [(one.done, one.total) for one in seen] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [one.remaining_seconds is None for one in seen] == [True, True, False, False]
    assert seen[-1].remaining_seconds == 0.0


def test_names_must_be_distinct(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="distinct names"):
        bench(tmp_path, contender(OneCall(right)), contender(OneCall(right)))
    with pytest.raises(ValueError, match="more than punctuation"):
        bench(tmp_path, contender(OneCall(right), "top k"), contender(OneCall(right), "top-k"))


def test_a_lone_surrogate_in_an_answer_survives_the_file(tmp_path: Path) -> None:
    odd = Ends(lambda question: Answer(question, "half \udc80 line\u2028break", Verdict.ANSWERED))
    rows = bench(tmp_path, contender(odd), limit=1)["one-call"]
    assert read_rows(tmp_path / "one-call.jsonl") == rows


def test_questions_with_texts_of_their_own_are_asked_over_them_and_scored_by_the_benchmarks_own_rule(
    tmp_path: Path,
) -> None:
    asked: list[tuple[str, str]] = []

    class Looks:
        def run(self, question: str, corpus: Any) -> Answer:
            asked.append((question, corpus.fingerprint))
            return Answer(question, right(question), Verdict.ANSWERED, (), rounds=1)

    questions = tuple(dataclasses.replace(question, kind=f"kind-{at % 2}") for at, question in enumerate(QUESTIONS))
    dataset = dataclasses.replace(
        DATASET,
        questions=questions,
        score=lambda prediction, question: float(prediction.endswith("1") and question.kind == "kind-1"),
        score_name="ends-in-1",
    )
    rows = bench(tmp_path, contender(Looks()), dataset=dataset, corpus=lambda question: FakeCorpus(question.id))
    assert asked == [(question.text, question.id) for question in questions]
    assert [(row.kind, row.score, row.f1) for row in rows["one-call"]] == [
        ("kind-0", 0.0, 1.0),
        ("kind-1", 1.0, 1.0),
        ("kind-0", 0.0, 1.0),
        ("kind-1", 0.0, 1.0),
    ]
    manifest = json.loads((tmp_path / MANIFEST).read_text("utf-8"))
    assert (manifest["corpus"], manifest["dataset"]["score"]) == ("one for each question", "ends-in-1")
    page = build_report([tmp_path]).markdown()
    assert "| one-call | 4 | 25.0 [" in page
    assert "| Strategy | kind-0 | kind-1 |" in page
    assert "Score is ends-in-1" in page


def test_a_failed_example_scores_nothing_by_the_benchmarks_own_rule_either(tmp_path: Path) -> None:
    dataset = dataclasses.replace(DATASET, score=lambda prediction, question: 1.0)

    def fails(question: str, corpus: Any) -> Answer:
        raise ValueError("broken")

    rows = bench(tmp_path, contender(type("Fails", (), {"run": staticmethod(fails)})()), dataset=dataset)
    assert [row.score for row in rows["one-call"]] == [0.0] * 4


class Meeting:
    """Answers only when `size` questions are being asked at the same time."""

    def __init__(self, size: int) -> None:
        self.size, self.here, self.met = size, 0, asyncio.Event()

    async def run(self, question: str, corpus: Any) -> Answer:
        self.here += 1
        if self.here == self.size:
            self.met.set()
        await self.met.wait()
        return Answer(question, right(question), Verdict.ANSWERED)


def test_questions_can_be_asked_at_once_and_come_out_in_their_order(tmp_path: Path) -> None:
    strategy = Meeting(3)
    rows = bench(tmp_path, contender(strategy), at_once=3, question_seconds=20)["one-call"]
    assert strategy.met.is_set()
    assert [(row.question_id, row.f1) for row in rows] == [(f"q{number}", 1.0) for number in range(4)]
    assert {row.question_id for row in read_rows(tmp_path / "one-call.jsonl")} == {f"q{number}" for number in range(4)}


def test_less_than_one_question_at_once_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at_once must be at least 1, not 0"):
        bench(tmp_path, contender(OneCall(right)), at_once=0)


def test_a_wrong_key_stops_the_questions_asked_at_once_too(tmp_path: Path) -> None:
    stopped: list[str] = []

    class Key:
        async def run(self, question: str, corpus: Any) -> Answer:
            if "2" in question:
                raise AuthenticationFailed("the key is wrong")
            try:
                await asyncio.sleep(20)
            except asyncio.CancelledError:
                stopped.append(question)
                raise
            return Answer(question, "", Verdict.ANSWERED)

    with pytest.raises(AuthenticationFailed, match="the key is wrong"):
        bench(tmp_path, contender(Key()), at_once=3)
    assert len(stopped) == 2
    assert read_rows(tmp_path / "one-call.jsonl") == []


def test_what_has_begun_is_finished_when_the_time_is_over(tmp_path: Path) -> None:
    async def slowly(question: str, corpus: Any) -> Answer:
        await asyncio.sleep(0.3 if "0" in question else 0.01)
        return Answer(question, right(question), Verdict.ANSWERED)

    class Slow:
        run = staticmethod(slowly)

    with pytest.raises(BudgetExceeded, match="time is over with"):
        bench(tmp_path, contender(Slow()), at_once=2, total_seconds=0.005)
    assert {row.question_id for row in read_rows(tmp_path / "one-call.jsonl")} >= {"q0", "q1"}
