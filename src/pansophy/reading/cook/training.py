"""Training a card: plain language modelling on one text, as a LoRA adapter; what was broken off is gone on with.

The text's documents are joined, with the token that ends a text between them, and cut into blocks of the same length;
what is left over is dropped. Each epoch after the first joins them in another order (the authors have only one epoch):
in blocks that come again a fact is learnt by the sentence before it, and not by what it is about. Knows nothing of
manifests and pools.
"""

from __future__ import annotations

import copy
import hashlib
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase, PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from pansophy.conflicts.training.folder import CHECKPOINTS, begin, finish, last_checkpoint
from pansophy.conflicts.training.train import Progress, Reporting, arguments, memory_told, name_of, quietly
from pansophy.corpus.sources import find_readables
from pansophy.errors import SourceError, UsageError
from pansophy.models.white_box import WhiteBoxModel
from pansophy.reading.cook.settings import CardTraining


@dataclass(frozen=True, slots=True)
class TrainedAdapter:
    """The model that an adapter is for, the blocks that it was trained on, and the loss of each step of this call."""

    base: str
    base_identity: str
    blocks: int
    losses: tuple[float, ...]


def train_adapter(
    text_or_files: str | Path | Sequence[str | Path],
    base: str | Path,
    folder: Path,
    settings: CardTraining | None = None,
    *,
    device: str | None = None,
    dtype: str | None = None,
    home: Path | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> TrainedAdapter:
    """Train an adapter in `folder`, or go on there; see `Card.train`, of which this is the part that needs torch."""
    settings = settings or CardTraining()
    documents = read_documents(text_or_files)
    white = WhiteBoxModel.load(base, device=device, dtype=dtype, home=home)
    tokens = tokens_of(white.tokenizer, documents)
    blocks = Blocks(tokens, settings.max_tokens, settings.seed)
    card = {
        "base": name_of(white.name),
        "base_identity": white.identity,
        "stage": "text",
        "documents": len(documents),
        "blocks": len(blocks),
        "tokens_sha256": hashlib.sha256(repr(tokens).encode()).hexdigest(),
        "dtype": str(white.network.dtype).removeprefix("torch."),
        "settings": asdict(settings),
    }
    losses: list[float] = []
    if not begin(folder, card):
        with quietly(), memory_told(white.name, settings):
            trainer = _trainer(white, blocks, folder / CHECKPOINTS, settings)
            trainer.remove_callback(PrinterCallback)
            trainer.add_callback(NewOrder(blocks))
            trainer.add_callback(Reporting(losses, on_progress))
            trainer.train(resume_from_checkpoint=last_checkpoint(folder / CHECKPOINTS))
        finish(folder, trainer.model)
    return TrainedAdapter(name_of(white.name), white.identity, len(blocks), tuple(losses))


def read_documents(text_or_files: str | Path | Sequence[str | Path]) -> list[str]:
    """A text as its only document, or the documents of sources.

    Raises:
        UsageError: there is no text.
        SourceError: a source can't be read: a card shall know all that it was given.
    """
    if isinstance(text_or_files, str):
        found = [text_or_files]
    else:
        sources = [text_or_files] if isinstance(text_or_files, Path) else list(text_or_files)
        found = ["".join(draft.pieces) for one in find_readables(sources, failed=_refuse) for draft in one.read()]
    if not any(one.strip() for one in found):
        raise UsageError("there is no text to learn from: give a text, or files that hold some")
    return found


def _refuse(source: str, reason: str) -> None:
    raise SourceError(f"{source}: {reason}")


def tokens_of(tokenizer: PreTrainedTokenizerBase, documents: Iterable[str]) -> list[list[int]]:
    """The tokens of each document, with the token that ends a text behind them."""
    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    return [tokenizer(one, add_special_tokens=False, verbose=False).input_ids + end for one in documents]


class Blocks:
    """The blocks of an epoch, as the rows that a trainer takes: at first those of the documents in their own order.

    Args:
        documents: the tokens of each.
        size: tokens of a block; what is left over at the end is dropped.
        seed: of the orders.

    Raises:
        UsageError: there are fewer tokens than a block has.
    """

    def __init__(self, documents: Sequence[list[int]], size: int, seed: int) -> None:
        self._documents, self._size, self._seed = documents, size, seed
        self.begin(0)
        if not self._blocks:
            raise UsageError(
                f"the text has {sum(map(len, documents))} tokens, and a block {size}: give more text, or a smaller "
                "max_tokens (a file is given as a path, or in a list)"
            )

    def begin(self, epoch: int) -> None:
        """Join the documents for this epoch, counted from 0."""
        order = list(self._documents)
        if epoch:
            random.Random(f"{self._seed}/{epoch}").shuffle(order)
        tokens = [token for document in order for token in document]
        self._blocks = [tokens[at : at + self._size] for at in range(0, len(tokens) - self._size + 1, self._size)]

    def __len__(self) -> int:
        return len(self._blocks)

    def __getitem__(self, place: int) -> dict[str, list[int]]:
        return {"input_ids": self._blocks[place], "labels": self._blocks[place]}


class NewOrder(TrainerCallback):
    """Tells the blocks when an epoch begins, also that in which a training goes on."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._blocks.begin(int(state.epoch))


def _trainer(white: WhiteBoxModel, blocks: Blocks, checkpoints: Path, settings: CardTraining) -> Trainer:
    from peft import LoraConfig, get_peft_model
    from transformers import set_seed

    set_seed(settings.seed)  # the matrices are drawn before the trainer sets its own
    lora = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    network: Any = get_peft_model(white.network, lora)
    if settings.checkpointing:
        network.enable_input_require_grads()
    told = arguments(network, checkpoints, settings)
    return Trainer(
        network,
        TrainingArguments(**told, weight_decay=settings.weight_decay, remove_unused_columns=False),
        train_dataset=blocks,
        processing_class=copy.deepcopy(white.tokenizer),
        data_collator=_collated,
    )


def _collated(rows: Sequence[dict[str, list[int]]]) -> dict[str, Any]:
    import torch

    return {name: torch.tensor([row[name] for row in rows]) for name in rows[0]}
