"""Whether KID draws a text to the facts of its trie: `python benchmarks/kid.py --data PASSAGES.json [--output FILE]`.

Each prompt is the beginning of a passage, which is continued three ways with the same seed: sampled plainly, with a
trie of the passage and its neighbours, and with a trie of other passages (the control). Coverage is of the passage's
own trie in all three; the perplexity is the plain model's. PASSAGES.json is an array of objects with a field `text`.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import time
from dataclasses import replace
from pathlib import Path

from pansophy.conflicts import KIDDecoder, KIDSettings, KnowledgeTrie
from pansophy.conflicts.kid.trie import content_words
from pansophy.evaluation import provenance
from pansophy.models import WhiteBoxModel

BESIDE = 4
"""Passages beside the prompt's own in its trie."""


def main() -> None:
    options = _options()
    passages = [row["text"] for row in json.loads(Path(options.data).read_text("utf-8"))]
    random.Random(options.seed).shuffle(passages)
    model = WhiteBoxModel.load(options.model)
    settings = KIDSettings(step_size=options.step_size)
    rows = []
    for number in range(options.prompts):
        own, other = (passages[(2 * number + side) * (BESIDE + 1) :][: BESIDE + 1] for side in (0, 1))
        trie, shuffled = KnowledgeTrie.from_texts(own), KnowledgeTrie.from_texts(other)
        prompt = " ".join(own[0].split()[: options.words])
        ways = {
            "plain": (trie, replace(settings, strength=0)),
            "kid": (trie, settings),
            "shuffled": (shuffled, settings),
        }
        for way, (facts, how) in ways.items():
            started = time.perf_counter()
            reply = KIDDecoder(model, facts, how).generate(prompt, max_new_tokens=options.tokens, seed=number)
            words = content_words(reply.text)
            rows.append(
                {
                    "prompt": number,
                    "way": way,
                    "coverage": sum(word in trie for word in words) / max(len(words), 1),
                    "loss": -float(model.log_probs([prompt], [f" {reply.text.strip()}"])[0].mean()) if words else None,
                    "divergence": statistics.fmean([one.divergence for one in reply.trace] or [0.0]),
                    "seconds_a_token": (time.perf_counter() - started) / max(len(reply.tokens), 1),
                }
            )
    result = {
        "benchmark": "kid",
        "command": provenance.command(),
        "measured": provenance.now(),
        "model": model.identity,
        "seed": options.seed,
        "prompts": options.prompts,
        "step_size": options.step_size,
        "means": {way: _means([row for row in rows if row["way"] == way]) for way in ("plain", "kid", "shuffled")},
        "rows": rows,
        "machine": provenance.machine(),
        "versions": {**provenance.versions(), **provenance.versions_of("torch", "transformers")},
    }
    print(json.dumps(result["means"], indent=2))
    if options.output:
        Path(options.output).write_text(json.dumps(result, indent=2) + "\n")


def _means(rows: list[dict[str, float]]) -> dict[str, float]:
    losses = [row["loss"] for row in rows if row["loss"] is not None]
    return {
        "coverage": statistics.fmean(row["coverage"] for row in rows),
        "perplexity": math.exp(statistics.fmean(losses)),
        "divergence": statistics.fmean(row["divergence"] for row in rows),
        "seconds_a_token": statistics.fmean(row["seconds_a_token"] for row in rows),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--prompts", type=int, default=12)
    parser.add_argument("--words", type=int, default=8, help="of the passage, as the prompt")
    parser.add_argument("--tokens", type=int, default=24)
    parser.add_argument("--step-size", type=float, default=KIDSettings().step_size)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", help="write the result there as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
