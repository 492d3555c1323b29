"""A language model that is trained on both of JointLM's tasks, over the re-balanced store, and measured on three.

Words choose what it reads, so its wrong entities in training are those that words alone would let through. Apart from
`benchmark.py`, since this loads torch and wants a GPU.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pansophy.conflicts.training.settings import TrainingSettings
from pansophy.conflicts.training.train import Progress
from pansophy.errors import UsageError
from pansophy.reading.jointlm.agent import JointAgent
from pansophy.reading.jointlm.balance import rebalance
from pansophy.reading.jointlm.benchmark import Material, percent, rounded, split_dialogues, three_stores
from pansophy.reading.jointlm.evaluate import evaluate, success
from pansophy.reading.jointlm.labels import Labelled, label
from pansophy.reading.jointlm.match import MatchRanker
from pansophy.reading.jointlm.model import Mixture, ModelScorer, load_joint, train_joint
from pansophy.reading.jointlm.multiwoz import REQUESTABLE
from pansophy.reading.jointlm.prompts import PromptSettings
from pansophy.reading.jointlm.ranking import JointRanker

ADAPTER = "adapter"
MIXTURE = Mixture(positives=1, negatives=2, responses=1)


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """How a model is trained and asked.

    Args:
        turns: that it is trained on, drawn from those of the dialogues to learn from.
        epochs: how often it sees each.
        learning_rate: the highest; it falls to 0.
        keep: entities that it reads; words choose them.
        asked: turns for which it ranks entities in each store, drawn from those of the other dialogues.
        replies: of these, turns that it replies to.
        prompts: how dialogue and entity are put before it.
    """

    turns: int = 150
    epochs: float = 1.0
    learning_rate: float = 2e-4
    keep: int = 5
    asked: int = 40
    replies: int = 40
    prompts: PromptSettings = field(default_factory=lambda: PromptSettings(turns=3, documents=4, max_tokens=384))

    def __post_init__(self) -> None:
        if min(self.turns, self.keep, self.asked, self.replies) < 1:
            raise UsageError("a model needs turns to learn from, entities to read and turns to be asked")


def measure_model(
    model: str | Path,
    material: Material,
    folder: str | Path,
    settings: ModelSettings | None = None,
    *,
    learnt: int = 500,
    seed: int = 0,
    device: str | None = None,
    on_step: Callable[[Progress], None] | None = None,
    on_reply: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    """Train and measure, as JSON data: shares in percent.

    Args:
        model: a white-box model or an encoder-decoder, as for `load_joint`.
        material: see `benchmark.read_material`.
        folder: for the adapter and the predictions in each store; what was broken off there goes on.
        settings: of the model.
        learnt: dialogues to learn from; the others are tested.
        seed: of all that is drawn.
        device: cpu, cuda, ...
        on_step: is told of each step of the training.
        on_reply: is told of each reply: the store, and how many of how many.

    Returns:
        `loss` of each step since this call began, and for each store how often the entity that words rank best is
        right (`words_best_ranked`), a right one is among those that the model reads (`words_kept`), and the one that
        the model ranks best is (`model_best_ranked`), beside all other measures (`model`).

    Raises:
        UsageError: nothing is left to learn from or to test.
        UnknownModel: there is no such model.
        RunError: the folder holds something else.
    """
    settings, place = settings or ModelSettings(), Path(folder).expanduser()
    store = material.store
    known, tested = split_dialogues(material.dialogues, learnt, seed)
    hybrid, _ = rebalance(store, known, seed)
    labelled = label(store, known, hybrid, seed=seed)
    words = MatchRanker.train(labelled, hybrid)
    hard = [_hard(one, words, settings.keep) for one in _drawn(labelled, settings.turns, seed)]
    losses: list[float] = []

    def step(progress: Progress) -> None:
        losses.append(round(progress.loss, 3))
        if on_step is not None:
            on_step(progress)

    adapter = train_joint(
        load_joint(model, device=device),
        hard,
        hybrid,
        place / ADAPTER,
        prompts=settings.prompts,
        mixture=MIXTURE,
        settings=TrainingSettings(
            learning_rate=settings.learning_rate,
            epochs=settings.epochs,
            batch=8,
            at_once=4,
            max_tokens=settings.prompts.max_tokens,
            seed=seed,
        ),
        on_progress=step,
    )
    scorer = ModelScorer(load_joint(adapter, device=device), settings.prompts)
    found: dict[str, Any] = {"loss": losses}
    for name, one in three_stores(store, hybrid).items():
        here = _drawn(label(store, tested, one, seed=seed), settings.asked, seed)
        ranker = words.on(one)
        agent = JointAgent(JointRanker(ranker, scorer, settings.keep), scorer)
        told = None if on_reply is None else _tells(on_reply, name)
        scores = evaluate(agent, here[: settings.replies], store, place / name, slots=REQUESTABLE, on_progress=told)
        found[name] = {
            "turns": len(here),
            "words_best_ranked": percent(success(ranker, here, 1, 0.0)),
            "words_kept": percent(success(ranker, here, settings.keep, 0.0)),
            "model_best_ranked": percent(success(agent.ranker, here, 1, 0.0)),
            "model": rounded(asdict(scores)),
        }
    return found


def _drawn(labelled: list[Labelled], number: int, seed: int) -> list[Labelled]:
    return random.Random(seed).sample(labelled, min(number, len(labelled)))


def _hard(one: Labelled, words: MatchRanker, keep: int) -> Labelled:
    """The turn with those negatives that words alone would let through to the model."""
    near = tuple(key for key, _ in words.rank(one.history, keep) if key not in one.oracle)
    return replace(one, negatives=near)


def _tells(on_reply: Callable[[str, int, int], None], store: str) -> Callable[[int, int, Any], None]:
    return lambda done, total, row: on_reply(store, done, total)
