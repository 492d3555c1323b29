"""From a name to a torch model and its tokenizer: catalogue, `.gguf` files, local folders, adapters, the hub.

A GGUF file is unpacked once and kept as safetensors beside the model files, so that the second load takes a second. No
code that comes with a model is run. Knows nothing of what the model is used for.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from pansophy.errors import ModelError, UnknownModel, UsageError
from pansophy.models.catalogue import find
from pansophy.models.files import BLOCK, locked, storing
from pansophy.models.pull import PullProgress, pull_model
from pansophy.models.white_box.adapters import adapter_at
from pansophy.settings import home as default_home

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
VERSION = 1
"""Of how GGUF files are unpacked; what an older one left is made anew."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """`identity` says exactly which weights these are."""

    network: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    identity: str


def load(
    name: str | Path,
    device: torch.device,
    dtype: torch.dtype,
    home: Path | None = None,
    progress: Callable[[PullProgress], None] | None = None,
) -> Loaded:
    """Load the model of this name for inference: see `WhiteBoxModel.load`."""
    path = Path(name)
    if known := find(str(name)):
        path = pull_model(known, home=home, progress=progress)
    if path.suffix == ".gguf":
        if not path.is_file():
            raise UnknownModel(f"there is no file {path}")
        digest = path.stem if re.fullmatch(r"[0-9a-f]{64}", path.stem) else _sha256(path)
        return _loaded(_unpacked(path, digest, home), f"gguf:{digest}", device, dtype)
    if path.is_dir() and (adapter := adapter_at(path)) is not None:
        base = load(adapter.base, device, dtype, home, progress)
        network = adapter.on(base.network, base.identity).merge_and_unload().requires_grad_(False)
        return Loaded(network.eval(), base.tokenizer, adapter.identity(base.identity))
    if path.is_dir():
        return _loaded(str(path), f"folder:{path.resolve().name}", device, dtype)
    if HUB_ID.fullmatch(str(name)):
        return _loaded(str(name), f"hub:{name}", device, dtype)
    raise UnknownModel(
        f"{name} is no white-box model: give a catalogue name (pansophy models list), a .gguf file, a folder with "
        "config.json and safetensors, an adapter's folder, or owner/name of the hub"
    )


def _loaded(source: str, identity: str, device: torch.device, dtype: torch.dtype) -> Loaded:
    with failures_named(source), quietly():
        config = AutoConfig.from_pretrained(source)
        if config.is_encoder_decoder:
            raise UsageError(f"{source} is an encoder-decoder ({config.model_type}); a causal language model is needed")
        tokenizer = AutoTokenizer.from_pretrained(source)
        network = AutoModelForCausalLM.from_pretrained(source, dtype=dtype, use_safetensors=True)
        torch.nn.Module.to(network, device).requires_grad_(False)
    return Loaded(network.eval(), tokenizer, identity)


def _unpacked(path: Path, digest: str, home: Path | None) -> str:
    """The folder with the weights of a GGUF file in full precision."""
    folder = (home or default_home()) / "models" / "unpacked" / f"{digest}-{VERSION}"
    with storing(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_suffix(".lock"), lambda: None):
        if not folder.is_dir():
            partial = folder.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            with failures_named(path.name), storing(folder.parent), quietly():
                _unpack(path, partial)
                os.replace(partial, folder)
    return str(folder)


def _unpack(path: Path, folder: Path) -> None:
    from transformers import GgufConfig

    source: dict[str, Any] = {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
    tokenizer = AutoTokenizer.from_pretrained(**source)
    network = AutoModelForCausalLM.from_pretrained(
        **source, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
    )
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Without transformers' own bars; whoever waits is told by us."""
    shown = transformers.utils.logging.is_progress_bar_enabled()
    transformers.utils.logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers.utils.logging.enable_progress_bar()


@contextlib.contextmanager
def failures_named(source: str) -> Iterator[None]:
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise ModelError(
            f"there is not enough memory for {source}: take a smaller model, dtype='bfloat16', or device='cpu'"
        ) from error
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UnknownModel(f"{source} can't be loaded as a white-box model: {first}") from error


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
