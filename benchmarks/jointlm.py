"""JointLM's checks on MultiWOZ, DSTC9's FAQs and SeKnow's dialogues: `PANSOPHY_DATA=DATA python benchmarks/jointlm.py`.

1. The store and the dialogues are rebuilt. 2. Max-cut parts what is told together. 3. TF-IDF finds entities. 4. A
scorer that is trained on the re-balanced store finds entities in three stores, where a query of tables with the gold
belief loses what has moved. Replies (facts alone, no language model) are measured too, and SeKnow's, which the file
has. With `--model`, a language model is trained on both tasks instead, and reads the best entities of some turns: for a
GPU, since on one core the smallest takes half a minute and more for a step of eight rows.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from pansophy.evaluation import provenance
from pansophy.reading.jointlm import (
    BeliefQuery,
    Dialogue,
    HybridStore,
    JointAgent,
    Labelled,
    MatchRanker,
    PromptSettings,
    TfidfRanker,
    evaluate,
    label,
    rebalance,
    success,
    unstructured,
)
from pansophy.reading.jointlm.balance import max_cut, told_together
from pansophy.reading.jointlm.metrics import SlotFinder, bleu, hit, slot_score
from pansophy.reading.jointlm.multiwoz import REQUESTABLE, read_multiwoz, read_seknow

DOMAINS = ("hotel", "restaurant", "attraction")
PREDICTIONS = "seknow-test-predictions.txt"


def main() -> None:
    options = _options()
    folder = Path(options.data, "reading")
    store = read_multiwoz({name: folder / f"multiwoz-{name}.json" for name in DOMAINS}, folder / "dstc9-knowledge.json")
    dialogues = read_seknow(folder / PREDICTIONS)
    result: dict[str, Any] = {
        "benchmark": "jointlm",
        "command": provenance.command(),
        "measured": provenance.now(),
        "options": {name: value for name, value in vars(options).items() if name not in ("data", "output", "adapter")},
    }
    started = time.process_time()
    if options.model:
        result["language_model"] = language_model(store, dialogues, options)
    else:
        result["rebuilt"] = rebuilt(store, dialogues)
        result["max_cut"] = cuts(store, dialogues)
        result["tf_idf"] = word_baseline(store, dialogues)
        result["robustness"] = robustness(store, dialogues, options)
        result["seknow_replies"] = seknow_replies(store, dialogues, folder / PREDICTIONS)
    result["cpu_seconds"] = round(time.process_time() - started, 1)
    result |= {"machine": provenance.machine(), "versions": provenance.versions()}
    print(json.dumps(result, indent=2))
    if options.output:
        Path(options.output).write_text(json.dumps(result, indent=2) + "\n", "utf-8")


def rebuilt(store: HybridStore, dialogues: Sequence[Dialogue]) -> dict[str, Any]:
    """Check 1."""
    with_notes = sum(bool(one.documents) for one in store.entities if one.slots)
    return {
        "entities": len(store),
        "entities_with_row_and_faqs": with_notes,
        "slots_and_faqs_of_an_entity": _averages(store),
        "dialogues": len(dialogues),
        "turns": sum(len(one.turns) for one in dialogues),
    }


def cuts(store: HybridStore, dialogues: Sequence[Dialogue]) -> dict[str, Any]:
    """Check 2, with several seeds, and a random cut beside them."""
    pairs = {(slot, str(value).lower()) for one in store.entities for slot, value in one.facts()}
    weights = told_together(pairs, (text for one in dialogues for text in one.utterances))
    vertices, total = sorted({pair for edge in weights for pair in edge}), sum(weights.values())
    random_cut = []
    for seed in range(20):
        side = dict(zip(vertices, np.random.default_rng(seed).integers(2, size=len(vertices)), strict=True))
        random_cut.append(sum(weight for (a, b), weight in weights.items() if side[a] != side[b]) / total)
    seeds = []
    for seed in range(5):
        after, report = rebalance(store, dialogues, seed)
        added = sum(len(one.documents) for one in after.entities) - sum(len(one.documents) for one in store.entities)
        seeds.append(
            {
                "seed": seed,
                "cut_percent": _percent(report.share),
                "moved_slots": dict(report.moved),
                "moved": sum(report.moved.values()),
                "added_faqs": added,
                "names_kept": [one.name for one in after.entities] == [one.name for one in store.entities],
                "slots_and_faqs_of_an_entity": _averages(after),
            }
        )
    single = [_percent(max_cut(vertices, weights, seed=seed, restarts=1)[1] / total) for seed in range(5)]
    return {
        "vertices": len(vertices),
        "edges": len(weights),
        "weight": total,
        "one_start_cut_percent": single,
        "random_cut_percent": _percent(float(np.mean(random_cut))),
        "seeds": seeds,
        "everything_moved": _averages(unstructured(store)),
    }


def word_baseline(store: HybridStore, dialogues: Sequence[Dialogue]) -> dict[str, Any]:
    """Check 3: success@1 and @5 on the structured store, of labelled turns and of all turns."""
    labelled = label(store, dialogues)
    turns = sum(len(one.turns) for one in dialogues)
    found: dict[str, Any] = {"labelled_turns": len(labelled), "turns": turns}
    for utterances in (1, 3, 5):
        ranker = TfidfRanker(store, utterances)
        ranked = [[key for key, score in ranker.rank(one.history, 5) if score > 0] for one in labelled]
        hits = {k: sum(hit(keys, one.oracle, k) for keys, one in zip(ranked, labelled, strict=True)) for k in (1, 5)}
        found[f"{utterances}_utterances"] = {
            "of_labelled": [_percent(hits[k] / len(labelled)) for k in (1, 5)],
            "of_all": [_percent(hits[k] / turns) for k in (1, 5)],
        }
    return found


def robustness(store: HybridStore, dialogues: Sequence[Dialogue], options: argparse.Namespace) -> dict[str, Any]:
    """Check 4: trained on the re-balanced store, measured on three."""
    learnt, tested = _split(dialogues, options)
    hybrid, _ = rebalance(store, learnt, options.seed)
    scorer = MatchRanker.train(label(store, learnt, hybrid, seed=options.seed), hybrid)
    found: dict[str, Any] = {"learnt_dialogues": len(learnt), "tested_dialogues": len(tested)}
    for name, one in (("seknow", store), ("hybrid", hybrid), ("unstructured", unstructured(store))):
        labelled = label(store, tested, one, seed=options.seed)
        ranker, words = scorer.on(one), TfidfRanker(one, 3)
        scores = evaluate(JointAgent(ranker), labelled, store, slots=REQUESTABLE)
        found[name] = {
            "turns": len(labelled),
            "scorer_success": [_percent(scores.success1), _percent(scores.success5)],
            "scorer_best_ranked": [_percent(success(ranker, labelled, k, 0.0)) for k in (1, 5)],
            "tf_idf_3_success": [_percent(success(words, labelled, k, 0.0)) for k in (1, 5)],
            "gold_belief_query_success": [_percent(_by_belief(one, labelled, k)) for k in (1, 5)],
            "scorer": _rounded(asdict(scores)),
        }
    return found


def language_model(store: HybridStore, dialogues: Sequence[Dialogue], options: argparse.Namespace) -> dict[str, Any]:
    """A model that is trained on both tasks, on the re-balanced store, beside the words that choose what it reads."""
    from pansophy.conflicts.training.settings import TrainingSettings
    from pansophy.reading.jointlm.model import Mixture, ModelScorer, load_joint, train_joint
    from pansophy.reading.jointlm.ranking import JointRanker

    learnt, tested = _split(dialogues, options)
    hybrid, _ = rebalance(store, learnt, options.seed)
    labelled = label(store, learnt, hybrid, seed=options.seed)
    words = MatchRanker.train(labelled, hybrid)
    near = [_hard(one, words, options.keep) for one in random.Random(options.seed).sample(labelled, options.turns)]
    prompts = PromptSettings(turns=options.utterance_turns, documents=options.documents, max_tokens=options.max_tokens)
    losses: list[float] = []

    def told(progress: Any) -> None:
        losses.append(progress.loss)
        print(f"{progress.step}/{progress.steps}  {progress.loss:.3f}", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        place = Path(options.adapter or folder, "adapter")
        settings = TrainingSettings(epochs=options.epochs, batch=8, at_once=4, max_tokens=options.max_tokens)
        model, mixture = load_joint(options.model), Mixture(1, 2, 1)
        train_joint(model, near, hybrid, place, prompts=prompts, mixture=mixture, settings=settings, on_progress=told)
        scorer = ModelScorer(load_joint(place), prompts)
    found: dict[str, Any] = {"loss": [round(one, 3) for one in losses]}
    stores = {"seknow": store, "hybrid": hybrid, "unstructured": unstructured(store)}
    for name in options.stores:
        one = stores[name]
        here = label(store, tested, one, seed=options.seed)
        here = random.Random(options.seed).sample(here, options.asked)
        agent = JointAgent(JointRanker(words.on(one), scorer, options.keep), scorer)
        scores = evaluate(agent, here, store, slots=REQUESTABLE)
        found[name] = {
            "turns": len(here),
            "words_best_ranked": _percent(success(words.on(one), here, 1, 0.0)),
            "words_kept": _percent(success(words.on(one), here, options.keep, 0.0)),
            "model_best_ranked": _percent(success(agent.ranker, here, 1, 0.0)),
            "model": _rounded(asdict(scores)),
        }
        print(name, found[name], flush=True)
    return found


def _hard(one: Labelled, words: MatchRanker, keep: int) -> Labelled:
    """The turn with those negatives that words alone would let through to the model."""
    near = tuple(key for key, _ in words.rank(one.history, keep) if key not in one.oracle)
    return Labelled(
        one.dialogue, one.turn, one.history, one.response, one.belief, one.oracle, one.best, one.positives, near
    )


def seknow_replies(store: HybridStore, dialogues: Sequence[Dialogue], path: Path) -> dict[str, Any]:
    """What SeKnow's own replies in the file come to by our metrics, over labelled turns."""
    said = re.findall(r"^R:(.*)$", path.read_text("utf-8"), re.MULTILINE)
    places = [(one.id, number) for one in dialogues for number, _ in enumerate(one.turns)]
    by_place = dict(zip(places, said, strict=True))
    pairs = [(by_place[one.dialogue, one.turn].strip(), one.response) for one in label(store, dialogues)]
    find = SlotFinder(store, REQUESTABLE)
    slots = slot_score((find(ours), find(gold)) for ours, gold in pairs)
    means = [float(np.mean([bleu(ours, gold, order) for ours, gold in pairs])) for order in (1, 2, 3, 4)]
    return {"turns": len(pairs), "bleu": [_percent(one) for one in means], "slots": _rounded(asdict(slots))}


