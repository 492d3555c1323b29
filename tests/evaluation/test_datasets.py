"""HotpotQA's form is read whole or refused with a word about what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pansophy.errors import SourceError, UsageError
from pansophy.evaluation.datasets import load_hotpotqa


def question(**changes: Any) -> dict[str, Any]:
    base = {
        "_id": "q1",
        "question": "Who keeps the key?",
        "answer": "Mara",
        "supporting_facts": [["The key", 0], ["Mara", 1], ["The key", 2]],
        "context": [["The key", ["The key is iron.", " Mara keeps it."]], ["Mara", ["Mara is a miller."]]],
        "type": "bridge",
    }
    return {**base, **changes}


CORPUS = {
    "The key": ["The key is iron.", " Mara keeps it."],
    "Mara": ["Mara is a miller."],
    "Tide": ["The tide is high."],
}


def write(folder: Path, questions: Any, corpus: Any = CORPUS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "questions.json").write_text(questions if isinstance(questions, str) else json.dumps(questions))
    if corpus is not None:
        (folder / "corpus.json").write_text(corpus if isinstance(corpus, str) else json.dumps(corpus))
    return folder


def test_paragraphs_become_documents_and_facts_become_gold_documents(tmp_path: Path) -> None:
    dataset = load_hotpotqa(write(tmp_path / "small", [question(), question(_id="q2", answer="yes")]))
    assert dataset.name == "small"
    assert [(document.id, document.text) for document in dataset.documents][:2] == [
        ("The key", "The key is iron. Mara keeps it."),
        ("Mara", "Mara is a miller."),
    ]
    first = dataset.questions[0]
    assert (first.id, first.answers, first.gold_documents, first.kind) == (
        "q1",
        ("Mara",),
        ("The key", "Mara"),
        "bridge",
    )
    assert dataset.scorer.f1("Mara", first.answers) == 1.0


def test_without_a_corpus_file_the_documents_are_the_union_of_the_contexts(tmp_path: Path) -> None:
    other = question(_id="q2", context=[["Mara", ["Mara is a miller.", " She sings."]], ["Tide", ["High."]]])
    dataset = load_hotpotqa(write(tmp_path, [question(), {**other, "supporting_facts": [["Tide", 0]]}], corpus=None))
    assert {document.id: document.text for document in dataset.documents} == {
        "The key": "The key is iron. Mara keeps it.",
        "Mara": "Mara is a miller. She sings.",
        "Tide": "High.",
    }


def test_one_file_in_the_distributed_form_is_read(tmp_path: Path) -> None:
    path = tmp_path / "dev.json"
    path.write_text(json.dumps([question()]))
    assert load_hotpotqa(path).name == "dev"
    assert len(load_hotpotqa(path).documents) == 2


def test_the_form_of_column_lists_is_read(tmp_path: Path) -> None:
    columns = question(
        supporting_facts={"title": ["Mara"], "sent_id": [0]},
        context={"title": ["Mara"], "sentences": [["Mara is a miller."]]},
    )
    dataset = load_hotpotqa(write(tmp_path, [columns], corpus=None))
    assert dataset.questions[0].gold_documents == ("Mara",)
    assert dataset.documents[0].text == "Mara is a miller."


def test_2wikimultihopqa_is_read_as_it_is_distributed(tmp_path: Path) -> None:
    path = tmp_path / "dev.json"
    facts = {"evidences": [["The key", "keeper", "Mara"]], "entity_ids": "Q1_Q2", "answer_id": "Q2"}
    twice = question(_id="w1", type="bridge_comparison", **facts)
    path.write_text(json.dumps([twice, question(_id="w2", type="inference", evidences=[], answer="no")]))
    dataset = load_hotpotqa(path)
    assert [(one.id, one.kind, one.answers) for one in dataset.questions] == [
        ("w1", "bridge_comparison", ("Mara",)),
        ("w2", "inference", ("no",)),
    ]
    assert dataset.questions[0].gold_documents == ("The key", "Mara")
    assert dataset.scorer.f1("no, it was not", dataset.questions[1].answers) == 0.0


def test_the_variable_names_the_folder_of_datasets_or_the_dataset_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path / "hotpotqa-100", [question()])
    for value in (tmp_path, folder):
        monkeypatch.setenv("PANSOPHY_DATA", str(value))
        assert load_hotpotqa().questions[0].id == "q1"
    assert load_hotpotqa(tmp_path).questions[0].id == "q1"


def test_the_hash_changes_with_the_files(tmp_path: Path) -> None:
    one = load_hotpotqa(write(tmp_path / "a", [question()]))
    same = load_hotpotqa(write(tmp_path / "b", [question()]))
    other = load_hotpotqa(write(tmp_path / "c", [question()], {**CORPUS, "Tide": ["Low."]}))
    assert one.sha256 == same.sha256 != other.sha256


def test_not_finding_a_dataset_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PANSOPHY_DATA", raising=False)
    with pytest.raises(SourceError, match="set PANSOPHY_DATA"):
        load_hotpotqa()
    monkeypatch.setenv("PANSOPHY_DATA", str(tmp_path))
    with pytest.raises(SourceError, match=r"expected hotpotqa-100/questions\.json"):
        load_hotpotqa()
    with pytest.raises(SourceError, match="there is no dataset at"):
        load_hotpotqa(tmp_path / "nowhere")
    with pytest.raises(SourceError, match=r"questions\.json is missing"):
        load_hotpotqa(tmp_path)


@pytest.mark.parametrize(
    ("questions", "corpus", "words"),
    [
        ("[{", CORPUS, r"questions\.json is not valid JSON"),
        ({}, CORPUS, "expected a list of questions"),
        ([], CORPUS, "expected a list of questions"),
        (["x"], CORPUS, "question 1 is not an object"),
        ([question(), question(_id="q2", question=" ")], CORPUS, "question 2 has no text"),
        ([question(answer=None)], CORPUS, "question 1 has no 'answer'"),
        ([question(answer=[])], CORPUS, "question 1 has no 'answer'"),
        ([question(supporting_facts="The key")], CORPUS, "'supporting_facts' must be a list"),
        ([question(supporting_facts=[["Moon", 0]])], CORPUS, "rests on the paragraph 'Moon'"),
        ([question(), question()], CORPUS, "the question id 'q1' occurs more than once"),
        ([question()], "nonsense", r"corpus\.json is not valid JSON"),
        ([question()], [], "expected an object of title"),
        ([question()], {"The key": [1], "Mara": []}, "paragraph 'The key': expected a string or a list"),
        ([question(context=[])], None, "has no 'context', and there is no corpus.json"),
        ([question(context=[["The key"]])], None, "'context' must be a list of"),
    ],
)
def test_malformed_files_are_refused_with_the_place_and_what_was_expected(
    tmp_path: Path, questions: Any, corpus: Any, words: str
) -> None:
    with pytest.raises(SourceError, match=words):
        load_hotpotqa(write(tmp_path, questions, corpus))


def test_selection_is_a_window_and_never_empty(tmp_path: Path) -> None:
    dataset = load_hotpotqa(write(tmp_path, [question(_id=str(number)) for number in range(5)]))
    assert [one.id for one in dataset.select(2, 1)] == ["1", "2"]
    assert [one.id for one in dataset.select(None, 3)] == ["3", "4"]
    for limit, offset in ((0, 0), (1, -1), (1, 5)):
        with pytest.raises(UsageError):
            dataset.select(limit, offset)
