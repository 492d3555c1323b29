"""A small town of inns and cafes, and what people say about them."""

from __future__ import annotations

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
