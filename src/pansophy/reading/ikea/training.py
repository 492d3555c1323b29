"""Train a search agent by GRPO: an adapter, from questions and something to search in; it goes on where it broke off.

Each step lets the agent write a group of episodes to each of its questions, judges them, and takes one or a few steps
along the gradient of what the better ones did, over the tokens that the agent wrote itself. Everything drawn depends on
the seed and the number of the step alone, so a training that was broken off ends as it would have without.
"""

from __future__ import annotations

import copy
import hashlib
import json
import random
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from pansophy.conflicts.training.folder import begin, finish
from pansophy.conflicts.training.train import out_of_memory_told
from pansophy.errors import UsageError
from pansophy.evaluation.files import append_line
from pansophy.models.white_box import WhiteBoxModel
from pansophy.models.white_box.adapters import Adapter, adapter_at
from pansophy.reading.ikea.boundary import Question
from pansophy.reading.ikea.checkpoints import LOG, read_log, resume, save
from pansophy.reading.ikea.environment import Retriever, SearchEnv
from pansophy.reading.ikea.grpo import group_advantages
from pansophy.reading.ikea.learning import Learner
from pansophy.reading.ikea.measures import Outcome, summary
from pansophy.reading.ikea.reward import IkeaReward
from pansophy.reading.ikea.settings import GrpoSettings, IkeaSettings
from pansophy.reading.ikea.writing import NetworkAgent, Rollout, clip_by_tokens

BASE, BEFORE = "default", "before"
"""Names that peft knows adapters by: the one in training, and the one that it began as."""


@dataclass(frozen=True, slots=True)
class Trained:
    """An adapter's folder, and the log of all steps (see `measures.summary`; also loss, divergence and so on)."""

    folder: Path
    log: tuple[Mapping[str, Any], ...]


def train(
    model: WhiteBoxModel | str | Path,
    questions: Sequence[Question],
    retriever: Retriever,
    output: str | Path,
    settings: GrpoSettings = GrpoSettings(),  # noqa: B008 - frozen
    agent: IkeaSettings = IkeaSettings(temperature=1.0),  # noqa: B008 - frozen
    *,
    reward: IkeaReward = IkeaReward(),  # noqa: B008 - frozen
    searched: str = "",
    device: str | None = None,
    home: Path | None = None,
    on_progress: Callable[[int, Mapping[str, Any]], None] | None = None,
) -> Trained:
    """Train an adapter, or go on with what was broken off in `output`; a finished one is not trained again.

    Args:
        model: a name as for `WhiteBoxModel.load`, or a loaded model, of which a copy is trained. An adapter's folder is
            trained further, and is then what the agent is held to.
        questions: with their gold answers; labels only serve the log.
        retriever: what is searched.
        output: the adapter's folder; `log.jsonl` in it grows by a line a step.
        settings: the training's.
        agent: of the episodes; its temperature doesn't count.
        reward: of an episode.
        searched: says what `retriever` searches, so that a folder isn't gone on with over something else.
        device, home: as for `WhiteBoxModel.load`, where `model` is a name.
        on_progress: told the number of steps and each line of the log.

    Raises:
        UsageError: there are no questions, or they don't fit the window.
        RunError: `output` holds something else, or a damaged checkpoint.
        ModelError: memory ran out; says what to lower.
        StoreError: the folder can't be written.
    """
    if not questions:
        raise UsageError("there are no questions to learn from")
    before = adapter_at(Path(model)) if not isinstance(model, WhiteBoxModel) else None
    if isinstance(model, WhiteBoxModel):
        white = WhiteBoxModel(copy.deepcopy(model.network), model.tokenizer, model.name, model.identity)
    else:
        white = WhiteBoxModel.load(before.base if before else model, device=device, home=home)
    folder = Path(output).expanduser()
    card = _card(white, before, questions, settings, agent, reward, searched)
    if begin(folder, card):
        return Trained(folder, tuple(read_log(folder)))
    torch.manual_seed(settings.seed)  # of the matrices
    network = _with_adapter(white, before, settings)
    learner = Learner(network, settings, before=BEFORE if before else None)
    first = resume(folder, learner)
    env = SearchEnv(
        retriever,
        agent.rounds,
        agent.max_chunks,
        observation_tokens=agent.observation_tokens,
        clip=clip_by_tokens(white),
        timeout=agent.search_seconds,
        instructions=agent.instructions,
    )
    writer = NetworkAgent(
        WhiteBoxModel(network, white.tokenizer, white.name, white.identity),
        env,
        reply_tokens=agent.reply_tokens,
        temperature=settings.temperature,
        at_once=settings.at_once,
    )
    smaller = f"at_once={max(settings.at_once // 2, 1)}" if settings.at_once > 1 else "shorter replies"
    with out_of_memory_told(white.name, f"{settings.at_once} episodes", [smaller]):
        for step in range(first, settings.steps):
            line = _step(step, questions, writer, learner, reward, settings)
            append_line(folder / LOG, line)
            if (step + 1) % settings.save_every == 0 and step + 1 < settings.steps:
                save(folder, learner, step + 1)
            if on_progress is not None:
                on_progress(settings.steps, line)
    finish(folder, network)
    return Trained(folder, tuple(read_log(folder)))


