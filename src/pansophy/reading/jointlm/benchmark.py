"""JointLM's checks on its own data: what re-balancing moves, and who finds an entity when facts have moved.

The store and the dialogues are rebuilt; max-cut parts what is told together; TF-IDF finds entities; weights that were
learnt on the re-balanced store find them in three stores, where a query of tables with the gold belief loses what has
moved. Replies are facts alone, beside those of SeKnow, which the data have. Knows nothing of language models.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pansophy.corpus.embed import Embedder
from pansophy.errors import UsageError
from pansophy.reading.jointlm.agent import JointAgent
from pansophy.reading.jointlm.balance import max_cut, rebalance, told_together, unstructured
from pansophy.reading.jointlm.dialogues import Dialogue
from pansophy.reading.jointlm.evaluate import evaluate, success
from pansophy.reading.jointlm.labels import Labelled, label
from pansophy.reading.jointlm.match import MatchRanker
from pansophy.reading.jointlm.metrics import SlotFinder, bleu, hit, slot_score
from pansophy.reading.jointlm.multiwoz import REQUESTABLE, read_multiwoz, read_seknow, read_seknow_replies
from pansophy.reading.jointlm.ranking import BeliefQuery, TfidfRanker, VectorRanker
from pansophy.reading.jointlm.store import HybridStore, parts_of

TABLES = {name: f"multiwoz-{name}.json" for name in ("hotel", "restaurant", "attraction")}
FAQS, PREDICTIONS = "dstc9-knowledge.json", "seknow-test-predictions.txt"
"""The files of a folder of material."""
STORES = {"seknow": "as it was", "hybrid": "re-balanced", "unstructured": "all in notes"}
"""The three stores, as results call them, and where their facts stand."""
SEEDS, RANDOM_CUTS = 5, 20


@dataclass(frozen=True, slots=True)
class Material:
    """The store, its dialogues, and SeKnow's replies by dialogue and turn."""

    store: HybridStore
    dialogues: tuple[Dialogue, ...]
    replies: Mapping[tuple[str, int], str]


def read_material(folder: str | Path) -> Material:
    """The files of a folder: MultiWOZ's `TABLES`, DSTC9's `FAQS`, SeKnow's `PREDICTIONS`.

    Raises:
        SourceError: one is missing, or isn't of its form; says which.
    """
    place = Path(folder).expanduser()
    store = read_multiwoz({domain: place / name for domain, name in TABLES.items()}, place / FAQS)
    said = place / PREDICTIONS
    return Material(store, tuple(read_seknow(said)), read_seknow_replies(said))


