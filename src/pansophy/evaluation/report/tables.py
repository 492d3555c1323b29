"""What the tables of a report hold, as text; `markdown` and `page` show them.

F1 and containment stand side by side, since F1 rewards brevity as much as being right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pansophy.evaluation.haystack import length_name
from pansophy.evaluation.judge import BEST
from pansophy.evaluation.report.statistics import Estimate
from pansophy.evaluation.report.summaries import Comparison, StrategySummary, main_metric
from pansophy.evaluation.rows import Row

if TYPE_CHECKING:
    from pansophy.evaluation.report.build import Report
    from pansophy.evaluation.report.series import Sweep


@dataclass(frozen=True, slots=True)
class Table:
    """The first `names` columns name things, the others hold numbers but for those in `prose`; `notes` stand below."""

    title: str
    header: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    names: int
    notes: tuple[str, ...] = ()
    prose: tuple[int, ...] = ()


def score_table(report: Report) -> Table:
    scored = any("score" in summary.scores for summary in report.strategies)
    judges = sorted({summary.judge for summary in report.strategies if summary.judge})
    own, judge = ["Score"] if scored else [], ["Judge"] if judges else []
    quality = [*own, "F1", *judge, "Contains", "Exact match", "Evidence", "Precision"]
    header = ["Strategy", "Questions", *quality, "Failed"]
    notes = []
    if scored:
        names = sorted({str(m["dataset"]["score"]) for m in report.manifests.values() if "score" in m["dataset"]})
        notes.append(f"Score is {', '.join(names)} x 100, as the benchmark's own code counts it.")
    notes.append(
        "F1, exact match and containment (Contains) are means x 100 with 95% bootstrap intervals over questions; "
        "Evidence is the share of answers that point at a gold document, Precision the share of what they point "
        "at that is one. Failed examples count as wrong."
    )
    if judges:
        notes.append(
            f"Judge is the rating by {' and by '.join(judges)}: correctness (0 to {BEST}) times fluency (0 or 1). What "
            "was not answered has 0."
        )
    if any(summary.strategy == "no_context" for summary in report.strategies):
        notes.append(
            "no_context is the control: the question alone, without any text. What it scores, the model knows or "
            "guesses."
        )
    lines = [_score_cells(summary, scored=scored, judged=bool(judges)) for summary in report.strategies]
    return _with_benches(report, "Scores", header, lines, report.strategies, notes=notes)


def _score_cells(summary: StrategySummary, *, scored: bool, judged: bool) -> list[str]:
    scores = summary.scores
    count = str(summary.questions)
    if summary.questions < summary.planned:
        count += f" of {summary.planned}"
    return [
        summary.strategy,
        count,
        *([interval(scores["score"]) if "score" in scores else ""] if scored else []),
        interval(scores["f1"]),
        *([_judge_cell(summary)] if judged else []),
        interval(scores["contains"]),
        interval(scores["exact_match"]),
        f"{100 * scores['evidence_hit'].mean:.0f}",
        f"{100 * scores['evidence_precision'].mean:.0f}",
        str(summary.failed),
    ]


def _judge_cell(summary: StrategySummary) -> str:
    if not summary.judged:
        return ""
    rated = summary.scores["judge"]
    left = summary.questions - summary.judged
    return f"{rated.mean:.2f} [{rated.low:.2f}, {rated.high:.2f}]" + (f", {left} not judged" if left else "")


def kind_table(report: Report) -> Table | None:
    """None where questions are of one kind."""
    kinds = list(dict.fromkeys(kind for summary in report.strategies for kind in summary.kinds))
    if not kinds:
        return None
    metric = "Score" if any("score" in summary.scores for summary in report.strategies) else "F1"
    shown = [summary for summary in report.strategies if summary.kinds]
    lines = [
        [summary.strategy, *(interval(summary.kinds[kind]) if kind in summary.kinds else "" for kind in kinds)]
        for summary in shown
    ]
    notes = [f"{metric} by kind of question."]
    return _with_benches(report, "Kinds of question", ["Strategy", *kinds], lines, shown, notes=notes)


def cost_table(report: Report) -> Table:
    header = ["Strategy", "Calls", "Prompt tokens", "Prefilled", "Completion tokens", "Seconds", "Verdicts"]
    lines = [
        [
            summary.strategy,
            f"{summary.costs['calls'].mean:.1f}",
            f"{summary.costs['prompt_tokens'].mean:,.0f}",
            f"{summary.costs['prefilled_tokens'].mean:,.0f}",
            f"{summary.costs['completion_tokens'].mean:,.0f}",
            f"{summary.costs['seconds'].mean:.1f}",
            ", ".join(f"{count} {verdict}" for verdict, count in summary.verdicts.items()),
        ]
        for summary in report.strategies
    ]
    notes = ["Means for one question; prefilled tokens are prompt tokens that no prefix cache held."]
    return _with_benches(report, "Costs", header, lines, report.strategies, notes=notes)


def comparison_table(report: Report) -> Table | None:
    """None where nothing was compared."""
    if not report.comparisons:
        return None
    header = ["Strategy", "Against", "Metric", "Questions", "Difference", "Better", "Worse", "p"]
    lines = [
        [
            one.strategy,
            one.reference,
            "F1" if one.metric == "f1" else one.metric.capitalize(),
            str(one.questions),
            interval(one.difference, signed=True),
            str(one.better),
            str(one.worse),
            f"{one.p_value:.3f}",
        ]
        for one in report.comparisons
    ]
    notes = ["Paired by question; p from a sign-flip permutation test."]
    return _with_benches(report, "Comparisons", header, lines, report.comparisons, names=3, notes=notes)


def length_table(sweep: Sweep) -> Table:
    """Strategies by lengths: the main score."""
    lines = []
    for one in sweep.series:
        by_length = dict(one.points)
        cells = (interval(by_length[length].main) if length in by_length else "" for length in sweep.lengths)
        lines.append((one.label, *cells))
    header = ("Strategy", *map(length_name, sweep.lengths))
    metric = sweep.metric.capitalize()
    note = f"{sweep.benchmark}: {metric} x 100 by the length of the text in {sweep.unit}, with 95% bootstrap intervals."
    return Table(f"{sweep.benchmark}: {metric} by length", header, tuple(lines), 1, (note,))


def question_table(rows: Sequence[Row]) -> Table:
    """What came of each question of one strategy."""
    metric = main_metric(rows)
    kinds = any(row.kind for row in rows)
    header = ["Question", *(["Kind"] if kinds else []), "Prediction", metric.capitalize(), "Contains", "Evidence"]
    lines = tuple(
        (
            row.question_id,
            *([row.kind] if kinds else []),
            row.prediction,
            f"{100 * getattr(row, metric):.0f}",
            f"{100 * row.contains:.0f}",
            "yes" if row.evidence_hit else "no",
            f"{row.prompt_tokens - row.cached_tokens:,}",
            f"{row.seconds:.1f}",
            row.error or "",
        )
        for row in rows
    )
    prediction = 1 + kinds
    prose = (prediction, prediction + 6)
    return Table("Questions", (*header, "Prefilled", "Seconds", "Error"), lines, prediction, prose=prose)


def _with_benches(
    report: Report,
    title: str,
    header: Sequence[str],
    lines: Sequence[Sequence[str]],
    sources: Sequence[StrategySummary | Comparison],
    *,
    names: int = 1,
    notes: Sequence[str],
) -> Table:
    """The table, with a column that names each line's bench where there are several."""
    if len(report.manifests) < 2:
        return Table(title, tuple(header), tuple(map(tuple, lines)), names, tuple(notes))
    named = tuple((source.bench, *line) for source, line in zip(sources, lines, strict=True))
    return Table(title, ("Bench", *header), named, names + 1, tuple(notes))


