"""The three stages of fine-tuning, one after another: perception, cognition, and the connector between them.

Each begins with the weights that the one before left, and has a folder of its own, so that what was broken off is gone
on with. The encoder of images stays as it is; the loss is on the responses alone. Knows nothing of how samples are
made.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PrinterCallback, Trainer, TrainingArguments

from pansophy.conflicts.consistency.page_model import PageModel
from pansophy.conflicts.consistency.stages import STAGES, Sample
from pansophy.conflicts.training.folder import CHECKPOINTS, begin, finish, last_checkpoint
from pansophy.conflicts.training.settings import CONSISTENCY, TrainingSettings
from pansophy.conflicts.training.train import Progress, Reporting, memory_told, name_of, quietly
from pansophy.errors import UsageError
from pansophy.evaluation.files import read_lines
from pansophy.models.white_box.adapters import adapter_at

FIELDS = ("task", "image", "prompt", "response")
Row = tuple[str, str, Path | None]
"""A prompt as the model is given it, its response, and the page's image."""
Told = Callable[[str, Progress], None]
"""Told the stage and how far it is."""


@dataclass(frozen=True, slots=True)
class StageTrained:
    """A stage's folder, the loss of each step since the call began, samples used and those that were too long."""

    folder: Path
    losses: tuple[float, ...]
    samples: int
    too_long: int


def train_stages(
    model: PageModel | str | Path,
    files: Mapping[str, str | Path],
    output: str | Path,
    settings: TrainingSettings = CONSISTENCY,
    *,
    stages: Sequence[str] = STAGES,
    lora: bool = True,
    device: str | None = None,
    home: Path | None = None,
    on_progress: Told | None = None,
) -> dict[str, StageTrained]:
    """Train on the files of `build_stages`, stage by stage, or go on with what was broken off in `output`.

    The last stage's folder is the trained model: `PageModel.load` takes it as a name.

    Args:
        model: a name as for `PageModel.load`, or a loaded model, of which a copy is trained.
        files: of each stage, as in `StageData.files`.
        output: a folder, in which each stage gets its own.
        settings: of every stage; `rank` and `alpha` are LoRA's.
        stages: which, and in which order; leave one out to see what it is worth.
        lora: train an adapter beside the linear layers; else all weights but those of the encoder of images.
        device, home: as for `PageModel.load`, where `model` is a name.
        on_progress: called after each step.

    Raises:
        UsageError: a stage has no file or no samples, all are too long, or some have an image and others none.
        RunError: `output` holds something else.
        ModelError: memory ran out; says which smaller setting to try.
        StoreError: a folder can't be written.
    """
    if not stages or len(set(stages)) < len(stages):
        raise UsageError("give at least one stage, and none twice")
    if missing := [stage for stage in stages if stage not in files]:
        raise UsageError(f"there is no file of samples for {', '.join(missing)}")
    if isinstance(model, PageModel):
        base = replace(model, network=copy.deepcopy(model.network))
    else:
        base = PageModel.load(model, device=device, home=home)
    place = Path(output).expanduser()
    done: dict[str, StageTrained] = {}
    trained = _Stages(base, settings, lora, on_progress)
    for stage in stages:
        done[stage] = trained.train(stage, read_samples(files[stage]), place / stage)
    return done


def read_samples(path: str | Path) -> list[Sample]:
    """The samples of a stage's file.

    Raises:
        UsageError: there are none, or some have an image and others none.
        RunError: a line is damaged; says which.
    """
    samples = read_lines(Path(path).expanduser(), lambda row: {name: row[name] for name in FIELDS})
    if not samples:
        raise UsageError(f"{path} has no samples to train on")
    if len({sample["image"] is None for sample in samples}) > 1:
        raise UsageError(f"{path} has pages with an image and pages of text: train on one kind at a time")
    return samples


