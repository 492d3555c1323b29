"""Whether a search finds short facts in a long text: by chunks, and by the sentences of the chunks.

    python benchmarks/sentence_rank.py --noise BOOKS/ --lengths 32k 1M --samples 5 --seed 7 -o sentence_rank.json

For BABILong's tasks, the share of the facts without which the answer would be another that stand in what the search
ranks first: the best 10, 32 and 100 chunks of 400 tokens, and the best 10, 24 and 40 sentences. Facts that share no
word with the question (the second hop of qa2 and qa3) can't be found by either. No model is used; tokens are estimated.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from statistics import mean

from pansophy.corpus import Corpus
from pansophy.corpus.pages import Page, pages_by_rank
from pansophy.errors import UsageError
from pansophy.evaluation.babilong import solve
from pansophy.evaluation.babilong.tasks import Problem, generate
from pansophy.evaluation.haystack import hide, length_of, read_noise
from pansophy.evaluation.provenance import command, machine, now, versions
from pansophy.reading.extagents.sentences import sentences_by_rank
from pansophy.tokens import estimate_tokens

TASKS = ("qa1", "qa2", "qa3", "qa4", "qa5")
CHUNKS = (10, 32, 100)
SENTENCES = (10, 24, 40)


def needed(problem: Problem) -> list[str]:
    """The facts without which the answer is another, or there is none."""
    return [
        fact
        for at, fact in enumerate(problem.facts)
        if _answer([*problem.facts[:at], *problem.facts[at + 1 :]], problem.question) != problem.answer
    ]


def problems(task: str, seed: int) -> Iterator[tuple[int, Problem, list[str]]]:
    """Problems that have a needed fact (not where two say the same), with the seed of each."""
    for number in count(seed * 1_000_003):
        problem = generate(task, number)
        if facts := needed(problem):
            yield number, problem, facts


def _answer(facts: list[str], question: str) -> str | None:
    try:
        return solve(facts, question)
    except UsageError:
        return None


def recall(pages: list[Page], facts: list[str]) -> float:
    text = "\n".join(page.text for page in pages)
    return mean(fact in text for fact in facts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--noise", type=Path, required=True)
    parser.add_argument("--lengths", nargs="+", default=["32k", "1M"])
    parser.add_argument("--samples", type=int, default=5)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--output", "-o", type=Path, required=True)
    arguments = parser.parse_args()
    noise = read_noise(arguments.noise, estimate_tokens)
    rows = []
    for length in arguments.lengths:
        for task in TASKS:
            found: dict[str, list[float]] = {}
            for seed, problem, facts in islice(problems(task, arguments.seed), arguments.samples):
                made = hide(problem.facts, noise, length_of(length), seed=seed)
                corpus = Corpus.from_texts({"text": made.text})
                pages = pages_by_rank(corpus, problem.question, 400, CHUNKS[-1])
                sentences = sentences_by_rank(corpus, problem.question, SENTENCES[-1])
                for most in CHUNKS:
                    found.setdefault(f"{most} chunks", []).append(recall(pages[:most], facts))
                for most in SENTENCES:
                    found.setdefault(f"{most} sentences", []).append(recall(sentences[:most], facts))
            row = {"length": length, "task": task, **{name: round(mean(values), 3) for name, values in found.items()}}
            print(row, flush=True)
            rows.append(row)
    result = {
        "samples": arguments.samples,
        "seed": arguments.seed,
        "rows": rows,
        "command": command(None),
        "machine": machine(),
        "versions": versions(),
        "date": now(),
    }
    arguments.output.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
