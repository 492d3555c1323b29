"""Train a LoRA adapter on examples (sft) or on pairs (dpo), with trl; what was broken off is gone on with.

An adapter's folder holds its weights, and a card that says what it was made with. The loss is on the answer alone.
Prompts are those of `pansophy conflict ask`, so that the trained model is asked as it was taught. Knows nothing about
where rows come from.
"""

from __future__ import annotations

import copy
import hashlib
import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import PreTrainedTokenizerBase, PrinterCallback, TrainerCallback

from pansophy.conflicts.decoding import Prompts, chat_prompts, plain_prompts
from pansophy.conflicts.training.folder import CHECKPOINTS, begin, finish, last_checkpoint
from pansophy.conflicts.training.gaps import refuse_gaps
from pansophy.conflicts.training.rows import Chat, Example, Pair, Row, counts
from pansophy.conflicts.training.settings import TrainingSettings
from pansophy.errors import ModelError, UsageError
from pansophy.models.white_box import WhiteBoxModel
from pansophy.models.white_box.adapters import adapter_at

Stage = Literal["sft", "dpo"]
IGNORED = -100
"""The label of a token that no loss is taken of."""
KINDS: Mapping[Stage, tuple[type[Row], ...]] = {"sft": (Example, Chat), "dpo": (Pair,)}


@dataclass(frozen=True, slots=True)
class Progress:
    """`step` of `steps`; `loss` of the last step."""

    step: int
    steps: int
    loss: float


@dataclass(frozen=True, slots=True)
class Trained:
    """An adapter's folder, the loss of each step since this call began, the rows used and those that were too long."""

    folder: Path
    losses: tuple[float, ...]
    rows: int
    too_long: int


def prompts_of(model: WhiteBoxModel) -> Prompts:
    """How questions are put to this model: by its chat template, as plain text where it has none."""
    return chat_prompts(model) if model.tokenizer.chat_template else plain_prompts


