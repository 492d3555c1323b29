"""Files in the forms of MultiWOZ's tables, DSTC9's FAQs and SeKnow's predictions, of an invented town."""

from __future__ import annotations

import json
import random
from pathlib import Path

from pansophy.reading.jointlm.benchmark import FAQS, PREDICTIONS, TABLES

FIRST = ("amber", "birch", "copper", "dune", "ember", "fjord", "grove", "heron")
SECOND = {"hotel": "lodge", "restaurant": "kitchen", "attraction": "museum"}
AREAS, PRICES = ("north", "south", "east"), ("cheap", "moderate", "expensive")


def rows(domain: str) -> list[dict[str, str]]:
    """Eight places, each with a phone of its own."""
    return [
        {
            "id": str(number),
            "name": f"{first} {SECOND[domain]}",
            "area": AREAS[number % 3],
            "pricerange": PRICES[number // 3],
            "phone": f"0122{number}{len(domain):02}",
        }
        for number, first in enumerate(FIRST)
    ]


def faqs() -> dict[str, dict[str, dict[str, object]]]:
    """A note on each hotel; a domain without entities, as in DSTC9's."""
    notes = [
        {"name": row["name"].upper(), "docs": {"0": {"title": "Are dogs allowed?", "body": "Dogs are welcome."}}}
        for row in rows("hotel")
    ]
    return {"hotel": {str(place): note for place, note in enumerate(notes)}, "taxi": {"*": {"name": None, "docs": {}}}}


def predictions(dialogues: int, right: bool) -> str:
    """Dialogues of three turns, the last about nothing in the tables; replies are the gold ones, or all the same."""
    source = random.Random(0)
    parts = []
    for number in range(dialogues):
        domain = list(TABLES)[number % 3]
        row = source.choice(rows(domain))
        wish = f"area = {row['area']}, price range = {row['pricerange']}"
        offer = f"{row['name']} is in the {row['area']} , it is {row['pricerange']}"
        phone = f"the phone of {row['name']} in the {row['area']} is {row['phone']}"
        said = [
            (f"a {row['pricerange']} {domain} in the {row['area']} please", offer, f"{domain} {{{wish}}}"),
            (f"what is the phone of {row['name']} ?", phone, f"{domain} {{{wish}, name = {row['name']}}}"),
            ("thank you", "good bye and enjoy your stay", ""),
        ]
        parts.append(f"======== dialogue {number + 1} ========")
        for user, gold, belief in said:
            reply = gold if right else "would you like something else ?"
            parts += [f"U:{user}", f"GT:{gold}", f"GTD:{gold}", f"GBF:{belief}", "GDB:", f"R:{reply}", f"RD:{reply}"]
    return "\n".join(parts) + "\n"


def write_files(folder: Path, *, dialogues: int = 24, right: bool = True) -> Path:
    """All files of a folder of material."""
    folder.mkdir(parents=True, exist_ok=True)
    for domain, name in TABLES.items():
        (folder / name).write_text(json.dumps(rows(domain)), "utf-8")
    (folder / FAQS).write_text(json.dumps(faqs()), "utf-8")
    (folder / PREDICTIONS).write_text(predictions(dialogues, right), "utf-8")
    return folder
