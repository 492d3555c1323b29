"""Questions are asked without a text, labelled, kept, mixed and read back; and the measures over labels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.conflicts.samplers import Broken, TableSampler

from pansophy.conflicts.sampling import Sample
from pansophy.errors import RunError, SourceError, UsageError
from pansophy.reading.ikea.boundary import ProbeSettings, Question, first_line, mixed, probe, read_questions
from pansophy.reading.ikea.measures import Outcome, decision_f1, summary

CAPITALS = [
    Question("no", "What is the capital of Norway?", ("Oslo",)),
    Question("jp", "What is the capital of Japan?", ("Tokyo", "東京")),
    Question("xx", "What is the capital of Xenia?", ("Xen",)),
]
FOUR = ProbeSettings(samples=4)


def knowing(prompt: str, number: int) -> Sample:
    """Oslo every other time, Tokyo always in Japanese with a chat behind it, nothing about Xenia."""
    if "Norway" in prompt:
        return Sample("the Oslo." if number % 2 else "Bergen")
    return Sample("東京\nQuestion: what else?" if "Japan" in prompt else "")


async def test_the_share_of_right_answers_decides_what_is_easy(tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    probed = await probe(
        TableSampler(knowing),
        CAPITALS,
        tmp_path,
        FOUR,
        at_once=2,
        on_progress=lambda d, n, q: told.append((d, n, q.id)),
    )
    assert [(one.id, one.pass_rate, one.label) for one in probed] == [
        ("no", 0.5, "easy"),
        ("jp", 1.0, "easy"),
        ("xx", 0.0, "hard"),
    ]
    assert told == [(1, 3, "no"), (2, 3, "jp"), (3, 3, "xx")]
    assert read_questions(tmp_path / "easy.jsonl") == probed[:2]
    assert read_questions(tmp_path / "hard.jsonl") == probed[2:]
    both = read_questions(tmp_path / "mixed.jsonl")
    assert sorted(one.label for one in both) == ["easy", "hard"]


async def test_a_broken_probe_asks_nothing_twice(tmp_path: Path) -> None:
    with pytest.raises(Broken):
        await probe(TableSampler(knowing, breaks_after=8), CAPITALS, tmp_path, FOUR)
    assert not (tmp_path / "easy.jsonl").exists()
    going_on = TableSampler(knowing)
    assert len(await probe(going_on, CAPITALS, tmp_path, FOUR)) == 3
    assert going_on.drawn == 4
    again = TableSampler(knowing)
    await probe(again, CAPITALS, tmp_path, FOUR)
    assert again.drawn == 0


async def test_a_folder_holds_one_probe(tmp_path: Path) -> None:
    await probe(TableSampler(knowing), CAPITALS, tmp_path, FOUR)
    with pytest.raises(RunError, match=r"settings\.samples"):
        await probe(TableSampler(knowing), CAPITALS, tmp_path, ProbeSettings(samples=5))
    with pytest.raises(RunError, match="sha256"):
        await probe(TableSampler(knowing), CAPITALS[:2], tmp_path, FOUR)
    trained = TableSampler(knowing)
    trained.identity = "another model"
    with pytest.raises(RunError, match="model"):
        await probe(trained, CAPITALS, tmp_path, FOUR)
    (tmp_path / "probe.json").write_text("{")
    with pytest.raises(RunError, match="damaged"):
        await probe(TableSampler(knowing), CAPITALS, tmp_path, FOUR)


async def test_no_questions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no questions"):
        await probe(TableSampler(knowing), [], tmp_path)


@pytest.mark.parametrize("wrong", [{"samples": 0}, {"max_tokens": 0}, {"temperature": 0.0}])
def test_settings_that_tell_nothing_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        ProbeSettings(**wrong)


def test_only_the_first_line_of_an_answer_counts() -> None:
    assert first_line("\n Oslo \nand more") == "Oslo"
    assert first_line("") == ""


def labelled(easy: int, hard: int) -> list[Question]:
    rates = [0.5] * easy + [0.0] * hard
    return [Question(str(number), "q", ("a",), rate) for number, rate in enumerate(rates)] + CAPITALS


def test_a_mixture_has_as_many_of_either_kind() -> None:
    chosen = mixed(labelled(7, 4))
    assert sorted(one.label for one in chosen) == ["easy"] * 4 + ["hard"] * 4
    assert len({one.id for one in chosen}) == 8
    assert chosen == mixed(labelled(7, 4)) != mixed(labelled(7, 4), seed=1)
    assert len(mixed(labelled(7, 4), each=2)) == 4
    with pytest.raises(UsageError, match="7 easy and 4 hard questions, not 5"):
        mixed(labelled(7, 4), each=5)


def test_files_may_have_one_answer_and_no_ids(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    rows = [{"question": " Who? ", "answer": "Ida"}, {"id": 7, "question": "What?", "answers": ["a", " a ", "b", ""]}]
    path.write_text("\n\n".join(json.dumps(row) for row in rows))
    assert read_questions(path) == [Question("1", "Who?", ("Ida",)), Question("7", "What?", ("a", "b"))]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 1 is no JSON"),
        ("[1]", "line 1 is no object with question"),
        ('{"answer": "a"}', "line 1 has no question"),
        ('{"question": "  ", "answer": "a"}', "line 1 has no question"),
        ('{"question": "q"}', "answers must be a text or a list"),
        ('{"question": "q", "answers": [1]}', "answers must be a text or a list"),
        ('{"question": "q", "answers": [" "]}', "has no answer"),
        ('{"question": "q", "answer": "a", "pass_rate": 2}', "pass_rate must be a number from 0 to 1"),
        ('{"question": "q", "answer": "a", "pass_rate": true}', "pass_rate must be a number from 0 to 1"),
        ('{"question": "q", "answer": "a", "id": "x"}\n{"question": "q", "answer": "a", "id": "x"}', "more than once"),
        ("", "has no questions"),
    ],
)
def test_broken_lines_are_named(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text(line)
    with pytest.raises(SourceError, match=words):
        read_questions(path)


def test_a_missing_or_binary_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none\.jsonl can't be read"):
        read_questions(tmp_path / "none.jsonl")
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SourceError, match="UTF-8"):
        read_questions(tmp_path / "binary.jsonl")


# --- measures ---------------------------------------------------------------------------------------------------------


def outcome(label: str, searches: int, exact: float = 1.0, malformed: bool = False) -> Outcome:
    return Outcome(exact, searches, malformed, 1.0, label)


def test_decision_f1_is_that_of_a_search_where_the_model_knows_nothing() -> None:
    told = [outcome("hard", 2), outcome("hard", 1), outcome("hard", 0), outcome("easy", 1), outcome("easy", 0)]
    precision, recall = 2 / 3, 2 / 3
    assert decision_f1(told) == pytest.approx(2 * precision * recall / (precision + recall))
    assert decision_f1([outcome("hard", 1), outcome("easy", 0)]) == 1.0
    assert decision_f1([outcome("hard", 0), outcome("easy", 1)]) == 0.0
    assert decision_f1([outcome("easy", 0)]) is None


def test_a_summary_tells_rates_by_label_and_none_for_what_is_not_there() -> None:
    told = summary(
        [outcome("easy", 0), outcome("easy", 3, exact=0.0), outcome("hard", 1), outcome("", 0, malformed=True)]
    )
    assert told == {
        "episodes": 4,
        "exact_match": 0.75,
        "searches": 1.0,
        "reward": 1.0,
        "malformed": 0.25,
        "search_rate": 0.5,
        "search_rate_easy": 0.5,
        "search_rate_hard": 1.0,
        "exact_match_easy": 0.5,
        "exact_match_hard": 1.0,
        "decision_f1": pytest.approx(2 / 3),
    }
    assert summary([outcome("", 1)])["decision_f1"] is None
    assert summary([outcome("", 1)])["search_rate_hard"] is None
    with pytest.raises(ValueError, match="no episode"):
        summary([])
