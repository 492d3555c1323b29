"""BABILong: facts of a small world, in their order, hidden in a text of any length; ten reasoning tasks (qa1 to qa10).

Kuratov, Bulatov, Anokhin, Rodkin, Sorokin, Sorokin and Burtsev, "BABILong: Testing the Limits of LLMs with Long Context
Reasoning-in-a-Haystack", 2024, arXiv 2406.10149 (NeurIPS 2024, datasets and benchmarks), over the tasks of Weston et
al. 2015, arXiv 1502.05698.

`tasks.py` simulates the worlds, `solver.py` answers from the facts' sentences alone (it knows nothing of how they were
made), `scoring.py` judges replies as the benchmark does, `examples.py` holds worked examples for prompts, `dataset.py`
makes the questions of a bench of it all.
"""

from __future__ import annotations

from pansophy.evaluation.babilong.dataset import babilong
from pansophy.evaluation.babilong.examples import EXAMPLES
from pansophy.evaluation.babilong.scoring import compare_answers
from pansophy.evaluation.babilong.solver import is_fact, solve
from pansophy.evaluation.babilong.tasks import LABELS, TASKS, Problem, generate

__all__ = ["EXAMPLES", "LABELS", "TASKS", "Problem", "babilong", "compare_answers", "generate", "is_fact", "solve"]
