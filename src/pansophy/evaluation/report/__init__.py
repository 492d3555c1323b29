"""Reports of benches: tables with intervals, plots against length and cost, one page. Knows nothing of models.

`build` reads the folders; `summaries` and `statistics` count; `series` arranges by length and cost; `tables` says what
the tables hold, `markdown` and `page` show them, `plots` draws.
"""

from pansophy.evaluation.report.build import Report, build_report
from pansophy.evaluation.report.series import Series, Sweep, frontier
from pansophy.evaluation.report.statistics import RESAMPLES, Estimate, bootstrap, bootstrap_ratio, sign_flip_p_value
from pansophy.evaluation.report.summaries import METRICS, Comparison, StrategySummary, compare, summarise

__all__ = [
    "METRICS",
    "RESAMPLES",
    "Comparison",
    "Estimate",
    "Report",
    "Series",
    "StrategySummary",
    "Sweep",
    "bootstrap",
    "bootstrap_ratio",
    "build_report",
    "compare",
    "frontier",
    "sign_flip_p_value",
    "summarise",
]