class _Stages:
    """Trains one stage after another; each begins with what the one before left on disk."""

    def __init__(self, base: PageModel, settings: TrainingSettings, lora: bool, told: Told | None) -> None:
        self._base, self._settings, self._lora, self._told = base, settings, lora, told
        self._network: Any = base.network
        self._before: Path | None = None
        self._history: list[str] = []  # what the stages before learnt from

    def train(self, stage: str, samples: Sequence[Sample], folder: Path) -> StageTrained:
        rows, too_long = self._fitting(samples)
        digest = hashlib.sha256(json.dumps(samples).encode()).hexdigest()
        card = {
            "base": name_of(self._base.name),
            "base_identity": self._base.identity,
            "stage": stage,
            "lora": self._lora,
            "after": list(self._history),
            "samples": {**Counter(sample["task"] for sample in samples), "too long": too_long},
            "samples_sha256": digest,
            "settings": asdict(self._settings),
        }
        losses: list[float] = []
        if not begin(folder, card):
            with quietly(), memory_told(self._base.name, self._settings):
                trainer = self._trainer(rows, folder / CHECKPOINTS)
                trainer.remove_callback(PrinterCallback)
                trainer.add_callback(Reporting(losses, self._telling(stage)))
                trainer.train(resume_from_checkpoint=last_checkpoint(folder / CHECKPOINTS))
                finish(folder, trainer.model, None if self._lora else self._base.processor)
            if self._lora:
                self._network = trainer.model.unload()
        self._before = folder
        self._history.append(digest)
        return StageTrained(folder, tuple(losses), len(rows), too_long)

    def _fitting(self, samples: Sequence[Sample]) -> tuple[list[Row], int]:
        """The samples as prompt, response and image, and how many are too long."""
        rows = []
        for sample in samples:
            image = None if sample["image"] is None else Path(sample["image"])
            prompt = self._base.prompt(sample["prompt"], image=image is not None)
            if self._base.length(prompt, sample["response"]) <= self._settings.max_tokens:
                rows.append((prompt, sample["response"], image))
        if not rows:
            raise UsageError(f"all samples are longer than max_tokens={self._settings.max_tokens}: raise it")
        return rows, len(samples) - len(rows)

    def _telling(self, stage: str) -> Callable[[Progress], None] | None:
        told = self._told
        return None if told is None else lambda progress: told(stage, progress)

    def _trainer(self, rows: Sequence[Row], checkpoints: Path) -> Any:
        settings = self._settings
        network = self._adapted() if self._lora else self._whole(last_checkpoint(checkpoints))
        at_once = settings.at_once or settings.batch
        place = network.device.type
        told = TrainingArguments(
            output_dir=str(checkpoints),
            learning_rate=settings.learning_rate,
            num_train_epochs=settings.epochs,
            per_device_train_batch_size=at_once,
            gradient_accumulation_steps=settings.batch // at_once,
            gradient_checkpointing=settings.checkpointing,
            gradient_checkpointing_kwargs={"use_reentrant": False},  # the input needs no gradients
            bf16=place == "cuda",
            use_cpu=place == "cpu",
            dataloader_pin_memory=place == "cuda",
            remove_unused_columns=False,
            save_steps=settings.save_every,
            save_total_limit=2,
            logging_steps=1,
            report_to="none",
            disable_tqdm=True,
            seed=settings.seed,
        )
        return _Trainer(network, told, train_dataset=rows, data_collator=self._collated, frozen=self._base.vision)

    def _collated(self, rows: Sequence[Row]) -> dict[str, Tensor]:
        prompts, responses, images = zip(*rows, strict=True)
        return self._base.labelled(prompts, responses, images)

    def _whole(self, checkpoint: str | None) -> Any:
        """The network with all weights but the encoder of images to be trained.

        The trainer would load a checkpoint by the names in its file, and leave out weights that are stored under others
        than the network has: those of LLaVA, say. So it is loaded here.
        """
        network, begun = self._network.float(), checkpoint or self._before  # small steps are lost in half precision
        if begun is not None:
            network.load_state_dict(type(network).from_pretrained(str(begun)).state_dict())
        network.requires_grad_(True)
        if self._base.vision is not None:
            self._base.vision.requires_grad_(False)
        return network

    def _adapted(self) -> Any:
        """The network with a new adapter, or with that of the stage before."""
        from peft import LoraConfig, get_peft_model

        before = None if self._before is None else adapter_at(self._before)
        if before is not None:
            return before.on(self._network, self._base.identity, trainable=True)
        torch.manual_seed(self._settings.seed)
        lora = LoraConfig(
            r=self._settings.rank,
            lora_alpha=self._settings.alpha,
            lora_dropout=0.0,
            target_modules=linear_layers(self._base),
            task_type="CAUSAL_LM",
        )
        return get_peft_model(self._network, lora)


def linear_layers(model: PageModel) -> list[str]:
    """The names of the linear layers but those of the encoder of images and the last one, which makes the logits."""
    left_out = {model.network.get_output_embeddings(), *(() if model.vision is None else model.vision.modules())}
    return [
        name
        for name, module in model.network.named_modules()
        if (isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D") and module not in left_out
    ]


class _Trainer(Trainer):
    """Keeps the frozen part in evaluation mode: else its dropout would act, and its statistics go on being counted."""

    def __init__(self, *args: Any, frozen: nn.Module | None, **told: Any) -> None:
        super().__init__(*args, **told)
        self._frozen = frozen

    def compute_loss(self, *args: Any, **told: Any) -> Any:
        if self._frozen is not None:
            self._frozen.eval()
        return super().compute_loss(*args, **told)
