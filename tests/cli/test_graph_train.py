"""`pansophy graph train`: walks are learnt, and the adapter walks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.white_box.tiny import network, tokenizer
from typer.testing import CliRunner

from pansophy.cli.main import app
from pansophy.conflicts.training.rows import Chat
from pansophy.conflicts.training.settings import TrainingSettings
from pansophy.conflicts.training.train import train
from pansophy.errors import PansophyError, SourceError, UsageError
from pansophy.models import WhiteBoxChat
from pansophy.reading.knowledge_solver.dialogues import Dialogues, read_choices, training_rows
from pansophy.types import ChatMessage

FACTS = "scurvy\tis caused by lack of\tvitamin C\nlemon\tcontains\tvitamin C\nbread\tcontains\tstarch\n"
QUESTIONS = [
    {"question": "Which food helps against scurvy?", "options": ["bread", "lemon"], "answer": "lemon"},
    {"question": "Which food helps against gout?", "options": ["bread", "lemon"], "answer": "lemon"},
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that chats."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    network(max_position_embeddings=2048).save_pretrained(folder)
    words = tokenizer()
    words.chat_template = "{% for one in messages %}{{ one.content }} :{% endfor %}"
    words.save_pretrained(folder)
    return folder


async def test_a_chat_is_learnt_and_said_by_the_adapter_as_a_chat_model(base: Path, tmp_path: Path) -> None:
    asked = [ChatMessage("user", f"the capital of {country} is") for country in ("Norway", "Italy")]
    said = [ChatMessage("assistant", city) for city in ("Oslo", "Rome")]
    rows = [Chat((question, answer)) for question, answer in zip(asked, said, strict=True)] * 16
    settings = TrainingSettings(learning_rate=2e-2, epochs=4, batch=8, max_tokens=60, rank=4, alpha=8)
    trained = train(base, "sft", rows, tmp_path / "adapter", settings)
    assert trained.losses[-1] < trained.losses[0] / 2
    chat = WhiteBoxChat(trained.folder)
    told = [(await chat.complete([question], max_tokens=8)).text.strip() for question in asked]
    assert told == [answer.content for answer in said]


def test_chats_want_a_model_that_chats(tmp_path: Path) -> None:
    network().save_pretrained(tmp_path / "plain")
    tokenizer().save_pretrained(tmp_path / "plain")
    rows = [Chat((ChatMessage("user", "the capital"), ChatMessage("assistant", "Oslo")))]
    with pytest.raises(UsageError, match="no chat template"):
        train(tmp_path / "plain", "sft", rows, tmp_path / "adapter")


def test_every_turn_of_the_model_is_a_row() -> None:
    chat = tuple(ChatMessage(role, text) for role, text in zip(("system", *("user", "assistant") * 2), "abcde"))  # type: ignore[arg-type] # noqa: B905
    rows = training_rows(Dialogues((chat, chat[:3]), {}))
    assert [[message.content for message in row.messages] for row in rows] == [list("abc"), list("abcde"), list("abc")]


def test_the_command_trains_a_walker_that_can_be_asked(base: Path, tmp_path: Path) -> None:
    (tmp_path / "facts.tsv").write_text(FACTS)
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, QUESTIONS)))
    words = ["graph", "train", str(tmp_path / "q.jsonl"), "-g", str(tmp_path / "facts.tsv"), "-m", str(base)]
    done = CliRunner().invoke(app, [*words, "-o", str(tmp_path / "walker"), "--epochs", "1", "--max-tokens", "2000"])
    assert done.exit_code == 0, done.output
    assert "1 question left out: the question names no entity" in done.stderr
    assert "learnt from 2 turns of 1 dialogue" in done.stdout
    asked = ["graph", "ask", "Which food helps against scurvy?", "-g", str(tmp_path / "facts.tsv")]
    told = CliRunner().invoke(app, [*asked, "-o", "bread", "-o", "lemon", "-m", str(tmp_path / "walker"), "--json"])
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)["status"] == "reached"  # the one way there is


def test_questions_that_the_graph_knows_nothing_of_teach_nothing(base: Path, tmp_path: Path) -> None:
    (tmp_path / "facts.tsv").write_text(FACTS)
    (tmp_path / "q.jsonl").write_text(json.dumps(QUESTIONS[1]))
    words = ["graph", "train", str(tmp_path / "q.jsonl"), "-g", str(tmp_path / "facts.tsv"), "-m", str(base)]
    done = CliRunner().invoke(app, [*words, "-o", str(tmp_path / "walker")])
    assert isinstance(done.exception, PansophyError)
    assert "no dialogue could be made of any question" in str(done.exception)
    assert not (tmp_path / "walker").exists()


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"question": "a"}',
        '{"question": "a", "options": ["b", "c"], "answer": "d"}',
        '{"question": "", "options": ["b", "c"], "answer": "b"}',
        '{"question": "a", "options": ["b"], "answer": "b"}',
        "",
    ],
)
def test_a_broken_file_of_questions_is_told(tmp_path: Path, line: str) -> None:
    (tmp_path / "q.jsonl").write_text(line)
    with pytest.raises(SourceError, match=r"q\.jsonl"):
        read_choices(tmp_path / "q.jsonl")
