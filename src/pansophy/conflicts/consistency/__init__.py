"""C&P consistency: does what a document model answers agree with what it reads in the answer's place?

Shao et al. 2024, arXiv 2411.07722: `measure.py` has the metric (Eq. 1 and 2) with its two by two table, `stages.py` the
data of the three stages that train the disagreement away, `train.py` the training of any image-text model of
transformers, `templates.py` all wording.

Departures: letter case and runs of blanks don't count unless asked for; the templates are our own, since the paper's
were not published, and so are the shares of hard negatives and of replay; an adapter is trained unless all weights are
asked for; link tokens are spelt with the tokens that a model has. Pages of text without an image are read by the
numbers of their lines, so that a model of language alone can be measured and trained.
"""

from pansophy.conflicts.consistency.measure import Consistency, CPConsistency, is_consistent
from pansophy.conflicts.consistency.pages import (
    BOX_FORMS,
    Dropped,
    Line,
    Located,
    Page,
    PageQuestion,
    is_extractive,
    locate,
)
from pansophy.conflicts.consistency.stages import ConsistencySettings, StageData, build_stages
from pansophy.papers import Paper

__all__ = [
    "BOX_FORMS",
    "PAPER",
    "CPConsistency",
    "Consistency",
    "ConsistencySettings",
    "Dropped",
    "Line",
    "Located",
    "Page",
    "PageQuestion",
    "StageData",
    "build_stages",
    "is_consistent",
    "is_extractive",
    "locate",
]

PAPER = Paper(
    system="C&P consistency",
    title=(
        "Is Cognition Consistent with Perception? Assessing and Mitigating Multimodal Knowledge Conflicts in Document "
        "Understanding"
    ),
    authors="Zirui Shao, Chuwei Luo, Zhaoqing Zhu, et al.",
    year=2024,
    arxiv="2411.07722",
    module="pansophy.conflicts.consistency",
)
