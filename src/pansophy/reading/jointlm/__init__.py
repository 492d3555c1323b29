"""JointLM: dialogue over tables and notes alike, by one model that finds the entity and words the reply.

Mishra, Contractor and Raghu 2023, "Joint Reasoning on Hybrid-knowledge sources for Task-Oriented Dialog", arXiv
2210.07295. `store.py` holds the entities, `dialogues.py` and `multiwoz.py` read what was said, `labels.py` tells which
entities a turn is about, `balance.py` moves facts between table and documents by max-cut. `ranking.py` has the
baselines and the two stages, `match.py` a ranker by words with learnt weights, `prompts.py` and `model.py`
(`seq2seq.py`) the joint model; `agent.py` replies, `evaluate.py` measures with `metrics.py`; `benchmark.py` and
`benchmark_model.py` run the paper's checks.

    from pansophy.reading.jointlm import HybridStore, JointAgent, read_dialogues
    agent = JointAgent.train("agent", HybridStore.read("store.jsonl"), read_dialogues("said.jsonl"))
    print(agent.respond(["Can I bring a dog to the Heron?"]))

Departures: adapters (LoRA) instead of full training, and no stop by validation loss; an edge weighs as many utterances
as tell both values; a run of words as long as the name stands for a noun chunk; a dialogue that is too long loses its
beginning; words choose which entities the model reads; without a language model, the reply is the fact itself.
"""

from pansophy.papers import Paper
from pansophy.reading.jointlm.agent import AgentSettings, JointAgent, JointReply, Support
from pansophy.reading.jointlm.balance import Balance, rebalance, unstructured
from pansophy.reading.jointlm.dialogues import Dialogue, Turn, read_dialogues, write_dialogues
from pansophy.reading.jointlm.evaluate import Evaluation, evaluate, success
from pansophy.reading.jointlm.labels import Labelled, label, query
from pansophy.reading.jointlm.match import MatchRanker
from pansophy.reading.jointlm.prompts import PromptSettings
from pansophy.reading.jointlm.ranking import BeliefQuery, JointRanker, Ranker, TfidfRanker, VectorRanker
from pansophy.reading.jointlm.sources import read_store
from pansophy.reading.jointlm.store import Document, Entity, HybridStore

__all__ = [
    "PAPER",
    "AgentSettings",
    "Balance",
    "BeliefQuery",
    "Dialogue",
    "Document",
    "Entity",
    "Evaluation",
    "HybridStore",
    "JointAgent",
    "JointRanker",
    "JointReply",
    "Labelled",
    "MatchRanker",
    "PromptSettings",
    "Ranker",
    "Support",
    "TfidfRanker",
    "Turn",
    "VectorRanker",
    "evaluate",
    "label",
    "query",
    "read_dialogues",
    "read_store",
    "rebalance",
    "success",
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
