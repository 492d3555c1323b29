"""The rows of a strategy in numbers, and two strategies compared question by question.

Means are over all questions that a strategy was to be asked and has a row for; a failed example is one of them and
counts 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pansophy.evaluation.judge import Judgement
from pansophy.evaluation.report.statistics import RESAMPLES, Estimate, bootstrap, sign_flip_p_value
from pansophy.evaluation.rows import Row

METRICS = ("f1", "exact_match", "contains", "evidence_hit", "evidence_precision", "evidence_recall")

COSTS: dict[str, Callable[[Row], float]] = {
    "calls": lambda row: row.calls,
    "prompt_tokens": lambda row: row.prompt_tokens,
    "prefilled_tokens": lambda row: row.prompt_tokens - row.cached_tokens,
    "completion_tokens": lambda row: row.completion_tokens,
    "seconds": lambda row: row.seconds,
}


@dataclass(frozen=True, slots=True)
class StrategySummary:
    """One line of a table.

    `questions` have a row; `planned` were to be asked; `failed` of the rows have an error. `scores` has the benchmark's
    own "score" where it has one, and "judge" (0 to 3, over the `judged` rows) where the model `judge` rated them;
    `kinds` is the main score (the benchmark's own, else F1) of each kind of question, where there are several.
    `costs` are means for one question: calls, prompt, prefilled and completion tokens, seconds.
    """

    bench: str
    strategy: str
    models: tuple[str, ...]
    questions: int
    planned: int
    failed: int
    scores: dict[str, Estimate]
    kinds: dict[str, Estimate]
    verdicts: dict[str, int]
    costs: dict[str, Estimate]
    judge: str = ""
    judged: int = 0

    @property
    def main(self) -> Estimate:
        """The benchmark's own score, else F1."""
        return self.scores.get("score", self.scores["f1"])


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


def summarise(
    bench: str,
    strategy: str,
    rows: Sequence[Row],
    planned: int,
    models: Sequence[str] = (),
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> StrategySummary:
    """The line of one strategy."""

    def estimate(values: Sequence[float]) -> Estimate:
        return bootstrap(values, resamples=resamples, seed=seed)

    verdicts: dict[str, int] = {}
    for row in rows:
        verdicts[row.verdict] = verdicts.get(row.verdict, 0) + 1
    main = main_metric(rows)
    kinds: dict[str, list[float]] = {}
    for row in rows:
        kinds.setdefault(row.kind, []).append(getattr(row, main))
    return StrategySummary(
        bench=bench,
        strategy=strategy,
        models=tuple(models),
        questions=len(rows),
        planned=planned,
        failed=sum(row.error is not None for row in rows),
        scores={metric: estimate([getattr(row, metric) for row in rows]) for metric in dict.fromkeys((main, *METRICS))},
        kinds={kind: estimate(kinds[kind]) for kind in kinds if len(kinds) > 1},
        verdicts=dict(sorted(verdicts.items())),
        costs={name: estimate([cost(row) for row in rows]) for name, cost in COSTS.items()},
    )


def with_judge(
    summary: StrategySummary, judgements: Sequence[Judgement], *, resamples: int = RESAMPLES, seed: int = 0
) -> StrategySummary:
    """`summary` with the mean of `judgements`, where there are any."""
    if not judgements:
        return summary
    rated = bootstrap([one.score for one in judgements], resamples=resamples, seed=seed)
    scores = {**summary.scores, "judge": rated}
    return replace(summary, scores=scores, judge=judgements[0].judge, judged=len(judgements))


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


def main_metric(rows: Sequence[Row]) -> str:
    """The benchmark's own score where every row has it, else F1."""
    return "score" if rows and all(row.score is not None for row in rows) else "f1"
