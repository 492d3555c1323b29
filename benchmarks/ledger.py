"""How well the ledger sees contradictions: `python benchmarks/ledger.py [--model NAME] [--output FILE]`.

Invented facts, each told by three letters among letters about other things. Of half of the questions two older letters
tell one answer and a newer one another: the majority and the date then choose differently. Of the other half all three
agree. The letters are worded in three ways and are made anew from the seed; nothing is read from elsewhere.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pansophy import Answer, Corpus, aask, open_model
from pansophy.evaluation import provenance
from pansophy.reading.answers import same_claim
from pansophy.reading.ledger.claims import RULES
from pansophy.types import Claim, Trust

FIRST = (
    "Ada",
    "Bo",
    "Cira",
    "Dov",
    "Elke",
    "Finn",
    "Gita",
    "Hal",
    "Ines",
    "Jorn",
    "Kaja",
    "Lars",
    "Mira",
    "Nils",
    "Olga",
    "Per",
    "Rhea",
    "Sten",
    "Tove",
    "Ulf",
)
LAST = (
    "Alder",
    "Brandt",
    "Corvin",
    "Drewes",
    "Ekholm",
    "Falk",
    "Grimm",
    "Hovda",
    "Ilves",
    "Juhl",
    "Kranz",
    "Lunde",
    "Moss",
    "Nybo",
    "Orlov",
    "Pihl",
)
PLACES = (
    "Marsby",
    "Tolme",
    "Vikholm",
    "Ostrey",
    "Lindau",
    "Karsund",
    "Brevik",
    "Halmey",
    "Norhaven",
    "Selja",
    "Dunmore",
    "Ardal",
)
OFFICES = {
    "keeper of the light": (
        "The council of {place} has settled it: {name} is the keeper of the light.",
        "{name} lit the lamp at {place} last night, being now the keeper of the light there.",
        "You ask who is keeper of the light at {place}. It is {name}, and nobody else.",
    ),
    "harbour master": (
        "All ships that come to {place} report to {name}, the harbour master.",
        "At {place} they made {name} harbour master, to nobody's surprise.",
        "{name} signs as harbour master of {place}, and the dues are paid on time.",
    ),
    "teacher": (
        "The school at {place} has {name} as its teacher.",
        "{name} is the teacher at {place}; the children like the songs.",
        "As teacher the people of {place} chose {name}.",
    ),
}
ASIDES = (
    "The herring came late this year, and the nets were mended twice.",
    "A storm took the roof of the smithy, but nobody was hurt.",
    "We had eleven guests at table and not enough chairs.",
    "The road over the pass is open again since Tuesday.",
)


@dataclass(frozen=True)
class Case:
    """A question over letters (name -> text); `old` is told by two of them and `new` by one, equal if all agree."""

    question: str
    letters: dict[str, str]
    old: str
    new: str


def main() -> None:
    options = _options()
    rows = asyncio.run(_run(options))
    result = {
        "benchmark": "ledger",
        "command": provenance.command(),
        "measured": provenance.now(),
        "model": options.model,
        "seed": options.seed,
        "summary": _summary(rows),
        "rows": rows,
        "machine": provenance.machine(),
        "versions": provenance.versions(),
    }
    text = json.dumps(result, ensure_ascii=False, indent=2) + "\n"
    if options.output:
        Path(options.output).write_text(text, "utf-8")
    print(json.dumps(result["summary"], indent=2))


async def _run(options: argparse.Namespace) -> list[dict[str, object]]:
    model = open_model(options.model)
    rows = []
    try:
        for number, case in enumerate(cases(options.questions, options.seed)):
            corpus = Corpus.from_texts(case.letters)
            ask = {"corpus": corpus, "model": model, "strategy": "top_k", "store": False}
            started = time.perf_counter()
            await aask(case.question, **ask)
            between = time.perf_counter()
            answer = await aask(case.question, trust="swap", **ask)
            ended = time.perf_counter()
            rows.append({"question": number, **_judged(case, answer), "ratio": (ended - between) / (between - started)})
            print(rows[-1], flush=True)
    finally:
        await model.aclose()
    return rows


def cases(count: int, seed: int) -> Iterator[Case]:
    """Half of them with a contradiction, the same ones for the same seed."""
    chance = random.Random(seed)
    for number in range(count):
        place, office = chance.choice(PLACES), chance.choice(list(OFFICES))
        names = [f"{first} {last}" for first, last in zip(chance.sample(FIRST, 8), chance.sample(LAST, 8), strict=True)]
        old, new = names[0], names[1 if number % 2 else 0]
        years = chance.sample(range(1901, 1960), 9)
        told = [*zip(sorted(years[:3]), (old, old, new), OFFICES[office], strict=True)]
        letters = {}
        for year, name, wording in told:
            aside = chance.choice(ASIDES)
            letters[f"letter-{year}.txt"] = f"{aside} {wording.format(place=place, name=name)}"
        elsewhere = [other for other in PLACES if other != place]
        for year, name in zip(years[3:], names[2:], strict=True):
            wording = chance.choice(OFFICES[chance.choice(list(OFFICES))])
            letters[f"letter-{year}.txt"] = (
                f"{wording.format(place=chance.choice(elsewhere), name=name)} {chance.choice(ASIDES)}"
            )
        yield Case(f"Who is the {office} at {place}?", dict(sorted(letters.items())), old, new)


def _judged(case: Case, answer: Answer) -> dict[str, object]:
    ledger = answer.ledger
    assert ledger is not None
    told = [claim for claim in ledger.claims if claim.evidence]
    planted = {case.old, case.new}
    return {
        "planted": len(planted),
        "told": len(told),
        "exact": len(told) == len(planted) and all(any(same_claim(c.answer, p) for c in told) for p in planted),
        "majority": _right(told, Trust.MAJORITY, case.old),
        "newest": _right(told, Trust.NEWEST, case.new),
        "swap_unresolved": ledger.is_unresolved,
        "swap_right": ledger.settled is not None and same_claim(ledger.claims[ledger.settled].answer, case.new),
        "remembered": any(claim.remembered for claim in ledger.claims),
        "calls": answer.usage.calls,
    }


def _right(told: list[Claim], trust: Trust, expected: str) -> bool:
    if not told:
        return False
    settled = RULES[trust](told).settled
    return settled is not None and same_claim(told[settled].answer, expected)


def _summary(rows: list[dict[str, object]]) -> dict[str, object]:
    def share(kind: list[dict[str, object]], name: str) -> float:
        return round(sum(bool(row[name]) for row in kind) / len(kind), 3)

    split = {
        "contradicting": [row for row in rows if row["planted"] == 2],
        "agreeing": [row for row in rows if row["planted"] == 1],
    }
    ratios = sorted(float(str(row["ratio"])) for row in rows)
    return {
        **{
            kind: {
                "questions": len(kept),
                "contradiction_seen": round(sum(int(str(row["told"])) > 1 for row in kept) / len(kept), 3),
                **{
                    name: share(kept, name) for name in ("exact", "majority", "newest", "swap_unresolved", "swap_right")
                },
            }
            for kind, kept in split.items()
            if kept
        },
        "median_ratio_of_seconds": round(ratios[len(ratios) // 2], 2),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="qwen2.5-coder-1.5b")
    parser.add_argument("--questions", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output")
    return parser.parse_args()


if __name__ == "__main__":
    main()
