"""Question sets with gold answers, read from files that the user has. Knows nothing of models or strategies.

Nothing is downloaded or shipped: a dataset is found by path, or by name in the folder that `PANSOPHY_DATA` names.

`hotpotqa.py` (also 2WikiMultihopQA), `musique.py` and `own.py` (a user's own questions) each read one form; `files.py`
reads JSON and says what is wrong with it. Benchmarks with scores of their own are packages beside this one.
"""

from __future__ import annotations

from pansophy.evaluation.datasets.dataset import Dataset, Question
from pansophy.evaluation.datasets.files import find_data
from pansophy.evaluation.datasets.hotpotqa import HOTPOTQA_FOLDER, load_hotpotqa
from pansophy.evaluation.datasets.musique import load_musique
from pansophy.evaluation.datasets.own import load_questions

__all__ = ["HOTPOTQA_FOLDER", "Dataset", "Question", "find_data", "load_hotpotqa", "load_musique", "load_questions"]
