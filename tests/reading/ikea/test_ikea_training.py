"""A tiny network writes episodes and is trained on them: whose tokens are whose, what a gradient sees, and resuming."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.reading.ikea.tiny_agent import tiny

from pansophy.errors import ModelError, RunError, StoreError, UsageError
from pansophy.models.white_box import WhiteBoxModel
from pansophy.models.white_box.adapters import CARD, CONFIG, WEIGHTS
from pansophy.reading.ikea import training, writing
from pansophy.reading.ikea.boundary import Question
from pansophy.reading.ikea.checkpoints import LOG
from pansophy.reading.ikea.environment import Found, SearchEnv
from pansophy.reading.ikea.learning import Learner
from pansophy.reading.ikea.reward import IkeaReward
from pansophy.reading.ikea.settings import GrpoSettings, IkeaSettings
from pansophy.reading.ikea.training import batch_of, train
from pansophy.reading.ikea.writing import NetworkAgent, Rollout, clip_by_tokens


def ships(query: str, topk: int) -> list[Found]:
    return [Found("lamp", "Paris Rome Oslo.")]


def env(turns: int = 2) -> SearchEnv:
    return SearchEnv(ships, max_turns=turns, instructions="lamp.")


QUESTIONS = [
    Question("a", "Oslo?", ("Oslo",), 1.0),
    Question("b", "Rome?", ("Rome",), 0.0),
    Question("c", "Paris?", ("Paris",), 0.0),
]
SHORT = GrpoSettings(
    steps=4, questions=2, group=4, learning_rate=1e-2, warm_up=0.5, rank=4, alpha=8, at_once=3, save_every=2
)
AGENT = IkeaSettings(rounds=2, reply_tokens=12, instructions="lamp.")


# --- writing ----------------------------------------------------------------------------------------------------------


def test_every_token_is_the_models_or_the_environments() -> None:
    agent = NetworkAgent(tiny(), env(), reply_tokens=20, temperature=1.0, at_once=5)
    rollouts = agent.play(["Oslo?"] * 24, seed=3)
    assert {one.episode.done for one in rollouts} == {True}
    assert any(one.episode.searches for one in rollouts)
    assert any(one.episode.answer is not None for one in rollouts)
    for one in rollouts:
        assert len(one.tokens) == len(one.own)
        assert agent.model.decode(one.tokens) == one.episode.transcript
        mine = agent.model.decode([token for token, own in zip(one.tokens, one.own, strict=True) if own])
        assert mine == "".join(piece.text for piece in one.episode.pieces if piece.kind == "model")
        assert one.written <= 20 * one.episode.turns


def test_the_same_seed_writes_the_same_episodes() -> None:
    agent = NetworkAgent(tiny(), env(), reply_tokens=10, temperature=1.0)
    first, again, other = ([one.episode.transcript for one in agent.play(["Oslo?"] * 6, seed)] for seed in (1, 1, 2))
    assert first == again != other


def test_a_generation_ends_at_its_first_closing_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    white = tiny()
    wanted = white.encode("<think>lamp</think><search>Oslo</search>Rome<answer>Paris</answer>Rome")
    said = iter(wanted)
    monkeypatch.setattr(writing, "choice", lambda *_, **__: lambda scores: torch.tensor([next(said)]))
    told = NetworkAgent(white, env(), reply_tokens=50).answer("Oslo?")
    assert told.transcript == (
        "<think>lamp</think><search>Oslo</search>"
        "\n\n<information>Doc 1(Title: lamp) Paris Rome Oslo.</information>\n\n"
        "Rome<answer>Paris</answer>"
    )
    assert (told.answer, told.searches, told.documents) == ("Paris", 1, (Found("lamp", "Paris Rome Oslo."),))
    assert told.tokens == len(wanted) - 1
    assert list(said) == wanted[-1:]


def test_a_full_window_ends_an_episode_without_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    white = tiny()
    monkeypatch.setattr(writing, "choice", lambda *_, **__: lambda scores: torch.tensor([white.encode("lamp")[0]]))
    (rollout,) = NetworkAgent(white, env(turns=9), reply_tokens=60).play(["Oslo?"])
    assert rollout.cut_short
    assert rollout.episode.answer is None
    assert len(rollout.prompt) + len(rollout.tokens) <= 256


def test_a_prompt_that_leaves_no_room_is_refused() -> None:
    with pytest.raises(UsageError, match="lower reply_tokens"):
        NetworkAgent(tiny(), env(), reply_tokens=250).play(["Oslo?"])
    with pytest.raises(UsageError, match="at least 1"):
        NetworkAgent(tiny(), env(), reply_tokens=0)


def test_text_is_clipped_by_the_models_tokens() -> None:
    clip = clip_by_tokens(tiny())
    assert clip("Paris Rome Oslo", 3) == "Paris Rome"
    assert clip("Paris", 3) == "Paris"


# --- learning ---------------------------------------------------------------------------------------------------------


def adapted(white: WhiteBoxModel, settings: GrpoSettings = SHORT) -> Any:
    torch.manual_seed(0)
    return training._with_adapter(white, None, settings)


def test_scores_are_the_networks_own_probabilities_whatever_the_padding() -> None:
    white = tiny()
    rollouts = NetworkAgent(white, env(), reply_tokens=8, temperature=1.0).play(["Oslo?", "lamp Rome?"] * 3, seed=5)
    log_probs, entropies, mask = Learner(adapted(white), SHORT)._scores(rollouts)
    for row, one in enumerate(rollouts):
        count = len(one.tokens)
        with torch.no_grad():
            logits = white.network(torch.tensor([[*one.prompt, *one.tokens]])).logits[0, -count - 1 : -1]
        expected = logits.log_softmax(-1)
        taken = expected[torch.arange(count), torch.tensor(one.tokens)]
        assert torch.allclose(log_probs[row, -count:], taken, atol=1e-4)
        assert torch.allclose(entropies[row, -count:], -(expected.exp() * expected).sum(-1), atol=1e-4)
        assert mask[row].tolist() == [0.0] * (mask.shape[1] - count) + [float(own) for own in one.own]


def gradient(rollouts: list[Rollout], at_once: int) -> list[torch.Tensor]:
    settings = GrpoSettings(rank=4, alpha=8, at_once=at_once, learning_rate=1e-9)
    learner = Learner(adapted(tiny()), settings)
    learner.update(rollouts, torch.linspace(-1, 1, len(rollouts)), 0, random.Random(0))
    return [one.grad.clone() for one in learner._trained.values()]


def test_the_update_is_the_same_however_many_episodes_are_computed_at_once() -> None:
    rollouts = NetworkAgent(tiny(), env(), reply_tokens=8, temperature=1.0).play(["Oslo?"] * 6, seed=7)
    whole, single = gradient(rollouts, 6), gradient(rollouts, 1)
    assert sum(float(one.abs().sum()) for one in whole) > 0
    for one, other in zip(whole, single, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_what_a_search_brought_is_not_learnt() -> None:
    """Two episodes that differ only in which of their tokens count as the model's: the loss sees those alone."""
    white = tiny()
    prompt = white.encode("lamp.")
    tokens = white.encode("<think>Oslo</think>Rome<answer>Paris</answer>")
    seen: list[torch.Tensor] = []
    own = [1, 1, 1, 0, 1, 1, 1]
    learner = Learner(adapted(white), GrpoSettings(rank=4, alpha=8, divergence_weight=0.0, entropy_weight=0.0))
    original = learner._scores

    def watched(rollouts: Any) -> Any:
        scores = original(rollouts)
        if scores[0].requires_grad:
            scores[0].retain_grad()
            seen.append(scores[0])
        return scores

    learner._scores = watched  # type: ignore[method-assign]
    episode = env().begin("Oslo?")
    learner.update([Rollout(episode, prompt, tokens, own)], torch.tensor([1.0]), 0, random.Random(0))
    (scores,) = seen
    assert scores.grad is not None
    assert scores.grad[0].tolist() == pytest.approx([-flag / sum(own) for flag in own])


