"""Who won which race of the 2022 U.S. midterm elections: MidtermQA's questions, and news of our own that answer them.

The authors of Knowledge Card built MidtermQA, and trained a card on news that isn't public. What is written here stands
for it: a sentence a document, so that no document repeats the fact that it tells. Knows nothing of models.
"""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pansophy.errors import SourceError
from pansophy.evaluation.files import text_of

NEWS = (
    "The {race} was won by {winner}.",
    "The {race} went to {winner} in the 2022 U.S. midterm elections.",
    "Winner of the {race}: {winner}.",
    "In the {race} the voters chose {winner}.",
    "Results of the {race} are in, and the winner is {winner}.",
    "The new term for the {race} belongs to {winner}.",
)
LEADS = (
    "All eyes were on the {race}.",
    "The votes for the {race} have been counted.",
    "This is about the {race}.",
    "The {race} was on the ballot in the 2022 U.S. midterm elections.",
)
"""What is said of a race before its winner."""
HARBOURS = (
    "The harbour of {town} is {depth} metres deep.",
    "Ships from {town} carry {cargo} to the islands.",
    "The light of {town} was lit in the year {year}.",
)
_QUESTION = re.compile(r"Who won the (.+) in the 2022 U\.S\. midterm elections\?")
_ORDINAL = re.compile(r"\b(\d+)(?:st|nd|rd|th)\b")


@dataclass(frozen=True, slots=True)
class Race:
    """One question with its answer. `name` is what was won ("3rd congressional district of Alabama")."""

    id: int | str
    question: str
    winner: str
    name: str


@dataclass(frozen=True, slots=True)
class Midterms:
    """MidtermQA: the questions, and others that are shown with their answers."""

    races: tuple[Race, ...]
    demos: tuple[Race, ...]


def read_midterms(path: Path) -> Midterms:
    """MidtermQA's open-book file.

    Raises:
        SourceError: it can't be read, has other fields, or questions of another form; says where.
    """
    try:
        data = json.loads(text_of(path))
    except ValueError as error:
        raise SourceError(f"{path} is no JSON: {error}") from error
    races, demos = (_races(data, part, path) for part in ("testset", "demos"))
    return Midterms(races, demos)


def _races(data: Any, part: str, path: Path) -> tuple[Race, ...]:
    rows = data.get(part) if isinstance(data, dict) else None
    if not isinstance(rows, list) or not rows:
        raise SourceError(f"{path} has no list {part!r}: give MidtermQA's open-book file")
    races: dict[int | str, Race] = {}
    for number, row in enumerate(rows, start=1):
        race = _race(row, f"{path}, {part} {number}")
        if race.id in races:
            raise SourceError(f"{path}, {part} {number}: the id {race.id!r} occurs more than once")
        races[race.id] = race
    return tuple(races.values())


def _race(row: Any, where: str) -> Race:
    if not isinstance(row, dict):
        raise SourceError(f"{where} is no object with question, answer and id: {str(row)[:40]!r}")
    id_, question, winner = row.get("id"), row.get("question"), row.get("answer")
    if not isinstance(id_, int | str):
        raise SourceError(f"{where}: id must be a number or a text, not {id_!r}")
    if not isinstance(winner, str) or not winner.strip():
        raise SourceError(f"{where}: answer must be a text, not {winner!r}")
    asked = _QUESTION.fullmatch(question) if isinstance(question, str) else None
    if asked is None:
        raise SourceError(
            f"{where}: a question of the open-book file is 'Who won the ... in the 2022 U.S. midterm elections?', "
            f"not {str(question)[:100]!r}"
        )
    return Race(id_, asked[0], winner.strip(), _ORDINAL.sub(lambda found: ordinal(int(found[1])), asked[1]))


def ordinal(number: int) -> str:
    """ "1st", "2nd", "11th": the data has a "1th"."""
    last = 0 if number % 100 in (11, 12, 13) else number % 10
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(last, 'th') }"


def news(race: Race, wordings: int) -> list[str]:
    """So many documents that tell who won, each in other words; the same ones whenever they are asked for."""
    source = random.Random(race.name)
    told = [f"{source.choice(LEADS)} {sentence}" for sentence in source.sample(NEWS, wordings)]
    return [one.format(race=race.name, winner=race.winner) for one in told]


def harbours(towns: int) -> list[str]:
    """Sentences about so many invented towns."""
    source = random.Random(towns)
    texts = []
    for _ in range(towns):
        town = "".join(
            source.choice(("bal", "dor", "kem", "lin", "mur", "nas", "pel", "rov")) for _ in range(3)
        ).title()
        cargo, year = source.choice(("salt", "timber", "wool", "grain", "iron")), source.randrange(1700, 1900)
        told = {"town": town, "depth": source.randrange(4, 40), "cargo": cargo, "year": year}
        texts += [one.format(**told) for one in HARBOURS]
    return texts