def train(
    model: WhiteBoxModel | str | Path,
    stage: Stage,
    rows: Sequence[Row],
    output: str | Path,
    settings: TrainingSettings | None = None,
    *,
    device: str | None = None,
    home: Path | None = None,
    force: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> Trained:
    """Train an adapter, or go on with what was broken off in `output`; one that is finished there is not trained again.

    Args:
        model: a name as for `WhiteBoxModel.load`, or a loaded model, of which a copy is trained. An adapter's folder is
            trained further: with "dpo" it is also what the model is held to.
        stage: "sft" imitates the answers of `Example`s, or the last messages of `Chat`s, "dpo" learns from `Pair`s.
        rows: what is learnt.
        output: the adapter's folder.
        settings: the training's; by default as in `TrainingSettings`.
        device, home: as for `WhiteBoxModel.load`, where `model` is a name.
        force: train on pairs although one side's answers are longer.
        on_progress: called after each step.

    Raises:
        UsageError: the rows aren't of the stage's kind, or all too long; the answers of pairs differ in length; a model
                without a chat template was to learn chats.
        RunError: `output` holds something else.
        ModelError: memory ran out; says which smaller setting to try.
        StoreError: the folder can't be written.
    """
    settings = settings or TrainingSettings()
    if not rows or not all(isinstance(row, KINDS[stage]) for row in rows):
        kinds = " and ".join(f"{kind.__name__.lower()}s" for kind in KINDS[stage])
        raise UsageError(f"stage {stage!r} learns from {kinds}: give it at least one, and nothing else")
    before = adapter_at(Path(model)) if not isinstance(model, WhiteBoxModel) else None
    if isinstance(model, WhiteBoxModel):
        white = WhiteBoxModel(copy.deepcopy(model.network), model.tokenizer, model.name, model.identity)
    else:
        white = WhiteBoxModel.load(before.base if before else model, device=device, home=home)
    tokenizer = copy.deepcopy(white.tokenizer)
    if tokenizer.eos_token is None:
        raise UsageError(f"{white.name} has no token that ends a text, and could not learn where an answer ends")
    data, too_long = _texts(white, rows, settings.max_tokens)
    if stage == "dpo":
        refuse_gaps(_gaps(tokenizer, data), force=force)
    folder = Path(output).expanduser()
    card = {
        "base": name_of(white.name),
        "base_identity": white.identity,
        "stage": stage,
        "from_adapter": before.identity(white.identity) if before else None,
        "rows": {**counts(rows), "too long": too_long},
        "rows_sha256": hashlib.sha256(json.dumps([asdict(row) for row in rows]).encode()).hexdigest(),
        "settings": asdict(settings),
    }
    losses: list[float] = []
    if begin(folder, card):
        return Trained(folder, (), len(data), too_long)
    with quietly(), memory_told(white.name, settings):
        network: Any = before.on(white.network, white.identity, trainable=True) if before else white.network
        trainer = _trainer(stage, network, tokenizer, data, folder / CHECKPOINTS, settings, fresh=before is None)
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(Reporting(losses, on_progress))
        trainer.train(resume_from_checkpoint=last_checkpoint(folder / CHECKPOINTS))
    finish(folder, trainer.model)
    return Trained(folder, tuple(losses), len(data), too_long)


def _texts(white: WhiteBoxModel, rows: Sequence[Row], max_tokens: int) -> tuple[list[dict[str, str]], int]:
    """Rows as prompts and answers in plain text, and how many were too long."""
    data = []
    for row in rows:
        told = _text(white, row)
        prompt, *answers = told.values()
        if max(len(white.encode(prompt + answer)) for answer in answers) < max_tokens:
            data.append({**told, "kind": row.kind})
    if not data:
        raise UsageError(f"all {len(rows)} rows are longer than max_tokens={max_tokens}: raise it")
    return data, len(rows) - len(data)


def _text(white: WhiteBoxModel, row: Row) -> dict[str, str]:
    """The prompt, and after it the answer or the two."""
    if isinstance(row, Chat):
        return {"prompt": white.chat_prompt(row.messages[:-1]), "completion": row.messages[-1].content}
    prompt, _ = prompts_of(white)(row.question, row.context)
    blank = "" if white.tokenizer.chat_template else " "
    if isinstance(row, Example):
        return {"prompt": prompt, "completion": blank + row.answer}
    return {"prompt": prompt, "chosen": blank + row.chosen, "rejected": blank + row.rejected}


def _gaps(tokenizer: PreTrainedTokenizerBase, data: Sequence[Mapping[str, str]]) -> dict[str, list[int]]:
    """By kind, how many tokens the chosen answer of each pair has more than the rejected one."""
    gaps: dict[str, list[int]] = {}
    for row in data:
        chosen, rejected = (len(tokenizer(row[side]).input_ids) for side in ("chosen", "rejected"))
        gaps.setdefault(row["kind"], []).append(chosen - rejected)
    return gaps


def _trainer(
    stage: Stage,
    network: Any,
    tokenizer: PreTrainedTokenizerBase,
    data: Sequence[Mapping[str, str]],
    checkpoints: Path,
    settings: TrainingSettings,
    *,
    fresh: bool,
) -> Any:
    """trl's trainer for the stage; a `fresh` network gets an adapter, another has one."""
    from datasets import Dataset
    from peft import LoraConfig
    from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

    shared = {**arguments(network, checkpoints, settings), "max_length": settings.max_tokens}
    lora = None
    if fresh:
        lora = LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,
            lora_dropout=0.0,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        )
    rows = Dataset.from_list([{key: text for key, text in row.items() if key != "kind"} for row in data])
    told: dict[str, Any] = {"train_dataset": rows, "processing_class": tokenizer, "peft_config": lora}
    if stage == "sft":
        trainer: Any = SFTTrainer(network, SFTConfig(**shared), **told)
        if shared["use_cpu"]:
            trainer.compute_loss = _answers_loss
        return trainer
    losses = {"sigmoid": 1.0, **({"sft": settings.imitation} if settings.imitation else {})}
    both = DPOConfig(**shared, beta=settings.beta, loss_type=list(losses), loss_weights=list(losses.values()))
    return DPOTrainer(network, args=both, **told)


