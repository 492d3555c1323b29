"""Adapters: small weights in a folder that change a model, loaded together with the model that they were made for.

A folder that pansophy trained says in `CARD` which model that is; one from elsewhere only in its own configuration.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pansophy.errors import UnknownModel

CARD = "pansophy.json"
CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter's folder; `base` is the name of its model, `base_identity` which weights it was trained on, empty
    where the folder doesn't say."""

    folder: Path
    base: str
    base_identity: str

    def identity(self, base_identity: str) -> str:
        """Of the model with this adapter."""
        digest = hashlib.sha256((self.folder / WEIGHTS).read_bytes()).hexdigest()
        return f"{base_identity}+adapter:{digest[:16]}"

    def on(self, network: Any, base_identity: str, *, trainable: bool = False, name: str = "default") -> Any:
        """The network with the adapter in it, beside those that it has already: all share its weights, and the one that
        was made active last (`set_adapter`) counts.

        Args:
            network: a model, or what `on` made of it before.
            base_identity: which weights these are.
            trainable: whether the adapter is to be trained further.
            name: of the adapter in the network.

        Raises:
            UnknownModel: the network isn't the one that the adapter was trained on, or the weights don't fit it.
        """
        from peft import PeftModel

        if self.base_identity and self.base_identity != base_identity:
            raise UnknownModel(f"{self.folder} was trained on {self.base_identity}, and {self.base} is {base_identity}")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # of transformers, about names that peft still uses
                if not isinstance(network, PeftModel):
                    return PeftModel.from_pretrained(network, str(self.folder), name, is_trainable=trainable)
                network.load_adapter(str(self.folder), name, is_trainable=trainable)
                return network
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            first = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise UnknownModel(f"the adapter {self.folder} can't be put into {self.base}: {first}") from error


def adapter_at(path: Path) -> Adapter | None:
    """The adapter in a folder; None if it is no adapter's.

    Raises:
        UnknownModel: it is one, and damaged, or doesn't say for which model.
    """
    if not (path / CONFIG).is_file():
        return None
    try:
        config = json.loads((path / CONFIG).read_text("utf-8"))
        card = json.loads((path / CARD).read_text("utf-8")) if (path / CARD).is_file() else {}
        base = card.get("base") or config.get("base_model_name_or_path")
        identity = card.get("base_identity") or ""
    except (OSError, ValueError, AttributeError) as error:
        raise UnknownModel(f"the adapter {path} can't be read: {error}") from error
    if not (path / WEIGHTS).is_file():
        raise UnknownModel(f"the adapter {path} has no {WEIGHTS}; if its training was broken off, start it again")
    if not isinstance(base, str) or not base:
        raise UnknownModel(f"the adapter {path} doesn't say which model it is for")
    return Adapter(path, base, str(identity))
