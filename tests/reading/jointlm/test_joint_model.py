"""One model, causal or encoder-decoder, learns to say which entity is wanted and what to reply."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.reading.jointlm.inns import dialogues, store
from tests.white_box.tiny import network, tokenizer
from transformers import BartConfig, BartForConditionalGeneration

from pansophy.conflicts.training.settings import TrainingSettings
from pansophy.conflicts.training.train import Progress
from pansophy.errors import RunError, UnknownModel, UsageError
from pansophy.reading.jointlm import (
    AgentSettings,
    Dialogue,
    Document,
    Entity,
    HybridStore,
    JointAgent,
    JointRanker,
    PromptSettings,
    Turn,
    label,
)
from pansophy.reading.jointlm.model import Mixture, ModelScorer, joint_rows, load_joint, parted, train_joint
from pansophy.reading.jointlm.prompts import NO, RESPONSE, RETRIEVAL, YES, JointPrompt, joint_prompt

SHORT = PromptSettings(turns=1, documents=0, max_tokens=400)
MIXTURE = Mixture(8, 8, 4)
NAMES = ("Paris", "Rome", "Oslo", "Bern")
ASKED = ("a city ?", "the city of France .", "in a city", "a lamp lit by Ida")
SCHEDULE = TrainingSettings(learning_rate=1e-2, epochs=15, batch=4, max_tokens=640, save_every=1000)


def words(text: str) -> int:
    return len(text.split())


def test_a_prompt_has_its_task_the_last_turns_and_the_entity() -> None:
    heron = store()["inn", "the heron"]
    made = joint_prompt(
        RETRIEVAL, ["old", "older", "a cheap\\ninn", "The Heron?", "yes"], heron, PromptSettings(turns=2), words
    )
    assert made.dialogue == "task-1 <u> a cheap\\ninn <r> The Heron? <u> yes"
    assert made.entity == heron.text()
    nothing = joint_prompt(RESPONSE, ["hello"], None, SHORT, words)
    assert (nothing.dialogue, nothing.entity) == ("task-2 <u> hello", "<struct> <unstruct>")


def test_a_long_dialogue_loses_its_beginning() -> None:
    quay = Entity("inn", "Quay")
    history = [" ".join(f"w{number}" for number in range(100))]
    made = joint_prompt(RETRIEVAL, history, quay, PromptSettings(max_tokens=27), words)
    assert made.dialogue == "task-1 " + " ".join(f"w{number}" for number in range(80, 100))
    with pytest.raises(UsageError, match="Quay takes all of max_tokens=16"):
        joint_prompt(RETRIEVAL, history, replace(quay, slots={"a": "b " * 20}), PromptSettings(max_tokens=16), words)


def test_the_documents_nearest_to_the_question_are_shown_in_their_order() -> None:
    notes = (Document("Dogs?", "No."), Document("Breakfast?", "At ten."), Document("Is there a lift?", "Yes, a lift."))
    entity = Entity("inn", "Quay", documents=notes)
    made = joint_prompt(
        RETRIEVAL, ["is there a lift, and may dogs use it?"], entity, PromptSettings(documents=2), words
    )
    assert made.entity.endswith("<unstruct> <doc> No. <doc> Yes, a lift.")


def test_rows_are_mixed_in_their_ratio_and_every_reply_is_learnt() -> None:
    told = label(store(), dialogues())
    rows = joint_rows(told, store(), words, mixture=Mixture(2, 6, 8))
    kinds = [(row.kind, row.answer) for row in rows]
    assert sum(kind == RESPONSE for kind, _ in kinds) == 5
    assert (kinds.count((RETRIEVAL, YES)), kinds.count((RETRIEVAL, NO))) == (1, 4)
    assert {row.answer for row in rows if row.kind == RESPONSE} == {one.response for one in told}
    assert kinds != sorted(kinds)
    assert rows == joint_rows(told, store(), words, mixture=Mixture(2, 6, 8))
    with pytest.raises(UsageError, match="no turn has an entity"):
        joint_rows([replace(one, positives=()) for one in told], store(), words)


def test_labels_part_at_their_first_different_token() -> None:
    assert parted([5, 7, 1], [5, 8, 1]) == ([5], 7, 8)
    with pytest.raises(UsageError, match="can't tell"):
        parted([5, 7], [5, 7, 9])


def causal(folder: Path) -> Path:
    made = network()
    made.config.max_position_embeddings = 4096
    made.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def bart(folder: Path) -> Path:
    torch.manual_seed(0)
    words = tokenizer()
    words.add_special_tokens({"pad_token": "<pad>"})
    shape: dict[str, Any] = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2}
    ends: dict[str, Any] = {
        "bos_token_id": 1,
        "eos_token_id": 1,
        "decoder_start_token_id": 1,
        "forced_eos_token_id": None,
    }
    config = BartConfig(
        vocab_size=len(words),
        d_model=32,
        encoder_ffn_dim=48,
        decoder_ffn_dim=48,
        decoder_attention_heads=2,
        max_position_embeddings=1024,
        pad_token_id=words.pad_token_id,
        init_std=0.2,
        dropout=0.0,
        **shape,
        **ends,
    )
    BartForConditionalGeneration(config).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(("made", "epochs"), [(causal, 20), (bart, 25)])
def test_both_kinds_of_model_learn_yes_and_no_and_are_loaded_again(
    made: Callable[[Path], Path], epochs: int, tmp_path: Path
) -> None:
    base, settings = load_joint(made(tmp_path / "base")), replace(SCHEDULE, epochs=epochs)
    cities = HybridStore({"city": [{"name": name} for name in NAMES]})
    said = [Dialogue(asked, (Turn(asked, "Bern", {"city": {"name": "Paris"}}),)) for asked in ASKED]
    told = label(cities, said)
    seen: list[int] = []
    folder = train_joint(
        base,
        told,
        cities,
        tmp_path / "adapter",
        prompts=SHORT,
        mixture=MIXTURE,
        settings=settings,
        on_progress=lambda progress: seen.append(progress.step),
    )
    assert seen == list(range(1, len(seen) + 1))
    learnt = load_joint(folder)
    assert learnt.identity != base.identity
    rows = joint_rows(told, cities, base.count, SHORT, MIXTURE)
    asked = [(JointPrompt(row.question, row.context), row.answer == YES) for row in rows if row.kind == RETRIEVAL]
    before, after = (
        sum(
            (score > 0.5) == right
            for score, (_, right) in zip(one.yes([prompt for prompt, _ in asked]), asked, strict=True)
        )
        for one in (base, learnt)
    )
    assert after > before
    assert after >= 0.8 * len(asked)
    spoken = next(JointPrompt(row.question, row.context) for row in rows if row.kind == RESPONSE)
    assert learnt.say(spoken, 5).startswith("Bern")
    scores = learnt.yes([prompt for prompt, _ in asked[:3]])
    assert [learnt.yes([prompt])[0] for prompt, _ in asked[:3]] == pytest.approx(scores, abs=1e-4)  # padding is unseen
    again = train_joint(base, told, cities, folder, prompts=SHORT, mixture=MIXTURE, settings=settings)
    assert again == folder
    with pytest.raises(RunError):
        train_joint(base, told[:3], cities, folder, prompts=SHORT, settings=settings)


class Killed(Exception):
    """Stands for a process that dies."""


def test_a_broken_off_training_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    base, told = load_joint(bart(tmp_path / "base")), label(store(), dialogues())
    settings = replace(SCHEDULE, epochs=2, save_every=2)

    def learn(name: str, dies_at: int | None = None) -> list[int]:
        seen: list[int] = []

        def tell(progress: Progress) -> None:
            seen.append(progress.step)
            if progress.step == dies_at:
                raise Killed

        train_joint(base, told, store(), tmp_path / name, prompts=SHORT, settings=settings, on_progress=tell)
        return seen

    with pytest.raises(Killed):
        learn("broken", dies_at=4)
    whole = learn("whole")
    assert whole[-1] > 4
    assert learn("broken") == [step for step in whole if step > 2]
    weights = [(tmp_path / name / "adapter_model.safetensors").read_bytes() for name in ("broken", "whole")]
    assert weights[0] == weights[1]


def test_an_agent_with_a_language_model_finds_and_replies(tmp_path: Path) -> None:
    settings = replace(SCHEDULE, epochs=1)
    keep = AgentSettings(keep=3, max_new_tokens=4)
    agent = JointAgent.train(
        tmp_path / "agent",
        store(),
        dialogues(),
        model=causal(tmp_path / "base"),
        agent=keep,
        prompts=SHORT,
        settings=settings,
    )
    reply = agent.respond(["pies in the south"])
    assert isinstance(agent.ranker, JointRanker)
    assert isinstance(agent.writer, ModelScorer)
    assert len(reply.ranked) == 3
    assert reply.entity is not None
    assert reply.entity.key == reply.ranked[0][0]
    assert JointAgent.load(tmp_path / "agent").respond(["pies in the south"]) == reply


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "config.json").write_text("{")
    for name in ("nowhere", tmp_path / "empty", tmp_path / "damaged"):
        with pytest.raises(UnknownModel):
            load_joint(name)
