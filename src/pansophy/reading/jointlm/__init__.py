"""JointLM: dialogue over tables and notes alike, by one model that finds the entity and words the reply.

Mishra, Contractor and Raghu 2023, "Joint Reasoning on Hybrid-knowledge sources for Task-Oriented Dialog", arXiv
2210.07295. `store.py` holds the entities, `dialogues.py` and `multiwoz.py` read what was said, `labels.py` tells which
entities a turn is about, `balance.py` moves facts between table and documents by max-cut.
"""

from pansophy.papers import Paper
from pansophy.reading.jointlm.balance import Balance, rebalance, unstructured
from pansophy.reading.jointlm.dialogues import Dialogue, Turn, read_dialogues, write_dialogues
from pansophy.reading.jointlm.labels import Labelled, label, query
from pansophy.reading.jointlm.store import Document, Entity, HybridStore

__all__ = [
    "PAPER",
    "Balance",
    "Dialogue",
    "Document",
    "Entity",
    "HybridStore",
    "Labelled",
    "Turn",
    "label",
    "query",
    "read_dialogues",
    "rebalance",
    "unstructured",
    "write_dialogues",
]

PAPER = Paper(
    system="JointLM",
    title="Joint Reasoning on Hybrid-knowledge sources for Task-Oriented Dialog",
    authors="Mayank Mishra, Danish Contractor, Dinesh Raghu",
    year=2023,
    arxiv="2210.07295",
    module="pansophy.reading.jointlm",
    venue="EACL 2023",
)
