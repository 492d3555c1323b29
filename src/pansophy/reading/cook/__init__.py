"""CooK: small specialised language models as knowledge cards, which tell a general one what it doesn't know.

Feng, Shi, Bai, Balachandran, He and Tsvetkov 2023, arXiv 2305.09955, published as "Knowledge Card: Filling LLMs'
Knowledge Gaps with Plug-in Specialized Language Models". `cards.py` and `training.py` make cards, `pool.py` keeps them,
`writing.py` has them write; `selectors.py` and `stand_ins.py` choose documents; `bottom_up.py` and `top_down.py` are
the two ways to ask (`asking.py`), `moco.py` a cheap third; all wording is in `prompts.py`. `benchmark.py` measures what
a card is worth, and `factcheck.py` what the check of facts is, on the races of `midterms.py`.

    from pathlib import Path
    from pansophy.reading.cook import Card, answer
    Card.train(Path("notes"), "smollm2-135m", "notes", "notes about the harbour")
    print(answer("Who keeps the harbour?", mode="explicit", llm="embedded"))

Departures: the paper's judges (MPNet, Pegasus, FactKB, VitaminC with a web search) are interfaces with stand-ins that
need no weights: any embedder or words, sentences of the document itself, agreement of names, numbers and words with
a corpus of the user's. Documents are drawn without replacement unless told otherwise; one that is empty or says the
same as another is dropped; any chat model can be a card. See `bottom_up.py` and `top_down.py` for where the authors'
code differs from the paper.
"""

from pansophy.papers import Paper
from pansophy.reading.cook.asking import MODES, CooK, answer
from pansophy.reading.cook.cards import Card
from pansophy.reading.cook.knowledge import CookAnswer, Knowledge, Step
from pansophy.reading.cook.moco import MoCo
from pansophy.reading.cook.pool import CardPool
from pansophy.reading.cook.selectors import Judges, drawn
from pansophy.reading.cook.settings import CardTraining, CookSettings
from pansophy.reading.cook.stand_ins import Agreement, CorpusEvidence, extractive_summary
from pansophy.reading.cook.writing import AdapterWriter, ChatWriter, Draw, SharedBases, Writer

__all__ = [
    "MODES",
    "PAPER",
    "AdapterWriter",
    "Agreement",
    "Card",
    "CardPool",
    "CardTraining",
    "ChatWriter",
    "CooK",
    "CookAnswer",
    "CookSettings",
    "CorpusEvidence",
    "Draw",
    "Judges",
    "Knowledge",
    "MoCo",
    "SharedBases",
    "Step",
    "Writer",
    "answer",
    "drawn",
    "extractive_summary",
]

PAPER = Paper(
    system="CooK",
    title="Knowledge Card: Filling LLMs' Knowledge Gaps with Plug-in Specialized Language Models",
    authors="Shangbin Feng, Weijia Shi, Yuyang Bai, et al.",
    year=2023,
    arxiv="2305.09955",
    module="pansophy.reading.cook",
    venue="ICLR 2024",
)
