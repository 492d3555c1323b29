"""JointLM's checks count what they say, on files in the forms of the paper's data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from tests.reading.jointlm.paper_files import faqs, predictions, write_files

from pansophy.errors import SourceError, UsageError
from pansophy.reading.jointlm.benchmark import FAQS, PREDICTIONS, STORES, TABLES, Material, measure, read_material


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return read_material(write_files(tmp_path_factory.mktemp("town")))


@pytest.fixture(scope="module")
def found(material: Material) -> dict[str, Any]:
    return measure(material, learnt=16)


def test_the_store_and_the_dialogues_are_rebuilt(found: dict[str, Any]) -> None:
    assert found["rebuilt"] == {
        "entities": 24,
        "entities_with_row_and_faqs": 8,
        "slots_and_faqs_of_an_entity": {"hotel": [4.0, 1.0], "restaurant": [4.0, 0.0], "attraction": [4.0, 0.0]},
        "dialogues": 24,
        "turns": 72,
    }


def test_what_max_cut_moves_becomes_notes_and_it_parts_more_than_chance(found: dict[str, Any]) -> None:
    cut = found["max_cut"]
    assert [one["seed"] for one in cut["seeds"]] == [0, 1, 2, 3, 4]
    for one, single in zip(cut["seeds"], cut["one_start_cut_percent"], strict=True):
        assert one["added_faqs"] == one["moved"] == sum(one["moved_slots"].values()) > 0
        assert one["names_kept"]
        assert one["cut_percent"] >= single > cut["random_cut_percent"]
    assert cut["everything_moved"] == {"hotel": [1.0, 4.0], "restaurant": [1.0, 3.0], "attraction": [1.0, 3.0]}


def test_shares_are_of_labelled_turns_and_of_all(found: dict[str, Any]) -> None:
    words = found["tf_idf"]
    assert (words["labelled_turns"], words["turns"]) == (48, 72)
    for number in (1, 3, 5):
        told = words[f"{number}_utterances"]
        assert told["of_all"] == pytest.approx([share * 48 / 72 for share in told["of_labelled"]], abs=0.1)
    assert words["3_utterances"]["of_labelled"][0] >= 50  # every second turn names its entity


def test_the_gold_belief_finds_everything_until_facts_move_and_learnt_weights_do_not_care(
    found: dict[str, Any],
) -> None:
    moved = found["robustness"]
    assert (moved["learnt_dialogues"], moved["tested_dialogues"]) == (16, 8)
    assert [moved[name]["turns"] for name in STORES] == [16, 16, 16]
    assert moved["seknow"]["gold_belief_query_success"] == [100.0, 100.0]
    assert moved["unstructured"]["gold_belief_query_success"][0] < 100
    for name in STORES:
        assert moved[name]["scorer_success"] == [moved[name]["scorer"]["success1"], moved[name]["scorer"]["success5"]]
        assert moved[name]["scorer_best_ranked"][0] >= moved[name]["scorer_success"][0]
        assert moved[name]["scorer_best_ranked"][1] >= 50


class Names:
    """Sees nothing but whether a text holds the name of a store's place."""

    name = "names"

    def __init__(self, material: Material) -> None:
        self._names = sorted({one.name.lower() for one in material.store.entities})
        self.dimensions = len(self._names) + 1

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        rows = [[float(name in text.lower()) for name in self._names] + [0.01] for text in texts]
        return np.array([row / np.linalg.norm(row) for row in rows], np.float32)


def test_an_embedder_finds_entities_beside_the_words(material: Material, found: dict[str, Any]) -> None:
    beside = measure(material, learnt=16, embedder=Names(material))
    for name in STORES:
        by_meaning = beside["robustness"][name].pop("vectors_3_success")
        assert by_meaning[1] >= by_meaning[0] >= 50  # every second turn names its entity
    assert beside == found


def test_seknows_replies_are_judged_as_ours_are(found: dict[str, Any], tmp_path: Path) -> None:
    right = found["seknow_replies"]
    assert (right["turns"], right["bleu"], right["slots"]["f1"]) == (48, [100.0] * 4, 100.0)
    wrong = measure(read_material(write_files(tmp_path, right=False)), learnt=16)["seknow_replies"]
    assert (wrong["bleu"][0], wrong["slots"]["f1"]) == (0.0, 0.0)


def test_every_step_is_told_and_the_same_seed_gives_the_same(material: Material, found: dict[str, Any]) -> None:
    said: list[str] = []
    assert measure(material, learnt=16, say=said.append) == found
    assert said == ["max-cut, 5 seeds", "TF-IDF", "weights learnt from 16 dialogues, three stores", "SeKnow's replies"]


@pytest.mark.parametrize("learnt", [0, 24, 500])
def test_something_must_be_learnt_and_something_tested(material: Material, learnt: int) -> None:
    with pytest.raises(UsageError, match=f"of 24 dialogues 1 to 23 can be learnt from, not {learnt}"):
        measure(material, learnt=learnt)


def test_dialogues_about_nothing_in_the_tables_are_refused(tmp_path: Path) -> None:
    write_files(tmp_path)
    said = predictions(4, right=True)
    for domain in TABLES:
        said = said.replace(f"GBF:{domain}", "GBF:taxi")
    (tmp_path / PREDICTIONS).write_text(said, "utf-8")
    with pytest.raises(UsageError, match="no turn has a belief"):
        measure(read_material(tmp_path), learnt=2)


@pytest.mark.parametrize("name", [*TABLES.values(), FAQS, PREDICTIONS])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    write_files(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(SourceError, match=name):
        read_material(tmp_path)


BROKEN = {
    "no JSON": (TABLES["hotel"], "[", "is no JSON"),
    "no rows": (TABLES["hotel"], "{}", "must hold a list"),
    "no name": (TABLES["hotel"], '[{"area": "north"}]', "row 1 of 'hotel' has no 'name'"),
    "notes alone": (FAQS, json.dumps({"hotel": ["Dogs are welcome."]}), "'hotel' must hold an object for each entity"),
    "no notes": (FAQS, json.dumps({"hotel": {"0": {"name": "amber lodge"}}}), "with name and docs"),
    "nameless": (FAQS, json.dumps({"hotel": faqs()["taxi"]}), "an entity without a name"),
    "no body": (FAQS, json.dumps({"hotel": {"0": {"name": "A", "docs": {"0": {"title": "t"}}}}}), "needs a body"),
    "no dialogue": (PREDICTIONS, "U:hello\n", "has no line like"),
    "no reply": (
        PREDICTIONS,
        predictions(1, right=True).replace("R:good", "X:good"),
        r"3 turns \(GBF:\) and 2 replies",
    ),
}


@pytest.mark.parametrize(("name", "text", "words"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_told_with_its_place(tmp_path: Path, name: str, text: str, words: str) -> None:
    write_files(tmp_path)
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(SourceError, match=words) as refused:
        read_material(tmp_path)
    assert name in str(refused.value)
