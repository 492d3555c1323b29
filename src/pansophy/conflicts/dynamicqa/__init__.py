"""DYNAMICQA: how conflicted a model's own memory of a fact is, and how far a context sways it.

Marjanovic et al. 2024, arXiv 2407.17023: coherent persuasion and semantic entropy are in `measures.py`, the clusters
they are made of in `pansophy.conflicts.clusters`, persuaded and stubborn in `behaviour.py`. `probe.py` asks one
question, `run.py` many, `summary.py` and `page.py` say what came of it.

Departures: clusters are disjoint unless `grouping="official"`; whether answers say the same is asked of any callable
(the paper's is a large model of entailment), by default whether they are equal when normalised; answers without a
context are drawn once for both answers of a fact; the prompts are in our own words; what the paper's code puts as -1
where a label doesn't apply is left out; a chat model's distributions are estimates (`pansophy.conflicts.sampling`).
"""

from pansophy.conflicts.dynamicqa.behaviour import Behaviour, behaviour
from pansophy.conflicts.dynamicqa.facts import Fact, load_facts
from pansophy.conflicts.dynamicqa.measures import coherent_persuasion, discrete_entropy, semantic_entropy
from pansophy.conflicts.dynamicqa.page import write_report
from pansophy.conflicts.dynamicqa.probe import Conflict, ConflictProbe, Context, Drawn, DynamicQASettings, Swayed
from pansophy.conflicts.dynamicqa.run import ProbeProgress, probe_facts
from pansophy.conflicts.dynamicqa.summary import GroupSummary, summarise
from pansophy.papers import Paper

__all__ = [
    "PAPER",
    "Behaviour",
    "Conflict",
    "ConflictProbe",
    "Context",
    "Drawn",
    "DynamicQASettings",
    "Fact",
    "GroupSummary",
    "ProbeProgress",
    "Swayed",
    "behaviour",
    "coherent_persuasion",
    "discrete_entropy",
    "load_facts",
    "probe_facts",
    "semantic_entropy",
    "summarise",
    "write_report",
]

PAPER = Paper(
    system="DYNAMICQA",
    title="DYNAMICQA: Tracing Internal Knowledge Conflicts in Language Models",
    authors="Sara Vera Marjanović, Haeun Yu, Pepa Atanasova, et al.",
    year=2024,
    arxiv="2407.17023",
    module="pansophy.conflicts.dynamicqa",
    venue="Findings of EMNLP 2024",
)
