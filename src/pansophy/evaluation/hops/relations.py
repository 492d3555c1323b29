"""The relations that chains are made of, each in the words of a question and in those of a text.

No word of a question, but for the likes of "who", "is" and "the", stands in a sentence of the text, whatever the
relation: a search for the question finds the fact about the one whom it names, and no other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PERSON, TOWN, SHIP = "person", "town", "ship"


@dataclass(frozen=True, slots=True)
class Relation:
    """What ties something of the kind `source` to exactly one of the kind `target`.

    `nouns` name it in questions ("the mentor of ..."); `sentences` tell it, with `{s}` for the source and `{t}` for the
    target.
    """

    source: str
    target: str
    nouns: tuple[str, ...]
    sentences: tuple[str, ...]


RELATIONS = (
    Relation(
        PERSON,
        PERSON,
        ("mentor", "tutor"),
        (
            "{s} learned the craft from {t}.",
            "{t} taught {s} all there was to know.",
            "It was with {t} that {s} took lessons for nine years.",
        ),
    ),
    Relation(
        PERSON,
        PERSON,
        ("creditor", "lender"),
        (
            "{s} owes a great sum to {t}.",
            "{t} is still waiting for the money that {s} promised to pay back.",
            "For years now {s} has been in debt to {t}.",
        ),
    ),
    Relation(
        PERSON,
        PERSON,
        ("landlord",),
        (
            "{s} rents two rooms from {t}.",
            "{t} lets an attic above the bakery to {s}.",
            "On the first of every month {s} brings {t} the rent.",
        ),
    ),
    Relation(
        PERSON,
        PERSON,
        ("heir", "successor"),
        (
            "{s} has left everything to {t} in a will.",
            "{t} will one day inherit all that {s} has.",
            "All the goods and papers of {s} are to go to {t} in the end.",
        ),
    ),
    Relation(
        PERSON,
        PERSON,
        ("physician", "doctor"),
        (
            "{s} was cured by {t}.",
            "{t} healed {s} of a fever.",
            "When {s} fell ill, {t} came at night with the medicine.",
        ),
    ),
    Relation(
        PERSON,
        PERSON,
        ("employer", "boss"),
        (
            "{s} works for {t}.",
            "{t} pays the wages of {s}.",
            "Since last spring {s} has been in the service of {t}.",
        ),
    ),
    Relation(
        PERSON,
        TOWN,
        ("birthplace",),
        (
            "{s} first saw the light of day in {t}.",
            "{t} is where {s} came into the world.",
            "The cradle of {s} stood in {t}.",
        ),
    ),
    Relation(
        PERSON,
        TOWN,
        ("residence", "home"),
        (
            "{s} lives in {t}.",
            "{s} moved to {t} and never left again.",
            "These days {s} can be met in {t}.",
        ),
    ),
    Relation(
        PERSON,
        TOWN,
        ("refuge",),
        (
            "{s} fled to {t} after the flood.",
            "{t} took {s} in when the dam had burst.",
        ),
    ),
    Relation(
        TOWN,
        PERSON,
        ("mayor", "burgomaster"),
        (
            "{t} governs {s}.",
            "The people of {s} elected {t} to lead the council.",
            "In the council of {s} it is {t} who has the last word.",
        ),
    ),
    Relation(
        TOWN,
        PERSON,
        ("founder",),
        (
            "{t} laid the first stone of {s}.",
            "There was nothing but marsh at {s} until {t} came and built there.",
        ),
    ),
    Relation(
        TOWN,
        PERSON,
        ("benefactor", "patron"),
        (
            "{t} gave the money for the bridges of {s}.",
            "{s} has a hospital thanks to the gifts of {t}.",
        ),
    ),
    Relation(
        PERSON,
        SHIP,
        ("vessel", "yacht"),
        (
            "{s} owns the {t}.",
            "The {t} belongs to {s}.",
            "At an auction {s} bought the {t}.",
        ),
    ),
    Relation(
        SHIP,
        PERSON,
        ("captain", "skipper"),
        (
            "{t} commands the {s}.",
            "The crew of the {s} takes its orders from {t}.",
        ),
    ),
    Relation(
        SHIP,
        TOWN,
        ("port", "harbour"),
        (
            "The {s} lies at anchor in {t}.",
            "When idle, the {s} is moored at {t}.",
        ),
    ),
)

ASKS = {PERSON: "Who", TOWN: "Which town", SHIP: "Which ship"}
"""How a question for something of each kind begins."""

VOCABULARY = frozenset(
    word
    for relation in RELATIONS
    for text in (*relation.nouns, *relation.sentences)
    for word in re.findall("[a-z]+", text)
)
"""The words that no name may be."""
