"""Knowledge Solver: the model itself walks a knowledge graph, one hop a turn, and its path explains the answer.

Feng, Zhang and Fei 2023, "Knowledge Solver: Teaching LLMs to Search for Domain Knowledge from Knowledge Graphs", arXiv
2309.03118. `graph.py` is what is walked, `linking.py` finds the entities that a question names, `subgraph.py` cuts out
what lies between them (as in QA-GNN, Yasunaga et al. 2021, arXiv 2104.06378), `walk.py` is the walk without any model,
`solver.py` lets a model choose, `dialogues.py` writes walks down to learn from.

    from pansophy.reading.knowledge_solver import KnowledgeGraph, KnowledgeSolver
    solver = KnowledgeSolver(KnowledgeGraph.from_file("facts.tsv"), "embedded")
    print(solver.solve("Which drug helps against scurvy?", ["aspirin", "vitamin C"]))

Departures (the method's section could not be read): one subgraph over all options; candidates are numbered statements,
the most relevant twenty; a reply that names none is asked for again once; dead ends lead back, and to another entity of
the question; the model also answers where no option was reached.
"""

from pansophy.papers import Paper
from pansophy.reading.knowledge_solver.dialogues import build_dialogues, read_choices, training_rows, write_dialogues
from pansophy.reading.knowledge_solver.graph import Edge, GraphStore, KnowledgeGraph
from pansophy.reading.knowledge_solver.linking import NameLinker
from pansophy.reading.knowledge_solver.solver import KnowledgeSolver, Solution
from pansophy.reading.knowledge_solver.subgraph import subgraph
from pansophy.reading.knowledge_solver.walk import Status, WalkSettings, walk

__all__ = [
    "PAPER",
    "Edge",
    "GraphStore",
    "KnowledgeGraph",
    "KnowledgeSolver",
    "NameLinker",
    "Solution",
    "Status",
    "WalkSettings",
    "build_dialogues",
    "read_choices",
    "subgraph",
    "training_rows",
    "walk",
    "write_dialogues",
]

PAPER = Paper(
    system="Knowledge Solver",
    title="Knowledge Solver: Teaching LLMs to Search for Domain Knowledge from Knowledge Graphs",
    authors="Chao Feng, Xinyu Zhang, Zichu Fei",
    year=2023,
    arxiv="2309.03118",
    module="pansophy.reading.knowledge_solver",
)