def _step(
    step: int,
    questions: Sequence[Question],
    writer: NetworkAgent,
    learner: Learner,
    reward: IkeaReward,
    settings: GrpoSettings,
) -> dict[str, Any]:
    """Episodes, rewards, advantages, updates; the line for the log."""
    asked = batch_of(questions, step, settings.questions, settings.seed)
    seed = settings.seed * 1_000_003 + step
    groups = [number for number in range(len(asked)) for _ in range(settings.group)]
    rollouts = writer.play([asked[number].question for number in groups], seed)
    outcomes = [_judged(one, asked[number], reward) for one, number in zip(rollouts, groups, strict=True)]
    advantages = group_advantages(
        torch.tensor([one.reward for one in outcomes]), groups, by_deviation=settings.by_deviation
    )
    sums = learner.update(rollouts, advantages, step, random.Random(seed))
    return {
        "step": step + 1,
        **summary(outcomes),
        "tokens": sum(one.written for one in rollouts) / len(rollouts),
        "cut_short": sum(one.cut_short for one in rollouts) / len(rollouts),
        **asdict(sums),
    }


def _judged(rollout: Rollout, question: Question, reward: IkeaReward) -> Outcome:
    judged = reward.judge(rollout.episode.transcript, question.answers)
    return Outcome(judged.exact, rollout.episode.searches, judged.malformed, judged.reward, question.label)


def batch_of(questions: Sequence[Question], step: int, size: int, seed: int) -> list[Question]:
    """The questions of a step: all are taken in turn, and put in a new order each time they have been."""
    chosen = []
    for place in range(step * size, (step + 1) * size):
        turn, number = divmod(place, len(questions))
        order = list(range(len(questions)))
        random.Random(f"{seed} {turn}").shuffle(order)
        chosen.append(questions[order[number]])
    return chosen


def _with_adapter(white: WhiteBoxModel, before: Adapter | None, settings: GrpoSettings) -> Any:
    """The network with an adapter to train: a fresh one, or `before` with a copy of it that stays as it is."""
    from peft import LoraConfig, get_peft_model

    if before is not None:
        network = before.on(white.network, white.identity, trainable=True)
        network.load_adapter(str(before.folder), adapter_name=BEFORE)
        network.set_adapter(BASE)
        return network
    lora = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of transformers, about a name that peft still uses
        return get_peft_model(white.network, lora)


def _card(
    white: WhiteBoxModel,
    before: Adapter | None,
    questions: Sequence[Question],
    settings: GrpoSettings,
    agent: IkeaSettings,
    reward: IkeaReward,
    searched: str,
) -> dict[str, Any]:
    """What the folder is claimed with."""
    path = Path(white.name).expanduser()
    rows = [[one.id, one.question, list(one.answers)] for one in questions]
    return {
        "base": str(path.resolve()) if path.exists() else white.name,
        "base_identity": white.identity,
        "stage": "ikea",
        "from_adapter": before.identity(white.identity) if before else None,
        "questions": len(questions),
        "questions_sha256": hashlib.sha256(json.dumps(rows).encode()).hexdigest(),
        "searched": searched,
        "settings": asdict(settings),
        "agent": asdict(agent),
        "reward": asdict(reward),
    }
