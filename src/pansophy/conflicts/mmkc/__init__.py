"""MMKC-Bench: does a model follow its memory or evidence that conflicts with it, in text and images, and can it tell?

Jia et al. 2025, arXiv 2505.19509: items are built in `items.py`, asked without evidence, with one false text (context
against memory) or with two that disagree (inter-context) in `run.py`, scored as OAR, CAR and IAR in `scoring.py`.

Departures: false answers are drawn from the facts at hand rather than written by a model and checked by people; letters
are read with care unless `mode="official"`; open answers are compared by containment, then by any judge; the prompts
are in our own words (`prompts.py`); without images the same harness measures a model of language alone.
"""

from pansophy.conflicts.mmkc.items import Item, Known, build_items, read_known
from pansophy.conflicts.mmkc.page import write_report
from pansophy.conflicts.mmkc.prompts import AGREES, CONFLICTS, DetectionPrompt, Form, Setting
from pansophy.conflicts.mmkc.run import ask_items, detect_conflicts
from pansophy.conflicts.mmkc.scoring import MMKCScore, score, score_detection
from pansophy.conflicts.reader import chat_reader
from pansophy.papers import Paper

__all__ = [
    "AGREES",
    "CONFLICTS",
    "PAPER",
    "DetectionPrompt",
    "Form",
    "Item",
    "Known",
    "MMKCScore",
    "Setting",
    "ask_items",
    "build_items",
    "chat_reader",
    "detect_conflicts",
    "read_known",
    "score",
    "score_detection",
    "write_report",
]

PAPER = Paper(
    system="MMKC-Bench",
    title="Benchmarking Multimodal Knowledge Conflict for Large Multimodal Models",
    authors="Yifan Jia, Yuntao Du, Kailin Jiang, et al.",
    year=2025,
    arxiv="2505.19509",
    module="pansophy.conflicts.mmkc",
    venue="AAAI 2026",
)