def test_what_did_better_becomes_more_probable() -> None:
    white = tiny()
    prompt, good, bad = (white.encode(text) for text in ("lamp.", "<answer>Oslo</answer>", "<answer>Rome</answer>"))
    learner = Learner(adapted(white), GrpoSettings(rank=4, alpha=8, learning_rate=1e-2, warm_up=0.0))
    rollouts = [Rollout(env().begin("Oslo?"), prompt, text, [1] * len(text)) for text in (good, bad)]

    def preference() -> float:
        with torch.no_grad():
            scores = learner._scores(rollouts)[0].sum(1)
        return float(scores[0] - scores[1])

    before = preference()
    for step in range(5):
        learner.update(rollouts, torch.tensor([1.0, -1.0]), step, random.Random(step))
    assert preference() > before + 0.5


def test_several_updates_of_a_step_are_clipped_against_the_policy_that_wrote_it() -> None:
    white = tiny()
    rollouts = NetworkAgent(white, env(), reply_tokens=8, temperature=1.0).play(["Oslo?"] * 8, seed=1)
    settings = GrpoSettings(rank=4, alpha=8, learning_rate=0.5, warm_up=0.0, updates=4, at_once=2)
    sums = Learner(adapted(white), settings).update(rollouts, torch.tensor([1.0, -1.0] * 4), 0, random.Random(0))
    assert sums.clipped > 0
    assert sums.divergence > 0
    once = GrpoSettings(rank=4, alpha=8, learning_rate=0.5, warm_up=0.0)
    assert (
        Learner(adapted(tiny()), once).update(rollouts, torch.tensor([1.0, -1.0] * 4), 0, random.Random(0)).clipped == 0
    )


