"""An agent learns, replies with the fact that supports it, is loaded again, and is measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.reading.jointlm.inns import dialogues, store

from pansophy.errors import RunError, UsageError
from pansophy.reading.jointlm import (
    AgentSettings,
    Document,
    Entity,
    HybridStore,
    JointAgent,
    TfidfRanker,
    evaluate,
    label,
    rebalance,
    unstructured,
)
from pansophy.reading.jointlm.agent import supporting


@pytest.fixture
def agent(tmp_path: Path) -> JointAgent:
    moved, _ = rebalance(store(), dialogues(), 1)
    return JointAgent.train(tmp_path / "agent", moved, dialogues(), original=store())


def test_the_reply_rests_on_a_slot_or_a_document(agent: JointAgent) -> None:
    reply = agent.respond(["Are dogs allowed at the Heron?"])
    assert reply.entity is not None
    assert reply.entity.name == "The Heron"
    assert reply.support is not None
    assert reply.support.document == Document("Are dogs allowed?", "Dogs are welcome at the Heron.")
    assert reply.text == "The Heron: Dogs are welcome at the Heron."
    assert reply.ranked[0] == (("inn", "the heron"), reply.score)
    for made in (store(), unstructured(store())):
        told = JointAgent(TfidfRanker(made)).respond(["phone of Blue Kettle?"])
        assert told.text == "Blue Kettle: The phone number is 5550201."
        assert told.support is not None
        assert (told.support.slot, told.support.document is None) in [("phone", True), ("", False)]


def test_what_the_reply_tells_decides_what_supports_it() -> None:
    entity = Entity("inn", "Quay", {"area": "north", "phone": "5550"}, (Document("Dogs?", "No dogs."),))
    assert supporting(entity, "tell me more", "it lies north").slot == "area"  # type: ignore[union-attr]
    assert supporting(entity, "tell me more", "call 5550").slot == "phone"  # type: ignore[union-attr]
    assert supporting(entity, "and dogs?").document == entity.documents[0]  # type: ignore[union-attr]
    assert supporting(entity, "hm") is None
    assert supporting(Entity("inn", "Quay"), "north") is None


def test_no_entity_is_chosen_where_none_is_likely(agent: JointAgent) -> None:
    asked = ["xyzzy"]
    assert agent.respond(asked).entity is not None
    agent.settings = AgentSettings(no_entity=True)
    reply = agent.respond(asked)
    assert (reply.entity, reply.support, reply.text) == (None, None, "I know nothing that fits.")
    assert JointAgent(TfidfRanker(HybridStore({}))).respond(asked).entity is None
    assert agent.respond(["Are dogs allowed at the Heron?"]).entity is not None


@pytest.mark.parametrize("history", [[], [""], ["hello", "hello", " "]])
def test_an_empty_history_is_refused(agent: JointAgent, history: list[str]) -> None:
    with pytest.raises(UsageError, match="history is empty"):
        agent.respond(history)


def test_an_agent_is_loaded_with_its_own_store_or_another(agent: JointAgent, tmp_path: Path) -> None:
    asked = ["pies in the south"]
    loaded = JointAgent.load(tmp_path / "agent")
    assert loaded.respond(asked) == agent.respond(asked)
    other = HybridStore({"cafe": [{"name": "Quay", "food": "pies", "area": "south"}]})
    assert JointAgent.load(tmp_path / "agent", other).respond(asked).entity == other["cafe", "quay"]


def test_a_folder_with_something_else_is_refused(agent: JointAgent, tmp_path: Path) -> None:
    again = JointAgent.train(tmp_path / "agent", agent.ranker.store, dialogues(), original=store())
    assert again.respond(["pies"]) == agent.respond(["pies"])
    with pytest.raises(RunError, match=r"settings\.keep"):
        JointAgent.train(
            tmp_path / "agent", agent.ranker.store, dialogues(), original=store(), agent=AgentSettings(keep=3)
        )
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="is not empty"):
        JointAgent.train(tmp_path / "full", store(), dialogues())
    with pytest.raises(RunError, match="no agent that can be read"):
        JointAgent.load(tmp_path / "full")
    card = json.loads((tmp_path / "agent" / "agent.json").read_text())
    (tmp_path / "agent" / "agent.json").write_text(json.dumps({**card, "model": "smollm2-135m"}))
    with pytest.raises(RunError, match="broken off"):
        JointAgent.load(tmp_path / "agent")


def test_an_agent_is_measured_into_a_folder_that_goes_on(agent: JointAgent, tmp_path: Path) -> None:
    labelled = label(store(), dialogues(), agent.ranker.store)
    seen: list[int] = []
    scores = evaluate(
        agent, labelled, store(), tmp_path / "out", on_progress=lambda done, total, row: seen.append(done)
    )
    assert (scores.turns, scores.success1, scores.success5) == (5, 1.0, 1.0)
    assert (scores.recall1, scores.label_error) == (1.0, 0.0)
    assert 0 <= scores.bleu[3] < scores.bleu[0] < 1
    assert scores.slots.turns == 4
    assert 0 < scores.slots.f1 < 1
    assert scores.copy_precision == 1.0
    assert seen == [1, 2, 3, 4, 5]
    lines = (tmp_path / "out" / "rows.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "out" / "rows.jsonl").write_text("".join(lines[:2]))
    assert evaluate(agent, labelled, store(), tmp_path / "out") == scores
    assert (tmp_path / "out" / "rows.jsonl").read_text() == "".join(lines)
    assert evaluate(agent, labelled, store()) == scores
    with pytest.raises(RunError, match="turns"):
        evaluate(agent, labelled[:1], store(), tmp_path / "out")
    with pytest.raises(UsageError, match="nothing to measure"):
        evaluate(agent, [], store())


def test_turns_without_a_yes_count_as_misses(agent: JointAgent) -> None:
    labelled = label(store(), dialogues(), agent.ranker.store)
    unsure = JointAgent(TfidfRanker(store(), utterances=1))
    assert evaluate(unsure, labelled, store()).success5 < 1.0
