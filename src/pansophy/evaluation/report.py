"""Tables of bench folders: means with bootstrap intervals, and paired comparisons question by question.

F1 and containment stand side by side in every table, since F1 rewards brevity as much as being right. Means are over
all questions that a strategy was to be asked and has a row for; a failed example is one of them and counts 0.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pansophy.errors import RunError
from pansophy.evaluation.rows import Row, read_manifest, read_rows

RESAMPLES = 2_000
METRICS = ("f1", "exact_match", "contains", "evidence_hit", "evidence_precision", "evidence_recall")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95% bootstrap interval over questions."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class StrategySummary:
    """One line of a table. Costs (calls, tokens, seconds) are means over the questions.

    `questions` have a row; `planned` were to be asked; `failed` of the rows have an error. `scores` has the benchmark's
    own "score" where it has one; `kinds` is the main score (that one, else F1) of each kind of question, where there
    are several.
    """

    bench: str
    strategy: str
    questions: int
    planned: int
    failed: int
    scores: dict[str, Estimate]
    kinds: dict[str, Estimate]
    verdicts: dict[str, int]
    calls: float
    prompt_tokens: float
    prefilled_tokens: float
    completion_tokens: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """`strategy` against `reference` on the `questions` that both were asked.

    `difference` is the mean of (strategy - reference) in `metric`; `better` and `worse` count questions; `p_value` is
    from a two-sided sign-flip permutation test.
    """

    bench: str
    strategy: str
    reference: str
    metric: str
    questions: int
    difference: Estimate
    better: int
    worse: int
    p_value: float


@dataclass(frozen=True, slots=True)
class Report:
    """What `build_report` found; `to_dict` is JSON data, `markdown` a page."""

    strategies: tuple[StrategySummary, ...]
    comparisons: tuple[Comparison, ...]
    manifests: dict[str, dict[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        return {
            "strategies": [asdict(summary) for summary in self.strategies],
            "comparisons": [asdict(comparison) for comparison in self.comparisons],
            "benches": self.manifests,
        }

    def markdown(self) -> str:
        return _markdown(self)


def build_report(
    folders: Sequence[str | Path], *, reference: str = "extagents", resamples: int = RESAMPLES, seed: int = 0
) -> Report:
    """Summarise bench folders.

    Args:
        folders: folders that `run_bench` wrote, finished or not.
        reference: the strategy that the others are compared with, where a folder has it (else its first one).
        resamples: how many bootstrap and permutation samples.
        seed: of the resampling; the same seed gives the same intervals.

    Raises:
        RunError: a folder is not a bench, or has no rows.
    """
    summaries: list[StrategySummary] = []
    comparisons: list[Comparison] = []
    manifests: dict[str, dict[str, Any]] = {}
    for folder in map(Path, folders):
        manifest = read_manifest(folder)
        label = _label(folder, manifests)
        rows = {name: _planned_rows(folder, entry) for name, entry in manifest["strategies"].items()}
        rows = {name: found for name, found in rows.items() if found}
        if not rows:
            raise RunError(f"{folder} has no finished questions yet")
        manifests[label] = _without_question_lists(manifest)
        for name, found in rows.items():
            planned = len(manifest["strategies"][name]["questions"])
            summaries.append(summarise(label, name, found, planned, resamples=resamples, seed=seed))
        base = reference if reference in rows else next(iter(rows))
        comparisons += [
            compare(label, name, found, base, rows[base], metric, resamples=resamples, seed=seed)
            for name, found in rows.items()
            if name != base
            for metric in dict.fromkeys((_main_metric([*found, *rows[base]]), "contains"))
        ]
    return Report(tuple(summaries), tuple(comparisons), manifests)


def summarise(
    bench: str, strategy: str, rows: Sequence[Row], planned: int, *, resamples: int = RESAMPLES, seed: int = 0
) -> StrategySummary:
    """The line of one strategy."""
    verdicts: dict[str, int] = {}
    for row in rows:
        verdicts[row.verdict] = verdicts.get(row.verdict, 0) + 1
    main = _main_metric(rows)
    kinds: dict[str, list[float]] = {}
    for row in rows:
        kinds.setdefault(row.kind, []).append(getattr(row, main))
    return StrategySummary(
        bench=bench,
        strategy=strategy,
        questions=len(rows),
        planned=planned,
        failed=sum(row.error is not None for row in rows),
        scores={
            metric: bootstrap([getattr(row, metric) for row in rows], resamples=resamples, seed=seed)
            for metric in dict.fromkeys((main, *METRICS))
        },
        kinds={kind: bootstrap(kinds[kind], resamples=resamples, seed=seed) for kind in kinds if len(kinds) > 1},
        verdicts=dict(sorted(verdicts.items())),
        calls=_mean(rows, lambda row: row.calls),
        prompt_tokens=_mean(rows, lambda row: row.prompt_tokens),
        prefilled_tokens=_mean(rows, lambda row: row.prompt_tokens - row.cached_tokens),
        completion_tokens=_mean(rows, lambda row: row.completion_tokens),
        seconds=_mean(rows, lambda row: row.seconds),
    )


def compare(
    bench: str,
    strategy: str,
    rows: Sequence[Row],
    reference: str,
    reference_rows: Sequence[Row],
    metric: str,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """`strategy` against `reference` on the questions that both have a row for, paired by question id."""
    others = {row.question_id: getattr(row, metric) for row in reference_rows}
    pairs = [(getattr(row, metric), others[row.question_id]) for row in rows if row.question_id in others]
    differences = [ours - theirs for ours, theirs in pairs]
    return Comparison(
        bench=bench,
        strategy=strategy,
        reference=reference,
        metric=metric,
        questions=len(pairs),
        difference=bootstrap(differences, resamples=resamples, seed=seed),
        better=sum(difference > 0 for difference in differences),
        worse=sum(difference < 0 for difference in differences),
        p_value=sign_flip_p_value(differences, resamples=resamples, seed=seed),
    )


def bootstrap(values: Sequence[float], *, resamples: int = RESAMPLES, seed: int = 0) -> Estimate:
    """The mean of `values` with its 95% percentile bootstrap interval; zeros when there are none."""
    if not values:
        return Estimate(0.0, 0.0, 0.0)
    source = random.Random(seed)
    size = len(values)
    means = sorted(sum(source.choices(values, k=size)) / size for _ in range(resamples))
    tail = round(resamples * 0.025)
    return Estimate(sum(values) / size, means[tail], means[resamples - 1 - tail])


def sign_flip_p_value(differences: Sequence[float], *, resamples: int = RESAMPLES, seed: int = 0) -> float:
    """Two-sided p-value of a mean difference: how often random signs give one at least as large."""
    changed = [difference for difference in differences if difference]
    if not changed:
        return 1.0
    source = random.Random(seed)
    observed = abs(sum(changed)) - 1e-12
    extreme = sum(abs(sum(value * source.choice((-1, 1)) for value in changed)) >= observed for _ in range(resamples))
    return (extreme + 1) / (resamples + 1)


def _main_metric(rows: Sequence[Row]) -> str:
    return "score" if rows and all(row.score is not None for row in rows) else "f1"


def _planned_rows(folder: Path, entry: dict[str, Any]) -> list[Row]:
    by_id = {row.question_id: row for row in read_rows(folder / entry["file"])}
    return [by_id[identity] for identity in entry["questions"] if identity in by_id]


def _label(folder: Path, taken: dict[str, Any]) -> str:
    name = folder.resolve().name
    return name if name not in taken else f"{folder.resolve().parent.name}/{name}"


def _without_question_lists(manifest: dict[str, Any]) -> dict[str, Any]:
    strategies = {
        name: {key: value for key, value in entry.items() if key != "questions"}
        for name, entry in manifest["strategies"].items()
    }
    return {**manifest, "strategies": strategies}


def _mean(rows: Sequence[Row], value: Callable[[Row], float]) -> float:
    return sum(map(value, rows)) / len(rows) if rows else 0.0


def _markdown(report: Report) -> str:
    several = len(report.manifests) > 1
    scored = any("score" in summary.scores for summary in report.strategies)
    header = _score_header(several, scored=scored)
    parts = [_table(header, [_score_cells(summary, several, scored=scored) for summary in report.strategies])]
    if scored:
        names = sorted({str(m["dataset"]["score"]) for m in report.manifests.values() if "score" in m["dataset"]})
        parts.append(f"Score is {', '.join(names)} x 100, as the benchmark's own code counts it.")
    parts.append(
        "F1, exact match and containment (Contains) are means x 100 with 95% bootstrap intervals over questions; "
        "Evidence is the share of answers that point at a gold document, Precision the share of what they point "
        "at that is one. Failed examples count as wrong."
    )
    kinds = list(dict.fromkeys(kind for summary in report.strategies for kind in summary.kinds))
    if kinds:
        parts.append(_table(_kind_header(several, kinds), [_kind_cells(s, several, kinds) for s in report.strategies]))
        parts.append(f"{'Score' if scored else 'F1'} by kind of question.")
    parts.append(_table(_cost_header(several), [_cost_cells(summary, several) for summary in report.strategies]))
    parts.append("Means for one question; prefilled tokens are prompt tokens that no prefix cache held.")
    if report.comparisons:
        parts.append(
            _table(_comparison_header(several), [_comparison_cells(one, several) for one in report.comparisons])
        )
        parts.append("Paired by question; p from a sign-flip permutation test.")
    parts += [_provenance(label, manifest) for label, manifest in report.manifests.items()]
    return "\n\n".join(parts) + "\n"


def _table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---" if title in ("Bench", "Strategy", "Against", "Metric") else "---:" for title in header]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, rule, *lines))


def _score_header(several: bool, *, scored: bool) -> list[str]:
    own = ["Score"] if scored else []
    columns = ["Strategy", "Questions", *own, "F1", "Contains", "Exact match", "Evidence", "Precision", "Failed"]
    return ["Bench", *columns] if several else columns


def _kind_header(several: bool, kinds: Sequence[str]) -> list[str]:
    return [*(["Bench"] if several else []), "Strategy", *kinds]


def _kind_cells(summary: StrategySummary, several: bool, kinds: Sequence[str]) -> list[str]:
    cells = [_interval(summary.kinds[kind]) if kind in summary.kinds else "" for kind in kinds]
    return [*([summary.bench] if several else []), summary.strategy, *cells]


def _score_cells(summary: StrategySummary, several: bool, *, scored: bool) -> list[str]:
    scores = summary.scores
    count = str(summary.questions)
    if summary.questions < summary.planned:
        count += f" of {summary.planned}"
    cells = [
        summary.strategy,
        count,
        *([_interval(scores["score"]) if "score" in scores else ""] if scored else []),
        _interval(scores["f1"]),
        _interval(scores["contains"]),
        _interval(scores["exact_match"]),
        f"{100 * scores['evidence_hit'].mean:.0f}",
        f"{100 * scores['evidence_precision'].mean:.0f}",
        str(summary.failed),
    ]
    return [summary.bench, *cells] if several else cells


def _cost_header(several: bool) -> list[str]:
    columns = ["Strategy", "Calls", "Prompt tokens", "Prefilled", "Completion tokens", "Seconds", "Verdicts"]
    return ["Bench", *columns] if several else columns


def _cost_cells(summary: StrategySummary, several: bool) -> list[str]:
    cells = [
        summary.strategy,
        f"{summary.calls:.1f}",
        f"{summary.prompt_tokens:,.0f}",
        f"{summary.prefilled_tokens:,.0f}",
        f"{summary.completion_tokens:,.0f}",
        f"{summary.seconds:.1f}",
        ", ".join(f"{count} {verdict}" for verdict, count in summary.verdicts.items()),
    ]
    return [summary.bench, *cells] if several else cells


def _comparison_header(several: bool) -> list[str]:
    columns = ["Strategy", "Against", "Metric", "Questions", "Difference", "Better", "Worse", "p"]
    return ["Bench", *columns] if several else columns


def _comparison_cells(one: Comparison, several: bool) -> list[str]:
    cells = [
        one.strategy,
        one.reference,
        "F1" if one.metric == "f1" else one.metric.capitalize(),
        str(one.questions),
        _interval(one.difference, signed=True),
        str(one.better),
        str(one.worse),
        f"{one.p_value:.3f}",
    ]
    return [one.bench, *cells] if several else cells


def _interval(estimate: Estimate, *, signed: bool = False) -> str:
    form = "+.1f" if signed else ".1f"
    return f"{100 * estimate.mean:{form}} [{100 * estimate.low:{form}}, {100 * estimate.high:{form}}]"


def _provenance(label: str, manifest: dict[str, Any]) -> str:
    data = manifest["dataset"]
    models = sorted({model for entry in manifest["strategies"].values() for model in entry["models"]})
    machines = {
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB"
        for machine in (session["machine"] for session in manifest["sessions"])
    }
    versions = manifest["sessions"][-1]["versions"]
    return (
        f"{label}: {data['name']} ({data['questions']} questions, {data['documents']} documents, "
        f"{data['characters']:,} characters, sha256 {data['sha256'][:12]}), rules {data['scorer']}; "
        f"model {', '.join(models)}; seed {manifest['seed']}; {'; '.join(sorted(machines))}; "
        + ", ".join(f"{package} {version}" for package, version in versions.items() if version != "not installed")
        + f"; command `{' '.join(manifest['sessions'][-1]['command'])}`."
    )