def _answers_loss(
    network: Any, inputs: Mapping[str, Tensor], return_outputs: bool = False, num_items_in_batch: Any = None
) -> Any:
    """trl's loss, the cross-entropy of the answers' tokens, of the positions that have any: on a CPU trl scores every
    token of the prompts too, which is a third of a step's work."""
    labels = inputs["labels"][:, 1:]
    places = (labels != IGNORED).any(0).nonzero().flatten()
    outputs = network(
        input_ids=inputs["input_ids"],
        attention_mask=inputs["attention_mask"],
        logits_to_keep=places,
        use_cache=False,
    )
    told = labels[:, places].flatten()
    loss = cross_entropy(outputs.logits.flatten(0, 1).float(), told, ignore_index=IGNORED, reduction="sum")
    loss = loss / (num_items_in_batch or (told != IGNORED).sum())
    return (loss, outputs) if return_outputs else loss


def arguments(network: Any, checkpoints: Path, settings: TrainingSettings) -> dict[str, Any]:
    """What every trainer is told."""
    device = next(network.parameters()).device
    at_once = settings.at_once or settings.batch
    return {
        "output_dir": str(checkpoints),
        "learning_rate": settings.learning_rate,
        "num_train_epochs": settings.epochs,
        "per_device_train_batch_size": at_once,
        "gradient_accumulation_steps": settings.batch // at_once,
        "gradient_checkpointing": settings.checkpointing,
        "bf16": device.type == "cuda",
        "use_cpu": device.type == "cpu",
        "dataloader_pin_memory": device.type == "cuda",
        "save_steps": settings.save_every,
        "save_total_limit": 2,
        "logging_steps": 1,
        "report_to": "none",
        "disable_tqdm": True,
        "seed": settings.seed,
    }


class Reporting(TrainerCallback):
    """Keeps the losses, and tells of each step."""

    def __init__(self, losses: list[float], told: Callable[[Progress], None] | None) -> None:
        self._losses, self._told = losses, told

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if logs and "loss" in logs:
            self._losses.append(float(logs["loss"]))
            if self._told is not None:
                self._told(Progress(state.global_step, state.max_steps, float(logs["loss"])))


def name_of(name: str) -> str:
    """A model's name, by which it is found again from any folder."""
    path = Path(name).expanduser()
    return str(path.resolve()) if path.exists() else name


@contextmanager
def quietly() -> Iterator[None]:
    """Without the bars and remarks of the packages below; whoever waits is told by us."""
    import datasets

    level, bars = transformers.utils.logging.get_verbosity(), datasets.are_progress_bars_disabled()
    shown = transformers.utils.logging.is_progress_bar_enabled()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of transformers, about names that trl still uses
            yield
    finally:
        transformers.utils.logging.set_verbosity(level)
        if shown:
            transformers.utils.logging.enable_progress_bar()
        if not bars:
            datasets.enable_progress_bars()


@contextmanager
def memory_told(name: str, settings: TrainingSettings) -> Iterator[None]:
    """Says what to do when memory runs out."""
    at_once = settings.at_once or settings.batch
    smaller = [f"at_once={max(at_once // 2, 1)}"] if at_once > 1 else []
    smaller += [] if settings.checkpointing else ["checkpointing=True"]
    smaller.append(f"max_tokens={max(settings.max_tokens // 2, 1)}")
    with out_of_memory_told(name, f"{at_once} rows of up to {settings.max_tokens} tokens", smaller):
        yield


@contextmanager
def out_of_memory_told(name: str, taken: str, smaller: Sequence[str]) -> Iterator[None]:
    """Says what was `taken` at once when memory runs out, and which `smaller` settings to try.

    Raises:
        ModelError: memory ran out.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        known = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not known and not any(words in str(error) for words in ("not enough memory", "out of memory")):
            raise
        raise ModelError(
            f"training {name} ran out of memory with {taken} at once: try {' or '.join(smaller)}"
        ) from error
