"""The folder of an adapter or model: claimed with a card when its training begins, complete when it has the weights.

Knows nothing about how models are trained.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pansophy.errors import RunError, StoreError
from pansophy.evaluation import provenance
from pansophy.evaluation.files import refuse_difference, write_json
from pansophy.models.white_box.adapters import CARD, WEIGHTS

CHECKPOINTS = "checkpoints"
MATERIAL, IMITATED = "material", "sft"
"""What may stand in an adapter's folder beside it: the rows, and the adapter of an earlier stage."""


def begin(folder: Path, card: Mapping[str, Any]) -> bool:
    """Claim the folder for the training that `card` describes, or find it begun; whether it is finished already.

    Raises:
        RunError: it holds something else.
        StoreError: it can't be written.
    """
    if (folder / CARD).is_file():
        try:
            begun = json.loads((folder / CARD).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"{folder / CARD} can't be read ({error}); use another folder") from error
        refuse_difference(folder, {name: begun.get(name) for name in card}, json.loads(json.dumps(card)))
        whole = bool(begun.get("finished")) and any(folder.glob("*.safetensors"))
        return whole or (folder / WEIGHTS).is_file()
    if folder.is_dir() and any(one.name not in (MATERIAL, IMITATED) for one in folder.iterdir()):
        raise RunError(f"{folder} is not empty, and no training that pansophy began; use another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"can't write {folder}: {error.strerror or error}") from error
    write_json(folder / CARD, {**card, "begun": provenance.now()})
    return False


def finish(folder: Path, network: Any, processor: Any = None) -> None:
    """Save the adapter alone: weights last, since they say that the training is over.

    With a processor (or tokenizer), save it and the whole model; that the training is over then says the card.

    Raises:
        StoreError: the folder can't be written.
    """
    partial = folder / "partial"
    try:
        if processor is None:
            network.save_pretrained(str(partial), selected_adapters=["default"], save_embedding_layers=False)
        else:
            network.save_pretrained(str(partial))
            processor.save_pretrained(str(partial))
        for name in sorted((one.name for one in partial.iterdir()), key=lambda name: name == WEIGHTS):
            if name != "README.md":  # peft's card has nothing in it
                (partial / name).replace(folder / name)
        shutil.rmtree(partial)
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    except OSError as error:
        raise StoreError(f"the adapter can't be written into {folder}: {error.strerror or error}") from error
    card = json.loads((folder / CARD).read_text("utf-8"))
    made = {"finished": provenance.now(), "machine": provenance.machine()}
    versions = {**provenance.versions(), **provenance.versions_of("torch", "transformers", "trl", "peft")}
    write_json(folder / CARD, {**card, **made, "versions": versions})


def last_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end."""
    whole = [path for path in folder.glob("checkpoint-*") if (path / "trainer_state.json").is_file()]
    return str(max(whole, key=lambda path: int(path.name.rpartition("-")[2]))) if whole else None
