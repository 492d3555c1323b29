"""InfiniteBench: files are read or refused with the place, and each variant scores as its source does."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pansophy.errors import SourceError, UsageError
from pansophy.evaluation.infinitebench import TASKS, VARIANTS, load_infinitebench, score, task_of


def row(**changes: Any) -> dict[str, Any]:
    base = {"id": 0, "context": "Mara keeps the iron key.", "input": "Who keeps the key?", "answer": ["Mara"]}
    return {**base, **changes}


CHOICE = {"options": ["Otis", "Mara", "Signe", "Ilse"], "answer": ["Mara"]}


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(one if isinstance(one, str) else json.dumps(one) + "\n" for one in rows), "utf-8")
    return path


# --- reading ----------------------------------------------------------------------------------------------------------


def test_each_question_has_its_own_text_read_when_it_is_asked(tmp_path: Path) -> None:
    path = write(tmp_path / "longbook_qa_eng.jsonl", row(), "\n", row(id=7, context="Ötis\u2028sails. ", answer="Otis"))
    dataset = load_infinitebench(path)
    first, second = dataset.questions
    assert (first.id, first.text, first.answers) == ("0", "Who keeps the key?", ("Mara",))
    assert (second.id, second.answers) == ("7", ("Otis",))
    assert dataset.documents_of is not None
    assert [document.text for document in dataset.documents_of(second)] == ["Ötis\u2028sails."]
    assert [document.text for document in dataset.documents_of(first)] == ["Mara keeps the iron key."]
    assert dataset.score is not None
    assert dataset.score("Otis", second) == 1.0
    assert dataset.score("Otis", first) == 0.0
    assert dataset.score_name == "infinitebench-openbmb"


def test_options_are_part_of_the_question_and_letter_or_text_is_right(tmp_path: Path) -> None:
    for task in ("longbook_choice_eng", "code_debug"):
        dataset = load_infinitebench(write(tmp_path / f"{task}.jsonl", row(**CHOICE)), variant="extagents")
        (question,) = dataset.questions
        assert "A. Otis\nB. Mara\nC. Signe\nD. Ilse" in question.text
        assert question.answers == ("Mara", "B")
        assert dataset.score is not None
        assert [dataset.score(reply, question) for reply in ("B", "Mara", "C", "Otis", "")] == [1, 1, 0, 0, 0]
        assert [dataset.scorer.contains(reply, question.answers) for reply in ("(B)", "Mara", "A Mara")] == [1, 1, 0]


def test_an_option_is_known_by_its_text_and_letter_too(tmp_path: Path) -> None:
    path = write(tmp_path / "longbook_choice_eng.jsonl", row(**{**CHOICE, "answer": ["Mara", "B"]}))
    assert load_infinitebench(path).questions[0].answers == ("Mara", "B")


@pytest.mark.parametrize(
    ("task", "fields", "replies"),
    [
        ("passkey", {"answer": ["71432"]}, {"The pass key is 71432.": 1, "99999 then 71432": 0}),
        ("kv_retrieval", {"answer": "ab-1"}, {'{"key": "ab-1"}': 1, "ab-12": 0}),
        ("longdialogue_qa_eng", {"input": "", "answer": ["ACE", "ACE ROTH"]}, {"It is Ace.": 1, "Roth": 0}),
        ("longbook_qa_chn", {"answer": ["李白"]}, {"李白。": 1, "杜甫": 0}),
        ("math_find", {"answer": [88]}, {"88": 1, "it is 88 not 3": 1, "3, then 88": 0, "88.5": 0, "none": 0}),
        ("math_find", {"answer": "3.5"}, {"3.5": 1, "3": 0}),
        ("math_calc", {"input": "", "answer": [[1, 4, 8, 2]]}, {"[1, 4, 9, 2]": 0.5, "1 4 8 2": 1, "": 0}),
        ("code_run", {"answer": -3}, {"It returns -3": 1, "The value is 3.": 0, "-3 it is": 0, "": 0}),
    ],
)
def test_every_task_is_read_asked_and_scored(
    tmp_path: Path, task: str, fields: dict[str, Any], replies: dict[str, float]
) -> None:
    dataset = load_infinitebench(write(tmp_path / "data.jsonl", row(**fields)), task=task)
    (question,) = dataset.questions
    assert question.text
    assert dataset.score is not None
    assert {reply: dataset.score(reply, question) for reply in replies} == replies


def test_the_task_is_known_by_the_files_name_or_said() -> None:
    assert task_of("data/longbook_qa_eng.jsonl") == "longbook_qa_eng"
    assert task_of("math_calc-first-20.jsonl") == "math_calc"
    assert task_of("mine.jsonl", "passkey") == "passkey"
    for path, task in (("mine.jsonl", None), ("passkey_math_find.jsonl", None), ("passkey.jsonl", "pass")):
        with pytest.raises(UsageError, match="longbook_qa_eng"):
            task_of(path, task)


@pytest.mark.parametrize(
    ("task", "rows", "words"),
    [
        ("longbook_qa_eng", [row(), row()], "the question id '0' occurs more than once"),
        ("longbook_qa_eng", [row(context=" ")], "line 1 has no text in 'context'"),
        ("longbook_qa_eng", [row(), row(id=1, input=None)], "line 2 has no text in 'input'"),
        ("longbook_qa_eng", [row(input="")], "line 1 has no text in 'input'"),
        ("longbook_qa_eng", [row(answer=[])], "line 1 has no 'answer'"),
        ("longbook_qa_eng", [row(answer=[""])], "line 1 has no 'answer'"),
        ("longbook_qa_eng", [row(id=[1])], "line 1: 'id' must be a string or a whole number"),
        ("longbook_qa_eng", [json.dumps(row())[:40] + "\n", json.dumps(row())[40:]], "line 1 is not a whole JSON"),
        ("longbook_qa_eng", [row(), json.dumps(row(id=1))[:-9]], "line 2 is not a whole JSON"),
        ("longbook_qa_eng", [json.dumps(row()) + json.dumps(row(id=1))], "line 1 is not a whole JSON object: Extra"),
        ("longbook_qa_eng", ["[1]\n"], "line 1 is not an object"),
        ("longbook_qa_eng", ["\n"], "is empty"),
        ("longbook_choice_eng", [row()], "line 1 has no 'options'"),
        ("longbook_choice_eng", [row(options=["Mara", "Otis"])], "'options' must be four texts, not 2"),
        ("longbook_choice_eng", [row(**{**CHOICE, "answer": "Tide"})], "the 'answer' 'Tide' is none of the 'options'"),
        ("longbook_choice_eng", [row(**{**CHOICE, "answer": ["Mara", "C"]})], "'answer' must be an option's text"),
        ("math_find", [row(answer=["many"])], "line 1 has no 'answer': expected a number"),
        ("math_find", [row(answer=[True])], "line 1 has no 'answer': expected a number"),
        ("math_calc", [row(answer=[])], "line 1 has no 'answer': expected a number"),
        ("passkey", [row(answer=["1", "2"])], "line 1: 'answer' must be one, not 2"),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_field(tmp_path: Path, task: str, rows: list[Any], words: str) -> None:
    path = write(tmp_path / f"{task}.jsonl", *rows)
    with pytest.raises(SourceError, match=words) as caught:
        load_infinitebench(path)
    assert str(path) in str(caught.value)


def test_another_encoding_is_refused_and_a_byte_order_mark_is_not(tmp_path: Path) -> None:
    path = tmp_path / "longbook_qa_eng.jsonl"
    path.write_bytes(json.dumps(row(context="Märchen"), ensure_ascii=False).encode("latin-1"))
    with pytest.raises(SourceError, match="line 1 is not UTF-8 text"):
        load_infinitebench(path)
    path.write_text(json.dumps(row()), "utf-8-sig")
    assert len(load_infinitebench(path).questions) == 1
    with pytest.raises(SourceError, match="is missing"):
        load_infinitebench(tmp_path / "passkey.jsonl")


def test_summaries_need_a_package_that_the_error_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "longbook_sum_eng.jsonl", row(input=""))
    monkeypatch.setitem(sys.modules, "rouge_score.rouge_scorer", None)
    with pytest.raises(UsageError, match="pip install rouge-score"):
        load_infinitebench(path)


def test_summaries_are_scored_by_rouge(tmp_path: Path) -> None:
    pytest.importorskip("rouge_score")
    dataset = load_infinitebench(write(tmp_path / "longbook_sum_eng.jsonl", row(input="")))
    assert dataset.questions[0].text == "Summarise the book."
    assert score("longbook_sum_eng", "Mara keeps it", ("Mara sold it", "Mara keeps it")) == 1.0


# --- the three variants: where they differ, and where not -------------------------------------------------------------

LETTER = ("Mara", "B")


@pytest.mark.parametrize(
    ("task", "label", "reply", "openbmb", "extagents", "llmxmapreduce"),
    [
        ("passkey", "71432", "99999 then 71432", 0, 0, 1),
        ("number_string", "71432", "171432", 0, 0, 0),
        ("longdialogue_qa_eng", ("ACE", "ACE ROTH"), "It is Ace.", 1, 1, 1),
        ("longdialogue_qa_eng", ("ACE", "ACE ROTH"), "Palace", 0, 1, 1),
        ("longdialogue_qa_eng", ("THE ACE", "ACE"), "Ace", 0, 1, 1),
        ("longbook_choice_eng", LETTER, "B", 1, 1, 1),
        ("longbook_choice_eng", LETTER, "Mara", 1, 1, 1),
        ("longbook_choice_eng", LETTER, "A man, so B", 0, 1, 1),
        ("longbook_choice_eng", LETTER, "The answer is: B", 1, 1, 1),
        ("longbook_choice_eng", LETTER, "My Answer: Mara", 0, 0, 1),
        ("longbook_choice_eng", LETTER, "I think it is C or B", 0, 1, 1),
        ("longbook_choice_eng", LETTER, "the answer is:", 0, 0, 0),
        ("longbook_choice_eng", LETTER, "", 0, 0, 0),
        ("code_debug", LETTER, "B. Mara", 1, 1, 1),
        ("code_debug", LETTER, "B", 0, 1, 1),
        ("code_debug", LETTER, "Mara", 0, 1, 1),
        ("code_debug", LETTER, "The correct option is: Mara", 1, 1, 1),
        ("code_debug", LETTER, "Answer: Mara", 0, 0, 1),
        ("code_debug", LETTER, "answer: C", 0, 0, 0),
    ],
)
def test_variants_score_as_their_sources_do(
    task: str, label: Any, reply: str, openbmb: float, extagents: float, llmxmapreduce: float
) -> None:
    scores = tuple(score(task, reply, label, variant) for variant in VARIANTS)
    assert scores == (openbmb, extagents, llmxmapreduce)


LABELS: dict[str, Any] = {
    "passkey": "7",
    "number_string": "7",
    "kv_retrieval": "key",
    "longbook_qa_eng": ("key",),
    "longbook_qa_chn": ("白",),
    "longbook_choice_eng": LETTER,
    "longdialogue_qa_eng": ("KEY",),
    "math_find": 7,
    "math_calc": (7, 0),
    "code_run": 7,
    "code_debug": LETTER,
}
replies = st.one_of(
    st.text(max_size=30), st.lists(st.sampled_from([*"ABC7 :.\n", "Mara", "answer is:", "key"])).map("".join)
)


@given(replies)
def test_every_reply_has_a_score_between_nothing_and_all(reply: str) -> None:
    for task, label in LABELS.items():
        for variant in VARIANTS:
            assert 0.0 <= score(task, reply, label, variant) <= 1.0


@given(replies)
def test_variants_differ_in_no_other_task(reply: str) -> None:
    for task in LABELS.keys() - {
        "passkey",
        "number_string",
        "longdialogue_qa_eng",
        "longbook_choice_eng",
        "code_debug",
    }:
        assert len({score(task, reply, LABELS[task], variant) for variant in VARIANTS}) == 1


@given(st.integers(0, 10**30), replies)
def test_a_pass_key_is_the_first_number_whatever_follows(number: int, rest: str) -> None:
    assert score("passkey", f"The pass key is {number}. {rest}", str(number)) == 1.0


def test_unknown_tasks_and_variants_are_refused(tmp_path: Path) -> None:
    for task, variant in (("passkeys", "openbmb"), ("passkey", "official")):
        with pytest.raises(UsageError, match=r"passkey|openbmb"):
            score(task, "1", "1", variant)
    with pytest.raises(UsageError, match="openbmb, extagents, llmxmapreduce"):
        load_infinitebench(write(tmp_path / "passkey.jsonl", row()), variant="official")
    assert set(TASKS) == {*LABELS, "longbook_sum_eng"}