def interval(estimate: Estimate, *, signed: bool = False) -> str:
    """A share as "72.4 [53.1, 90.0]", x 100."""
    form = "+.1f" if signed else ".1f"
    return f"{100 * estimate.mean:{form}} [{100 * estimate.low:{form}}, {100 * estimate.high:{form}}]"


def _machine(machine: Mapping[str, Any]) -> str:
    parts = (
        machine["processor"],
        f"{machine['cores']} cores",
        f"{machine['memory_gib']} GiB",
        *machine.get("gpus", ()),
    )
    return ", ".join(parts)


def origin(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Where a bench's numbers come from: data, rules, models, seed, machines, versions, the last command."""
    data = manifest["dataset"]
    tokens = (manifest.get("benchmark") or {}).get("tokens")
    if data["documents"] or tokens is None:
        text = f"{data['documents']} documents, {data['characters']:,} characters"
    else:
        text = f"a text of {tokens:,} tokens each" if tokens else "no text around the facts"
    machines = {_machine(session["machine"]) for session in manifest["sessions"]}
    last = manifest["sessions"][-1]
    installed = {package: version for package, version in last["versions"].items() if version != "not installed"}
    return {
        "Data": f"{data['name']} ({data['questions']} questions, {text}, sha256 {data['sha256'][:12]})",
        "Rules": str(data["scorer"]),
        "Models": ", ".join(sorted({name for entry in manifest["strategies"].values() for name in entry["models"]})),
        "Seed": str(manifest["seed"]),
        "Machine": "; ".join(sorted(machines)),
        "Versions": ", ".join(f"{package} {version}" for package, version in installed.items()),
        "Command": " ".join(last["command"]),
    }
