"""When `auto` may answer from memory: `python benchmarks/remembering.py --data FACTS [--model NAME] [--output FILE]`.

A collection of letters tells who holds which office in invented places, and which cities are capitals. Half of the
questions are about capitals that the model may know, half about the offices, which it can't know. Each is asked with
`auto` reading always, and with `auto` allowed to remember. FACTS is a JSON array of JUICE's "World Capital" relation
(fields Subject and Answer); the letters are made from the seed. The result holds numbers and the names of countries.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger import ASIDES, FIRST, LAST, OFFICES, PLACES

from pansophy import Answer, Corpus, aask, open_model
from pansophy.evaluation import provenance
from pansophy.evaluation.metrics import contains


@dataclass(frozen=True)
class Asked:
    """A question that one letter answers; `public` if the world knows the answer too."""

    name: str
    question: str
    answers: tuple[str, ...]
    letter: str
    public: bool


def main() -> None:
    options = _options()
    asked = questions(Path(options.data), options.questions, options.seed)
    rows = asyncio.run(_run(options, asked))
    result = {
        "benchmark": "remembering",
        "command": provenance.command(),
        "measured": provenance.now(),
        "model": options.model,
        "seed": options.seed,
        "summary": _summary(rows),
        "rows": rows,
        "machine": provenance.machine(),
        "versions": provenance.versions(),
    }
    if options.output:
        Path(options.output).write_text(json.dumps(result, ensure_ascii=False, indent=2) + "\n", "utf-8")
    print(json.dumps(result["summary"], indent=2))


def questions(data: Path, count: int, seed: int) -> list[Asked]:
    """Half of each kind, the same ones for the same seed."""
    chance = random.Random(seed)
    facts = json.loads(data.read_text("utf-8"))
    made = []
    for fact in chance.sample(facts, count // 2):
        country, answers = fact["Subject"], tuple(fact["Answer"])
        letter = f"{chance.choice(ASIDES)} The post for {country} goes by way of its capital, {answers[0]}."
        made.append(Asked(country, f"What is the capital of {country}?", answers, letter, True))
    posts = chance.sample([(place, office) for place in PLACES for office in OFFICES], count - count // 2)
    for number, (place, office) in enumerate(posts):
        name = f"{chance.choice(FIRST)} {chance.choice(LAST)}"
        letter = f"{chance.choice(ASIDES)} {chance.choice(OFFICES[office]).format(place=place, name=name)}"
        made.append(Asked(f"office-{number}", f"Who is the {office} at {place}?", (name,), letter, False))
    chance.shuffle(made)
    return made


async def _run(options: argparse.Namespace, asked: Sequence[Asked]) -> list[dict[str, Any]]:
    letters = {f"letter-{number:03}.txt": one.letter for number, one in enumerate(asked)}
    chance = random.Random(options.seed + 1)
    for number in range(options.asides):
        letters[f"note-{number:03}.txt"] = " ".join(chance.choice(ASIDES) for _ in range(6))
    corpus, model, rows = Corpus.from_texts(letters), open_model(options.model), []
    try:
        for number, one in enumerate(asked):
            for memory in (False, True):
                started = time.perf_counter()
                answer = await aask(
                    one.question, corpus=corpus, model=model, strategy="auto", settings={"memory": memory}, store=False
                )
                rows.append(_judged(one, answer, memory, time.perf_counter() - started))
                print(number, rows[-1], flush=True)
    finally:
        await model.aclose()
    return rows


def _judged(one: Asked, answer: Answer, memory: bool, seconds: float) -> dict[str, Any]:
    return {
        "question": one.name,
        "public": one.public,
        "memory": memory,
        "right": bool(contains(answer.text, list(one.answers))),
        "remembered": answer.settings["chosen"]["strategy"] == "no_context",
        "seconds": round(seconds, 2),
        "calls": answer.usage.calls,
        "prompt_tokens": answer.usage.prompt_tokens,
    }


def _summary(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    told = {}
    for public in (True, False):
        for memory in (False, True):
            kept = [row for row in rows if row["public"] is public and row["memory"] is memory]
            means = {
                name: round(sum(float(row[name]) for row in kept) / len(kept), 3)
                for name in ("right", "remembered", "seconds", "calls", "prompt_tokens")
            }
            wrong = sum(row["remembered"] and not row["right"] for row in kept)
            told[f"{'known to the world' if public else 'invented'}, {'memory' if memory else 'reading'}"] = {
                "questions": len(kept),
                **means,
                "remembered_wrong": wrong,
            }
    return told


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--model", default="qwen2.5-coder-1.5b")
    parser.add_argument("--questions", type=int, default=40)
    parser.add_argument("--asides", type=int, default=120, help="letters that tell nothing")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output")
    return parser.parse_args()


if __name__ == "__main__":
    main()
