"""Multi-hop facts with invented names, hidden in a text of any length, whose hops can only be found in order.

A question names one person, town or ship and asks for what stands at the end of a chain of two to five relations. Each
fact tells one relation. Only the first shares a word with the question; each of the others is found by a name that the
fact before it gives. Other chains of the same relations stand around them. The generator is ours; that every hop of a
composed question must be needed is the demand of MuSiQue (Trivedi, Balasubramanian, Khot and Sabharwal 2022, arXiv
2108.00573).

`relations.py` has the words, `chains.py` makes problems, `solver.py` answers from the sentences alone and knows nothing
of how they were made, `dataset.py` makes the questions of a bench, `pool.py` many questions over one
corpus, a fact or a few a document.
"""

from __future__ import annotations

from pansophy.evaluation.hops.chains import HOPS, Problem, generate
from pansophy.evaluation.hops.dataset import hops
from pansophy.evaluation.hops.pool import Pool, facts_of, make_pool
from pansophy.evaluation.hops.solver import fact_in, follow, is_fact, single_question, solve

__all__ = [
    "HOPS",
    "Pool",
    "Problem",
    "fact_in",
    "facts_of",
    "follow",
    "generate",
    "hops",
    "is_fact",
    "make_pool",
    "single_question",
    "solve",
]
