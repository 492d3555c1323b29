"""Encoder-decoders (BART, as in the paper) as joint models: input and entity go into the encoder, the answer comes out.

Adapters are trained by transformers' own trainer, into the same kind of folder as those of causal models.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForSeq2SeqLM, AutoTokenizer, PrinterCallback

from pansophy.conflicts.training.folder import CHECKPOINTS, begin, finish, last_checkpoint
from pansophy.conflicts.training.rows import Example
from pansophy.conflicts.training.settings import TrainingSettings
from pansophy.conflicts.training.train import Progress, Reporting
from pansophy.errors import ModelError, UnknownModel, UsageError
from pansophy.models.white_box.adapters import adapter_at
from pansophy.reading.jointlm.model import parted
from pansophy.reading.jointlm.prompts import NO, YES, JointPrompt


def is_encoder_decoder(folder: Path) -> bool:
    """Whether a folder holds an encoder-decoder, or an adapter of one.

    Raises:
        UnknownModel: its configuration is damaged.
    """
    if not folder.is_dir():
        return False
    adapter = adapter_at(folder)
    place = Path(adapter.base) if adapter is not None else folder
    if not (place / "config.json").is_file():
        return False
    try:
        return bool(AutoConfig.from_pretrained(place).is_encoder_decoder)
    except (OSError, ValueError) as error:
        raise UnknownModel(f"{place} has a config.json that can't be read: {error}") from error


class Seq2SeqModel:
    """An encoder-decoder with its tokenizer.

    Args:
        network: where it shall compute.
        tokenizer: its tokenizer.
        name: the folder that it was loaded from.
        identity: which weights these are.
        batch: rows at a time.
    """

    def __init__(self, network: Any, tokenizer: Any, name: str = "model", identity: str = "", batch: int = 8) -> None:
        if tokenizer.pad_token is None:
            raise UsageError(f"{name} has no token to pad with")
        self.network, self.tokenizer, self.name = network.eval(), tokenizer, name
        self.identity, self._batch = identity or name, batch
        self._shared, self._yes, self._no = parted(*(tokenizer(text_target=word).input_ids for word in (YES, NO)))

    @classmethod
    def load(cls, folder: Path, *, device: str | None = None, batch: int = 8) -> Seq2SeqModel:
        """From a folder with config and safetensors, or an adapter's.

        Raises:
            UnknownModel: it can't be loaded.
        """
        adapter = adapter_at(folder)
        place = Path(adapter.base if adapter is not None else folder).resolve()
        try:
            network: Any = AutoModelForSeq2SeqLM.from_pretrained(place, use_safetensors=True)
            tokenizer = AutoTokenizer.from_pretrained(place)
        except (OSError, ValueError) as error:
            raise UnknownModel(f"{place} can't be loaded as an encoder-decoder: {error}") from error
        identity = f"folder:{place.name}"
        if adapter is not None:
            network = adapter.on(network, identity).merge_and_unload()
            identity = adapter.identity(identity)
        network = network.to(device or ("cuda" if torch.cuda.is_available() else "cpu")).requires_grad_(False)
        return cls(network, tokenizer, str(place), identity, batch)

    def count(self, text: str) -> int:
        """See `JointModel`."""
        return len(self.tokenizer(text).input_ids)

    @torch.inference_mode()
    def yes(self, prompts: Sequence[JointPrompt]) -> list[float]:
        """See `JointModel`: the decoder is given what both labels begin with, and scored at the token that tells them
        apart."""
        start = [self.network.config.decoder_start_token_id, *self._shared]
        found: list[float] = []
        for begins in range(0, len(prompts), self._batch):
            given = self._encoded(prompts[begins : begins + self._batch])
            begun = torch.tensor([start] * len(given["input_ids"]), device=self.network.device)
            logits = self.network(**given, decoder_input_ids=begun).logits[:, -1].float()  # [rows, vocabulary]
            found += (logits[:, self._yes] - logits[:, self._no]).sigmoid().tolist()
        return found

    @torch.inference_mode()
    def say(self, prompt: JointPrompt, max_new_tokens: int) -> str:
        """See `JointModel`."""
        tokens = self.network.generate(
            **self._encoded([prompt]), max_new_tokens=max_new_tokens, do_sample=False, num_beams=1
        )
        return str(self.tokenizer.decode(tokens[0], skip_special_tokens=True)).strip()

    def _encoded(self, prompts: Sequence[JointPrompt]) -> dict[str, Any]:
        texts = [f"{one.dialogue} {one.entity}" for one in prompts]
        given = self.tokenizer(texts, padding=True, return_tensors="pt").to(self.network.device)
        return {"input_ids": given.input_ids, "attention_mask": given.attention_mask}

    def learn(
        self,
        rows: Sequence[Example],
        output: Path,
        settings: TrainingSettings,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        """See `JointModel`; a copy of the network is trained."""
        card = {
            "base": self.name,
            "base_identity": self.identity,
            "stage": "seq2seq",
            "rows": len(rows),
            "rows_sha256": hashlib.sha256(json.dumps([asdict(row) for row in rows]).encode()).hexdigest(),
            "settings": asdict(settings),
        }
        if begin(output, card):
            return
        trainer = _trainer(copy.deepcopy(self.network), self.tokenizer, rows, output / CHECKPOINTS, settings)
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(Reporting([], on_progress))
        try:
            trainer.train(resume_from_checkpoint=last_checkpoint(output / CHECKPOINTS))
        except (MemoryError, torch.OutOfMemoryError) as error:
            raise ModelError(f"training {self.name} ran out of memory: try a smaller at_once or max_tokens") from error
        finish(output, trainer.model)


def _trainer(
    network: Any, tokenizer: Any, rows: Sequence[Example], checkpoints: Path, settings: TrainingSettings
) -> Any:
    from peft import LoraConfig, get_peft_model
    from transformers import DataCollatorForSeq2Seq, Seq2SeqTrainer, Seq2SeqTrainingArguments

    torch.manual_seed(settings.seed)
    at_once = settings.at_once or settings.batch
    lora = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="SEQ_2_SEQ_LM",
    )
    adapted = get_peft_model(network, lora)
    data = [
        {
            "input_ids": tokenizer(f"{row.question} {row.context}").input_ids,
            "labels": _ended(tokenizer(text_target=row.answer).input_ids, tokenizer.eos_token_id),
        }
        for row in rows
    ]
    told = Seq2SeqTrainingArguments(
        output_dir=str(checkpoints),
        learning_rate=settings.learning_rate,
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=at_once,
        gradient_accumulation_steps=settings.batch // at_once,
        save_steps=settings.save_every,
        save_total_limit=2,
        logging_steps=1,
        use_cpu=next(network.parameters()).device.type == "cpu",
        dataloader_pin_memory=False,
        report_to="none",
        disable_tqdm=True,
        seed=settings.seed,
    )
    collator = DataCollatorForSeq2Seq(tokenizer, model=network)
    return Seq2SeqTrainer(adapted, told, train_dataset=data, data_collator=collator)


def _ended(tokens: list[int], end: int | None) -> list[int]:
    return tokens if end is None or tokens[-1:] == [end] else [*tokens, end]