def measure(
    material: Material,
    *,
    learnt: int = 500,
    seed: int = 0,
    embedder: Embedder | None = None,
    say: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """All checks, as JSON data: shares in percent, averages as they are.

    Args:
        material: see `read_material`.
        learnt: dialogues that weights are learnt from; the others are tested.
        seed: of the split, of what moves, and of negatives.
        embedder: finds entities by meaning too; None for words alone.
        say: is told in words what comes next.

    Raises:
        UsageError: no turn has a belief in a domain of the store, or no dialogue is left to test.
    """
    store, dialogues, say = material.store, material.dialogues, say or (lambda words: None)
    split = split_dialogues(dialogues, learnt, seed)
    if not (labelled := label(store, dialogues)):
        raise UsageError("no turn has a belief in a domain of the store: there is nothing to measure")
    say(f"max-cut, {SEEDS} seeds")
    cut = cuts(store, dialogues)
    say("TF-IDF")
    baseline = word_baseline(store, dialogues, labelled)
    say(f"weights learnt from {learnt} dialogues, three stores")
    moved = robustness(store, *split, seed, embedder)
    say("SeKnow's replies")
    return {
        "rebuilt": rebuilt(store, dialogues),
        "max_cut": cut,
        "tf_idf": baseline,
        "robustness": moved,
        "seknow_replies": seknow_replies(material, labelled),
    }


def split_dialogues(dialogues: Sequence[Dialogue], learnt: int, seed: int) -> tuple[list[Dialogue], list[Dialogue]]:
    """Dialogues to learn from and to test, drawn by `seed`. Raises UsageError where none is left to test."""
    if not 0 < learnt < len(dialogues):
        raise UsageError(f"of {len(dialogues)} dialogues 1 to {len(dialogues) - 1} can be learnt from, not {learnt}")
    order = list(dialogues)
    random.Random(seed).shuffle(order)
    return order[:learnt], order[learnt:]


def three_stores(store: HybridStore, hybrid: HybridStore) -> dict[str, HybridStore]:
    """The store as it was, re-balanced (`hybrid`), and with everything but names in notes, under the names of
    `STORES`."""
    return dict(zip(STORES, (store, hybrid, unstructured(store)), strict=True))


def rebuilt(store: HybridStore, dialogues: Sequence[Dialogue]) -> dict[str, Any]:
    """How much there is."""
    return {
        "entities": len(store),
        "entities_with_row_and_faqs": sum(bool(one.slots and one.documents) for one in store.entities),
        "slots_and_faqs_of_an_entity": _averages(store),
        "dialogues": len(dialogues),
        "turns": sum(len(one.turns) for one in dialogues),
    }


def cuts(store: HybridStore, dialogues: Sequence[Dialogue]) -> dict[str, Any]:
    """What max-cut parts and moves with several seeds, and a random cut beside it."""
    pairs = {(slot, part.lower()) for one in store.entities for slot, value in one.facts() for part in parts_of(value)}
    weights = told_together(pairs, (text for one in dialogues for text in one.utterances))
    vertices, total = sorted({pair for edge in weights for pair in edge}), sum(weights.values())
    shares = []
    for seed in range(RANDOM_CUTS):
        side = dict(zip(vertices, np.random.default_rng(seed).integers(2, size=len(vertices)), strict=True))
        shares.append(sum(weight for (a, b), weight in weights.items() if side[a] != side[b]) / max(total, 1))
    single = [max_cut(vertices, weights, seed=seed, restarts=1)[1] / max(total, 1) for seed in range(SEEDS)]
    return {
        "vertices": len(vertices),
        "edges": len(weights),
        "weight": total,
        "one_start_cut_percent": [percent(share) for share in single],
        "random_cut_percent": percent(float(np.mean(shares))),
        "seeds": [_rebalanced(store, dialogues, seed) for seed in range(SEEDS)],
        "everything_moved": _averages(unstructured(store)),
    }


def _rebalanced(store: HybridStore, dialogues: Sequence[Dialogue], seed: int) -> dict[str, Any]:
    after, report = rebalance(store, dialogues, seed)
    return {
        "seed": seed,
        "cut_percent": percent(report.share),
        "moved_slots": dict(report.moved),
        "moved": sum(report.moved.values()),
        "added_faqs": _notes(after) - _notes(store),
        "names_kept": [one.name for one in after.entities] == [one.name for one in store.entities],
        "slots_and_faqs_of_an_entity": _averages(after),
    }


def _notes(store: HybridStore) -> int:
    return sum(len(one.documents) for one in store.entities)


def word_baseline(store: HybridStore, dialogues: Sequence[Dialogue], labelled: Sequence[Labelled]) -> dict[str, Any]:
    """success@1 and @5 of TF-IDF over one, three and five utterances, of labelled turns and of all turns."""
    turns = sum(len(one.turns) for one in dialogues)
    found: dict[str, Any] = {"labelled_turns": len(labelled), "turns": turns}
    for utterances in (1, 3, 5):
        ranker = TfidfRanker(store, utterances)
        ranked = [[key for key, score in ranker.rank(one.history, 5) if score > 0] for one in labelled]
        hits = [sum(hit(keys, one.oracle, k) for keys, one in zip(ranked, labelled, strict=True)) for k in (1, 5)]
        found[f"{utterances}_utterances"] = {
            "of_labelled": [percent(number / len(labelled)) for number in hits],
            "of_all": [percent(number / turns) for number in hits],
        }
    return found


def robustness(
    store: HybridStore,
    learnt: Sequence[Dialogue],
    tested: Sequence[Dialogue],
    seed: int = 0,
    embedder: Embedder | None = None,
) -> dict[str, Any]:
    """Weights that were learnt on the re-balanced store, TF-IDF, an embedder's vectors and the gold belief's query, in
    three stores."""
    hybrid, _ = rebalance(store, learnt, seed)
    scorer = MatchRanker.train(label(store, learnt, hybrid, seed=seed), hybrid)
    found: dict[str, Any] = {"learnt_dialogues": len(learnt), "tested_dialogues": len(tested)}
    for name, one in three_stores(store, hybrid).items():
        labelled = label(store, tested, one, seed=seed)
        ranker, words = scorer.on(one), TfidfRanker(one, 3)
        scores = evaluate(JointAgent(ranker), labelled, store, slots=REQUESTABLE)
        found[name] = {
            "turns": len(labelled),
            "scorer_success": [percent(scores.success1), percent(scores.success5)],
            "scorer_best_ranked": [percent(success(ranker, labelled, k, 0.0)) for k in (1, 5)],
            "tf_idf_3_success": [percent(success(words, labelled, k, 0.0)) for k in (1, 5)],
            "gold_belief_query_success": [percent(_by_belief(one, labelled, k)) for k in (1, 5)],
            "scorer": rounded(asdict(scores)),
        }
        if embedder is not None:
            meaning = VectorRanker(one, embedder, 3)
            found[name]["vectors_3_success"] = [percent(success(meaning, labelled, k, 0.0)) for k in (1, 5)]
    return found


def _by_belief(store: HybridStore, labelled: Sequence[Labelled], k: int) -> float:
    query = BeliefQuery(store)
    hits = [hit([key for key, _ in query.rank_belief(one.belief, k)], one.oracle, k) for one in labelled]
    return sum(hits) / len(hits)


def seknow_replies(material: Material, labelled: Sequence[Labelled]) -> dict[str, Any]:
    """What SeKnow's own replies come to by our metrics, over labelled turns."""
    pairs = [(material.replies[one.dialogue, one.turn], one.response) for one in labelled]
    find = SlotFinder(material.store, REQUESTABLE)
    slots = slot_score((find(ours), find(gold)) for ours, gold in pairs)
    means = [float(np.mean([bleu(ours, gold, order) for ours, gold in pairs])) for order in (1, 2, 3, 4)]
    return {"turns": len(pairs), "bleu": [percent(one) for one in means], "slots": rounded(asdict(slots))}


def _averages(store: HybridStore) -> dict[str, list[float]]:
    return {domain: [round(one, 2) for one in means] for domain, means in store.averages().items()}


def percent(share: float) -> float:
    """A share of 0 to 1 in percent, to one place."""
    return round(100 * float(share), 1)


def rounded(scores: Any) -> Any:
    """Shares in percent, also in lists and dicts; counts of turns as they are."""
    if isinstance(scores, dict):
        return {name: one if name == "turns" else rounded(one) for name, one in scores.items()}
    return [rounded(one) for one in scores] if isinstance(scores, list | tuple) else percent(scores)
