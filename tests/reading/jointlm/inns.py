"""A small town of inns and cafes, and what people say about them."""

from __future__ import annotations

import random

from pansophy.reading.jointlm import Dialogue, HybridStore, Turn

INNS = [
    {"name": "The Heron", "area": "north", "price range": "cheap", "phone": "5550101", "parking": "yes"},
    {"name": "Mill Guesthouse", "area": "south", "price range": "cheap", "phone": "5550102", "parking": "no"},
    {"name": "Rosa's Rest", "area": "south", "price range": "dear", "phone": "5550103", "parking": "yes"},
    {"name": "Otter & Oak", "area": "north", "price range": "dear", "phone": "5550104", "parking": "?"},
]
CAFES = [
    {"name": "Blue Kettle", "area": "south", "food": "pies", "phone": "5550201"},
    {"name": "Pepper Court", "area": "north", "food": "soups", "phone": "5550202"},
    {"name": "Salt Yard", "area": "north", "food": "pies", "phone": "5550203"},
]
NOTES = {
    "inn": {
        "the heron": [{"title": "Are dogs allowed?", "body": "Dogs are welcome at the Heron."}],
        "MILL GUEST HOUSE": [{"title": "Is there breakfast?", "body": "Breakfast is served until ten."}],
        "Night Barge": [{"title": "Where is it?", "body": "The Night Barge lies in the north."}],
    }
}


def store() -> HybridStore:
    return HybridStore({"inn": INNS, "cafe": CAFES}, NOTES)


def dialogues() -> list[Dialogue]:
    """Phones are told together with areas, prices with names."""
    turns = [
        (
            Turn(
                "I want a cheap inn in the south.",
                "Mill Guesthouse is cheap. Anything else?",
                _inn(area="south", price="cheap"),
            ),
            Turn("Is there breakfast?", "Yes, until ten.", _inn(name="mill guesthouse", area="south", price="cheap")),
        ),
        (
            Turn(
                "A dear place in the north please",
                "Otter & Oak is dear. Shall I book?",
                _inn(area="north", price="dear"),
            ),
            Turn("What is the phone?", "It is 5550104, in the north.", _inn(area="north", price="dear")),
        ),
        (
            Turn(
                "I want pies in the south",
                "Blue Kettle in the south: 5550201.",
                {"cafe": {"area": "south", "food": "pies"}},
            ),
        ),
        (Turn("I need a taxi", "It is booked.", {"taxi": {"leave": "noon"}}),),
    ]
    return [Dialogue(str(number), told) for number, told in enumerate(turns)]


def _inn(price: str, **slots: str) -> dict[str, dict[str, str]]:
    return {"inn": {**slots, "pricerange": price}}


SYLLABLES = ("ba", "do", "ke", "li", "mo", "nu", "pa", "re", "si", "to", "va", "zu")
AREAS, PRICES, FOODS = (
    ("north", "south", "east", "west"),
    ("cheap", "fair", "dear"),
    ("pies", "soups", "cakes", "rolls"),
)


def town(number: int, seed: int = 0) -> tuple[HybridStore, list[Dialogue]]:
    """Cafes with invented names, and as many dialogues: a wish, an offer, a question about it, another wish."""
    source = random.Random(seed)
    rows = [
        {
            "name": "".join(source.sample(SYLLABLES, 3)) + f" {source.choice(('corner', 'house', 'yard'))}",
            "area": source.choice(AREAS),
            "pricerange": source.choice(PRICES),
            "food": source.choice(FOODS),
            "phone": f"555{place:04}",
        }
        for place in range(number)
    ]
    rows = list({row["name"]: row for row in rows}.values())
    return HybridStore({"cafe": rows}), [_talk(str(place), source, rows) for place in range(number)]


def _talk(name: str, source: random.Random, rows: list[dict[str, str]]) -> Dialogue:
    first, second = source.sample(rows, 2)
    turns = []
    for row in (first, second):
        belief = {"cafe": {slot: row[slot] for slot in ("area", "food")}}
        turns += [
            Turn(
                f"I want {row['food']} in the {row['area']}.",
                f"Try {row['name']}, which is {row['pricerange']}.",
                belief,
            ),
            Turn("What is their phone?", f"It is {row['phone']}, in the {row['area']}.", belief),
        ]
    return Dialogue(name, tuple(turns))
