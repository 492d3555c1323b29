"""What a model says before and after training: asked once, and batched without changing a word."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.white_box.tiny import model

from pansophy.conflicts.closed_book import few_shot_prompt
from pansophy.conflicts.decoding import Decoding, TwoStreamDecoder
from pansophy.conflicts.training.answering import answer_rows, own_answers
from pansophy.conflicts.training.items import Item
from pansophy.conflicts.training.rows import Example
from pansophy.models.white_box import WhiteBoxModel

ITEMS = [
    Item(str(n), f"capital of {land}", ("Paris",), "Paris") for n, land in enumerate(("France", "Italy", "France"))
]


@pytest.fixture(scope="module")
def white() -> WhiteBoxModel:
    made = model()
    made.network.config.max_position_embeddings = 4096
    return made


def test_each_question_is_asked_once_and_kept(white: WhiteBoxModel, tmp_path: Path) -> None:
    kept, told = tmp_path / "own.jsonl", []
    first = own_answers(white, ITEMS, kept, batch=1, on_progress=lambda *counts: told.append(counts))
    assert told == [(1, 2), (2, 2)]
    assert first["0"] == first["2"]
    assert own_answers(white, ITEMS, kept, on_progress=lambda *counts: told.append(counts)) == first
    assert len(told) == 2
    kept.write_bytes(kept.read_bytes()[:-5])  # the process died while it wrote
    assert own_answers(white, ITEMS, kept, batch=4) == first
    assert own_answers(white, ITEMS) == first


def test_answers_of_another_model_are_not_taken(white: WhiteBoxModel, tmp_path: Path) -> None:
    own_answers(white, ITEMS[:1], tmp_path / "own.jsonl")
    before = (tmp_path / "own.jsonl").read_text()
    other = model(seed=1)
    other.network.config.max_position_embeddings, other.identity = 4096, "another"
    own_answers(other, ITEMS[:1], tmp_path / "own.jsonl")
    assert len((tmp_path / "own.jsonl").read_text()) > len(before)


def test_a_question_stands_behind_three_answered_ones() -> None:
    turns = few_shot_prompt("Who?")
    assert [turn.role for turn in turns] == ["user", "assistant"] * 3 + ["user"]
    assert "Who?" in turns[-1].content


def test_rows_are_answered_as_one_by_one(white: WhiteBoxModel) -> None:
    rows = [Example(str(n), "relevant", "1", "the capital is", "lamp in Oslo " * (n % 3), "Oslo") for n in range(5)]
    decoder = TwoStreamDecoder(white)
    alone = [
        decoder.generate(row.question, row.context, decoding=Decoding(max_new_tokens=4)).text.strip() for row in rows
    ]
    assert answer_rows(white, rows, batch=2, max_new_tokens=4) == alone
