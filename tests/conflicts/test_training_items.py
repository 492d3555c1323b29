"""Items are read from three kinds of file, and a broken row is named by its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pansophy.conflicts.training.items import Item, read_items, split_by_subject
from pansophy.errors import SourceError, UsageError


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def test_json_lines_are_read(tmp_path: Path) -> None:
    row = {"id": "a", "question": "Where is Ida?", "answers": "Oslo", "context": "Ida is in Oslo.", "subject": "Ida"}
    path = written(tmp_path, "items.jsonl", json.dumps(row) + "\n\n" + json.dumps({**row, "id": None}) + "\n")
    first, second = read_items(path)
    assert first == Item("a", "Where is Ida?", ("Oslo",), "Ida is in Oslo.", "Ida")
    assert second.id == "3"


def test_a_slot_is_filled_with_the_first_answer(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "facts.csv",
        "id,subj,prop,obj,question,possible_answers,context,replace_name\n"
        '7,Ida,job,baker,What is Ida?,"[""baker"", ""baking woman""]",Ida was a [ENTITY] in Bern.,poet\n',
    )
    (item,) = read_items(path)
    assert item.answers == ("baker", "baking woman")
    assert (item.subject, item.relation, item.replacement) == ("Ida", "job", "poet")
    assert item.context == "Ida was a baker in Bern."
    assert item.saying("poet").text == "Ida was a poet in Bern."


def test_unanswerable_questions_of_squad_have_no_answers(tmp_path: Path) -> None:
    asked = [
        {"id": "1", "question": "Who came?", "answers": [{"text": "Ada", "answer_start": 0}, {"text": "Ada"}]},
        {"id": "2", "question": "Who left?", "answers": [], "is_impossible": True},
    ]
    data = {"data": [{"title": "Visits", "paragraphs": [{"context": "Ada came.", "qas": asked}]}]}
    first, second = read_items(written(tmp_path, "squad.json", json.dumps(data)))
    assert first.answers == ("Ada",)
    assert first.saying("Ben").text == "Ben came."
    assert second.answers == ()
    assert second.article == "Visits"


GOOD = '{"question": "q", "context": "c", "answers": ["a"]}\n'


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("x.jsonl", GOOD + "{nonsense\n", "line 2 is no JSON"),
        ("x.jsonl", GOOD + "[1]\n", "line 2 is no object with question"),
        ("x.jsonl", GOOD + '{"question": "q"}\n', "line 2 has nothing in context"),
        ("x.jsonl", GOOD + '{"question": 3, "context": "c"}\n', "line 2: question must be a text"),
        ("x.jsonl", GOOD + '{"question": "q", "context": "c", "answers": [3]}\n', "line 2: answers must be"),
        ("x.jsonl", GOOD + '{"question": "q", "context": "[ENTITY]"}\n', "line 2: the context has a slot"),
        ("x.jsonl", GOOD + GOOD.replace("{", '{"id": "1", '), "line 2: the id '1' occurs"),
        ("x.jsonl", "", "no items"),
        ("x.json", "{}", "no SQuAD file"),
        ("x.json", '{"data": [{"paragraphs": [{"context": "c", "qas": [{"id": 1}]}]}]}', "question 1 is broken"),
        ("x.csv", "question,context\nq,c\n", "no column obj"),
        ("x.csv", "question,context,obj,possible_answers\nq,c,a,oops\n", "line 2: possible_answers"),
        ("x.txt", GOOD, "none of .jsonl"),
    ],
)
def test_a_broken_file_says_where_and_why(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(SourceError, match=said.replace("[", r"\[").replace(".", r"\.")):
        read_items(written(tmp_path, name, text))


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="can't be read"):
        read_items(tmp_path / "none.jsonl")


def test_no_subject_is_in_two_parts_and_the_same_seed_splits_alike() -> None:
    items = [Item(str(n), f"q{n}", ("a",), "a", subject=f"s{n % 37}") for n in range(400)]
    parts = split_by_subject(items, (0.5, 0.2, 0.3), seed=3)
    subjects = [{item.subject for item in part} for part in parts]
    assert sum(map(len, parts)) == 400
    assert sum(map(len, subjects)) == 37
    assert [len(part) for part in parts] == pytest.approx([200, 80, 120], abs=22)
    assert parts == split_by_subject(items, (0.5, 0.2, 0.3), seed=3)
    assert parts != split_by_subject(items, (0.5, 0.2, 0.3), seed=4)


@pytest.mark.parametrize("shares", [(), (0.0, 1.0), (0.9, 0.2)])
def test_impossible_shares_are_refused(shares: tuple[float, ...]) -> None:
    with pytest.raises(UsageError):
        split_by_subject([Item("1", "q", (), "c")], shares)
