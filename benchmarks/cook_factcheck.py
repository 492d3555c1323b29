"""How well the stand-in for a fact checker tells true claims from false ones: `benchmarks/cook_factcheck.py DATA`.

For each race of MidtermQA ten claims are made, half of them with the winner of another race, all in words other than
those of the corpus that they are checked against. What the factuality selector keeps of them is counted, and how often
a true claim has more support than a false one (the area under the curve).
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cook import NEWS, race_of

from pansophy import Corpus
from pansophy.corpus.embed import open_embedder
from pansophy.evaluation import provenance
from pansophy.reading.cook import Agreement, CookSettings, CorpusEvidence, Judges, Knowledge
from pansophy.reading.cook.selectors import chosen, judged

CORPUS, CLAIMS = NEWS[0], NEWS[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="MidtermQA's open-book file")
    parser.add_argument("--output", help="a JSON file for the result")
    parser.add_argument("--embedder", help="local:minilm, or another; words are compared without it")
    parser.add_argument("--races", type=int, help="how many are asked about; all by default")
    parser.add_argument("--kept", type=int, default=2, help="of ten claims; drawn from twice as many")
    options = parser.parse_args()
    facts = [(race_of(row["question"]), row["answer"]) for row in json.loads(Path(options.data).read_text())["testset"]]
    corpus = Corpus.from_texts([CORPUS.format(race=race, winner=winner) for race, winner in facts])
    agreement = Agreement(open_embedder(options.embedder) if options.embedder else None)
    judges = Judges(faithful=agreement, supports=agreement, retrieve=CorpusEvidence(corpus))
    started = time.process_time()
    found = [measured(fact, facts, judges, options.kept) for fact in facts[: options.races]]
    result: dict[str, Any] = {
        "benchmark": "cook_factcheck",
        "command": provenance.command(),
        "measured": provenance.now(),
        "checker": options.embedder or "words",
        "races": len(found),
        "kept": options.kept,
        "true_among_kept": round(100 * sum(kept for kept, _ in found) / len(found), 1),
        "true_has_more_support": round(100 * sum(order for _, order in found) / len(found), 1),
        "cpu_seconds": round(time.process_time() - started, 1),
        "machine": provenance.machine(),
        "versions": provenance.versions(),
    }
    print(json.dumps(result, indent=2))
    if options.output:
        Path(options.output).parent.mkdir(parents=True, exist_ok=True)
        Path(options.output).write_text(json.dumps(result, indent=1) + "\n", "utf-8")


def measured(fact: tuple[str, str], facts: Sequence[tuple[str, str]], judges: Judges, kept: int) -> tuple[float, float]:
    """The share of true claims among those kept, and of pairs in which the true one has more support (equal: half)."""
    race, winner = fact
    source = random.Random(race)
    others = source.sample([other for _, other in facts if other != winner], len(CLAIMS))
    claims = [(one.format(race=race, winner=winner), True) for one in CLAIMS]
    claims += [(one.format(race=race, winner=other), False) for one, other in zip(CLAIMS, others, strict=True)]
    source.shuffle(claims)
    truth = dict(claims)
    scored = judged([Knowledge("claims", number, text) for number, (text, _) in enumerate(claims)], judges, 3)
    _, taken = chosen(scored, kept, CookSettings(), source)
    supports = {flag: [one.support or 0.0 for one in scored if truth[one.text] is flag] for flag in (True, False)}
    pairs = [(more > less) + (more == less) / 2 for more in supports[True] for less in supports[False]]
    return sum(truth[one.text] for one in taken) / len(taken), sum(pairs) / len(pairs)


if __name__ == "__main__":
    main()
