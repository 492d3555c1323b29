"""Tiny image-text models and forms as images, to be trained on."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw
from tests.white_box.tiny import tokenizer
from transformers import (
    CLIPImageProcessor,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessor,
    Idefics3Processor,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)

from pansophy.conflicts.consistency import Line, Page, PageQuestion

NAMES = ("Paris", "Rome", "Oslo", "Bern")
SIDE, PATCH = 32, 16
LANGUAGE = {
    "model_type": "llama",
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "bos_token_id": None,
    "eos_token_id": 1,
    "pad_token_id": 1,
}
SIGHT = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": SIDE,
    "patch_size": PATCH,
}


def tiny_llava(folder: Path) -> Path:
    """A LLaVA with a vision tower of two layers, untrained, in a folder."""
    words = tokenizer()
    words.add_special_tokens({"additional_special_tokens": ["<image>"], "pad_token": "<end>"})
    size = {"height": SIDE, "width": SIDE}
    looks = CLIPImageProcessor(size=size, crop_size=size)
    # One more feature than patches, that of the class, which the default strategy leaves out.
    taken = {"vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    LlavaProcessor(looks, words, patch_size=PATCH, **taken).save_pretrained(folder)
    told: Any = {
        "vision_config": {"model_type": "clip_vision_model", "projection_dim": 16, **SIGHT},
        "text_config": {**LANGUAGE, "vocab_size": len(words)},
        "image_token_id": words.convert_tokens_to_ids("<image>"),
    }
    torch.manual_seed(0)
    LlavaForConditionalGeneration(LlavaConfig(**told)).save_pretrained(folder)
    return folder


def tiny_idefics(folder: Path) -> Path:
    """An Idefics3, which SmolVLM is built like: it cuts images up, and has a chat template."""
    words = tokenizer()
    marks = ["<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>"]
    words.add_special_tokens({"additional_special_tokens": marks, "pad_token": "<end>"})
    looks = Idefics3ImageProcessor(size={"longest_edge": SIDE}, max_image_size={"longest_edge": SIDE})
    template = (
        "{% for turn in messages %}Q:{% for part in turn.content %}"
        "{% if part.type == 'image' %}<image>{% else %}{{ part.text }}{% endif %}{% endfor %}{{ '\nA:' }}{% endfor %}"
    )
    Idefics3Processor(looks, words, image_seq_len=1, chat_template=template).save_pretrained(folder)
    told: Any = {
        "vision_config": SIGHT,
        "text_config": {**LANGUAGE, "vocab_size": len(words)},
        "image_token_id": words.convert_tokens_to_ids("<image>"),
        "scale_factor": 2,
        "pad_token_id": 1,
    }
    torch.manual_seed(0)
    Idefics3ForConditionalGeneration(Idefics3Config(**told)).save_pretrained(folder)
    return folder


def forms(folder: Path | None, count: int = 6) -> tuple[list[Page], list[PageQuestion]]:
    """Pages of two lines, drawn into a folder or text alone, with a question each."""
    source = random.Random(0)
    pages, questions = [], []
    for number in range(count):
        city, other = source.sample(NAMES, 2)
        lines = (Line(f"city {city}", (2, 2, 30, 14)), Line(f"capital {other}", (2, 18, 30, 30)))
        path = None if folder is None else folder / f"{number}.png"
        if path is not None:
            image = Image.new("RGB", (SIDE, SIDE), "white")
            for line in lines:
                ImageDraw.Draw(image).text(line.box[:2], line.text, fill="black")
            image.save(path)
        pages.append(Page(str(number), lines, path, *((SIDE, SIDE) if path else ())))
        questions.append(PageQuestion(f"q{number}", str(number), "the city is", (city,)))
    return pages, questions
