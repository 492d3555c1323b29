"""A document model small enough to be trained in a minute: cards of two fields, a convolutional encoder, two layers."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast
from transformers.modeling_outputs import CausalLMOutput

from pansophy.conflicts.consistency import Line, Page, PageQuestion, templates
from pansophy.conflicts.consistency.page_model import PageModel

HEIGHT, WIDTH = 32, 96
NAMES = ("tax", "net", "fee", "sum")
DIGITS = 3
STEP = 12
"""Pixels from one letter to the next."""


def cards(folder: Path, count: int, seed: int) -> tuple[list[Page], list[PageQuestion]]:
    """Images of two lines, each a name and a number, with a question about one of them."""
    folder.mkdir(parents=True, exist_ok=True)
    source = random.Random(seed)
    pages, questions = [], []
    for number in range(count):
        names = source.sample(NAMES, 2)
        values = [f"{one:0{DIGITS}d}" for one in source.sample(range(10**DIGITS), 2)]
        image = Image.new("L", (WIDTH, HEIGHT), 255)
        lines = []
        for row, (name, value) in enumerate(zip(names, values, strict=True)):
            text = f"{name} {value}"
            drawing = ImageDraw.Draw(image)
            for place, letter in enumerate(text):
                drawing.text((STEP * place + 2, 16 * row + 2), letter, fill=0)
            lines.append(Line(text, (0, 16 * row, STEP * len(text), 16 * row + 15)))
        path = folder / f"{seed}-{number}.png"
        if not path.exists():
            image.save(path)
        pages.append(Page(f"{seed}-{number}", tuple(lines), path, WIDTH, HEIGHT))
        asked = source.randrange(2)
        questions.append(PageQuestion(f"{seed}-{number}", pages[-1].id, f"{names[asked]}?", (values[asked],)))
    return pages, questions


class ToyConfig(PreTrainedConfig):
    """Of `Toy`."""

    model_type = "card_reader"

    def __init__(self, vocab_size: int = 100, width: int = 64, **told: Any) -> None:
        super().__init__(**told)
        self.vocab_size, self.width, self.num_hidden_layers = vocab_size, width, 2


class Encoder(nn.Module):
    """From an image to features of 2 x 8 places, one for each letter."""

    def __init__(self, width: int) -> None:
        super().__init__()
        sizes = ((1, 24, 2), (24, 48, 2), (48, 64, (2, 3)), (64, width, (2, 1)))
        steps = [(nn.Conv2d(a, b, 3, stride, padding=1), nn.GELU()) for a, b, stride in sizes]
        self.steps = nn.Sequential(*(step for pair in steps for step in pair))

    def forward(self, pixels: Tensor) -> Tensor:
        """[rows, 1, 32, 96] to [rows, 16, width]."""
        seen: Tensor = self.steps(pixels)
        return seen.flatten(2).transpose(1, 2)


class Toy(PreTrainedModel):
    """Reads the image first, then the text, and tells the next token."""

    config_class = ToyConfig
    PLACES, LONGEST = 16, 96

    def __init__(self, config: ToyConfig) -> None:
        super().__init__(config)
        width = config.width
        self.vision = Encoder(width)
        self.words = nn.Embedding(config.vocab_size, width)
        self.places = nn.Embedding(self.PLACES + self.LONGEST, width)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 4, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)
            for _ in range(config.num_hidden_layers)
        )
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, config.vocab_size, bias=False)
        self.post_init()

    def get_encoder(self, modality: str | None = None) -> nn.Module:
        return self.vision

    def get_output_embeddings(self) -> nn.Module:
        return self.out

    def forward(
        self, input_ids: Tensor, pixel_values: Tensor, labels: Tensor | None = None, **_: Any
    ) -> CausalLMOutput:
        hidden = torch.cat([self.vision(pixel_values), self.words(input_ids)], dim=1)
        hidden = hidden + self.places.weight[: hidden.shape[1]]
        mask = nn.Transformer.generate_square_subsequent_mask(hidden.shape[1], device=hidden.device)
        for layer in self.layers:
            hidden = layer(hidden, src_mask=mask, is_causal=True)
        logits = self.out(self.norm(hidden[:, self.PLACES :]))
        loss = None
        if labels is not None:
            loss = nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
        return CausalLMOutput(loss=loss, logits=logits)

    def generate(self, input_ids: Tensor, pixel_values: Tensor, max_new_tokens: int, **_: Any) -> Tensor:
        """Greedy, one row."""
        for _ in range(min(max_new_tokens, self.LONGEST - input_ids.shape[1])):
            best = self(input_ids, pixel_values).logits[:, -1].argmax(-1, keepdim=True)
            input_ids = torch.cat([input_ids, best], dim=1)
            if int(best) == self.config.eos_token_id:
                break
        return input_ids


def pixels(path: Path | None) -> Tensor:
    """The ink of an image, [1, 32, 96], 0 to 1."""
    assert path is not None
    with Image.open(path) as image:
        return _ink(image)


def _ink(image: Image.Image) -> Tensor:
    return 1 - torch.tensor(np.asarray(image.convert("L"), dtype=np.float32))[None] / 255


class Processor:
    """Texts by a tokenizer, images as they are."""

    image_token = ""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self.tokenizer = tokenizer

    def __call__(self, text: list[str], images: list[list[Any]], **told: Any) -> dict[str, Tensor]:
        return {**self.tokenizer(text, **told), "pixel_values": torch.stack([_ink(image) for (image,) in images])}

    def save_pretrained(self, folder: str) -> None:
        self.tokenizer.save_pretrained(folder)


def _tokenizer() -> PreTrainedTokenizerFast:
    """A token a word, a digit, a sign; a blank belongs to what stands behind it."""
    wording = " ".join(one for name, one in vars(templates).items() if name.isupper() and isinstance(one, str))
    split = Regex(r"▁?[A-Za-z]+|▁?\d|▁?[^\w\s]|▁|\n")
    raw = Tokenizer(models.WordLevel({"<end>": 0}, unk_token="<end>"))
    raw.normalizer = normalizers.Replace(" ", "▁")
    raw.pre_tokenizer = pre_tokenizers.Split(split, behavior="isolated")
    every = f"{wording} line \n {' '.join(NAMES)} {' '.join('0123456789')} ? . ,".replace(" ", "▁")
    pieces = [piece for piece, _ in raw.pre_tokenizer.pre_tokenize_str(every)]
    both = dict.fromkeys(["<end>", "▁", *(one for piece in pieces for one in (piece, piece.removeprefix("▁")))])
    words = [one for one in both if one]
    raw.model = models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<end>")
    raw.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse()])
    return PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<end>", pad_token="<end>")


def toy(seed: int) -> PageModel:
    """An untrained card reader."""
    torch.manual_seed(seed)
    tokenizer = _tokenizer()
    config = ToyConfig(len(tokenizer), eos_token_id=tokenizer.eos_token_id)
    return PageModel(Toy(config), Processor(tokenizer), "card reader", f"card reader {seed}", True)
