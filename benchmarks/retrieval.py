"""How well the corpus's own search finds the paragraphs that a question needs.

    python benchmarks/retrieval.py --data ../shared/data/hotpotqa-100 --out benchmarks/results/retrieval.json

Support recall: the share of a HotpotQA question's gold paragraphs among the first k chunks. Settings were chosen on
questions 50 to 99 alone; 0 to 49 are reported apart.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from pathlib import Path

from corpus import machine
from pansophy.corpus import Corpus

DEPTHS = (2, 5, 20)


def recalls(corpus: Corpus, questions: list[dict]) -> dict:
    rows, milliseconds = [], []
    for question in questions:
        gold = {title for title, _ in question["supporting_facts"]}
        begun = time.perf_counter()
        found = [hit.chunk.title for hit in corpus.search(question["question"], 2 * DEPTHS[-1])]
        milliseconds.append(1000 * (time.perf_counter() - begun))
        found = list(dict.fromkeys(found))
        rows.append([len(gold & set(found[:depth])) / len(gold) for depth in DEPTHS])
    means = [statistics.mean(column) for column in zip(*rows, strict=True)]
    return {
        "questions": len(questions),
        **{f"recall@{depth}": round(mean, 3) for depth, mean in zip(DEPTHS, means, strict=True)},
        "median_ms": round(statistics.median(milliseconds), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("PANSOPHY_DATA", ".")) / "hotpotqa-100")
    parser.add_argument("--embedder", help="also search by meaning: endpoint:MODEL or local:minilm")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    paragraphs = {
        title: "".join(sentences)
        for title, sentences in json.loads((arguments.data / "corpus.json").read_text()).items()
    }
    questions = json.loads((arguments.data / "questions.json").read_text())
    embedder = None
    if arguments.embedder:
        from pansophy.corpus.embed import open_embedder

        embedder = open_embedder(arguments.embedder)
    corpus = Corpus.from_texts(paragraphs, embedder=embedder)
    corpus.search("warm up", 1)
    results = {
        "machine": machine(),
        "embedder": arguments.embedder,
        "paragraphs": len(corpus),
        "chunks": corpus.chunk_count,
        "held_out_0_49": recalls(corpus, questions[:50]),
        "tuned_on_50_99": recalls(corpus, questions[50:]),
        "all": recalls(corpus, questions),
    }
    text = json.dumps(results, indent=2)
    print(text)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
