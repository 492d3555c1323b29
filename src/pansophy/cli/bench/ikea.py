"""`pansophy bench ikea`: what IKEA's reward teaches a learner of two weights, with no language model in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pansophy.cli.bench.options import ResultFile, write_result

if TYPE_CHECKING:
    from pansophy.reading.ikea.benchmark import Measured


def ikea(
    questions: Annotated[int, typer.Option("--questions", "-n", min=1, help="Of each kind.")] = 40,
    steps: Annotated[int, typer.Option(min=1, help="Of each learner; twice as many at the boundary.")] = 200,
    group: Annotated[int, typer.Option(min=2, help="Episodes of a question in a step.")] = 16,
    seeds: Annotated[int, typer.Option(min=1, help="Learners of each kind.")] = 4,
    output: ResultFile = None,
) -> None:
    """Measure from which share of right memories on a learner stops searching, under three rewards.

    For example: pansophy bench ikea -o switching.json
    """
    import time
    from dataclasses import asdict

    from pansophy.reading.ikea.benchmark import LearnerSettings, measure

    settings = LearnerSettings(questions, steps, group, seeds)
    started = time.process_time()
    measured = measure(settings, _show)
    seconds = round(time.process_time() - started, 1)
    typer.echo(_table(measured))
    if output is not None:
        told = {
            "options": asdict(settings),
            **measured.to_dict(),
            "cpu_seconds": seconds,
        }
        write_result(output, "ikea", told, "torch")


def _show(done: int, total: int, said: str) -> None:
    typer.echo(f"{done}/{total}  {said}", err=True)


def _table(measured: Measured) -> str:
    from pansophy.reading.ikea.benchmark import KINDS, SHARES

    lines = ["Search rate where memory is right at", f"{'':20}" + "".join(f"{one:6.2f}" for one in SHARES) + "   .5 at"]
    for arm, rates in measured.means.items():
        at = measured.switch[arm]
        passed = "never" if at is None else f"{at:.3f}"
        lines.append(f"{arm:20}" + "".join(f"{one:6.2f}" for one in rates) + f"{passed:>8}")
    lines += [
        "",
        "Search rate and exact match by what was learnt from",
        f"{'':34}" + "".join(f"{k:>14}" for k in KINDS),
    ]
    for name, told in measured.boundary.items():
        cells = (f"{told[f'search rate, {kind}']:.2f} {told[f'exact match, {kind}']:.2f}" for kind in KINDS)
        lines.append(f"{name:34}" + "".join(f"{cell:>14}" for cell in cells))
    lines += ["", *(f"{'met' if met else 'MISSED':8}{name}" for name, met in measured.checks().items())]
    return "\n".join(lines)
