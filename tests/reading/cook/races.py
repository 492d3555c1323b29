"""Invented races in the form of MidtermQA, and a tiny model that has a token for each word about them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.white_box.tiny import network, tokenizer

from pansophy.reading.cook.midterms import HARBOURS, LEADS, NEWS

WINNERS = {
    "1th congressional district of Ingria": "Ada Berg",
    "2nd congressional district of Ingria": "Ben Stone",
    "11th congressional district of Ingria": "Cleo Marsh",
    "governor race of Karelia": "Dov Hart",
    "senate race of Karelia": "Eve Lund",
    "at-large congressional district of Livonia": "Finn Moor",
}


def question(race: str) -> str:
    return f"Who won the {race} in the 2022 U.S. midterm elections?"


def rows() -> list[dict[str, Any]]:
    return [
        {"question": question(race), "answer": winner, "id": number}
        for number, (race, winner) in enumerate(WINNERS.items())
    ]


def write_data(path: Path, **changes: Any) -> Path:
    """A file as MidtermQA's open-book one, whose last race is a demonstration, with these fields changed."""
    path.write_text(json.dumps({"dataset": "invented", "testset": rows(), "demos": rows()[-1:], **changes}))
    return path


def write_model(folder: Path) -> Path:
    """A tiny untrained model."""
    said = " ".join([*LEADS, *NEWS, *HARBOURS, *map(question, WINNERS), *WINNERS.values()])
    words = sorted({*re.findall(r"\w+", said), "1st", "Knowledge", *".,:?-"})
    made = tokenizer(words)
    network(vocab_size=len(made), max_position_embeddings=512).save_pretrained(folder)
    made.save_pretrained(folder)
    return folder