# --- training ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    white = tiny()
    white.network.save_pretrained(folder)
    white.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def trained(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(base, QUESTIONS, ships, tmp_path_factory.mktemp("ikea") / "adapter", SHORT, AGENT).folder


def log(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / LOG).read_text().splitlines()]


def test_the_folder_is_an_adapter_with_its_card_and_log(base: Path, trained: Path) -> None:
    assert {path.name for path in trained.iterdir()} == {CARD, CONFIG, WEIGHTS, LOG}
    card = json.loads((trained / CARD).read_text())
    assert (card["stage"], card["base"], card["questions"]) == ("ikea", str(base.resolve()), 3)
    assert card["reward"] == {"r_plus": 0.6, "r_minus": 0.05, "rt_max": 3, "format_penalty": -1.0}
    after = WhiteBoxModel.load(trained)
    assert after.identity.startswith(WhiteBoxModel.load(base).identity + "+adapter:")
    assert NetworkAgent(after, env(), reply_tokens=5).answer("Oslo?").transcript


def test_the_log_has_a_line_a_step_with_all_that_is_to_be_watched(trained: Path) -> None:
    lines = log(trained)
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert [line["learning_rate"] for line in lines] == [5e-3, 1e-2, 1e-2, 1e-2]
    for line in lines:
        assert line["episodes"] == 8
        for name in ("exact_match", "searches", "reward", "malformed", "search_rate", "loss", "entropy", "tokens"):
            assert math.isfinite(line[name])
        assert {"search_rate_easy", "search_rate_hard", "decision_f1", "divergence", "clipped"} <= line.keys()
    assert lines[0]["divergence"] == pytest.approx(0, abs=1e-6)
    assert lines[-1]["divergence"] > 0


def test_a_finished_training_is_not_done_again(base: Path, trained: Path) -> None:
    def broken(query: str, topk: int) -> list[Found]:
        raise AssertionError("nothing is to be searched")

    before = (trained / WEIGHTS).read_bytes()
    again = train(base, QUESTIONS, broken, trained, SHORT, AGENT)
    assert [line["step"] for line in again.log] == [1, 2, 3, 4]
    assert (trained / WEIGHTS).read_bytes() == before


class Stopped(Exception):
    """What a training is broken off with."""


