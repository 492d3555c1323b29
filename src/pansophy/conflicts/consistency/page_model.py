"""A torch model that reads pages: of image and text (any of transformers' image-text-to-text models), or of text alone.

Knows how a prompt and its answer become tensors, and how an answer is generated; nothing of stages and measures.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor, PreTrainedModel

from pansophy.conflicts.consistency.templates import LINK, UNLINK
from pansophy.conflicts.reader import ANSWER_TOKENS, Part, Reader
from pansophy.errors import SourceError, UsageError
from pansophy.models.catalogue import find
from pansophy.models.white_box import WhiteBoxModel
from pansophy.models.white_box.adapters import adapter_at
from pansophy.models.white_box.loading import HUB_ID, failures_named, quietly
from pansophy.models.white_box.model import placed

if TYPE_CHECKING:
    from PIL.Image import Image

UNLABELLED = -100
"""Tokens that the loss leaves out, in transformers."""


@dataclass(frozen=True)
class PageModel:
    """A model with its processor: that of an image-text model, or the tokenizer of a causal language model.

    `identity` says which weights these are, `reads_images` whether it takes images.
    """

    network: PreTrainedModel
    processor: Any
    name: str
    identity: str
    reads_images: bool

    @classmethod
    def load(
        cls, name: str | Path, *, device: str | None = None, dtype: str | None = None, home: Path | None = None
    ) -> PageModel:
        """The model of this name: a folder or owner/name of the hub that transformers knows as an image-text-to-text
        model, an adapter's folder, or whatever `WhiteBoxModel.load` takes.

        Raises:
            UnknownModel, UsageError, ModelError: as `WhiteBoxModel.load`.
        """
        path = Path(name)
        if (adapter := adapter_at(path)) is not None:
            base = cls.load(adapter.base, device=device, dtype=dtype, home=home)
            network = adapter.on(base.network, base.identity).merge_and_unload().requires_grad_(False)
            return cls(network.eval(), base.processor, str(name), adapter.identity(base.identity), base.reads_images)
        told = path.is_dir() or (HUB_ID.fullmatch(str(name)) is not None and path.suffix != ".gguf")
        if told and not find(str(name)) and _is_image_text(str(name)):
            return cls._image_text(name, device, dtype)
        return cls.of(WhiteBoxModel.load(name, device=device, dtype=dtype, home=home))

    @classmethod
    def _image_text(cls, name: str | Path, device: str | None, dtype: str | None) -> PageModel:
        place, kind = placed(device, dtype)
        with failures_named(str(name)), quietly():
            processor = _padding(AutoProcessor.from_pretrained(str(name)))
            network = AutoModelForImageTextToText.from_pretrained(str(name), dtype=kind, use_safetensors=True)
            nn.Module.to(network, place).requires_grad_(False)
        identity = f"folder:{Path(name).resolve().name}" if Path(name).is_dir() else f"hub:{name}"
        return cls(network.eval(), processor, str(name), identity, True)

    @classmethod
    def of(cls, white: WhiteBoxModel) -> PageModel:
        """A causal language model, for pages of text."""
        return cls(white.network, _padding(copy.deepcopy(white.tokenizer)), white.name, white.identity, False)

    @property
    def tokenizer(self) -> Any:
        return getattr(self.processor, "tokenizer", self.processor)

    @property
    def vision(self) -> nn.Module | None:
        """The encoder of images; None for a model of language alone.

        Raises:
            UsageError: the model reads images, and transformers doesn't know by what.
        """
        if not self.reads_images:
            return None
        tower: nn.Module = self.network.get_encoder(modality="image")
        if tower is self.network or tower is self.network.base_model:
            raise UsageError(f"{self.name} has no encoder of images that transformers tells of: it can't be frozen")
        return tower

    def prompt(self, text: str, *, image: bool) -> str:
        """A prompt, put by the model's chat template if it has one, up to where the answer begins.

        Raises:
            UsageError: the model can't be shown an image.
        """
        if image and not self.reads_images:
            raise UsageError(f"{self.name} reads no images: give it pages of text, or an image-text model")
        if getattr(self.processor, "chat_template", None):
            content: Any = [{"type": "image"}] if image else []
            # A tokenizer's template expects text, a processor's parts.
            content = [*content, {"type": "text", "text": text}] if self.reads_images else text
            turns = [{"role": "user", "content": content}]
            return str(self.processor.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
        if not image:
            return f"{text}\n"
        token = getattr(self.processor, "image_token", None)
        if token is None:
            raise UsageError(f"{self.name} has neither a chat template nor an image token: images can't be put to it")
        return f"{token}\n{text}\n"

    def length(self, prompt: str, response: str) -> int:
        """Tokens of the text of both; an image takes more."""
        return len(self._encode(prompt + response + self._end))

    def inputs(self, texts: Sequence[str], images: Sequence[Path | None]) -> dict[str, Tensor]:
        """Tensors of texts, padded at the right, with an image for each text or for none."""
        told: dict[str, Any] = {"padding": True, "padding_side": "right", "return_tensors": "pt"}
        told["add_special_tokens"] = self._adds_special_tokens(texts[0])
        paths = [path for path in images if path is not None]
        if paths and len(paths) < len(texts):
            raise UsageError("pages with an image and pages of text can't be read in one batch")
        if paths:
            told["images"] = [[_opened(path)] for path in paths]
        return dict((self.processor if paths else self.tokenizer)(text=list(texts), **told))

    def labelled(
        self, prompts: Sequence[str], responses: Sequence[str], images: Sequence[Path | None]
    ) -> dict[str, Tensor]:
        """Tensors to train on: the responses' tokens, and the end behind them, are labelled."""
        texts = [prompt + response + self._end for prompt, response in zip(prompts, responses, strict=True)]
        batch = self.inputs(texts, images)
        labels = torch.full_like(batch["input_ids"], UNLABELLED)
        for row, (prompt, text) in enumerate(zip(prompts, texts, strict=True)):
            end = int(batch["attention_mask"][row].sum())
            begin = end - self._own_tokens(prompt, text)  # an image takes its tokens from the prompt's side
            labels[row, begin:end] = batch["input_ids"][row, begin:end]
        return {**batch, "labels": labels}

    def _own_tokens(self, prompt: str, text: str) -> int:
        """Tokens of the text from the first that isn't the prompt's."""
        alone, together = self._encode(prompt), self._encode(text)
        shared = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(alone, together, strict=False))))
        return len(together) - shared

    def _encode(self, text: str) -> list[int]:
        found: list[int] = self.tokenizer(text, add_special_tokens=self._adds_special_tokens(text)).input_ids
        return found

    def _adds_special_tokens(self, text: str) -> bool:
        """Unless the chat template has put the first one itself."""
        start = self.tokenizer.bos_token
        return not (start and text.startswith(start))

    @property
    def _end(self) -> str:
        end = self.tokenizer.eos_token
        if end is None:
            raise UsageError(f"{self.name} has no token that ends a text, and could not learn where an answer ends")
        return str(end)

    def reader(self, max_tokens: int = ANSWER_TOKENS) -> Reader:
        """The model as what `CPConsistency` asks: greedy, put as in training."""

        @torch.inference_mode()
        def answer(parts: Sequence[Part]) -> str:
            images = [part for part in parts if isinstance(part, Path)]
            if len(images) > 1:
                raise UsageError(f"{len(images)} images in one prompt: pages are read one at a time")
            text = "\n\n".join(part for part in parts if isinstance(part, str))
            batch = self.inputs([self.prompt(text, image=bool(images))], images or [None])
            batch = {name: tensor.to(self.network.device) for name, tensor in batch.items()}
            told: dict[str, Any] = {"max_new_tokens": max_tokens, "do_sample": False}
            generate: Any = self.network.generate
            made = generate(**batch, **told, pad_token_id=self.tokenizer.pad_token_id)
            said = self.tokenizer.decode(made[0, batch["input_ids"].shape[1] :], skip_special_tokens=True)
            return str(said).replace(LINK, "").replace(UNLINK, "").strip()

        return answer


def _padding(processor: Any) -> Any:
    """The processor or tokenizer with a token to pad with; the mask hides it."""
    tokenizer = getattr(processor, "tokenizer", processor)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return processor


def _is_image_text(name: str) -> bool:
    with failures_named(name), quietly():
        config = AutoConfig.from_pretrained(name)
    known = type(config) in AutoModelForImageTextToText._model_mapping
    if known and config.is_encoder_decoder:
        raise UsageError(f"{name} is an encoder-decoder ({config.model_type}): one that continues its prompt is needed")
    return known


def _opened(path: Path) -> Image:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except (OSError, UnidentifiedImageError) as error:
        raise SourceError(f"the image {path} can't be read: {error}") from error
