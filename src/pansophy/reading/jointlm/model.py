"""One language model for both tasks: is this the entity, and what to reply. Causal models here, others in `seq2seq.py`.

The probability of an entity is that of "yes" against "no" at the label's place. Knows nothing of stores.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol

from pansophy.conflicts.decoding import Decoding, decode
from pansophy.conflicts.training.rows import Example
from pansophy.conflicts.training.settings import TrainingSettings
from pansophy.conflicts.training.train import Progress, prompts_of
from pansophy.conflicts.training.train import train as train_adapter
from pansophy.errors import UsageError
from pansophy.models.white_box import WhiteBoxModel
from pansophy.reading.jointlm.labels import Labelled
from pansophy.reading.jointlm.prompts import (
    NO,
    RESPONSE,
    RETRIEVAL,
    YES,
    JointPrompt,
    PromptSettings,
    joint_prompt,
)
from pansophy.reading.jointlm.store import Entity, HybridStore, Key


class JointModel(Protocol):
    """What both kinds of model can do."""

    @property
    def identity(self) -> str: ...

    def count(self, text: str) -> int:
        """The tokens of a text."""
        ...

    def yes(self, prompts: Sequence[JointPrompt]) -> list[float]:
        """For each the probability of "yes" against "no"."""
        ...

    def say(self, prompt: JointPrompt, max_new_tokens: int) -> str:
        """The likeliest reply."""
        ...

    def learn(
        self,
        rows: Sequence[Example],
        output: Path,
        settings: TrainingSettings,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        """Train an adapter on answers to (dialogue, entity); what was broken off in `output` goes on."""
        ...


class CausalModel:
    """A causal language model, asked as it is trained: see `conflicts.training.train`."""

    def __init__(self, white: WhiteBoxModel, batch: int = 8) -> None:
        self.white, self._batch, self._put = white, batch, prompts_of(white)

    @property
    def identity(self) -> str:
        return self.white.identity

    def count(self, text: str) -> int:
        """See `JointModel`."""
        return len(self.white.encode(text))

    def yes(self, prompts: Sequence[JointPrompt]) -> list[float]:
        """See `JointModel`."""
        blank = "" if self.white.tokenizer.chat_template else " "
        told = []
        for prompt in prompts:
            text, _ = self._put(prompt.dialogue, prompt.entity)
            told.append(parted(*(self.white.encode(text + blank + word) for word in (YES, NO))))
        found: list[float] = []
        for begin in range(0, len(told), self._batch):
            part = told[begin : begin + self._batch]
            scores = self.white.stream([tokens for tokens, _, _ in part], share=True).log_probs
            found += [float((row[yes] - row[no]).sigmoid()) for row, (_, yes, no) in zip(scores, part, strict=True)]
        return found

    def say(self, prompt: JointPrompt, max_new_tokens: int) -> str:
        """See `JointModel`."""
        text, _ = self._put(prompt.dialogue, prompt.entity)
        (reply,) = decode(self.white, [text], [text], None, Decoding(max_new_tokens=max_new_tokens))
        return reply.text.strip()

    def learn(
        self,
        rows: Sequence[Example],
        output: Path,
        settings: TrainingSettings,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        """See `JointModel`."""
        train_adapter(self.white, "sft", rows, output, settings, on_progress=on_progress)


def parted(one: Sequence[int], other: Sequence[int]) -> tuple[list[int], int, int]:
    """What two sequences of tokens share at their beginning, and the token of each behind that."""
    at = next((place for place, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), None)
    if at is None:
        raise UsageError(f"the tokenizer can't tell {YES!r} from {NO!r}: another model is needed")
    return list(one[:at]), one[at], other[at]


def load_joint(name: str | Path, *, device: str | None = None, home: Path | None = None, batch: int = 8) -> JointModel:
    """A model by name, as for `WhiteBoxModel.load`, or a folder with an encoder-decoder, or with an adapter of either.

    A causal one computes in float32 everywhere: bfloat16 tells so few probabilities apart that the order of entities
    would often be chance.

    Raises:
        UnknownModel: there is no such model, or it can't be loaded.
    """
    from pansophy.reading.jointlm.seq2seq import Seq2SeqModel, is_encoder_decoder

    if is_encoder_decoder(Path(name)):
        return Seq2SeqModel.load(Path(name), device=device, batch=batch)
    return CausalModel(WhiteBoxModel.load(name, device=device, dtype="float32", home=home), batch)


class ModelScorer:
    """A joint model as the second stage of a `JointRanker`."""

    def __init__(self, model: JointModel, settings: PromptSettings | None = None) -> None:
        self.model, self.settings = model, settings or PromptSettings()

    @property
    def identity(self) -> str:
        return f"{self.model.identity} {asdict(self.settings)}"

    def yes(self, history: Sequence[str], entities: Sequence[Entity]) -> list[float]:
        """See `Scorer`."""
        return self.model.yes(
            [joint_prompt(RETRIEVAL, history, one, self.settings, self.model.count) for one in entities]
        )

    def reply(self, history: Sequence[str], entity: Entity | None, max_new_tokens: int) -> str:
        """The reply to a history, made from an entity."""
        prompt = joint_prompt(RESPONSE, history, entity, self.settings, self.model.count)
        return self.model.say(prompt, max_new_tokens)


@dataclass(frozen=True, slots=True)
class Mixture:
    """Positives, negatives and responses that stand in a batch, on average.

    Args:
        positives, negatives: entities to say yes and no to.
        responses: replies to imitate; every labelled turn gives one, and the others are drawn to match.
    """

    positives: int = 2  # ours
    negatives: int = 6  # ours
    responses: int = 8  # ours

    def __post_init__(self) -> None:
        if min(self.positives, self.negatives) < 1 or self.responses < 0:
            raise UsageError("a mixture needs positives and negatives, 1 or more of each")


def joint_rows(
    labelled: Sequence[Labelled],
    store: HybridStore,
    count: Callable[[str], int],
    prompts: PromptSettings | None = None,
    mixture: Mixture | None = None,
    *,
    seed: int = 0,
) -> list[Example]:
    """Rows of both tasks in one shuffled list, in the ratio of `mixture`; none is drawn twice.

    Args:
        labelled: turns (see `label`), at least one of which has a positive.
        store: which the entities are shown from.
        count: the model's tokens of a text.
        prompts: how they are put.
        mixture: the ratio; a mixture without responses takes one positive of each turn.
        seed: of what is drawn, and of the order.

    Raises:
        UsageError: no turn has a positive.
    """
    prompts, mixture, source = prompts or PromptSettings(), mixture or Mixture(), random.Random(seed)
    right = [(one, key) for one in labelled for key in one.positives if key in store]
    wrong = [(one, key) for one in labelled for key in one.negatives if key in store]
    if not right:
        raise UsageError("no turn has an entity to learn: beliefs must name the tables' domains, slots and values")
    share = len(labelled) / (mixture.responses or mixture.positives)
    drawn: list[tuple[str, Labelled, Key | None, str]] = [
        (RETRIEVAL, one, key, answer)
        for pool, number, answer in ((right, mixture.positives, YES), (wrong, mixture.negatives, NO))
        for one, key in source.sample(pool, min(max(round(share * number), 1), len(pool)))
    ]
    if mixture.responses:
        drawn += [(RESPONSE, one, _spoken_of(one, store, source), one.response) for one in labelled]
    source.shuffle(drawn)
    rows = []
    for number, (task, one, about, answer) in enumerate(drawn):
        prompt = joint_prompt(task, one.history, store[about] if about else None, prompts, count)
        rows.append(Example(str(number), task, one.dialogue, prompt.dialogue, prompt.entity, answer))
    return rows


def _spoken_of(one: Labelled, store: HybridStore, source: random.Random) -> Key | None:
    """The entity that a reply is learnt from."""
    known = [key for key in one.positives if key in store]
    return one.best if one.best in known else source.choice(known) if known else None


def train_joint(
    model: JointModel,
    labelled: Sequence[Labelled],
    store: HybridStore,
    output: str | Path,
    *,
    prompts: PromptSettings | None = None,
    mixture: Mixture | None = None,
    settings: TrainingSettings | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Path:
    """Train one adapter on both tasks, or go on with what was broken off in `output`; its folder, for `load_joint`.

    Raises:
        UsageError: there is nothing to learn.
        RunError: `output` holds something else.
        ModelError: memory ran out.
    """
    prompts, settings = prompts or PromptSettings(), settings or TrainingSettings()
    rows = joint_rows(labelled, store, model.count, prompts, mixture, seed=settings.seed)
    settings = replace(settings, max_tokens=max(settings.max_tokens, prompts.max_tokens + 128))  # and the reply
    folder = Path(output).expanduser()
    model.learn(rows, folder, settings, on_progress)
    return folder