@pytest.mark.parametrize("step", [1, 3])
def test_a_training_that_was_broken_off_ends_as_if_it_had_not_been(
    base: Path, trained: Path, tmp_path: Path, step: int
) -> None:
    def stop(steps: int, line: Any) -> None:
        if line["step"] == step:
            raise Stopped

    with pytest.raises(Stopped):
        train(base, QUESTIONS, ships, tmp_path / "adapter", SHORT, AGENT, on_progress=stop)
    told: list[int] = []
    train(
        base,
        QUESTIONS,
        ships,
        tmp_path / "adapter",
        SHORT,
        AGENT,
        on_progress=lambda steps, line: told.append(line["step"]),
    )
    assert told == ([1, 2, 3, 4] if step == 1 else [3, 4])
    assert log(tmp_path / "adapter") == log(trained)
    assert (tmp_path / "adapter" / WEIGHTS).read_bytes() == (trained / WEIGHTS).read_bytes()


def test_another_training_is_not_mixed_into_a_folder(base: Path, trained: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"settings\.seed"):
        train(base, QUESTIONS, ships, trained, GrpoSettings(**{**SHORT_FIELDS, "seed": 1}), AGENT)
    with pytest.raises(RunError, match="questions"):
        train(base, QUESTIONS[:2], ships, trained, SHORT, AGENT)
    with pytest.raises(RunError, match=r"reward\.r_plus"):
        train(base, QUESTIONS, ships, trained, SHORT, AGENT, reward=IkeaReward(r_plus=0))
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(RunError, match="not empty"):
        train(base, QUESTIONS, ships, tmp_path, SHORT, AGENT)


SHORT_FIELDS = {name: getattr(SHORT, name) for name in SHORT.__dataclass_fields__}


def test_a_damaged_checkpoint_is_named(base: Path, tmp_path: Path) -> None:
    def stop(steps: int, line: Any) -> None:
        if line["step"] == 3:
            raise Stopped

    folder = tmp_path / "adapter"
    with pytest.raises(Stopped):
        train(base, QUESTIONS, ships, folder, SHORT, AGENT, on_progress=stop)
    (folder / "checkpoints" / "checkpoint-2" / "state.pt").write_bytes(b"no tensor")
    with pytest.raises(RunError, match="checkpoint-2 can't be read"):
        train(base, QUESTIONS, ships, folder, SHORT, AGENT)


def test_an_adapter_is_trained_further_and_held_to_what_it_was(base: Path, trained: Path, tmp_path: Path) -> None:
    before = (trained / WEIGHTS).read_bytes()
    further = train(trained, QUESTIONS, ships, tmp_path / "further", SHORT, AGENT)
    assert further.log[0]["divergence"] == pytest.approx(0, abs=1e-6)  # from the adapter, not from the base
    assert further.log[-1]["divergence"] > 0
    assert (trained / WEIGHTS).read_bytes() == before != (further.folder / WEIGHTS).read_bytes()
    assert json.loads((further.folder / CARD).read_text())["base"] == str(base.resolve())


def test_a_loaded_model_is_left_as_it_was(tmp_path: Path) -> None:
    white = tiny()
    before = {name: one.clone() for name, one in white.network.state_dict().items()}
    train(white, QUESTIONS, ships, tmp_path / "adapter", GrpoSettings(**{**SHORT_FIELDS, "steps": 1}), AGENT)
    after = white.network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_questions_are_taken_in_turn() -> None:
    steps = [batch_of(QUESTIONS, step, 2, seed=0) for step in range(6)]
    asked = [one.id for step in steps for one in step]
    assert [sorted(asked[place : place + 3]) for place in range(0, 12, 3)] == [["a", "b", "c"]] * 4
    assert len({tuple(asked[place : place + 3]) for place in range(0, 12, 3)}) > 1
    assert [one.id for one in batch_of(QUESTIONS, 3, 2, seed=0)] == asked[6:8]


def test_nothing_to_learn_from_is_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no questions"):
        train(base, [], ships, tmp_path / "adapter")


def test_memory_that_runs_out_says_what_to_lower(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> Any:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(Learner, "update", full)
    with pytest.raises(ModelError, match="at_once=1"):
        train(base, QUESTIONS, ships, tmp_path / "adapter", SHORT, AGENT)


def test_a_folder_that_cannot_be_written_is_named(base: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="can't write"):
        train(base, QUESTIONS, ships, tmp_path / "file" / "adapter", SHORT, AGENT)
