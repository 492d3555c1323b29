"""Measures an agent on labelled turns, into a folder of predictions that can be gone on with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pansophy.conflicts.results import ResultFolder
from pansophy.errors import UsageError
from pansophy.reading.jointlm.agent import SURE, JointAgent
from pansophy.reading.jointlm.labels import Labelled
from pansophy.reading.jointlm.metrics import Found, SlotFinder, SlotScore, bleu, copied, hit, slot_score
from pansophy.reading.jointlm.ranking import Ranker
from pansophy.reading.jointlm.store import HybridStore, Key

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All metrics, 0..1.

    Args:
        turns: that were measured.
        success1, success5: turns where one of the k best entities with a yes is in the oracle.
        recall1, recall5: of turns with a best entity, those where it is among the k best with a yes.
        label_error: labelled entities with the wrong answer.
        bleu: of orders up to 1, 2, 3, 4, averaged over turns.
        slots: precision, recall and F1 of slots' values.
        copy_precision: values told that are those of the chosen entity, over turns whose gold reply tells one.
    """

    turns: int
    success1: float
    success5: float
    recall1: float
    recall5: float
    label_error: float
    bleu: tuple[float, float, float, float]
    slots: SlotScore
    copy_precision: float


def success(ranker: Ranker, labelled: Sequence[Labelled], k: int = 1, least: float = SURE) -> float:
    """success@k of a ranker alone; a yes is a score above `least`."""
    hits = [
        hit([key for key, score in ranker.rank(one.history, k) if score > least], one.oracle, k) for one in labelled
    ]
    return sum(hits) / len(hits) if hits else 0.0


def evaluate(
    agent: JointAgent,
    labelled: Sequence[Labelled],
    original: HybridStore,
    folder: str | Path | None = None,
    *,
    slots: Mapping[str, Sequence[str]] | None = None,
    on_progress: Callable[[int, int, Row], None] | None = None,
) -> Evaluation:
    """Let an agent reply to each turn, the gold history before it.

    Args:
        agent: replies.
        labelled: the turns, with oracles and gold replies.
        original: every fact in its table: whose values are searched in replies.
        folder: for the predictions, a line each in `rows.jsonl`; those that are there are not made again.
        slots: whose values are searched, by domain; all by default.
        on_progress: is told how many of how many are done, and the row.

    Raises:
        UsageError: there are no turns.
        RunError: the folder has predictions of another agent, store or turns.
    """
    if not labelled:
        raise UsageError("no turn has a belief in a domain of the store: there is nothing to measure")
    results = ResultFolder(folder, _described(agent, labelled)) if folder is not None else None
    known = {row["id"]: row for row in results.rows} if results is not None else {}
    rows = []
    for number, one in enumerate(labelled, start=1):
        name = f"{one.dialogue}/{one.turn}"
        if name not in known:
            known[name] = _predicted(agent, one, name)
            if results is not None:
                results.append(known[name])
        rows.append(known[name])
        if on_progress is not None:
            on_progress(number, len(labelled), known[name])
    return _measured(rows, labelled, original, SlotFinder(original, slots))


def _predicted(agent: JointAgent, one: Labelled, name: str) -> Row:
    found = agent.ranker.rank(one.history)
    sure = {key for key, score in found if score > SURE}
    reply = agent.reply(one.history, found)
    return {
        "id": name,
        "error": None,
        "reply": reply.text,
        "gold": one.response,
        "entity": list(reply.entity.key) if reply.entity is not None else None,
        "support": reply.support.text if reply.support is not None else None,
        "yes": [list(key) for key, score in found[:5] if score > SURE],
        "score": reply.score,
        "wrong_labels": len(set(one.positives) - sure) + len(set(one.negatives) & sure),
    }


def _measured(
    rows: Sequence[Row], labelled: Sequence[Labelled], original: HybridStore, finder: SlotFinder
) -> Evaluation:
    ranked: list[list[Key]] = [[(domain, name) for domain, name in row["yes"]] for row in rows]
    best = [(keys, [one.best]) for keys, one in zip(ranked, labelled, strict=True) if one.best is not None]
    oracles = [(keys, one.oracle) for keys, one in zip(ranked, labelled, strict=True)]
    told: list[tuple[frozenset[Found], frozenset[Found]]] = [
        (finder(row["reply"]), finder(row["gold"])) for row in rows
    ]
    copies, values = 0, 0
    for row, (ours, gold) in zip(rows, told, strict=True):
        if gold and row["entity"] is not None and tuple(row["entity"]) in original:
            copies += copied(ours, original[row["entity"][0], row["entity"][1]])
            values += len(ours)
    judged = sum(len(one.positives) + len(one.negatives) for one in labelled)

    def share(pairs: Sequence[tuple[list[Key], Any]], k: int) -> float:
        return sum(hit(keys, right, k) for keys, right in pairs) / len(pairs) if pairs else 0.0

    def average(order: int) -> float:
        return sum(bleu(row["reply"], row["gold"], order) for row in rows) / len(rows)

    return Evaluation(
        turns=len(rows),
        success1=share(oracles, 1),
        success5=share(oracles, 5),
        recall1=share(best, 1),
        recall5=share(best, 5),
        label_error=sum(row["wrong_labels"] for row in rows) / judged if judged else 0.0,
        bleu=(average(1), average(2), average(3), average(4)),
        slots=slot_score(told),
        copy_precision=copies / values if values else 0.0,
    )


def _described(agent: JointAgent, labelled: Sequence[Labelled]) -> dict[str, Any]:
    def digest(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()

    store = "\n".join(f"{one.domain} {one.text(titles=True)}" for one in agent.ranker.store.entities)
    turns = "\n".join(str(asdict(one)) for one in labelled)
    return {"measure": "hybrid dialogue", **agent.identity, "store": digest(store), "turns": digest(turns)}