def _by_belief(store: HybridStore, labelled: Sequence[Labelled], k: int) -> float:
    query = BeliefQuery(store)
    hits = [hit([key for key, _ in query.rank_belief(one.belief, k)], one.oracle, k) for one in labelled]
    return sum(hits) / len(hits)


def _split(dialogues: Sequence[Dialogue], options: argparse.Namespace) -> tuple[list[Dialogue], list[Dialogue]]:
    order = list(dialogues)
    random.Random(options.seed).shuffle(order)
    return order[: options.learnt], order[options.learnt :]


def _averages(store: HybridStore) -> dict[str, list[float]]:
    return {domain: [round(one, 2) for one in means] for domain, means in store.averages().items()}


def _percent(share: float) -> float:
    return round(100 * float(share), 1)


def _rounded(scores: Any) -> Any:
    """Shares in percent; counts as they are."""
    if isinstance(scores, dict):
        return {name: one if name == "turns" else _rounded(one) for name, one in scores.items()}
    return [_rounded(one) for one in scores] if isinstance(scores, list | tuple) else _percent(scores)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("PANSOPHY_DATA", "../shared/data"))
    parser.add_argument("--learnt", type=int, default=500, help="dialogues that are learnt from; others are tested")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", help="a language model that is trained as well")
    parser.add_argument("--turns", type=int, default=150, help="of the model's training")
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--keep", type=int, default=5, help="entities that the model reads")
    parser.add_argument("--asked", type=int, default=40, help="turns that the model is measured on, in each store")
    parser.add_argument("--stores", nargs="+", default=["seknow", "hybrid", "unstructured"], help="for the model")
    parser.add_argument("--utterance-turns", type=int, default=3)
    parser.add_argument("--documents", type=int, default=4)
    parser.add_argument("--max-tokens", type=int, default=384)
    parser.add_argument("--adapter", help="a folder that keeps the adapter")
    parser.add_argument("--output", help="write the result there as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
