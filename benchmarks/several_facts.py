"""What an index of questions is worth where a chunk tells several facts: `python benchmarks/several_facts.py
[--embedder NAME] [--output FILE]`.

PIKE-RAG decomposes questions of three hops over notes about invented people, its replies by rules, so that nothing but
the index differs: once notes are found by the questions that they answer, once by their text. Beside it the best five
notes of a search for the whole question. The more facts a note tells, the less its one vector says of each.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.reading.pike_rag.rules import rule_model

from pansophy import Corpus
from pansophy.corpus.embed import Embedder, open_embedder
from pansophy.evaluation import provenance
from pansophy.evaluation.hops import Pool, Problem, make_pool
from pansophy.evaluation.hops.finding import Finding, interval, summarise
from pansophy.reading.pike_rag import PikeRag

HOPS, DECOYS, DEPTH = 3, 3, 5
FACTS_A_PROBLEM = HOPS * (1 + DECOYS)
WINDOW = 65536
"""Of the rules; they have no trouble with long prompts, and no note is to be left out for its length."""


def main() -> None:
    options = _options()
    embedder = open_embedder(options.embedder) if options.embedder else None
    rows = []
    for facts_each in options.facts_each:
        found: dict[str, list[Finding]] = {}
        for seed in options.seeds:
            pool = make_pool(HOPS, options.notes * facts_each // FACTS_A_PROBLEM, facts_each=facts_each, seed=seed)
            for name, findings in asyncio.run(_found(pool, pool.problems[: options.questions], embedder)).items():
                found.setdefault(name, []).extend(findings)
        pairs = zip(found["questions"], found["texts"], strict=True)
        gained = [one.recall - other.recall for one, other in pairs]
        rows.append(
            {
                "facts_each": facts_each,
                "notes": len(pool.notes),
                **{name: _told(findings) for name, findings in found.items()},
                "questions_over_texts": round(sum(gained) / len(gained), 4),
                "questions_over_texts_95": [round(bound, 4) for bound in interval(gained)],
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    result = {
        "benchmark": "several-facts",
        "command": provenance.command(),
        "measured": provenance.now(),
        "embedder": options.embedder or "words",
        "seeds": options.seeds,
        "rows": rows,
        "machine": provenance.machine(),
        "versions": provenance.versions(),
    }
    if options.output:
        Path(options.output).write_text(json.dumps(result, indent=2) + "\n", "utf-8")


async def _found(pool: Pool, problems: Sequence[Problem], embedder: Embedder | None) -> dict[str, list[Finding]]:
    """What a search and the two indexes find for each problem."""
    corpus = Corpus.from_texts(dict(pool.notes), embedder=embedder)
    found: dict[str, list[Finding]] = {"search": [], "questions": [], "texts": []}
    for problem in problems:
        hits = [hit.chunk.document for hit in corpus.search(problem.question, DEPTH)]
        found["search"].append(Finding(problem.question, pool.gold(problem), hits, problem.answer))
    for name, index in (("questions", "atoms"), ("texts", "chunks")):
        reader = PikeRag(rule_model(window=WINDOW), settings={"index": index})
        for problem in problems:
            answer = await reader.run(problem.question, corpus)
            notes = [place["document"] for place in answer.settings["decomposition"]["context"]]
            found[name].append(Finding(problem.question, pool.gold(problem), notes, problem.answer, answer.text))
    return found


def _told(findings: Sequence[Finding]) -> dict[str, Any]:
    summary = summarise(findings)
    return {name: summary[name] for name in ("questions", "chain_recall", "chain_recall_95", "right")}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts-each", type=int, nargs="+", default=[1, 2, 4, 8], help="facts that a note tells")
    parser.add_argument("--notes", type=int, default=300)
    parser.add_argument("--questions", type=int, default=25, help="asked of each seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--embedder", help="compare by meaning: endpoint:MODEL or local:minilm (default: by words)")
    parser.add_argument("--output")
    return parser.parse_args()


if __name__ == "__main__":
    main()
