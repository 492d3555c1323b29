"""RULER: tasks that are easy in a short text, at any length: needles, chains of variables, common and frequent words.

Hsieh, Sun, Kriman, Acharya, Rekesh, Jia, Zhang and Ginsburg, "RULER: What's the Real Context Size of Your Long-Context
Language Models?", 2024, arXiv 2404.06654 (COLM 2024).

`needles.py` (eight needle tasks) and `variables.py` make facts for a haystack, `words.py` texts that consist of what is
asked for; `dataset.py` makes the questions of a bench. The eleven tasks that need no other dataset are here; its two
question-answering tasks are HotpotQA and SQuAD with distractors (`pansophy bench hotpotqa` is the first). The sentences
are our own, so results stand beside each other here, not beside published ones.
"""

from __future__ import annotations

from pansophy.evaluation.ruler.dataset import TASKS, ruler
from pansophy.evaluation.ruler.needles import needles
from pansophy.evaluation.ruler.variables import variables
from pansophy.evaluation.ruler.words import common_words, frequent_words

__all__ = ["TASKS", "common_words", "frequent_words", "needles", "ruler", "variables"]
