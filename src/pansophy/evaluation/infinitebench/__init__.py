"""InfiniteBench: twelve tasks over texts of 100,000 tokens and more, English and Chinese.

Zhang, Chen, Hu, Xu, Chen, Hao, Han, Thai, Wang, Liu and Sun, "∞Bench: Extending Long Context Evaluation Beyond 100K
Tokens", ACL 2024, arXiv 2402.13718.

`dataset.py` reads the benchmark's files, `tasks.py` says what is asked in each task, `scoring.py` scores replies as
each of the three scorers in circulation does. The questions' closing words are our own: strategies bring their prompts.
"""

from __future__ import annotations

from pansophy.evaluation.infinitebench.dataset import load_infinitebench
from pansophy.evaluation.infinitebench.scoring import VARIANTS, score
from pansophy.evaluation.infinitebench.tasks import TASKS, task_of

__all__ = ["TASKS", "VARIANTS", "load_infinitebench", "score", "task_of"]
