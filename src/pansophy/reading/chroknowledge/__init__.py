"""ChroKnowledge: what a model knows year by year, and neighbouring years to coax the missing ones out of it.

Park et al. 2024, arXiv 2410.09870. `facts.py` and `bench.py` are what is true when (ChroKnowBench), `probe.py` asks and
`categories.py` judges (ChroKnowledge), `prompter.py` asks again (ChroKnowPrompt), `run.py` and `measure.py` do it for
whole benches, `report.py` and `page.py` say what came of it; all wording is in `prompts.py`. `benchmark.py` plants gaps
in a small model, to be found again.

    from pansophy.reading.chroknowledge import ChronoBench, repair
    report = repair("embedded", ChronoBench.from_file("facts.csv"), "results/facts")
    print(report.markdown())

Departures: facts are the user's own, at stamps of any kind; examples are turns of a chat; the right option of a choice
stands at any place, not always last; half of a true-or-false question's examples are false; a reply's answer is kept
under its fact's id, wherever that stands in a list.
"""

from pansophy.papers import Paper
from pansophy.reading.chroknowledge.bench import ChronoBench
from pansophy.reading.chroknowledge.categories import (
    TimelineCategory,
    YearCategory,
    exact,
    fuzzy,
    timeline_category,
    year_category,
)
from pansophy.reading.chroknowledge.facts import Kind, TimelineFact, Triple
from pansophy.reading.chroknowledge.measure import aprobe, arepair, probe, repair
from pansophy.reading.chroknowledge.page import write_report
from pansophy.reading.chroknowledge.probe import ProbedFact, ProbedYear, ProbeSettings, TimelineProbe, calls_of
from pansophy.reading.chroknowledge.prompter import ChroKnowPrompter, Repair, RepairedYear
from pansophy.reading.chroknowledge.report import Interval, TimelineReport, intervals
from pansophy.reading.chroknowledge.rows import read_triples

__all__ = [
    "PAPER",
    "ChroKnowPrompter",
    "ChronoBench",
    "Interval",
    "Kind",
    "ProbeSettings",
    "ProbedFact",
    "ProbedYear",
    "Repair",
    "RepairedYear",
    "TimelineCategory",
    "TimelineFact",
    "TimelineProbe",
    "TimelineReport",
    "Triple",
    "YearCategory",
    "aprobe",
    "arepair",
    "calls_of",
    "exact",
    "fuzzy",
    "intervals",
    "probe",
    "read_triples",
    "repair",
    "timeline_category",
    "write_report",
    "year_category",
]

PAPER = Paper(
    system="ChroKnowledge",
    title="ChroKnowledge: Unveiling Chronological Knowledge of Language Models in Multiple Domains",
    authors="Yein Park, Chanwoong Yoon, Jungwoo Park, et al.",
    year=2024,
    arxiv="2410.09870",
    module="pansophy.reading.chroknowledge",
    venue="ICLR 2025",
)
